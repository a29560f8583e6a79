// Shows a wrapper that is reached by a jump at the end of another function, directly and through a register.
//# build tail_call_O2: gcc -O2 $BARE -static -o $OUT $SRC
//# build tail_call_pie: gcc -O3 $BARE -static-pie -fPIE -s -o $OUT $SRC
//# code tail_call_O2: jmp
//# exact: exit swapoff swapon
//# gaps: none
#include "marker.h"

FUNCTION static long call(long number) { return INSTRUCTION(number); }
FUNCTION static long on(void) { return call(__NR_swapon); }

// The function is chosen first, then jumped to.
FUNCTION static long either(long (*function)(long)) { return function(__NR_swapoff); }

DEAD static long dead(void) { return call(__NR_reboot); }

void _start(void) {
    on();
    either(call);
    END();
}
