// Does by name one thing that takes a capability, or its like that takes none.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/fs.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static int bound(int type, int port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1, fd = socket(AF_INET, type, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    inet_pton(AF_INET, "127.0.0.1", &at.sin_addr);
    return bind(fd, (struct sockaddr *)&at, sizeof at);
}

// A child as another user, that waits.
static pid_t child(uid_t user) {
    int ready[2];
    if (pipe(ready)) exit(9);
    pid_t pid = fork();
    if (pid == 0) {
        if (user) setresuid(user, user, user);
        if (write(ready[1], "x", 1) != 1) _exit(9);
        for (;;) pause();
    }
    char byte;
    if (read(ready[0], &byte, 1) != 1) exit(9);
    return pid;
}

static int ended(pid_t pid) {
    int result = kill(pid, SIGTERM);
    if (result) kill(pid, SIGKILL);
    waitpid(pid, 0, 0);
    return result;
}

int main(int argc, char **argv) {
    const char *act = argv[1], *path = argc > 2 ? argv[2] : "";
    int fd;
    struct rlimit limit;
    struct timex timex = {0};
    struct sched_param priority = {.sched_priority = 1};
#define IS(name) (strcmp(act, name) == 0)
#define END(call)                                        \
    do {                                                 \
        if ((call) < 0) return perror(act), 1;           \
        return 0;                                        \
    } while (0)
    if (IS("packet")) END(socket(AF_PACKET, SOCK_RAW, 0));
    if (IS("raw")) END(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
    if (IS("datagram")) END(socket(AF_INET, SOCK_DGRAM, 0));
    if (IS("low-port")) END(bound(SOCK_STREAM, 87));
    if (IS("high-port")) END(bound(SOCK_DGRAM, 0));
    if (IS("read")) END(open(path, O_RDONLY));
    if (IS("stat")) {
        struct stat st;
        END(stat(path, &st));
    }
    if (IS("write")) END(open(path, O_WRONLY));
    if (IS("both")) END(open(path, O_RDWR));
    if (IS("create")) END(open(path, O_WRONLY | O_CREAT, 0600));
    if (IS("remove")) END(unlink(path));
    if (IS("chmod")) END(chmod(path, 0640));
    if (IS("fchmod")) END((fd = open(path, O_RDONLY)) < 0 ? fd : fchmod(fd, 0640));
    if (IS("give")) END(chown(path, 33, 33));
    if (IS("fgive")) END((fd = open(path, O_RDONLY)) < 0 ? fd : fchown(fd, 33, -1));
    if (IS("keep")) END(chown(path, 0, 0));
    if (IS("touch")) END(utimensat(AT_FDCWD, path, 0, 0));
    if (IS("trusted")) END(setxattr(path, "trusted.profgen", "x", 1, 0));
    if (IS("device")) END(mknod(path, S_IFCHR | 0600, makedev(1, 3)));
    if (IS("fifo")) END(mkfifo(path, 0600));
    if (IS("setuid-same")) END(setuid(0) | setresuid(0, -1, 0) | setreuid(-1, 0) | setgid(0));
    if (IS("setuid")) END(setuid(33));
    if (IS("setgid")) END(setresgid(33, 33, 33));
    if (IS("groups")) END(setgroups(0, 0));
    if (IS("kill-own")) END(ended(child(0)));
    if (IS("kill-other")) {
        // Its own is root's, and so are all of its capabilities.
        pid_t pid = child(33);
        END(ended(pid));
    }
    if (IS("chroot")) END(chroot("/"));
    if (IS("mount")) {
        if (unshare(CLONE_NEWNS)) return perror(act), 1;
        END(mount("none", path, "tmpfs", 0, ""));
    }
    if (IS("own-mount")) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS)) return perror(act), 1;
        END(mount("none", path, "tmpfs", 0, ""));
    }
    if (IS("nice")) END(setpriority(PRIO_PROCESS, 0, -5));
    if (IS("nicer")) END(setpriority(PRIO_PROCESS, 0, 5));
    if (IS("real-time")) END(sched_setscheduler(0, SCHED_FIFO, &priority));
    if (IS("batch")) {
        priority.sched_priority = 0;
        END(sched_setscheduler(0, SCHED_BATCH, &priority));
    }
    if (IS("raise") || IS("lower")) {
        getrlimit(RLIMIT_CORE, &limit);
        limit.rlim_cur = limit.rlim_max = 4096;
        if (setrlimit(RLIMIT_CORE, &limit)) return perror(act), 1;
        limit.rlim_max = IS("raise") ? 8192 : 2048;
        limit.rlim_cur = 1024;
        END(setrlimit(RLIMIT_CORE, &limit));
    }
    if (IS("lock")) END(mlock(&limit, sizeof limit));
    if (IS("read-clock")) END(adjtimex(&timex));
    if (IS("adjust")) {
        if (adjtimex(&timex) < 0) return perror(act), 1;
        timex.modes = ADJ_TICK;
        END(adjtimex(&timex));
    }
    if (IS("immutable")) {
        int flags = 0, result;
        if ((fd = open(path, O_RDONLY)) < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags)) return 77;
        flags |= FS_IMMUTABLE_FL;
        result = ioctl(fd, FS_IOC_SETFLAGS, &flags);
        flags &= ~FS_IMMUTABLE_FL;
        ioctl(fd, FS_IOC_SETFLAGS, &flags);
        END(result);
    }
    if (IS("host-name")) {
        char name[64];
        gethostname(name, sizeof name);
        END(sethostname(name, strlen(name)));
    }
    if (IS("securebits")) END(prctl(PR_SET_SECUREBITS, 0, 0, 0, 0));
    return 2;
}
