// Shows exec by a thread that does not lead its process: the others vanish, the thread takes the leader's id.
//# build: gcc -O2 -pthread -o $OUT $SRC
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

static char *self;

static void *wait_forever(void *unused) {
    (void)unused;
    for (;;)
        pause();
}

static void *exec_self(void *unused) {
    (void)unused;
    char pid[16];
    snprintf(pid, sizeof pid, "%d", getpid());
    CHECK(syscall(SYS_gettid) != getpid());
    char *args[] = {self, "after", pid, NULL};
    execv("/proc/self/exe", args);
    CHECK(!"execv");
    return NULL;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "after") == 0) {
        CHECK(getpid() == atoi(argv[2]));
        CHECK(syscall(SYS_gettid) == getpid());
        // A call that only the new program makes: the trace must have followed.
        CHECK(getpgid(0) > 0);
        puts("thread_exec: same process, one thread");
        return 0;
    }
    self = argv[0];
    pthread_t threads[4];
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, wait_forever, NULL) == 0);
    CHECK(pthread_create(&threads[3], NULL, exec_self, NULL) == 0);
    for (;;)
        pause();
}
