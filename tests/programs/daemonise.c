// Shows a daemon: forks twice, leaves its session and terminal, and writes its result after its parents ended.
//# build: gcc -O2 -o $OUT $SRC
//# build daemonise-begin: gcc -O2 -include ${SRC%/*}/begin.h -o $OUT $SRC
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

int main(int argc, char **argv) {
    CHECK(argc == 2);
    // Opened before chdir("/"), as a daemon does with its own directory.
    int directory = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(directory >= 0);

    pid_t first = fork();
    CHECK(first >= 0);
    if (first > 0) {
        puts("daemonise: started");
        return 0;
    }
    CHECK(setsid() > 0);
    pid_t second = fork();
    CHECK(second >= 0);
    if (second > 0)
        _exit(0);

    CHECK(chdir("/") == 0);
    umask(022);
    int null = open("/dev/null", O_RDWR);
    CHECK(null >= 0);
    for (int fd = 0; fd <= 2; fd++)
        CHECK(dup2(null, fd) == fd);

    // Both parents are gone by now, and the tracer's own child with them.
    struct timespec pause = {0, 150 * 1000 * 1000};
    nanosleep(&pause, NULL);

    char part[256];
    snprintf(part, sizeof part, "%s.part", argv[1]);
    int out = openat(directory, part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    CHECK(out >= 0);
    const char *text = getsid(0) != getpid() ? "daemonise: done\n" : "daemonise: leads a session\n";
    CHECK(write(out, text, strlen(text)) == (ssize_t)strlen(text));
    CHECK(close(out) == 0);
    // Renamed when complete, so whoever waits for the file never reads half of it.
    CHECK(renameat(directory, part, directory, argv[1]) == 0);
    return 0;
}
