// Shows a path that no caller takes: the flag is 0 at the only live call.
//# build pruned_flag_O0: gcc -O0 $BARE -static -o $OUT $SRC
//# build pruned_flag_O2: gcc -O2 $BARE -static -o $OUT $SRC
//# must: exit swapon
//# within: exit swapon swapoff
//# not: reboot
//# gaps: none
#include "marker.h"

FUNCTION static void work(int also_off) {
    MARK(swapon);
    if (also_off)
        MARK(swapoff);
}

DEAD static void dead(void) {
    work(1);
    MARK(reboot);
}

void _start(void) {
    work(0);
    END();
}
