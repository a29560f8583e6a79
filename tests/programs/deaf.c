// Makes calls from many places, one after another, while a thread that takes no SIGTRAP waits: `deaf CASE`.
// It waits as long as it wants to, and never sees EINTR. On stderr: how often the caller itself had to wait.
//# build: gcc -O2 -pthread -o $OUT $SRC
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

#define TIMES 6250
#define ROUNDS 200

#define PLACE(n)                                                                                     \
    __attribute__((noinline)) static long place##n(void) {                                           \
        long result;                                                                                 \
        __asm__ volatile("mov $110, %%eax\n\tsyscall" : "=a"(result) : : "rcx", "r11", "memory"); \
        return result;                                                                               \
    }
PLACE(0) PLACE(1) PLACE(2) PLACE(3) PLACE(4) PLACE(5) PLACE(6) PLACE(7)
PLACE(8) PLACE(9) PLACE(10) PLACE(11) PLACE(12) PLACE(13) PLACE(14) PLACE(15)
static long (*const places[])(void) = {place0, place1, place2, place3, place4, place5, place6, place7,
                                       place8, place9, place10, place11, place12, place13, place14, place15};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t asked = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t ready;
static volatile int block;
static int epoll, full[2];
static long interrupted, early;

static double now(void) {
    struct timespec time;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
    return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

static struct timespec in(long milliseconds) {
    struct timespec time;
    CHECK(clock_gettime(CLOCK_REALTIME, &time) == 0);
    time.tv_nsec += milliseconds * 1000000;
    time.tv_sec += time.tv_nsec / 1000000000;
    time.tv_nsec %= 1000000000;
    return time;
}

static void begin(void) {
    sigset_t all;
    sigfillset(&all);
    if (block) CHECK(pthread_sigmask(SIG_BLOCK, &all, NULL) == 0);
    pthread_barrier_wait(&ready);
}

static void ended(double start, long wanted, long result) {
    interrupted += result == -1 && errno == EINTR;
    early += now() - start < wanted;
}

// As jemalloc's own threads: for what nobody signals.
static void wait_asked(long milliseconds) {
    struct timespec until = in(milliseconds);
    CHECK(pthread_mutex_lock(&lock) == 0);
    CHECK(pthread_cond_timedwait(&asked, &lock, &until) == ETIMEDOUT);
    CHECK(pthread_mutex_unlock(&lock) == 0);
}

static void *on_condition(void *unused) {
    begin();
    for (int i = 0; i < ROUNDS; i++) wait_asked(2);
    return unused;
}

static void *on_epoll(void *unused) {
    begin();
    struct epoll_event event;
    for (int i = 0; i < 3; i++) {
        double start = now();
        ended(start, 150, epoll_wait(epoll, &event, 1, 150));
    }
    return unused;
}

static void *on_signals(void *unused) {
    begin();
    sigset_t none;
    sigemptyset(&none);
    struct timespec time = {0, 150000000};
    for (int i = 0; i < 3; i++) {
        double start = now();
        ended(start, 150, syscall(SYS_rt_sigtimedwait, &none, NULL, &time, 8));
    }
    return unused;
}

// All in turn, for short: what bears an interruption and what does not, and what is done by halves.
static void *on_all(void *unused) {
    begin();
    static char bytes[200000];
    struct epoll_event event;
    sigset_t none;
    sigemptyset(&none);
    for (int i = 0; i < ROUNDS; i++) {
        wait_asked(1);
        double start = now();
        ended(start, 1, epoll_wait(epoll, &event, 1, 1));
        struct timespec time = {0, 300000}, rest = {7, 7};
        start = now();
        ended(start, 0, syscall(SYS_rt_sigtimedwait, &none, NULL, &time, 8));
        ended(start, 0, nanosleep(&time, &rest));
        CHECK(rest.tv_sec == 7 && rest.tv_nsec == 7);
        start = now();
        ended(start, 1, poll(NULL, 0, 1));
        CHECK(write(full[1], bytes, sizeof bytes) == sizeof bytes);
    }
    return unused;
}

static void *drain(void *unused) {
    static char bytes[50000];
    begin();
    for (long left = ROUNDS * 200000L; left > 0;) {
        long got = read(full[0], bytes, sizeof bytes);
        CHECK(got > 0);
        left -= got;
    }
    return unused;
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    const char *what = argv[1];
    void *(*waits)(void *) = on_condition;
    if (strcmp(what, "epoll") == 0) waits = on_epoll;
    if (strcmp(what, "signals") == 0) waits = on_signals;
    if (strcmp(what, "all") == 0) waits = on_all;
    block = strcmp(what, "ignored") != 0;
    if (!block) CHECK(signal(SIGTRAP, SIG_IGN) != SIG_ERR);
    CHECK((epoll = epoll_create1(0)) >= 0 && pipe(full) == 0);
    pthread_t threads[2];
    int count = waits == on_all ? 2 : 1;
    CHECK(pthread_barrier_init(&ready, NULL, count + 1) == 0);
    CHECK(pthread_create(&threads[0], NULL, waits, NULL) == 0);
    if (count == 2) CHECK(pthread_create(&threads[1], NULL, drain, NULL) == 0);
    pthread_barrier_wait(&ready);
    long good = 0;
    for (unsigned at = 0; at < sizeof places / sizeof *places; at++)
        for (int i = 0; i < TIMES; i++) good += places[at]() == getppid();
    struct rusage usage;
    CHECK(getrusage(RUSAGE_THREAD, &usage) == 0);
    fprintf(stderr, "%ld\n", usage.ru_nvcsw);
    for (int i = 0; i < count; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    printf("%ld %ld %ld\n", good, interrupted, early);
    return 0;
}
