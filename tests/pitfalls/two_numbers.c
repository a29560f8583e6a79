// Shows two numbers that meet before one instruction: both are possible, not only the last.
//# build two_numbers_branch: gcc -O0 $BARE -static -o $OUT $SRC
//# build two_numbers_cmov: gcc -O2 $BARE -static -o $OUT $SRC
//# code two_numbers_cmov: cmov
//# exact: exit mount umount2
//# gaps: none
#include "marker.h"

FUNCTION static long choose(int which) {
    long number = __NR_mount;
    if (which)
        number = __NR_umount2;
    return INSTRUCTION(number);
}

void _start(void) {
    choose(UNKNOWN() & 1);
    END();
}
