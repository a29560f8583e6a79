// Images of one program, one after another, that begin where something is in the way: `again CASE LEFT [CHILD]`.
//# build: gcc -O2 -o $OUT $SRC
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "calls.h"

#define TIMES 20
#define IMAGES "40"

static void calls(void) {
    for (int i = 0; i < TIMES; i++) CHECK(call4(SYS_getppid, 0, 0, 0, 0) >= 0);
    see(look("absent"));
}

static void next(const char *name, int left, const char *child) {
    char number[16];
    static char room[256];
    setvbuf(stdout, room, _IOFBF, sizeof room);
    if (left > 0) {
        snprintf(number, sizeof number, "%d", left - 1);
        execl("/proc/self/exe", "again", name, number, child, (char *)NULL);
        CHECK(!"executed");
    }
}

// Sends a signal that is ignored unless somebody wants it, at any moment of its parent's.
static void pelt(void) {
    pid_t parent = getppid();
    struct timespec nap = {0, 20000};
    while (kill(parent, SIGWINCH) == 0) nanosleep(&nap, NULL);
    _exit(0);
}

// A search along PATH, as execvp makes it: the last of these is there.
static void search(const char *self) {
    static const char *const places[] = {"none/a", "none/b", "", "file/c", "none/d", "none/e", "directory", "none/f", NULL};
    char *words[] = {(char *)self, "leaf", NULL}, *others[] = {(char *)self, "leaf", "other", NULL}, *environment[] = {NULL};
    CHECK(mkdir("directory", 0700) == 0 && closes(open("file", O_CREAT | O_WRONLY, 0600)) == 0);
    for (int i = 0; i < 6; i++) {
        pid_t child = i % 2 ? fork() : vfork();
        if (child == 0) {
            for (const char *const *place = places; *place; place++) execve(*place, i == 3 ? others : words, environment);
            if (i != 4) execve(self, words, environment);
            // Nothing was executed: what follows a search that failed.
            for (int call = 0; call < TIMES; call++) call4(SYS_getpgid, 0, 0, 0, 0);
            execve("none/g", words, environment);
            call4(SYS_execve, (long)"none/g", 1, (long)environment, 0);
            execve("none/h", words, environment);
            execve("none/i", words, environment);
            _exit(7);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == (i == 4 ? 7 : 0));
    }
}

// A child that nobody is to trace: its maker's registers stay as they are, too.
static void untraced(void) {
    for (int i = 0; i < 3; i++) {
        pid_t child = (pid_t)call4(SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0);
        if (child == 0) {
            for (int call = 0; call < TIMES; call++) CHECK(call4(SYS_getpgid, 0, 0, 0, 0) > 0);
            look("absent");
            _exit(5);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 5);
    }
}

// Children that call, once each, what their maker does not, which calls from one of the places too. Says on
// standard error how often they waited, as at each stop.
static void children(void) {
    static const int numbers[] = {SYS_getpgid, SYS_getsid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_getpgrp};
    for (int i = 0; i < TIMES; i++) CHECK(syscall(SYS_getppid) >= 0);
    for (int i = 0; i < 60; i++) {
        pid_t child = i % 2 ? fork() : vfork();
        if (child == 0) {
            for (unsigned at = 0; at < sizeof numbers / sizeof *numbers; at++) CHECK(syscall(numbers[at], 0) >= 0);
            CHECK(getpriority(PRIO_PROCESS, 0) < 20 && sched_yield() == 0 && getpid() > 0);
            CHECK(close(open("/", O_RDONLY)) == 0 && access("/", F_OK) == 0);
            _exit(i % 3);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == i % 3);
    }
    struct rusage usage;
    CHECK(getrusage(RUSAGE_CHILDREN, &usage) == 0);
    fprintf(stderr, "%ld\n", usage.ru_nvcsw);
}

int main(int count, char **words) {
    const char *name = count > 1 ? words[1] : "";
    int left = atoi(count > 2 ? words[2] : IMAGES);
    char child[16] = "";
    if (count > 3) strncpy(child, words[3], sizeof child - 1);
    if (strcmp(name, "search") == 0) search(words[0]);
    if (strcmp(name, "untraced") == 0) untraced();
    if (strcmp(name, "children") == 0) children();
    if (strcmp(name, "little") == 0) {
        // So much data as this program needs, and not what another one would have in it.
        struct rlimit little = {340 << 10, 340 << 10};
        CHECK(setrlimit(RLIMIT_DATA, &little) == 0);
        calls();
        next(name, left, NULL);
    }
    if (strcmp(name, "pelted") == 0) {
        pid_t pelting = atoi(child);
        if (count <= 3) {
            if ((pelting = fork()) == 0) pelt();
            snprintf(child, sizeof child, "%d", pelting);
        }
        calls();
        next(name, left, child);
        CHECK(kill(pelting, SIGKILL) == 0 && waitpid(pelting, NULL, 0) == pelting);
    }
    if (strcmp(name, "leaf") != 0) printf("%lx\n", seen);
}
