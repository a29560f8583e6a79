// Looks at files, many times from few places, while what they are changes: `looks CASE`. Says what it saw.
//# build: gcc -O2 -pthread -o $OUT $SRC
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "calls.h"

#define TIMES 300

static void make(const char *path) {
    int fd = open(path, O_CREAT | O_WRONLY | O_EXCL, 0600);
    CHECK(fd >= 0 && close(fd) == 0);
}
static void prepare(void) {
    CHECK(mkdir("one", 0700) == 0 && mkdir("two", 0700) == 0);
    make("one/x"), make("two/y"), make("two/z"), make("file");
    CHECK(symlink("one", "link") == 0 && symlink("nowhere", "dangling") == 0);
}

static void places(void) {
    static const char *const paths[] = {"file", "absent", "one", "link", "dangling", "one/x", "link/x", "file/x",
                                        "one/../two/y", "two//z", "./file", "one/", "/etc/passwd", "/etc/./mtab"};
    char target[64];
    for (int i = 0; i < TIMES; i++) {
        for (unsigned at = 0; at < sizeof paths / sizeof *paths; at++) {
            see(look(paths[at]));
            see(look_at(AT_FDCWD, paths[at], AT_SYMLINK_NOFOLLOW));
            see(call4(SYS_access, (long)paths[at], R_OK, 0, 0));
            see(call4(SYS_readlink, (long)paths[at], (long)target, sizeof target, 0));
        }
        long fd = opens(AT_FDCWD, "file", O_RDONLY | O_CLOEXEC);
        see(look_at(fd, "", AT_EMPTY_PATH)), see(about.st_mode);
        CHECK(closes(fd) == 0);
    }
}

static void descriptors(void) {
    for (int i = 0; i < TIMES; i++) {
        long fd = opens(AT_FDCWD, "one", O_RDONLY | O_DIRECTORY);
        see(look_at(fd, "x", 0)), see(look_at(fd, "y", 0));
        CHECK(closes(fd) == 0);
        CHECK(opens(AT_FDCWD, "two", O_RDONLY | O_DIRECTORY) == fd);
        see(look_at(fd, "x", 0)), see(look_at(fd, "y", 0));
        long other = opens(AT_FDCWD, "one", O_RDONLY | O_DIRECTORY);
        see(look_at(other, "x", 0)), see(look_at(fd, "z", 0));
        CHECK(call4(SYS_dup2, other, fd, 0, 0) == fd);
        see(look_at(fd, "z", 0));
        CHECK(call4(SYS_dup2, fd, 1500, 0, 0) == 1500 && look_at(1500, "x", 0) == 0);
        CHECK(closes(1500) == 0 && closes(other) == 0 && closes(fd) == 0 && look_at(fd, "x", 0) == -EBADF);
    }
}

static void copies(void) {
    for (int i = 0; i < TIMES; i++) {
        long one = opens(AT_FDCWD, "one", O_RDONLY | O_DIRECTORY);
        long copy = call4(SYS_fcntl, one, F_DUPFD_CLOEXEC, 3, 0);
        CHECK(copy > one && closes(one) == 0);
        CHECK(opens(AT_FDCWD, "two", O_RDONLY | O_DIRECTORY) == one);
        see(look_at(one, "x", 0)), see(look_at(copy, "x", 0)), see(look_at(copy, "y", 0));
        CHECK(look_at(copy, "", AT_EMPTY_PATH) == 0 && closes(copy) == 0);
        // A number that a record opened comes to mean what none did.
        int pair[2];
        CHECK(closes(one) == 0 && call4(SYS_pipe2, (long)pair, 0, 0, 0) == 0);
        long end = pair[0], other = pair[1];
        CHECK(end == one && look_at(end, "", AT_EMPTY_PATH) == 0 && look_at(end, "x", 0) == -ENOTDIR);
        CHECK(call4(SYS_dup, end, 0, 0, 0) > other && closes(end) == 0);
        CHECK(call4(SYS_dup, 0, 0, 0, 0) == one && look_at(one, "", AT_EMPTY_PATH) == 0);
        CHECK(closes(one) == 0 && closes(other) == 0 && closes(other + 1) == 0);
        // A file below one that is closed by now, opened below it, and gone itself.
        long two = opens(AT_FDCWD, "two", O_RDONLY | O_DIRECTORY), file = opens(two, "y", O_RDONLY);
        CHECK(closes(two) == 0 && look_at(file, "", AT_EMPTY_PATH) == 0 && closes(file) == 0);
        long below = opens(AT_FDCWD, "link", O_RDONLY | O_DIRECTORY), here = opens(below, ".", O_PATH);
        CHECK(closes(below) == 0 && look_at(here, "../file", 0) == 0 && look_at(here, "x", 0) == 0);
        CHECK(call4(SYS_dup2, 0, here, 0, 0) == here && look_at(here, "x", 0) < 0 && closes(here) == 0);
    }
}

