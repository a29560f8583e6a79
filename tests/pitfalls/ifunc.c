// Shows an indirect function: its resolver runs before main, and any of its answers may be taken.
//# build ifunc: gcc -O2 -o $OUT $SRC
//# build ifunc_no_pie: gcc -O2 -fno-pie -no-pie -o $OUT $SRC
//# build ifunc_static: gcc -O2 -static -o $OUT $SRC
//# build ifunc_static_pie: gcc -O1 -static-pie -o $OUT $SRC
//# baseline ifunc: empty
//# baseline ifunc_no_pie: empty_no_pie
//# baseline ifunc_static: empty_static
//# baseline ifunc_static_pie: empty_static_pie
//# adds: acct swapoff swapon
//# before-main: acct
//# after-main: swapon swapoff
#include "marker.h"

FUNCTION static void on(void) { MARK(swapon); }
FUNCTION static void off(void) { MARK(swapoff); }
FUNCTION static void dead(void) { MARK(reboot); }

static void (*resolve(void))(void) {
    MARK(acct);
    return UNKNOWN() & 1 ? on : off;
}
void act(void) __attribute__((ifunc("resolve")));

// Never called: its resolver runs nowhere, as no relocation needs it.
static void (*resolve_unused(void))(void) { return dead; }
__attribute__((ifunc("resolve_unused"), used)) static void unused(void);

int main(void) {
    act();
    return 0;
}
