// Shows numbers from a writable table: what it holds at first and what the program stores, or a gap that says so.
//# build table_writable_O0: gcc -O0 $BARE -static -o $OUT $SRC
//# build table_writable_O2: gcc -O2 $BARE -static -o $OUT $SRC
//# must-or-gap: number acct swapoff swapon
//# must: exit
//# not: reboot
#include "marker.h"

static volatile int table[2] = {__NR_swapon, __NR_swapoff};

DEAD static void dead(void) { MARK(reboot); }

void _start(void) {
    if (UNKNOWN() & 2)
        table[1] = __NR_acct;
    INSTRUCTION(table[UNKNOWN() & 1]);
    END();
}
