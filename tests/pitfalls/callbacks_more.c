// Shows more functions that only a library calls, each by another way: destructors of keys, once, before a fork, walks
// over files and trees, streams, a new task, a timer's thread, ends of other kinds.
//# build callback_key: gcc -O2 -DKEY -o $OUT $SRC
//# build callback_once_musl: musl-gcc -O2 -DONCE -static -o $OUT $SRC
//# build callback_once: gcc -O2 -DONCE -static -o $OUT $SRC
//# build callback_atfork: gcc -O2 -DATFORK -o $OUT $SRC
//# build callback_nftw: gcc -O2 -DNFTW -o $OUT $SRC
//# build callback_scandir: gcc -O2 -DSCANDIR -static -o $OUT $SRC
//# build callback_stream: gcc -O2 -DSTREAM -o $OUT $SRC
//# build callback_stream_static: gcc -O2 -DSTREAM -static -o $OUT $SRC
//# build callback_stream_musl: musl-gcc -O2 -DSTREAM -static -o $OUT $SRC
//# build callback_tree: gcc -O2 -DTREE -fno-pie -no-pie -o $OUT $SRC
//# build callback_clone: gcc -O2 -DCLONE -o $OUT $SRC
//# build callback_clone_musl: musl-gcc -O2 -DCLONE -static -o $OUT $SRC
//# build callback_timer: gcc -O2 -DTIMER -o $OUT $SRC
//# build callback_objects: gcc -O2 -DOBJECTS -o $OUT $SRC
//# build callback_quick_exit: gcc -O2 -DQUICK -static-pie -o $OUT $SRC
//# must: exit_group swapon
//# not: reboot
#define _GNU_SOURCE
#include <dirent.h>
#include <ftw.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <search.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "marker.h"

DEAD static void dead(void) { MARK(reboot); }

static char stack[1 << 16];

#if defined(KEY)
static void act(void *value) { (void)value, MARK(swapon); }
static void start(void) {
    pthread_key_t key;
    pthread_key_create(&key, act);
    pthread_setspecific(key, stack);
    pthread_exit(0);
}
#elif defined(ONCE)
static void act(void) { MARK(swapon); }
static pthread_once_t once = PTHREAD_ONCE_INIT;
static void start(void) { pthread_once(&once, act); }
#elif defined(ATFORK)
static void act(void) { MARK(swapon); }
static void start(void) {
    pthread_atfork(0, 0, act);
    fork();
}
#elif defined(NFTW)
static int act(const char *path, const struct stat *stat, int kind, struct FTW *walk) {
    (void)path, (void)stat, (void)kind, (void)walk;
    return MARK(swapon), 0;
}
static void start(void) { nftw("/", act, 5, FTW_PHYS); }
#elif defined(SCANDIR)
static int act(const struct dirent *entry) { return MARK(swapon), entry->d_name[0] == '.'; }
static void start(void) {
    struct dirent **entries;
    scandir("/", &entries, act, alphasort);
}
#elif defined(STREAM)
static ssize_t act(void *cookie, const char *text, size_t size) {
    (void)cookie, (void)text;
    return MARK(swapon), (ssize_t)size;
}
static void start(void) {
    FILE *stream = fopencookie(0, "w", (cookie_io_functions_t){.write = act});
    fprintf(stream, "%d", 1);
    fclose(stream);
}
#elif defined(TREE)
static int compare(const void *left, const void *right) { return left < right ? -1 : left > right; }
static void act(const void *node, VISIT visit, int depth) { (void)node, (void)visit, (void)depth, MARK(swapon); }
static void start(void) {
    void *root = 0;
    tsearch(stack, &root, compare);
    twalk(root, act);
}
#elif defined(CLONE)
static int act(void *argument) { return MARK(swapon), argument != 0; }
static void start(void) { clone(act, stack + sizeof stack, SIGCHLD, 0); }
#elif defined(TIMER)
static void act(union sigval value) { (void)value, MARK(swapon); }
static void start(void) {
    struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = act};
    timer_t timer;
    timer_create(CLOCK_MONOTONIC, &event, &timer);
}
#elif defined(OBJECTS)
static int act(struct dl_phdr_info *info, size_t size, void *data) {
    (void)info, (void)size, (void)data;
    return MARK(swapon), 0;
}
static void start(void) { dl_iterate_phdr(act, 0); }
#else
static void act(void) { MARK(swapon); }
static void start(void) {
    at_quick_exit(act);
    quick_exit(0);
}
#endif

int main(void) {
    start();
    return stack[0];
}
