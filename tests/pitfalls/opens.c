// Shows the names of files that the code holds.
//# build opens: gcc -O2 -o $OUT $SRC
//# build opens_static: gcc -O2 -static -o $OUT $SRC
//# must: openat exit_group
//# opens: /etc/hostname /proc/self/status
//# not: reboot
#include <fcntl.h>
#include <stdio.h>

int main(void) {
    FILE *file = fopen("/etc/hostname", "r");
    return open("/proc/self/status", O_RDONLY) + (file != 0);
}
