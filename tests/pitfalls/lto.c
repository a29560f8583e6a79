// Shows other ways to compile and link: link-time optimisation, for size, the gold linker, sections of their own.
//# build lto: gcc -O2 -flto $BARE -static -o $OUT $SRC
//# build size: gcc -Os $BARE -static -o $OUT $SRC
//# build gold: gcc -O2 -fuse-ld=gold $BARE -static -fno-pie -no-pie -o $OUT $SRC
//# build sections: gcc -O2 -ffunction-sections -fdata-sections -Wl,--gc-sections,--icf=none -fuse-ld=gold $BARE -static -o $OUT $SRC
//# build no_unwind: gcc -O2 -fno-asynchronous-unwind-tables -s $BARE -static -o $OUT $SRC
//# build frame_pointer: gcc -O1 -fno-omit-frame-pointer -mno-red-zone -fstack-protector-strong -mstack-protector-guard=global -DGUARD $BARE -fstack-protector-strong -static -o $OUT $SRC
//# exact: acct exit swapoff swapon
//# gaps: none
#include "marker.h"

#ifdef GUARD
unsigned long __stack_chk_guard = 1;
void __stack_chk_fail(void) { __builtin_trap(); }
#endif

FUNCTION static long call(long first, long number) {
    volatile char text[16];
    text[first & 15] = 1;
    return INSTRUCTION(number) + text[0];
}
FUNCTION static void on(void) { call(1, __NR_swapon); }
FUNCTION static void off(void) { call(2, __NR_swapoff); }
FUNCTION static void account(void) { call(3, __NR_acct); }
DEAD static void dead(void) { call(4, __NR_reboot); }

static void (*const table[3])(void) = {on, off, account};

void _start(void) {
    table[UNKNOWN() % 3]();
    END();
}
