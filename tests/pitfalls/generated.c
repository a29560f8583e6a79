// Shows memory that is written and then run: what it will do is in no file.
//# build generated_mmap: gcc -O2 -o $OUT $SRC
//# build generated_mmap_static: gcc -O2 -static -o $OUT $SRC
//# build generated_mprotect: gcc -O2 -DPROTECT -o $OUT $SRC
//# build generated_not: gcc -O2 -DHARMLESS -o $OUT $SRC
//# must: mmap exit_group
//# gap generated_mmap: generated-code
//# gap generated_mmap_static: generated-code
//# gap generated_mprotect: generated-code
//# no-gap generated_not: generated-code
//# not: reboot
#define _GNU_SOURCE
#include <sys/mman.h>

int main(void) {
    int before = PROT_READ | PROT_WRITE;
#if !defined(PROTECT) && !defined(HARMLESS)
    before |= PROT_EXEC;
#endif
    unsigned char *code = mmap(0, 4096, before, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (code == MAP_FAILED)
        return 1;
    code[0] = 0xc3;
#ifdef PROTECT
    mprotect(code, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
#endif
#ifndef HARMLESS
    ((void (*)(void))code)();
#endif
    return 0;
}
