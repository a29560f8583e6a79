// Shows io_uring: its operations pass every filter, so a profile that allows it must say so.
//# build uring: gcc -O2 -o $OUT $SRC
//# must: io_uring_setup io_uring_enter exit_group
//# assumption: io_uring
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    char parameters[120] = {0};
    long ring = syscall(SYS_io_uring_setup, 1, parameters);
    return (int)syscall(SYS_io_uring_enter, ring, 1, 1, 0, 0, 0);
}
