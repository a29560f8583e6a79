// Shows calls with known arguments, for argument evidence; the table below is what a trace must contain.
//# build: gcc -O2 -o $OUT $SRC
//# build args-begin: gcc -O2 -include ${SRC%/*}/begin.h -o $OUT $SRC
//
// socket       (1,1,0) (1,2|CLOEXEC|NONBLOCK,0) (1,5,0) (2,1,6) (2,2,17) (10,1,0) (16,3,0) (99,1,0: EAFNOSUPPORT)
// socketpair   (1,1,0) (1,2,0)
// setsockopt   (1,2) (1,8) (6,1)      getsockopt (1,3) (1,8) (6,1)
// ioctl        FIONREAD 0x541b, FIONBIO 0x5421, FIOCLEX 0x5451, FIONCLEX 0x5450, TCGETS 0x5401 (ENOTTY),
//              0xdeadbeef (ENOTTY), also FIONREAD with rubbish in the upper half of the register
// fcntl        0 1 2 3 4 1030 1032 6 37 and 9999 (EINVAL)
// prctl        PR_SET_NAME 15, PR_GET_NAME 16, PR_SET_PDEATHSIG 1, PR_GET_DUMPABLE 3, 9999 (EINVAL)
// personality  0xffffffff (a question), 0x0040000
// mmap prot    1|2, 1|4, 1|2|4      mprotect 1, 1|2, 1|4, 1|2|4       pkey_mprotect 1|2 with key -1
// clone        CLONE_VM|CLONE_VFORK|SIGCHLD, SIGCHLD      clone3 CLONE_PIDFD      unshare CLONE_FS|CLONE_FILES
// setns        an ordinary descriptor (EINVAL)
// kill         self, child, parent, own group (0), a group (negative)     tgkill self
// open flags   RDONLY, WRONLY|CREAT|TRUNC, WRONLY|APPEND, RDWR|CREAT|EXCL, DIRECTORY, PATH, NOFOLLOW (ELOOP), TMPFILE
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "check.h"

static const unsigned long RUBBISH = 0xdeadbeef00000000ul;

static int opened(int fd) {
    CHECK(fd >= 0);
    return fd;
}

static void sockets(void) {
    close(opened(socket(AF_UNIX, SOCK_STREAM, 0)));
    close(opened(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)));
    close(opened(socket(AF_UNIX, SOCK_SEQPACKET, 0)));
    int tcp = opened(socket(AF_INET, SOCK_STREAM, IPPROTO_TCP));
    close(opened(socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP)));
    // A machine without IPv6 or netlink answers otherwise; the call is made all the same.
    int maybe = socket(AF_INET6, SOCK_STREAM, 0);
    if (maybe >= 0)
        close(maybe);
    maybe = socket(AF_NETLINK, SOCK_RAW, 0);
    if (maybe >= 0)
        close(maybe);
    FAILS(EAFNOSUPPORT, socket(99, SOCK_STREAM, 0));
    // The kernel reads int arguments: the upper half of the register does not count.
    close(opened((int)syscall(SYS_socket, RUBBISH | AF_UNIX, RUBBISH | SOCK_STREAM, RUBBISH)));

    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    close(pair[0]), close(pair[1]);
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
    close(pair[0]), close(pair[1]);

    int value = 1;
    socklen_t length = sizeof value;
    CHECK(setsockopt(tcp, SOL_SOCKET, SO_REUSEADDR, &value, length) == 0);
    CHECK(setsockopt(tcp, IPPROTO_TCP, TCP_NODELAY, &value, length) == 0);
    value = 65536;
    CHECK(setsockopt(tcp, SOL_SOCKET, SO_RCVBUF, &value, length) == 0);
    CHECK(getsockopt(tcp, SOL_SOCKET, SO_TYPE, &value, &length) == 0 && value == SOCK_STREAM);
    CHECK(getsockopt(tcp, SOL_SOCKET, SO_RCVBUF, &value, &length) == 0);
    CHECK(getsockopt(tcp, IPPROTO_TCP, TCP_NODELAY, &value, &length) == 0 && value);
    close(tcp);
    puts("args: sockets");
}

