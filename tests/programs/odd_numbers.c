// Shows calls by numbers that mean nothing here: x32's (most kernels are built without it) and unknown ones.
//# build: gcc -O2 -static -o $OUT $SRC
//# arch: x86_64
#define _GNU_SOURCE
#include <unistd.h>

#include "check.h"

enum { X32_BIT = 0x40000000, X32_GETPPID = X32_BIT + 110, UNKNOWN = 4000 };

int main(void) {
    // A kernel with x32 answers the parent, one without answers ENOSYS: both are fine, ending is not.
    errno = 0;
    long parent = syscall(X32_GETPPID);
    CHECK(parent == getppid() || errno == ENOSYS);

    FAILS(ENOSYS, syscall(UNKNOWN, 1, 2, 3, 4, 5, 6));
    FAILS(ENOSYS, syscall(-1));
    puts("odd numbers: survived");
    return 0;
}
