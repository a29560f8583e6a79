// Shows directories that change between two calls which start from them: the working directory and descriptors mean
// another one, or have other paths.
//# build: gcc -O2 -pthread -o $OUT $SRC
//
// Run in an empty directory. Each name that is looked for says where: in.a.b.7 is looked for in a/b, and nowhere else.
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static char top[PATH_MAX];

static const char *at(const char *name) {
    static char path[2 * PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", top, name);
    return path;
}

static int opened(const char *directory) {
    int fd = open(at(directory), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

static void look(int base, const char *name) {
    struct stat status;
    FAILS(ENOENT, fstatat(base, name, &status, 0));
}

static void looked(int base, const char *where, int number) {
    char name[64];
    snprintf(name, sizeof name, "in.%s.%d", where, number);
    look(base, name);
    look(base, name);
}

static void *changes_directory(void *unused) {
    CHECK(chdir(at("a")) == 0);
    return unused;
}

static void waits_for(pid_t child) {
    int status;
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

static void working_directory(void) {
    CHECK(chdir("a") == 0);
    looked(AT_FDCWD, "a", 1);
    CHECK(chdir("../b") == 0);
    looked(AT_FDCWD, "b", 2);
    FAILS(ENOENT, chdir("nowhere"));
    looked(AT_FDCWD, "b", 3);
    CHECK(rename("../b", "../c") == 0);
    looked(AT_FDCWD, "c", 4);

    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, changes_directory, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    looked(AT_FDCWD, "a", 5);

    pid_t child = fork();
    if (child == 0) {
        CHECK(chdir("../c") == 0);
        looked(AT_FDCWD, "c", 6);
        _exit(0);
    }
    waits_for(child);
    looked(AT_FDCWD, "a", 7);
    int c = opened("c");
    CHECK(fchdir(c) == 0 && close(c) == 0);
    looked(AT_FDCWD, "c", 8);
    CHECK(chdir(top) == 0);
}

static void descriptors(void) {
    int a = opened("a"), c = opened("c"), both = opened("a");
    looked(both, "a", 10);
    // So often that a call which passes without a stop does so here.
    for (int i = 20; i < 40; i++) {
        CHECK(dup2(i % 2 ? a : c, both) == both);
        looked(both, i % 2 ? "a" : "c", i);
    }
    for (int i = 40; i < 60; i++) {
        CHECK(close(both) == 0);
        CHECK(opened(i % 2 ? "a" : "c") == both);
        looked(both, i % 2 ? "a" : "c", i);
    }
    CHECK(syscall(SYS_close_range, both, both, 0) == 0 || errno == ENOSYS);
    close(both);
    CHECK(opened("a") == both);
    looked(both, "a", 60);

    pid_t child = vfork();
    if (child == 0) {
        if (dup2(c, both) == both)
            look(both, "in.c.61");
        _exit(0);
    }
    waits_for(child);
    looked(both, "a", 62);
    CHECK(close(a) == 0 && close(c) == 0 && close(both) == 0);
}

static void paths(void) {
    CHECK(mkdir("a/deep", 0755) == 0);
    int deep = opened("a/deep");
    looked(deep, "a.deep", 70);
    look(AT_FDCWD, "a/deep/in.a.deep.71");
    look(AT_FDCWD, at("a/deep/in.a.deep.72"));
    CHECK(rename("a", "d") == 0);
    looked(deep, "d.deep", 73);
    look(AT_FDCWD, "d/deep/in.d.deep.74");
    look(AT_FDCWD, at("d/deep/in.d.deep.75"));

    pid_t child = fork();
    if (child == 0) {
        CHECK(rename("d", "e") == 0 && symlink("e", "d") == 0);
        _exit(0);
    }
    waits_for(child);
    looked(deep, "e.deep", 76);
    // Through the link.
    look(AT_FDCWD, "d/deep/in.e.deep.77");
    look(AT_FDCWD, at("d/deep/in.e.deep.78"));
    CHECK(close(deep) == 0);
}

static void links(void) {
    CHECK(mkdir("c/deep", 0755) == 0);
    CHECK(symlink("c", "l") == 0 && symlink("c/deep", "m") == 0);
    look(AT_FDCWD, "l/in.c.90");
    look(AT_FDCWD, "m/../in.c.91");
    look(AT_FDCWD, "c/deep/../in.c.92");
    CHECK(unlink("l") == 0 && symlink("e", "l") == 0);
    look(AT_FDCWD, "l/in.e.93");
    CHECK(unlink("m") == 0 && symlink("e/deep", "m") == 0);
    look(AT_FDCWD, "m/../in.e.94");
    CHECK(rename("c/deep", "e/other") == 0);
    look(AT_FDCWD, "e/other/../in.e.95");
}

static void shared_table(int number) {
    int own = opened("c");
    CHECK(own == number);
    looked(own, "c", 80);
    long child = syscall(SYS_clone, CLONE_FILES | CLONE_FS | SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        CHECK(close(own) == 0 && opened("e") == own && chdir(at("c")) == 0);
        _exit(0);
    }
    waits_for((pid_t)child);
    looked(own, "e", 81);
    looked(AT_FDCWD, "c", 82);
}

int main(int argc, char **argv) {
    CHECK(getcwd(top, sizeof top));
    if (argc == 2) {
        shared_table(atoi(argv[1]));
        puts("moved: done");
        return 0;
    }
    CHECK(mkdir("a", 0755) == 0 && mkdir("b", 0755) == 0);
    working_directory();
    descriptors();
    paths();
    links();
    // The number is free in the next image, and means another directory there.
    char number[16];
    int kept = opened("e");
    looked(kept, "e", 79);
    snprintf(number, sizeof number, "%d", kept);
    char *args[] = {argv[0], number, NULL};
    execv("/proc/self/exe", args);
    CHECK(!"execv");
}
