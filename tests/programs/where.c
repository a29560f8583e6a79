// Where a program may run is what it is natively, however often it stops: `where`, `where again`.
//# build: gcc -O2 -pthread -o $OUT $SRC
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define ROUNDS 40

static cpu_set_t first;

// Calls that stop each time, one right after the other.
static void stop_often(void) {
    for (int i = 0; i < 10; i++) CHECK(mkdir("stop", 0700) == 0 && rmdir("stop") == 0);
}

static void same(const char *who) {
    cpu_set_t now;
    CPU_ZERO(&now);
    CHECK(sched_getaffinity(0, sizeof now, &now) == 0);
    if (!CPU_EQUAL(&first, &now)) printf("%s may run elsewhere\n", who);
}

static void *thread(void *unused) {
    (void)unused;
    same("a thread");
    return NULL;
}

static void says(const char *file) {
    char text[8192], allowed[300];
    FILE *status = fopen(file, "r");
    CHECK(status != NULL);
    size_t length = fread(text, 1, sizeof text - 1, status);
    text[length] = 0;
    fclose(status);
    char *line = strstr(text, "Cpus_allowed:");
    CHECK(line != NULL && sscanf(line, "Cpus_allowed: %299[0-9a-f,]", allowed) == 1);
    int count = 0;
    for (char *digit = allowed; *digit; digit++)
        if (*digit != ',') count += __builtin_popcount((unsigned)strtol((char[]){*digit, 0}, NULL, 16));
    printf("%s: %s\n", file, count == CPU_COUNT(&first) ? "as many" : "others");
}

int main(int count, char **words) {
    (void)words;
    CPU_ZERO(&first);
    CHECK(sched_getaffinity(0, sizeof first, &first) == 0);
    if (count > 1) {
        printf("again %d\n", CPU_COUNT(&first));
        return 0;
    }
    for (int round = 0; round < ROUNDS; round++) {
        stop_often();
        same("the program");
        stop_often();
        int status;
        pid_t child = fork();
        if (child == 0) {
            same("a child");
            stop_often();
            same("a child that stops");
            fflush(stdout);
            _exit(7);
        }
        CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7);
        stop_often();
        pthread_t other;
        CHECK(pthread_create(&other, NULL, thread, NULL) == 0 && pthread_join(other, NULL) == 0);
    }
    fflush(stdout);
    stop_often();
    if (vfork() == 0) {
        execl("/proc/self/exe", "where", "again", NULL);
        _exit(1);
    }
    CHECK(wait(NULL) > 0);
    stop_often();
    says("/proc/self/status");
    stop_often();
    says("/proc/thread-self/status");
    // What it sets itself stays.
    cpu_set_t one, now;
    CPU_ZERO(&one);
    for (int at = 0; at < CPU_SETSIZE && CPU_COUNT(&one) == 0; at++)
        if (CPU_ISSET(at, &first)) CPU_SET(at, &one);
    stop_often();
    CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
    stop_often();
    usleep(5000);
    CHECK(sched_getaffinity(0, sizeof now, &now) == 0);
    printf("set: %d\n", CPU_EQUAL(&one, &now));
}
