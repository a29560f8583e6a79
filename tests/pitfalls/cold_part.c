// Shows a function whose unlikely half lies elsewhere, under a name of its own.
//# build cold_part: gcc -O2 $BARE -static -o $OUT $SRC
//# build cold_part_stripped: gcc -O2 $BARE -static-pie -fPIE -s -o $OUT $SRC
//# code cold_part: work.cold
//# exact: exit swapoff swapon
//# gaps: none
#include "marker.h"

__attribute__((cold, noipa)) static void complain(void) { MARK(swapoff); }

FUNCTION static unsigned work(unsigned value) {
    if (value == 7) {
        complain();
        return value + UNKNOWN();
    }
    MARK(swapon);
    return value;
}

void _start(void) {
    work(UNKNOWN());
    END();
}
