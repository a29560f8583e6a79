// Eight threads call from shared and private places while they fork, execute, take signals and unload a
// library: `stress SECONDS`. It prints how many calls of two kinds it made, in all its processes.
//# build: gcc -O2 -shared -fPIC -DLIBRARY -o $DIR/libstress.so $SRC && gcc -O2 -pthread -o $OUT $SRC -ldl '-Wl,-rpath,$ORIGIN'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

// getppid from a place of its own.
#define PLACE(name)                                                                  \
    __attribute__((noinline)) long name(void) {                                      \
        long result;                                                                 \
        __asm__ volatile("mov $110, %%eax\n\tsyscall"                                \
                         : "=a"(result) : : "rcx", "r11", "memory");                 \
        return result;                                                               \
    }

#ifdef LIBRARY
PLACE(library_place)
#else

#define THREADS 8
#define CHILD_CALLS 50

PLACE(place_0) PLACE(place_1) PLACE(place_2) PLACE(place_3)
PLACE(place_4) PLACE(place_5) PLACE(place_6) PLACE(place_7) PLACE(place_handler)
static long (*const places[THREADS])(void) = {place_0, place_1, place_2, place_3,
                                              place_4, place_5, place_6, place_7};

struct counts {
    atomic_long parents, seeks, wrong;
};
static struct counts *counts;
static pthread_t threads[THREADS];
static atomic_int ready;
static time_t end;
static int file;

static void on_signal(int signal) {
    (void)signal;
    place_handler();
    atomic_fetch_add(&counts->parents, 1);
}

static void calls(int number, int times) {
    for (int i = 0; i < times; i++) {
        if (places[number]() <= 0) atomic_fetch_add(&counts->wrong, 1);
        if (lseek(file, 0, i % 2 ? SEEK_CUR : SEEK_SET) != 0) atomic_fetch_add(&counts->wrong, 1);
        if (write(file, "", 0) != 0) atomic_fetch_add(&counts->wrong, 1);
        atomic_fetch_add(&counts->parents, 1);
        atomic_fetch_add(&counts->seeks, 1);
    }
}

static void fork_one(int number) {
    pid_t child = fork();
    if (child == 0) {
        calls(number, CHILD_CALLS);
        _exit(7);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 7)
        atomic_fetch_add(&counts->wrong, 1);
}

static void execute_one(void) {
    char *argv[] = {"stress", "child", NULL}, *environment[] = {NULL};
    pid_t child;
    int status = 0;
    if (posix_spawn(&child, "/proc/self/exe", NULL, NULL, argv, environment) != 0 ||
        waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 9)
        atomic_fetch_add(&counts->wrong, 1);
    atomic_fetch_add(&counts->parents, CHILD_CALLS);
}

static void load_one(void) {
    void *library = dlopen("libstress.so", RTLD_NOW);
    long (*place)(void) = library ? (long (*)(void))dlsym(library, "library_place") : NULL;
    for (int i = 0; place && i < 10; i++) place();
    if (!place || dlclose(library) != 0) atomic_fetch_add(&counts->wrong, 1);
    atomic_fetch_add(&counts->parents, 10);
}

static void *work(void *argument) {
    int number = (int)(long)argument;
    atomic_fetch_add(&ready, 1);
    while (atomic_load(&ready) < THREADS) sched_yield();
    for (int round = 0; time(NULL) < end; round++) {
        calls(number, 100);
        if (number == 0 && round % 3 == 0) load_one();
        if (number == 1 || number == 2) fork_one(number);
        if (number == 3 && round % 2 == 0) execute_one();
        if (number == 4 || number == 5) pthread_kill(threads[(number + round) % THREADS], SIGUSR1);
    }
    // Until all are done, for a signal may still be sent to this one.
    atomic_fetch_add(&ready, 1);
    while (atomic_load(&ready) < 2 * THREADS) sched_yield();
    return NULL;
}

int main(int argc, char **argv) {
    CHECK(argc == 2);
    if (strcmp(argv[1], "child") == 0) {
        for (int i = 0; i < CHILD_CALLS; i++) place_0();
        return 9;
    }
    counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    file = open("/dev/null", O_WRONLY | O_CLOEXEC);
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    CHECK(counts != MAP_FAILED && file >= 0 && sigaction(SIGUSR1, &action, NULL) == 0);
    end = time(NULL) + atoi(argv[1]);
    for (long i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, work, (void *)i) == 0);
    for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    printf("getppid %ld\nlseek %ld\nwrong %ld\n", atomic_load(&counts->parents),
           atomic_load(&counts->seeks), atomic_load(&counts->wrong));
    return 0;
}
#endif
