// Shows 2,000 children that live a millisecond, made by fork, vfork, posix_spawn and clone3 in turn.
//# build: gcc -O2 -static -o $OUT $SRC
//# build children-begin: gcc -O2 -static -include ${SRC%/*}/begin.h -o $OUT $SRC
#define _GNU_SOURCE
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { CHILDREN = 2000, AT_ONCE = 20, WAYS = 4 };

extern char **environ;

// What each child does differs by way, so that a child that was missed shows as a missing call.
static void in_fork(int code) { _exit(getpgid(0) > 0 ? code : 98); }
static void in_clone3(int code) { _exit(getsid(0) >= 0 ? code : 98); }
static int in_spawn(int code) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? code : 98;
}

static pid_t start(int way, int code) {
    char text[8];
    snprintf(text, sizeof text, "%d", code);
    char *args[] = {"children", text, NULL};
    pid_t pid = -1;
    switch (way) {
    case 0:
        pid = fork();
        if (pid == 0)
            in_fork(code);
        break;
    case 1:
        pid = vfork();
        if (pid == 0) {
            execve("/proc/self/exe", args, environ);
            _exit(97);
        }
        break;
    case 2:
        errno = posix_spawn(&pid, "/proc/self/exe", NULL, NULL, args, environ);
        if (errno)
            pid = -1;
        break;
    case 3: {
        struct clone_args clone = {.exit_signal = SIGCHLD};
        pid = (pid_t)syscall(SYS_clone3, &clone, sizeof clone);
        if (pid == 0)
            in_clone3(code);
        break;
    }
    }
    return pid;
}

int main(int argc, char **argv) {
    if (argc > 1)
        return in_spawn(atoi(argv[1]));

    long sum = 0, reaped = 0;
    for (int done = 0; done < CHILDREN; done += AT_ONCE) {
        for (int i = 0; i < AT_ONCE; i++)
            CHECK(start((done + i) % WAYS, (done + i) % 90) > 0);
        for (int i = 0; i < AT_ONCE; i++) {
            int status;
            CHECK(wait(&status) > 0);
            CHECK(WIFEXITED(status) && WEXITSTATUS(status) < 90);
            sum += WEXITSTATUS(status);
            reaped++;
        }
    }
    printf("children: %ld ended, sum of their statuses %ld\n", reaped, sum);
    return 0;
}
