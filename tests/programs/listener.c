// Shows a program that is itself a seccomp supervisor: its child's calls are answered by the parent.
//# build: gcc -O2 -o $OUT $SRC
#define _GNU_SOURCE
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static struct sock_filter program[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 2, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mkdirat, 1, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgid, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static void send_fd(int socket, int fd) {
    char byte = 'l', control[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    CHECK(sendmsg(socket, &message, 0) == 1);
}

static int receive_fd(int socket) {
    char byte, control[CMSG_SPACE(sizeof(int))];
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    CHECK(recvmsg(socket, &message, 0) == 1);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    CHECK(header && header->cmsg_type == SCM_RIGHTS);
    int fd;
    memcpy(&fd, CMSG_DATA(header), sizeof fd);
    return fd;
}

static void supervised(int socket) {
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    struct sock_fprog filter = {sizeof program / sizeof *program, program};
    int listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter);
    CHECK(listener >= 0);
    send_fd(socket, listener);
    CHECK(close(listener) == 0);

    CHECK(syscall(SYS_getppid) == 4242);
    FAILS(EDQUOT, syscall(SYS_mkdirat, -100, "not-made", 0755));
    CHECK(getpgid(0) > 0);
    _exit(0);
}

static void serve(int listener) {
    for (;;) {
        struct pollfd ready = {listener, POLLIN, 0};
        CHECK(poll(&ready, 1, 10000) == 1);
        if (ready.revents & POLLHUP)
            return;
        struct seccomp_notif request = {0};
        CHECK(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) == 0);
        struct seccomp_notif_resp answer = {.id = request.id};
        switch (request.data.nr) {
        case SYS_getppid:
            answer.val = 4242;
            break;
        case SYS_mkdirat:
            answer.error = -EDQUOT;
            break;
        default:
            answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        }
        CHECK(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) == 0);
    }
}

int main(void) {
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        supervised(pair[1]);
    // Without this end, a child that could not install its filter is seen as the end of the stream.
    CHECK(close(pair[1]) == 0);
    serve(receive_fd(pair[0]));
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    FAILS(ENOENT, access("not-made", F_OK));
    puts("listener: three calls served");
    return 0;
}