// What another process moves, which begins before all looks.
static int orders[2], done[2];
static void begin_mover(void) {
    CHECK(pipe(orders) == 0 && pipe(done) == 0);
    char order;
    if (fork() != 0) return;
    close(orders[1]);
    while (read(orders[0], &order, 1) == 1) {
        CHECK((order == 'a' ? rename("one", "moved") : rename("moved", "one")) == 0);
        CHECK(write(done[1], &order, 1) == 1);
    }
    _exit(0);
}
static void moves(char order) { CHECK(write(orders[1], &order, 1) == 1 && read(done[0], &order, 1) == 1); }

// More looks than are kept at a time, from descriptors that stay open.
static void kept(void) {
    begin_mover();
    for (int i = 0; i < 3; i++) {
        long one = opens(AT_FDCWD, "one", O_RDONLY | O_DIRECTORY), two = opens(AT_FDCWD, "two", O_RDONLY | O_DIRECTORY);
        long copy = call4(SYS_fcntl, one, F_DUPFD_CLOEXEC, 3, 0);
        for (int j = 0; j < 2 * TIMES; j++)
            CHECK(look_at(one, "x", 0) == 0 && look_at(two, "y", 0) == 0 && look_at(copy, "y", 0) == -ENOENT);
        CHECK(closes(two) == 0 && opens(one, ".", O_RDONLY | O_DIRECTORY) == two);
        for (int j = 0; j < 2 * TIMES; j++) {
            CHECK(look_at(two, "x", 0) == 0 && look_at(two, "y", 0) == -ENOENT);
            CHECK(closes(opens(copy, "x", O_RDONLY)) == 0);
        }
        moves('a');
        CHECK(look_at(one, "q", 0) == -ENOENT && look_at(copy, "z", 0) == -ENOENT && look_at(two, "../file", 0) == 0);
        CHECK(closes(copy) == 0 && look("moved/x") == 0 && look("one/x") == -ENOENT && look_at(two, "x", 0) == 0);
        moves('b');
        CHECK(look_at(two, "x", 0) == 0 && closes(two) == 0 && closes(one) == 0 && look_at(one, "x", 0) == -EBADF);
    }
    CHECK(close(orders[1]) == 0 && wait(NULL) > 0);
}

static void changes(void) {
    char first[32], second[32];
    for (int i = 0; i < TIMES; i++) {
        snprintf(first, sizeof first, "first%d", i), snprintf(second, sizeof second, "second%d", i);
        CHECK(look(first) == -ENOENT && look(second) == -ENOENT);
        if (i % 2) make(first);
        else CHECK(mkdir(first, 0700) == 0);
        CHECK(look(first) == 0 && look(second) == -ENOENT);
        CHECK(rename(first, second) == 0);
        CHECK(look(first) == -ENOENT && look(second) == 0);
        CHECK(remove(second) == 0 && symlink("file", second) == 0 && look(second) == 0);
        CHECK(unlink(second) == 0 && look(second) == -ENOENT);
        CHECK(look("x") == -ENOENT && chdir("one") == 0 && look("x") == 0 && chdir("..") == 0);
        pid_t child = fork();
        if (child == 0) {
            make(first);
            _exit(look(first) == 0 ? 7 : 8);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7);
        CHECK(look(first) == 0 && unlink(first) == 0 && look(first) == -ENOENT);
    }
}

