// Shows threads that are disturbed where they make calls: `interrupted CASE`. Calls come from many places,
// each of which profgen may rewrite at any moment.
//# build: gcc -O2 -pthread -o $OUT $SRC
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define TIMES 200
#define THREADS 4

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

static int ends[2];
static volatile int traps, cleaned, block;
static void on_trap(int signal) { traps += signal == SIGTRAP; }
static void clean(void *unused) { (void)unused; cleaned++; }

static long call_all(void) {
    long good = 0;
    for (int i = 0; i < TIMES; i++)
        for (unsigned at = 0; at < sizeof places / sizeof *places; at++) good += places[at]() == getppid();
    return good;
}

static void *caller(void *unused) {
    (void)unused;
    sigset_t trap, now;
    sigemptyset(&trap);
    sigaddset(&trap, SIGTRAP);
    if (block) CHECK(pthread_sigmask(SIG_BLOCK, &trap, NULL) == 0);
    long good = call_all();
    CHECK(pthread_sigmask(SIG_BLOCK, NULL, &now) == 0 && sigismember(&now, SIGTRAP) == block);
    return (void *)good;
}

static long all_call(void) {
    pthread_t threads[THREADS];
    long good = 0;
    for (int i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, caller, NULL) == 0);
    for (int i = 0; i < THREADS; i++) {
        void *result;
        CHECK(pthread_join(threads[i], &result) == 0);
        good += (long)result;
    }
    return good;
}

static void read_one(void) {
    char byte;
    CHECK(read(ends[0], &byte, 1) == 1);
}

// Reads often enough that its place is rewritten, and then waits there.
static void *reader(void *unused) {
    (void)unused;
    pthread_cleanup_push(clean, NULL);
    for (int i = 0; i < 50; i++) {
        CHECK(write(ends[1], "x", 1) == 1);
        read_one();
    }
    read_one();
    pthread_cleanup_pop(0);
    return (void *)1L;
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    const char *what = argv[1];
    struct sigaction now;
    CHECK(pipe(ends) == 0);
    if (strcmp(what, "trap_ignored") == 0 || strcmp(what, "trap_blocked") == 0 || strcmp(what, "trap_handled") == 0) {
        void (*wanted)(int) = strcmp(what, "trap_ignored") == 0 ? SIG_IGN : on_trap;
        block = strcmp(what, "trap_blocked") == 0;
        CHECK(signal(SIGTRAP, wanted) != SIG_ERR);
        long good = all_call();
        CHECK(sigaction(SIGTRAP, NULL, &now) == 0);
        printf("%ld %d %d\n", good, now.sa_handler == wanted, traps);
    } else if (strcmp(what, "cancelled") == 0 || strcmp(what, "mapped") == 0) {
        pthread_t thread;
        void *result;
        CHECK(pthread_create(&thread, NULL, reader, NULL) == 0);
        usleep(300000);
        if (*what == 'c') {
            CHECK(pthread_cancel(thread) == 0);
        } else {
            // Where profgen's stubs may be, and the thread in one of them.
            char *there = mmap((void *)0x7f800000, 8 << 20, PROT_READ | PROT_WRITE,
                               MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            CHECK(there == (void *)0x7f800000);
            memset(there, 0xcc, 8 << 20);
            CHECK(write(ends[1], "y", 1) == 1);
        }
        CHECK(pthread_join(thread, &result) == 0);
        printf("%d %d\n", result == PTHREAD_CANCELED, cleaned);
    } else if (strcmp(what, "dumped") == 0) {
        pid_t child = fork();
        if (child == 0) {
            CHECK(chdir("/proc/self") == 0);
            call_all();
            abort();
        }
        int status = 0;
        CHECK(waitpid(child, &status, 0) == child);
        printf("%d %d\n", WIFSIGNALED(status), WTERMSIG(status));
        fflush(stdout);
        call_all();
        *(volatile int *)8 = 1;
    } else {
        CHECK(!"a case");
    }
    return 0;
}
