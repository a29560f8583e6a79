// Shows a switch whose value is known to be in range: the jump table has no check before it.
//# build jump_table_unbounded: gcc -O2 $BARE -static -fno-pie -no-pie -o $OUT $SRC
//# build jump_table_unbounded_pie: gcc -O2 $BARE -static-pie -fPIE -o $OUT $SRC
//# code: jmp *
//# must: acct exit mount swapoff swapon umount2 vhangup
//# within: acct exit mount swapoff swapon umount2 vhangup
#include "marker.h"

FUNCTION static void act(unsigned what) {
    switch (what) {
    case 0: MARK(swapon); break;
    case 1: MARK(swapoff); break;
    case 2: MARK(acct); break;
    case 3: MARK(vhangup); break;
    case 4: MARK(mount); break;
    case 5: MARK(umount2); break;
    default: __builtin_unreachable();
    }
}

void _start(void) {
    act(UNKNOWN() % 6);
    END();
}
