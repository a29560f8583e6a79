// Shows weak symbols: one that nobody defines is never called, one is replaced by a strong one of another file.
//# build weak: echo 'void replaced(void) { long r; __asm__ volatile("syscall" : "=a"(r) : "0"(167L) : "rcx", "r11"); }' >$TMP/strong.c && gcc -O2 -o $OUT $SRC $TMP/strong.c
//# build weak_static: echo 'void replaced(void) { long r; __asm__ volatile("syscall" : "=a"(r) : "0"(167L) : "rcx", "r11"); }' >$TMP/strong.c && gcc -O2 -static -o $OUT $SRC $TMP/strong.c
//# baseline weak: empty
//# baseline weak_static: empty_static
//# adds: swapoff swapon
#include "marker.h"

void absent(void) __attribute__((weak));
__attribute__((weak, noipa)) void replaced(void) { MARK(reboot); }
__attribute__((weak, noipa)) void kept(void) { MARK(swapoff); }

int main(void) {
    if (absent)
        absent();
    replaced();
    kept();
    return 0;
}
