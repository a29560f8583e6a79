// Makes, removes and gives away files, many times from few places: `names CASE`. Says what it saw.
//# build: gcc -O2 -pthread -o $OUT $SRC
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "calls.h"

#define TIMES 300

static long make(int base, const char *path, int flags, int mode) {
    return call4(SYS_openat, base, (long)path, flags | O_CREAT, mode);
}
static void makes(const char *path, int mode) {
    long fd = make(AT_FDCWD, path, O_WRONLY | O_EXCL, mode);
    CHECK(fd >= 0 && closes(fd) == 0);
}
static long removes(const char *path) { return call4(SYS_unlink, (long)path, 0, 0, 0); }
static long removes_at(int base, const char *path, int flags) {
    return call4(SYS_unlinkat, base, (long)path, flags, 0);
}
static long gives(long fd, int user, int group) { return call4(SYS_fchown, fd, user, group, 0); }
static void ends(long fd) { see(fd < 0 ? fd : closes(fd)); }

static void made(void) {
    static const char *const paths[] = {"new", "old", "directory", "link", "dangling", "to", "directory/new", "old/x", "none/x", ""};
    CHECK(mkdir("directory", 0700) == 0 && symlink("old", "link") == 0 && symlink("to", "dangling") == 0);
    for (int i = 0; i < TIMES; i++) {
        makes("old", i % 2 ? 0644 : 0600);
        long base = opens(AT_FDCWD, ".", O_RDONLY | O_DIRECTORY);
        for (unsigned at = 0; at < sizeof paths / sizeof *paths; at++) {
            ends(make(AT_FDCWD, paths[at], O_WRONLY | O_EXCL, 0600));
            ends(make(base, paths[at], O_RDWR, 0644)), ends(make(base, paths[at], O_RDWR | O_TRUNC, 0400));
            ends(call4(SYS_open, (long)paths[at], O_CREAT | O_WRONLY, 0666, 0));
            see(look(paths[at])), see(about.st_mode);
        }
        for (unsigned at = 0; at < sizeof paths / sizeof *paths; at++) {
            see(i % 2 ? removes(paths[at]) : removes_at(base, paths[at], 0));
            see(look_at(base, paths[at], AT_SYMLINK_NOFOLLOW)), see(removes(paths[at]));
        }
        see(removes_at(base, "directory", AT_REMOVEDIR)), see(mkdir("directory", 0700));
        CHECK(symlink("old", "link") == 0 && symlink("to", "dangling") == 0 && closes(base) == 0);
    }
}

// What was looked at before it was removed, and made anew, with another mode.
static void removed(void) {
    for (int i = 0; i < TIMES; i++) {
        makes("file", 0600);
        ends(opens(AT_FDCWD, "file", O_RDWR)), see(look("file")), see(call4(SYS_access, (long)"file", W_OK, 0, 0));
        see(removes("file")), see(look("file")), see(removes("file"));
        CHECK(symlink("other", "file") == 0);
        see(look("file")), see(look_at(AT_FDCWD, "file", AT_SYMLINK_NOFOLLOW));
        see(removes("file")), makes("file", 0400), ends(opens(AT_FDCWD, "file", O_RDONLY));
        CHECK(chmod("file", 0) == 0);
        see(removes("file"));
    }
}

// Files that are open and have no name any more.
static void nameless(void) {
    makes("early", 0600), makes("other", 0600);
    long early = opens(AT_FDCWD, "early", O_RDONLY);
    for (int i = 0; i < TIMES; i++) {
        makes("file", 0600);
        long fd = opens(AT_FDCWD, "file", O_RDONLY);
        see(look_at(fd, "", AT_EMPTY_PATH)), see(removes("file")), see(look_at(fd, "", AT_EMPTY_PATH)), see(look_at(fd, "x", 0));
        long copy = call4(SYS_dup, fd, 0, 0, 0);
        CHECK(closes(fd) == 0 && look_at(copy, "", AT_EMPTY_PATH) == 0 && closes(copy) == 0);
        see(look_at(early, "", AT_EMPTY_PATH));
        if (i == TIMES / 2) see(removes("early"));
    }
    see(removes("other")), makes("early", 0600), see(look_at(early, "", AT_EMPTY_PATH));
}

// Files of somebody else, and somebody else.
static void owners(void) {
    if (getuid() != 0) return;
    CHECK(mkdir("open", 0777) == 0 && chmod("open", 01777) == 0 && chmod(".", 0755) == 0);
    for (int i = 0; i < TIMES; i++) {
        makes("open/mine", 0600), makes("open/theirs", 0600);
        CHECK(chown("open/theirs", 1000, 1000) == 0);
        ends(opens(AT_FDCWD, "open/mine", O_RDWR)), ends(opens(AT_FDCWD, "open/theirs", O_RDWR));
        if (i % 3 == 0) setfsuid(1000);
        see(removes("open/theirs")), see(removes("open/mine"));
        if (i % 3 == 0) setfsuid(0);
        see(removes("open/mine"));
        long fd = make(AT_FDCWD, "given", O_RDWR, 0600);
        see(gives(fd, 0, 0)), see(gives(fd, 1000, 0)), see(gives(fd, 1000, 0)), see(gives(fd, 0, 1000)), see(gives(fd, -1, -1));
        CHECK(closes(fd) == 0);
        see(gives(fd, 0, 0)), see(removes("given"));
    }
    int ends_of[2];
    CHECK(pipe(ends_of) == 0);
    for (int i = 0; i < TIMES; i++) see(gives(ends_of[0], 0, 0));
}

