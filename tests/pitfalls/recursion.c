// Shows numbers as parameters of functions that call themselves and each other.
//# build recursion_O0: gcc -O0 $BARE -static -o $OUT $SRC
//# build recursion_O2: gcc -O2 $BARE -static-pie -fPIE -o $OUT $SRC
//# exact: acct exit swapoff swapon
//# gaps: none
#include "marker.h"

FUNCTION static long other(int depth, long number);

FUNCTION static long one(long number, int depth) {
    if (depth > 0)
        return one(number, depth - 1) + other(depth, number);
    return INSTRUCTION(number);
}

FUNCTION static long other(int depth, long number) {
    return one(depth & 1 ? number : __NR_acct, depth - 1) + 1;
}

DEAD static long dead(void) { return one(__NR_reboot, 1); }

void _start(void) {
    one(__NR_swapon, (int)UNKNOWN());
    other((int)UNKNOWN(), __NR_swapoff);
    END();
}
