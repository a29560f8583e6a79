// Shows a number that is computed: a base and one bit, and a loop over three numbers. Resolved, or a gap.
//# build computed_number_O0: gcc -O0 $BARE -static -o $OUT $SRC
//# build computed_number_O2: gcc -O2 $BARE -static -o $OUT $SRC
//# must-or-gap: number swapoff swapon sethostname setdomainname iopl
//# must: exit
//# not: mount vhangup
#include "marker.h"

FUNCTION static void by_bit(unsigned bit) { INSTRUCTION(__NR_swapon + (bit & 1)); }

FUNCTION static void by_loop(void) {
    for (int number = __NR_sethostname; number <= __NR_iopl; number++)
        INSTRUCTION(number);
}

DEAD static void dead(void) { MARK(vhangup); }

void _start(void) {
    by_bit(UNKNOWN());
    by_loop();
    END();
}
