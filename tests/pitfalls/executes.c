// Shows the execution of a program: under a constant name it is reported, under a computed one it is a gap.
//# build executes: gcc -O2 -o $OUT $SRC
//# build executes_static: gcc -O2 -static -o $OUT $SRC
//# build executes_musl: musl-gcc -O2 -static -o $OUT $SRC
//# build executes_computed: gcc -O2 -DCOMPUTED -o $OUT $SRC
//# must: execve exit_group
//# executes executes: /usr/bin/true
//# executes executes_static: /usr/bin/true
//# executes executes_musl: /usr/bin/true
//# gap executes_computed: exec-name
//# no-gap executes: exec-name
//# not: reboot sethostname
#include <unistd.h>

int main(int argc, char **argv) {
#ifdef COMPUTED
    return execv(argv[argc - 1], argv);
#else
    (void)argc;
    return execv("/usr/bin/true", argv);
#endif
}
