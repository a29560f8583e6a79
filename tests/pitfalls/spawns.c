// Shows posix_spawn and popen: the program is executed by code that another stack runs.
//# build spawns: gcc -O2 -o $OUT $SRC
//# build spawns_static: gcc -O2 -static -o $OUT $SRC
//# build spawns_musl: musl-gcc -O2 -static -o $OUT $SRC
//# must: execve exit_group pipe2 wait4 dup2
//# must spawns: clone3
//# must spawns_musl: clone
//# not: reboot sethostname
#include <spawn.h>
#include <stdio.h>

extern char **environ;

int main(int argc, char **argv) {
    pid_t child;
    (void)argc;
    posix_spawn(&child, "/usr/bin/true", 0, 0, argv, environ);
    FILE *pipe = popen("true", "r");
    return pipe ? pclose(pipe) : 1;
}
