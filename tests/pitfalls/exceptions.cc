// Shows a handler of exceptions and a destructor on the way to it: only the unwinder knows the way.
//# build exceptions: g++ -O2 -o $OUT $SRC
//# build exceptions_O0: g++ -O0 -fno-pie -no-pie -o $OUT $SRC
//# build exceptions_static: g++ -O2 -static -s -o $OUT $SRC
//# must: acct exit_group swapoff swapon
//# not: reboot
#include "marker.h"

struct Guard {
    FUNCTION ~Guard() { MARK(swapon); }
};

DEAD static void dead() { MARK(reboot); }

FUNCTION static void fail(unsigned value) {
    if (value & 1)
        throw value;
    MARK(acct);
}

FUNCTION static void guarded(unsigned value) {
    Guard guard;
    fail(value);
}

int main() {
    try {
        guarded(UNKNOWN());
    } catch (unsigned) {
        MARK(swapoff);
    }
    return 0;
}
