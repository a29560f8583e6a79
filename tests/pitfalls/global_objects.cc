// Shows objects of a program's whole life: made before main, destroyed after it.
//# build global_objects: g++ -O2 -o $OUT $SRC
//# build global_objects_static: g++ -O0 -static -o $OUT $SRC
//# must: acct exit_group swapoff swapon
//# before-main: swapon
//# after-main: swapoff acct
//# not: reboot
#include "marker.h"

struct Life {
    FUNCTION Life() { MARK(swapon); }
    FUNCTION ~Life() { MARK(swapoff); }
};
static Life life;
DEAD static void dead() { MARK(reboot); }

int main() {
    struct Later {
        FUNCTION ~Later() { MARK(acct); }
    };
    static Later later;
    return 0;
}
