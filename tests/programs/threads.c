// Shows many threads: eight that wait for one another on every call, and 400 that live for one write.
//# build: gcc -O2 -pthread -o $OUT $SRC
//# build threads-begin: gcc -O0 -pthread -include ${SRC%/*}/begin.h -o $OUT $SRC
//# build threads-begin-static: gcc -O2 -pthread -static -include ${SRC%/*}/begin.h -o $OUT $SRC
//# build threads-begin-musl: musl-gcc -O2 -pthread -static -include ${SRC%/*}/begin.h -o $OUT $SRC
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

enum { WORKERS = 8, ROUNDS = 50, SHORT = 400 };

static pthread_barrier_t barrier;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long total;
static int ring[WORKERS][2];

static void *work(void *argument) {
    int me = (int)(intptr_t)argument;
    pthread_barrier_wait(&barrier);
    for (int round = 0; round < ROUNDS; round++) {
        // A token goes round the ring: every worker sleeps in read until its neighbour wrote.
        char token;
        if (me != 0 || round != 0)
            CHECK(read(ring[me][0], &token, 1) == 1);
        pthread_mutex_lock(&lock);
        total += me;
        pthread_mutex_unlock(&lock);
        int next = (me + 1) % WORKERS;
        if (!(me == WORKERS - 1 && round == ROUNDS - 1))
            CHECK(write(ring[next][1], "t", 1) == 1);
    }
    return NULL;
}

static void *live_briefly(void *argument) {
    int null = (int)(intptr_t)argument;
    CHECK(write(null, "x", 1) == 1);
    return (void *)syscall(SYS_gettid);
}

int main(void) {
    pthread_t workers[WORKERS];
    CHECK(pthread_barrier_init(&barrier, NULL, WORKERS) == 0);
    for (int i = 0; i < WORKERS; i++)
        CHECK(pipe2(ring[i], O_CLOEXEC) == 0);
    for (intptr_t i = 0; i < WORKERS; i++)
        CHECK(pthread_create(&workers[i], NULL, work, (void *)i) == 0);
    for (int i = 0; i < WORKERS; i++)
        CHECK(pthread_join(workers[i], NULL) == 0);

    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    CHECK(null >= 0);
    long distinct = 0;
    for (int i = 0; i < SHORT; i += WORKERS) {
        pthread_t brief[WORKERS];
        for (int j = 0; j < WORKERS; j++)
            CHECK(pthread_create(&brief[j], NULL, live_briefly, (void *)(intptr_t)null) == 0);
        for (int j = 0; j < WORKERS; j++) {
            void *tid;
            CHECK(pthread_join(brief[j], &tid) == 0);
            distinct += (long)tid > 0 && (long)tid != getpid();
        }
    }
    printf("threads: total %ld, %ld brief threads\n", total, distinct);
    return 0;
}