// Another process names them first.
static void others(void) {
    int orders[2], done[2];
    char order = 0;
    CHECK(pipe(orders) == 0 && pipe(done) == 0);
    if (fork() == 0) {
        CHECK(close(orders[1]) == 0);
        while (read(orders[0], &order, 1) == 1) {
            ends(opens(AT_FDCWD, "shared", O_RDWR)), see(look("shared")), see(look("its"));
            makes("its", 0600);
            CHECK(write(done[1], &order, 1) == 1);
        }
        _exit((int)(seen & 0x7f));
    }
    for (int i = 0; i < TIMES; i++) {
        makes("shared", 0600);
        CHECK(write(orders[1], &order, 1) == 1 && read(done[0], &order, 1) == 1);
        see(look("its")), see(removes("its")), see(removes("shared")), see(look("shared"));
    }
    int status;
    CHECK(close(orders[1]) == 0 && wait(&status) > 0);
    see(status);
}

static void *waits(void *pipe_end) {
    char order;
    CHECK(read((int)(long)pipe_end, &order, 1) == 1);
    return NULL;
}
static void early_thread(void) {
    int orders[2];
    pthread_t other;
    CHECK(pipe(orders) == 0 && pthread_create(&other, NULL, waits, (void *)(long)orders[0]) == 0);
    CHECK(write(orders[1], "", 1) == 1 && pthread_join(other, NULL) == 0);
    for (int i = 0; i < 9; i++) {
        pid_t child = fork();
        if (child != 0) CHECK(waitpid(child, NULL, 0) == child);
        for (int j = 0; j < 9; j++) makes("file", 0600), see(look("file")), see(removes("file"));
        if (child == 0) _exit(0);
    }
}
static void threads(void) {
    int orders[2];
    for (int i = 0; i < 9 * TIMES; i++) {
        pthread_t other;
        if (i % TIMES == 0) CHECK(pipe(orders) == 0 && pthread_create(&other, NULL, waits, (void *)(long)orders[0]) == 0);
        makes("file", 0600), see(look("file")), see(removes("file"));
        if (i % TIMES == TIMES / 2) CHECK(write(orders[1], "", 1) == 1 && pthread_join(other, NULL) == 0);
    }
}

static volatile int rings;
static void on_alarm(int signal) {
    (void)signal;
    rings++;
    makes("within", 0600);
    CHECK(look("within") == 0 && removes("within") == 0 && removes("within") == -ENOENT);
}
static void signals(void) {
    struct itimerval often = {{0, 1500}, {0, 1500}}, never = {{0, 0}, {0, 0}};
    struct sigaction action = {.sa_handler = on_alarm};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &often, NULL) == 0);
    for (int i = 0; i < 60 * TIMES; i++) {
        makes("file", 0600);
        long fd = make(AT_FDCWD, "file", O_RDWR, 0600);
        CHECK(fd >= 0 && gives(fd, (int)getuid(), (int)getgid()) == 0 && closes(fd) == 0 && removes("file") == 0);
    }
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0 && rings > 0);
}

// Programs that begin many times, and what they do before they have their own memory.
static void begins(const char *self) {
    for (int i = 0; i < 25; i++) {
        posix_spawnattr_t how;
        sigset_t all;
        CHECK(sigfillset(&all) == 0 && posix_spawnattr_init(&how) == 0 && posix_spawnattr_setsigdefault(&how, &all) == 0);
        CHECK(posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGDEF) == 0);
        char *words[] = {(char *)self, "image", NULL}, *none[] = {NULL};
        pid_t child;
        int status;
        CHECK(posix_spawn(&child, self, NULL, &how, words, none) == 0 && waitpid(child, &status, 0) == child && status == 0);
        child = vfork();
        if (child == 0) {
            for (int call = 0; call < 9; call++) call4(SYS_getppid, 0, 0, 0, 0), look("absent");
            if (i % 2) execl(self, "names", "image", (char *)NULL);
            _exit(3);
        }
        CHECK(waitpid(child, &status, 0) == child && status == (i % 2 ? 0 : 0x300));
        for (int call = 0; call < 9; call++) call4(SYS_getpgid, 0, 0, 0, 0), look("absent");
    }
}
static void image(void) {
    struct sigaction action = {.sa_handler = SIG_IGN};
    for (int number = 1; number < 32; number++)
        if (number != SIGKILL && number != SIGSTOP && number != SIGTRAP) CHECK(sigaction(number, &action, NULL) == 0);
    long protections[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_EXEC};
    for (int i = 0; i < 20; i++) {
        char *page = mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(page != MAP_FAILED && munmap(page + 4096, 4096) == 0);
        CHECK(mmap(page, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page);
        CHECK(mprotect(page, 4096, (int)protections[i % 4]) == 0 && munmap(page, 8 * 4096) == 0);
        FAILS(EINVAL, munmap(page + 1, 4096));
        see(look("absent")), makes("image", 0600), see(removes("image"));
    }
}

int main(int count, char **words) {
    const char *name = count > 1 ? words[1] : "";
    static const struct { const char *name; void (*run)(void); } cases[] = {
        {"made", made}, {"removed", removed}, {"nameless", nameless}, {"owners", owners}, {"others", others}, {"threads", threads}, {"early_thread", early_thread}, {"signals", signals}, {"image", image},
    };
    if (strcmp(name, "begins") == 0) begins(words[0]);
    for (unsigned at = 0; at < sizeof cases / sizeof *cases; at++)
        if (strcmp(name, cases[at].name) == 0) cases[at].run();
    if (strcmp(name, "image") != 0) printf("%lx\n", seen);
}
