// Memory that is writable and executable: at once (mmap, mprotect), or one after the other (turns).
// With `own`, a call made by an instruction of the program's own.
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

__attribute__((noinline)) static long own_call(void) {
    long result;
#if defined __x86_64__
    __asm__ volatile("syscall" : "=a"(result) : "a"(SYS_getppid) : "rcx", "r11", "memory");
#elif defined __aarch64__
    register long number __asm__("x8") = SYS_getppid;
    register long first __asm__("x0") = 0;
    __asm__ volatile("svc 0" : "+r"(first) : "r"(number) : "memory");
    result = first;
#else
    result = syscall(SYS_getppid);
#endif
    return result;
}

static char *map(int prot) {
    char *area = mmap(NULL, 4096, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED)
        exit(1);
    return area;
}

int main(int argc, char **argv) {
    const char *how = argc > 1 ? argv[1] : "none";
    int failed = 0;
    if (strcmp(how, "mmap") == 0)
        map(PROT_READ | PROT_WRITE | PROT_EXEC);
    if (strcmp(how, "mprotect") == 0)
        failed = mprotect(map(PROT_READ), 4096, PROT_WRITE | PROT_EXEC);
    if (strcmp(how, "turns") == 0) {
        char *area = map(PROT_READ | PROT_WRITE);
        failed = mprotect(area, 4096, PROT_READ | PROT_EXEC);
    }
    if (strcmp(how, "own") == 0)
        failed = own_call() <= 0;
    return failed != 0;
}
