// Shows calls that never fail with EINTR, under a storm of signals: `plain` or `restart` (SA_RESTART).
//# build: gcc -O2 -o $OUT $SRC
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "check.h"

static void on_alarm(int signal) { (void)signal; }

int main(int argc, char **argv) {
    int restart = argc > 1 && strcmp(argv[1], "restart") == 0;
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = restart ? SA_RESTART : 0};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int file = open("storm.file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct itimerval fast = {{0, 500}, {0, 500}};
    CHECK(null >= 0 && file >= 0 && setitimer(ITIMER_REAL, &fast, NULL) == 0);
    long failed = 0;
    for (int i = 0; i < 1000; i++) {
        struct stat status;
        failed += getppid() < 0;
        failed += write(null, "x", 1) != 1;
        failed += stat(".", &status) != 0;
        failed += lseek(file, 0, SEEK_SET) != 0;
        int copy = dup(null);
        failed += copy < 0;
        failed += close(copy) != 0;
    }
    struct itimerval off = {{0, 0}, {0, 0}};
    CHECK(setitimer(ITIMER_REAL, &off, NULL) == 0);
    printf("storm: %ld calls failed\n", failed);
    return 0;
}
