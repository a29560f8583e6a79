/* Changes its descriptors at random, in many threads and children, and now and then stands still: a
 * getpriority(2) with a `which` that there is not says so to whoever compares. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define STANDS_STILL 0x7e57
#define THREADS 5
#define LOWEST 10
#define NUMBERS 40

/* Whoever stands still is not kept waiting by those who change. */
static pthread_rwlock_t lock = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
static volatile int over;
static char *self;

static void stand_still(void) { syscall(SYS_getpriority, STANDS_STILL, 0); }

static int any(unsigned *seed) { return LOWEST + rand_r(seed) % NUMBERS; }

static void pass(unsigned *seed) {
    int pair[2], fds[2] = {any(seed), any(seed)};
    char byte = 'x';
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof fds)];
    } control;
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (socketpair(AF_UNIX, SOCK_DGRAM | (rand_r(seed) & 1 ? SOCK_CLOEXEC : 0), 0, pair)) return;
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fds);
    memcpy(CMSG_DATA(header), fds, sizeof fds);
    /* Fails where one of them is not open; then nothing may be received either. */
    if (sendmsg(pair[0], &message, MSG_DONTWAIT) >= 0) {
        struct msghdr received = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control,
                                  .msg_controllen = sizeof control};
        recvmsg(pair[1], &received, MSG_DONTWAIT | (rand_r(seed) & 1 ? MSG_CMSG_CLOEXEC : 0));
    }
    if (rand_r(seed) & 1) close(pair[0]);
    close(pair[1]);
}

static void change(unsigned *seed) {
    int pair[2], flag = rand_r(seed) & 1 ? O_CLOEXEC : 0;
    switch (rand_r(seed) % 16) {
    case 0: open("/dev/null", O_RDONLY | flag); break;
    case 1: open("/etc/passwd", O_RDONLY | flag); break;
    case 2: dup2(any(seed), any(seed)); break;
    case 3: dup3(any(seed), any(seed), flag); break;
    case 4: dup(any(seed)); break;
    case 5: fcntl(any(seed), flag ? F_DUPFD_CLOEXEC : F_DUPFD, any(seed)); break;
    case 6: fcntl(any(seed), F_SETFD, flag ? FD_CLOEXEC : 0); break;
    case 7: ioctl(any(seed), flag ? FIOCLEX : FIONCLEX); break;
    case 8: if (pipe2(pair, flag) == 0) close(pair[rand_r(seed) & 1]); break;
    case 9: pass(seed); break;
    case 10: eventfd(0, flag ? EFD_CLOEXEC : 0); break;
    case 11: memfd_create("m", flag ? MFD_CLOEXEC : 0); break;
    case 12: {
        unsigned first = any(seed);
        syscall(SYS_close_range, first, first + 6, rand_r(seed) % 3 ? 0 : 4);
        break;
    }
    default: close(any(seed)); break;
    }
}

static void alone(unsigned seed, int times) {
    while (times-- > 0) {
        change(&seed);
        stand_still();
    }
}

static void children(unsigned *seed) {
    char *leaf[] = {self, "leaf", NULL};
    pid_t child = fork();
    if (child == 0) {
        alone(rand_r(seed), 8);
        execv(self, leaf);
        _exit(1);
    }
    if (child > 0) waitpid(child, NULL, 0);
    child = vfork();
    if (child == 0) {
        execv(self, leaf);
        _exit(1);
    }
    if (child > 0) waitpid(child, NULL, 0);
}

static void *changes(void *number) {
    unsigned seed = (unsigned)(size_t)number;
    while (!over) {
        pthread_rwlock_rdlock(&lock);
        change(&seed);
        /* While others change the table. */
        if (rand_r(&seed) % 100 == 0) children(&seed);
        pthread_rwlock_unlock(&lock);
    }
    return NULL;
}

static void *parts(void *number) {
    if (unshare(CLONE_FILES) == 0) alone((unsigned)(size_t)number, 60);
    return NULL;
}

static void *parts_and_closes(void *number) {
    syscall(SYS_close_range, LOWEST + 5, LOWEST + 9, 2);
    alone((unsigned)(size_t)number, 60);
    return NULL;
}

int main(int argc, char **argv) {
    pthread_t threads[THREADS], parting[2];
    unsigned seed = 7;
    self = argv[0];
    if (argc > 1) {
        stand_still();
        alone(3, 4);
        return 0;
    }
    signal(SIGPIPE, SIG_IGN);
    for (size_t at = 0; at < THREADS; at++)
        pthread_create(&threads[at], NULL, changes, (void *)(at + 1));
    for (int times = 0; times < 60; times++) {
        usleep(rand_r(&seed) % 4000);
        pthread_rwlock_wrlock(&lock);
        stand_still();
        if (times % 20 == 10) {
            pthread_create(&parting[0], NULL, parts, (void *)(size_t)times);
            pthread_create(&parting[1], NULL, parts_and_closes, (void *)(size_t)times);
            pthread_join(parting[0], NULL);
            pthread_join(parting[1], NULL);
            stand_still();
            /* Another process with the same table. */
            if (syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0) == 0) {
                alone(times, 20);
                _exit(0);
            }
            wait(NULL);
            stand_still();
        }
        pthread_rwlock_unlock(&lock);
    }
    over = 1;
    for (size_t at = 0; at < THREADS; at++) pthread_join(threads[at], NULL);
    stand_still();
    alone(seed, 200);
    return 0;
}
