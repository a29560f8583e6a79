/* What both servers share: a socket on a port of the kernel's choice, one request for each connection, and the step
 * from start-up to serving. */
#ifndef SERVER_H
#define SERVER_H
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(cond)                                                                 \
    do {                                                                            \
        if (!(cond)) {                                                              \
            dprintf(2, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #cond, strerror(errno)); \
            _exit(99);                                                              \
        }                                                                           \
    } while (0)

#ifdef SERVING
int enter_serving(void);
#endif

static struct sock_filter instructions[BPF_MAXINSNS];
static size_t length;

/* While files may still be opened. */
static void read_filter(void) {
    const char *path = getenv("SERVING_BPF");
    if (path == NULL)
        return;
    int file = open(path, O_RDONLY);
    ssize_t size = read(file, instructions, sizeof instructions);
    CHECK(size > 0);
    length = (size_t)size / sizeof *instructions;
    close(file);
}

/* By the function that profgen wrote, by its instructions, or not at all. */
static void serve_only(void) {
#ifdef SERVING
    int error = enter_serving();
    errno = -error;
    CHECK(error == 0);
#endif
    if (length > 0) {
        struct sock_fprog program = {(unsigned short)length, instructions};
        CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
        CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0);
    }
}

static int listen_on_any_port(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK(listener >= 0 && bind(listener, (struct sockaddr *)&address, size) == 0);
    CHECK(listen(listener, 64) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &size) == 0);
    dprintf(1, "%d\n", ntohs(address.sin_port));
    return listener;
}

static int watch(int listener) {
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    CHECK(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) == 0);
    return epoll;
}

/* The next connection, with its request; -1 when another worker took it. */
static int next(int epoll, int listener, char *request, size_t size) {
    struct epoll_event event;
    CHECK(epoll_wait(epoll, &event, 1, -1) == 1);
    int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0)
        return -1;
    ssize_t got = read(client, request, size - 1);
    request[got > 0 ? got : 0] = 0;
    request[strcspn(request, "\n")] = 0;
    return client;
}

/* The errno of what no server needs while it serves, and what was done with mkdir at start-up. */
static void try_all(int client, const char *directory) {
    char path[4096];
    snprintf(path, sizeof path, "%s/late", directory);
    char *arguments[] = {path, NULL};
    int executed = execve(path, arguments, arguments + 1) == 0 ? 0 : errno;
    int made = mkdir(path, 0700) == 0 ? 0 : errno;
    int opened = open(path, O_RDONLY) >= 0 ? 0 : errno;
    int socket_made = socket(AF_UNIX, SOCK_STREAM, 0) >= 0 ? 0 : errno;
    dprintf(client, "execve %d mkdir %d open %d socket %d\n", executed, made, opened, socket_made);
}
#endif
