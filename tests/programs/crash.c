// Shows a program that dies by SIGSEGV, in its first thread or (argument `thread`) in another.
//# build: gcc -O1 -pthread -o $OUT $SRC
//# build crash-begin: gcc -O1 -pthread -include ${SRC%/*}/begin.h -o $OUT $SRC
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "check.h"

static void *crash(void *where) {
    // A thread that crashes at once may end the process before the first thread has begun to wait for it.
    usleep(100000);
    *(volatile int *)where = 1;
    return NULL;
}

int main(int argc, char **argv) {
    struct rlimit none = {0, 0};
    CHECK(setrlimit(RLIMIT_CORE, &none) == 0);
    puts("crash: before");
    fflush(stdout);
    if (argc > 1 && strcmp(argv[1], "thread") == 0) {
        pthread_t other;
        CHECK(pthread_create(&other, NULL, crash, NULL) == 0);
        pthread_join(other, NULL);
    } else {
        crash(NULL);
    }
    puts("crash: still here");
    return 0;
}
