// Shows syscall(2) with a number from the command line: a gap.
//# build syscall_unknown: gcc -O2 -o $OUT $SRC
//# build syscall_unknown_musl: musl-gcc -O1 -static -o $OUT $SRC
//# must: exit_group swapon
//# not: reboot
//# gap: number
#define _GNU_SOURCE
#include <stdlib.h>
#include <unistd.h>

#include "marker.h"

int main(int argc, char **argv) {
    MARK(swapon);
    return argc > 1 ? (int)syscall(atoi(argv[1])) : 0;
}