static void pointers(void) {
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED && mprotect(page + 4096, 4096, PROT_NONE) == 0);
    char *last = page + 4096 - 5, long_path[600], too_long[5000], same[16];
    memcpy(last, "file", 5);
    memset(long_path, '/', sizeof long_path), strcpy(long_path + 300, "etc/passwd");
    memset(too_long, 'a', sizeof too_long), too_long[4999] = 0;
    for (int i = 0; i < TIMES; i++) {
        see(look(NULL)), see(look((char *)8)), see(look(last)), see(look(long_path)), see(look(too_long));
        last[4] = '!', see(look(last)), last[4] = 0;
        see(call4(SYS_newfstatat, AT_FDCWD, (long)"file", 8, 0));
        see(call4(SYS_statx, 0, 0, AT_EMPTY_PATH, 0x7ff)), see(look(""));
        strcpy(same, "link"), see(call4(SYS_readlink, (long)same, (long)same, sizeof same, 0)), see(same[0]);
        see(opens(AT_FDCWD, "/proc/none", O_RDONLY)), see(opens(-5, "file", O_RDONLY));
    }
}

static volatile int rings;
static void on_alarm(int signal) {
    (void)signal;
    rings++;
    CHECK(look("two/y") == 0 && look("absent") == -ENOENT);
}
static void signals(void) {
    struct itimerval often = {{0, 150}, {0, 150}}, never = {{0, 0}, {0, 0}};
    struct sigaction action = {.sa_handler = on_alarm};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &often, NULL) == 0);
    for (int i = 0; i < 400 * TIMES; i++) CHECK(look(i % 2 ? "file" : "one/x") == 0 && look("nowhere") == -ENOENT);
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0 && rings > 0);
}

static void *thread(void *base) {
    for (int i = 0; i < TIMES; i++) CHECK(look_at((int)(long)base, "x", 0) == 0 && look("file") == 0);
    return NULL;
}
static void threads(void) {
    pthread_t other;
    long fd = opens(AT_FDCWD, "one", O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < TIMES; i++) CHECK(look_at(fd, "x", 0) == 0 && look("file") == 0);
    CHECK(pthread_create(&other, NULL, thread, (void *)fd) == 0);
    thread((void *)fd);
    CHECK(pthread_join(other, NULL) == 0 && closes(fd) == 0);
    for (int i = 0; i < TIMES; i++) CHECK(look("file") == 0);
    if (vfork() == 0) execl("/bin/true", "true", NULL);
    for (int i = 0; i < TIMES; i++) CHECK(look("file") == 0);
}

static void killed(void) {
    CHECK(mkfifo("pipe", 0600) == 0);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < TIMES; i++) CHECK(look("file") == 0 && closes(opens(AT_FDCWD, "file", O_RDONLY)) == 0);
        opens(AT_FDCWD, "pipe", O_RDONLY);
    }
    usleep(500000);
    int status;
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child && WTERMSIG(status) == SIGKILL);
}

static void elsewhere(void) {
    char target[256];
    for (int i = 0; i < TIMES; i++) {
        long fd = opens(AT_FDCWD, i % 2 ? "/proc/self/fd" : "/proc/self/fdinfo", O_RDONLY | O_DIRECTORY);
        CHECK(fd >= 0);
        long file = opens(AT_FDCWD, "file", O_RDONLY);
        snprintf(target, sizeof target, "%ld", file);
        see(look_at(fd, target, AT_SYMLINK_NOFOLLOW));
        CHECK(closes(file) == 0 && closes(fd) == 0);
    }
    CHECK(chdir("/proc") == 0);
    for (int i = 0; i < TIMES; i++) see(look("self"));
}

int main(int count, char **words) {
    static const struct { const char *name; void (*run)(void); } cases[] = {
        {"places", places},   {"descriptors", descriptors}, {"changes", changes}, {"pointers", pointers}, {"copies", copies},
        {"signals", signals}, {"threads", threads},         {"killed", killed},   {"elsewhere", elsewhere}, {"kept", kept},
    };
    prepare();
    for (int i = 0; i < 9; i++) CHECK(call4(SYS_getppid, 0, 0, 0, 0) == getppid());
    for (unsigned at = 0; at < sizeof cases / sizeof *cases; at++)
        if (count > 1 && strcmp(words[1], cases[at].name) == 0) cases[at].run();
    printf("%lx\n", seen);
}
