// Shows indirect calls by a return, as hardened programs make them: through a thunk that stores the target on the stack.
//# build retpoline: gcc -O2 -mindirect-branch=thunk -mfunction-return=thunk -fcf-protection=none $BARE -static -fno-pie -no-pie -o $OUT $SRC
//# build retpoline_inline: gcc -O2 -mindirect-branch=thunk-inline -fcf-protection=none $BARE -static-pie -fPIE -o $OUT $SRC
//# code retpoline: __x86_indirect_thunk
//# must: exit swapoff swapon
//# not: reboot
#include "marker.h"

FUNCTION static void on(void) { MARK(swapon); }
FUNCTION static void off(void) { MARK(swapoff); }
DEAD static void dead(void) { MARK(reboot); }

static void (*const table[2])(void) = {on, off};

void _start(void) {
    table[UNKNOWN() & 1]();
    END();
}
