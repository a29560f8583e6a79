// Shows a 64-bit program that makes calls through `int $0x80`: the kernel takes i386's numbers there.
//# build: gcc -O2 -static -no-pie -o $OUT $SRC
//# arch: x86_64
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"

// i386's numbers; on x86-64 they mean stat, writev, close and truncate, ...
enum { I386_WRITE = 4, I386_GETPID = 20, I386_MKDIR = 39, I386_RMDIR = 40, I386_UGETRLIMIT = 191 };

static long int80(long number, long first, long second, long third) {
    long result;
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(number), "b"(first), "c"(second), "d"(third)
                     : "memory", "r8", "r9", "r10", "r11");
    return result;
}

int main(void) {
    // The 32-bit entry sees only the low halves of the registers: what it points at must lie low.
    char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    CHECK(low != MAP_FAILED);

    CHECK(int80(I386_GETPID, 0, 0, 0) == getpid());
    CHECK(int80(I386_UGETRLIMIT, 3, (long)low, 0) == 0);

    strcpy(low, "int80-dir");
    CHECK(int80(I386_MKDIR, (long)low, 0755, 0) == 0);
    CHECK(access("int80-dir", X_OK) == 0);
    CHECK(int80(I386_RMDIR, (long)low, 0, 0) == 0);

    strcpy(low, "written by i386's write\n");
    CHECK(int80(I386_WRITE, 1, (long)low, (long)strlen(low)) == (long)strlen(low));
    CHECK(write(1, "written by x86-64's write\n", 26) == 26);
    return 0;
}
