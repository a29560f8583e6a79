// Shows a number that nobody can know: a gap with the place of the instruction, never silence.
//# build unknown_number_O0: gcc -O0 $BARE -static -o $OUT $SRC
//# build unknown_number_O2: gcc -O2 $BARE -static -s -o $OUT $SRC
//# must: exit swapon
//# not: reboot
//# gap: number
#include "marker.h"

FUNCTION static long call(long number) { return INSTRUCTION(number); }

DEAD static void dead(void) { MARK(reboot); }

void _start(void) {
    call(__NR_swapon);
    call(UNKNOWN());
    END();
}
