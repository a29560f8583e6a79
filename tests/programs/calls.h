// Shared by programs that make the same calls many times from few places.
#ifndef CALLS_H
#define CALLS_H

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

static unsigned long seen;
static void see(long what) { seen = seen * 31 + (unsigned long)what; }

// One place for each call. What it may destroy and what not is checked.
__attribute__((noinline)) static long call4(long number, long a, long b, long c, long d) {
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = 0x1234567887654321;
    long result = number, rbx = 0x1122334455667788, kept = rbx, di = a, si = b, dx = c;
    __asm__ volatile("mov %[rbx], %%rbx\n\tmov %[n], %%eax\n\tsyscall\n\tmov %%rbx, %[rbx]"
                     : "=&a"(result), [rbx] "+r"(rbx), "+D"(di), "+S"(si), "+d"(dx), "+r"(r10), "+r"(r8)
                     : [n] "r"((int)number)
                     : "rbx", "rcx", "r11", "memory");
    CHECK(rbx == kept && r10 == d && r8 == 0x1234567887654321 && di == a && si == b && dx == c);
    return result;
}

static struct stat about;
static inline long look_at(int base, const char *path, int flags) {
    return call4(SYS_newfstatat, base, (long)path, (long)&about, flags);
}
static inline long look(const char *path) { return look_at(AT_FDCWD, path, 0); }
static inline long opens(int base, const char *path, int flags) {
    return call4(SYS_openat, base, (long)path, flags, 0);
}
static inline long closes(long fd) { return call4(SYS_close, fd, 0, 0, 0); }

#endif
