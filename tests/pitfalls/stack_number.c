// Shows the number handed over on the stack, as glibc 2.41's cancellable calls do: it is the seventh parameter.
//# build stack_number_O0: gcc -O0 $BARE -static -o $OUT $SRC
//# build stack_number_O1: gcc -O1 $BARE -static -o $OUT $SRC
//# build stack_number_O2: gcc -O2 $BARE -static-pie -fPIE -o $OUT $SRC
//# build stack_number_O3: gcc -O3 -fomit-frame-pointer $BARE -static -fno-pie -no-pie -o $OUT $SRC
//# exact: exit swapoff swapon
//# gaps: none
#include "marker.h"

FUNCTION static long call(long a, long b, long c, long d, long e, long f, long number) {
    (void)(a + b + c + d + e + f);
    return INSTRUCTION(number);
}

// One more hop: the slot is copied from frame to frame.
FUNCTION static long cancellable(long a, long b, long c, long d, long e, long f, long number) {
    return call(a, b, c, d, e, f, number) + 1;
}

DEAD static void dead(void) { MARK(reboot); }

void _start(void) {
    cancellable(0, 0, 0, 0, 0, 0, __NR_swapon);
    cancellable(1, 2, 3, 4, 5, 6, __NR_swapoff);
    END();
}
