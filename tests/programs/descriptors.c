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

/* A thread with others changes only what it made itself: which of two changes of one number comes
 * first, only the kernel knows. Who has the table alone may change anything. */
static __thread int owned[NUMBERS], many, free_hand;

static int any(unsigned *seed) {
    if (free_hand) return LOWEST + rand_r(seed) % NUMBERS;
    return many ? owned[rand_r(seed) % many] : -1;
}

static int own(int number) {
    if (number < 0 || free_hand) return number;
    if (many == NUMBERS) return close(number), -1;
    return owned[many++] = number;
}

static void drop(int number) {
    for (int at = 0; at < many; at++)
        if (owned[at] == number) owned[at--] = owned[--many];
    close(number);
}

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
        int flag = rand_r(seed) & 1 ? MSG_CMSG_CLOEXEC : 0;
        if (recvmsg(pair[1], &received, MSG_DONTWAIT | flag) >= 0 && CMSG_FIRSTHDR(&received)) {
            memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&received)), sizeof fds);
            own(fds[0]);
            own(fds[1]);
        }
    }
    if (rand_r(seed) & 1)
        close(pair[0]);
    else
        own(pair[0]);
    close(pair[1]);
}

static void change(unsigned *seed) {
    int pair[2], flag = rand_r(seed) & 1 ? O_CLOEXEC : 0;
    switch (rand_r(seed) % 16) {
    case 0: own(open("/dev/null", O_RDONLY | flag)); break;
    case 1: own(open("/etc/passwd", O_RDONLY | flag)); break;
    case 2: dup2(any(seed), any(seed)); break;
    case 3: dup3(any(seed), any(seed), flag); break;
    case 4: own(dup(any(seed))); break;
    case 5: own(fcntl(any(seed), flag ? F_DUPFD_CLOEXEC : F_DUPFD, LOWEST)); break;
    case 6: fcntl(any(seed), F_SETFD, flag ? FD_CLOEXEC : 0); break;
    case 7: ioctl(any(seed), flag ? FIOCLEX : FIONCLEX); break;
    case 8: if (pipe2(pair, flag) == 0) close(own(pair[1]) < 0 ? -1 : pair[0]); break;
    case 9: pass(seed); break;
    case 10: own(eventfd(0, flag ? EFD_CLOEXEC : 0)); break;
    case 11: own(memfd_create("m", flag ? MFD_CLOEXEC : 0)); break;
    case 12: {
        unsigned first = any(seed);
        if (free_hand) syscall(SYS_close_range, first, first + 6, rand_r(seed) % 3 ? 0 : 4);
        break;
    }
    default: drop(any(seed)); break;
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
        free_hand = 1;
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
    free_hand = 1;
    if (unshare(CLONE_FILES) == 0) alone((unsigned)(size_t)number, 60);
    return NULL;
}

static void *parts_and_closes(void *number) {
    free_hand = 1;
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
        free_hand = 1;
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
    free_hand = 1;
    alone(seed, 200);
    return 0;
}