static void descriptors(void) {
    int pipe_ends[2], count, zero = 0;
    CHECK(pipe2(pipe_ends, O_CLOEXEC) == 0);
    CHECK(write(pipe_ends[1], "abc", 3) == 3);
    CHECK(ioctl(pipe_ends[0], FIONREAD, &count) == 0 && count == 3);
    CHECK(syscall(SYS_ioctl, pipe_ends[0], RUBBISH | FIONREAD, &count) == 0 && count == 3);
    CHECK(ioctl(pipe_ends[0], FIONBIO, &zero) == 0);
    CHECK(ioctl(pipe_ends[0], FIONCLEX) == 0);
    CHECK(ioctl(pipe_ends[0], FIOCLEX) == 0);
    struct termios terminal;
    FAILS(ENOTTY, ioctl(pipe_ends[0], TCGETS, &terminal));
    FAILS(ENOTTY, ioctl(pipe_ends[0], 0xdeadbeef, &count));

    int copy = opened(fcntl(pipe_ends[0], F_DUPFD, 10));
    close(copy);
    CHECK(fcntl(pipe_ends[0], F_GETFD) == FD_CLOEXEC);
    CHECK(fcntl(pipe_ends[0], F_SETFD, FD_CLOEXEC) == 0);
    CHECK(fcntl(pipe_ends[0], F_GETFL) >= 0);
    CHECK(fcntl(pipe_ends[0], F_SETFL, O_NONBLOCK) == 0);
    close(opened(fcntl(pipe_ends[0], F_DUPFD_CLOEXEC, 10)));
    CHECK(fcntl(pipe_ends[0], F_GETPIPE_SZ) > 0);
    int file = opened(open("args.lock", O_RDWR | O_CREAT, 0600));
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    CHECK(fcntl(file, F_SETLK, &lock) == 0);
    lock.l_type = F_UNLCK;
    CHECK(fcntl(file, F_OFD_SETLK, &lock) == 0);
    FAILS(EINVAL, fcntl(file, 9999));
    close(file), close(pipe_ends[0]), close(pipe_ends[1]);
    puts("args: descriptors");
}

static int end_at_once(void *unused) {
    (void)unused;
    return 0;
}

static void processes(void) {
    char name[16];
    CHECK(prctl(PR_SET_NAME, "args-renamed") == 0);
    CHECK(prctl(PR_GET_NAME, name) == 0 && strcmp(name, "args-renamed") == 0);
    CHECK(prctl(PR_SET_PDEATHSIG, 0) == 0);
    CHECK(prctl(PR_GET_DUMPABLE) >= 0);
    FAILS(EINVAL, prctl(9999, 0, 0, 0, 0));
    int before = personality(0xffffffff);
    CHECK(before >= 0 && personality(ADDR_NO_RANDOMIZE) == before);

    pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    CHECK(child >= 0);
    if (child == 0) {
        CHECK(kill(getppid(), 0) == 0);
        _exit(0);
    }
    CHECK(kill(child, 0) == 0);
    CHECK(waitpid(child, NULL, 0) == child);
    child = vfork();
    CHECK(child >= 0);
    if (child == 0)
        _exit(0);
    CHECK(waitpid(child, NULL, 0) == child);
    char stack[16384];
    child = clone(end_at_once, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
    CHECK(child > 0 && waitpid(child, NULL, 0) == child);
    int pidfd = -1;
    struct clone_args args = {.flags = CLONE_PIDFD, .pidfd = (unsigned long)&pidfd, .exit_signal = SIGCHLD};
    child = (pid_t)syscall(SYS_clone3, &args, sizeof args);
    CHECK(child >= 0);
    if (child == 0)
        _exit(0);
    CHECK(pidfd >= 0 && waitpid(child, NULL, 0) == child);
    close(pidfd);

    CHECK(unshare(CLONE_FS | CLONE_FILES) == 0);
    int file = opened(open("args.lock", O_RDONLY));
    FAILS(EINVAL, setns(file, 0));
    close(file);
    CHECK(kill(getpid(), 0) == 0);
    CHECK(kill(0, 0) == 0);
    CHECK(kill(-getpgrp(), 0) == 0);
    CHECK(syscall(SYS_tgkill, getpid(), gettid(), 0) == 0);
    puts("args: processes");
}

static void memory(void) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int prots[] = {PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC, PROT_READ | PROT_WRITE | PROT_EXEC, PROT_READ};
    for (int i = 0; i < 3; i++) {
        char *area = mmap(NULL, page, prots[i], MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(area != MAP_FAILED);
        for (int j = 0; j < 4; j++)
            CHECK(mprotect(area, page, prots[j]) == 0);
        // With key -1 it is mprotect, on every processor.
        CHECK(syscall(SYS_pkey_mprotect, area, page, PROT_READ | PROT_WRITE, -1) == 0);
        CHECK(munmap(area, page) == 0);
    }
    puts("args: memory");
}

static void open_flags(void) {
    close(opened(open("args.txt", O_WRONLY | O_CREAT | O_TRUNC, 0644)));
    close(opened(open("args.txt", O_RDONLY)));
    close(opened(open("args.txt", O_WRONLY | O_APPEND)));
    FAILS(EEXIST, open("args.txt", O_RDWR | O_CREAT | O_EXCL, 0644));
    close(opened(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
    FAILS(ENOTDIR, open("args.txt", O_RDONLY | O_DIRECTORY));
    close(opened(open("args.txt", O_PATH)));
    CHECK(symlink("args.txt", "args.link") == 0);
    FAILS(ELOOP, open("args.link", O_RDONLY | O_NOFOLLOW));
    int temporary = open(".", O_TMPFILE | O_RDWR, 0600);
    if (temporary >= 0)
        close(temporary);
    CHECK(unlink("args.link") == 0 && unlink("args.txt") == 0 && unlink("args.lock") == 0);
    puts("args: open flags");
}

int main(void) {
    setvbuf(stdout, NULL, _IONBF, 0);
    sockets();
    descriptors();
    processes();
    memory();
    open_flags();
    return 0;
}
