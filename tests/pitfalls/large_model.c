// Shows code for addresses anywhere: every call is through a register, every address a 64-bit immediate.
//# build large_model: gcc -O2 -mcmodel=large $BARE -static -fno-pie -no-pie -o $OUT $SRC
//# build large_model_O0: gcc -O0 -mcmodel=large $BARE -static -fno-pie -no-pie -o $OUT $SRC
//# build large_model_pie: gcc -O2 -mcmodel=large $BARE -static-pie -fPIE -o $OUT $SRC
//# code large_model: call *%
//# must: exit swapoff swapon
//# not: reboot
//# gaps: none
#include "marker.h"

FUNCTION static long call(long number) { return INSTRUCTION(number); }
DEAD static void dead(void) { MARK(reboot); }

void _start(void) {
    call(__NR_swapon);
    call(__NR_swapoff);
    END();
}
