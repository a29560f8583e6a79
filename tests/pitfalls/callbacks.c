// Shows functions that only a library calls: comparisons, exit handlers, threads, signal handlers.
// (glibc's threads also bring the handler of setxid, whose number nobody stores here: that may be a gap; and what a static
// glibc has of the loader makes memory executable, which is one.)
//# build callback_qsort: gcc -O2 -DQSORT -o $OUT $SRC
//# build callback_qsort_static: gcc -O2 -DQSORT -static -o $OUT $SRC
//# build callback_bsearch: gcc -O0 -DBSEARCH -o $OUT $SRC
//# build callback_bsearch_musl: musl-gcc -O2 -DBSEARCH -static -o $OUT $SRC
//# build callback_atexit: gcc -O2 -DATEXIT -o $OUT $SRC
//# build callback_atexit_static: gcc -O2 -DATEXIT -static -s -o $OUT $SRC
//# build callback_atexit_musl: musl-gcc -O2 -DATEXIT -static -o $OUT $SRC
//# build callback_thread: gcc -O2 -DTHREAD -o $OUT $SRC
//# build callback_thread_static: gcc -O2 -DTHREAD -static -o $OUT $SRC
//# build callback_thread_musl: musl-gcc -O2 -DTHREAD -static -o $OUT $SRC
//# build callback_signal: gcc -O2 -DSIGNAL -fno-pie -no-pie -o $OUT $SRC
//# build callback_signal_static: gcc -O2 -DSIGNAL -static-pie -o $OUT $SRC
//# build callback_signal_musl: musl-gcc -O2 -DSIGNAL -static -o $OUT $SRC
//# must: exit_group swapon
//# not: reboot
//# gaps callback_qsort: none
//# gaps callback_bsearch: none
//# gaps callback_bsearch_musl: none
//# gaps callback_atexit: none
//# gaps callback_atexit_musl: none
//# gaps callback_thread_musl: none
//# gaps callback_signal: none
//# gaps callback_signal_musl: none
//# must callback_thread: clone3
//# must callback_thread_static: clone3
//# must callback_thread_musl: clone
//# must callback_signal: rt_sigaction rt_sigreturn
//# must callback_signal_static: rt_sigaction rt_sigreturn
//# must callback_signal_musl: rt_sigaction rt_sigreturn
//# baseline callback_bsearch: empty
//# adds callback_bsearch: swapon
//# baseline callback_bsearch_musl: empty_musl
//# adds callback_bsearch_musl: swapon
//# baseline callback_atexit: empty
//# adds callback_atexit: swapon
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "marker.h"

DEAD static void dead(void) { MARK(reboot); }

#if defined(QSORT) || defined(BSEARCH)
static int compare(const void *left, const void *right) {
    MARK(swapon);
    return *(const int *)left - *(const int *)right;
}
#elif defined(THREAD)
static void *run(void *argument) {
    MARK(swapon);
    return argument;
}
#elif defined(SIGNAL)
static void handle(int signal) {
    (void)signal;
    MARK(swapon);
}
#else
static void finish(void) { MARK(swapon); }
#endif

int main(void) {
    int numbers[3] = {3, 1, 2};
#if defined(QSORT)
    qsort(numbers, 3, sizeof *numbers, compare);
#elif defined(BSEARCH)
    return bsearch(&numbers[0], numbers, 3, sizeof *numbers, compare) != 0;
#elif defined(THREAD)
    pthread_t thread;
    if (pthread_create(&thread, 0, run, numbers) == 0)
        pthread_join(thread, 0);
#elif defined(SIGNAL)
    struct sigaction action = {.sa_handler = handle};
    sigaction(SIGUSR1, &action, 0);
#else
    atexit(finish);
#endif
    return numbers[0];
}
