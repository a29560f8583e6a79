// Shows indirect calls, which may lead to whatever has its address taken where nothing narrows them: through a
// variable, through what a caller hands over that is not known, and, all of them narrowed, through constants and
// through what every caller hands over.
//# build indirect_variable: gcc -O2 -DVARIABLE $BARE -static -o $OUT $SRC
//# build indirect_handed: gcc -O2 -DHANDED $BARE -static-pie -fPIE -o $OUT $SRC
//# build indirect_handed_O0: gcc -O0 -DHANDED $BARE -static -o $OUT $SRC
//# build indirect_narrowed: gcc -O2 $BARE -static -o $OUT $SRC
//# build indirect_narrowed_O0: gcc -O0 $BARE -static-pie -fPIE -o $OUT $SRC
//# exact: exit swapoff swapon
//# gaps: none
//# any indirect_variable: 3 both
//# any indirect_handed: 1 call
//# any indirect_handed_O0: 1 call
//# any indirect_narrowed: none
//# any indirect_narrowed_O0: none
#include "marker.h"

FUNCTION static void on(void) { MARK(swapon); }
FUNCTION static void off(void) { MARK(swapoff); }
DEAD static void dead(void) { MARK(reboot); }

typedef void function(void);
static function *volatile variable = on;
static function *const constant = off;

FUNCTION static void call(function *given) { given(); }
FUNCTION static void known(function *given) { given(); }
FUNCTION static void on_to(function *given) { known(given); }

FUNCTION static void both(void) {
    variable();
    variable();
}

void _start(void) {
#if defined(VARIABLE)
    both();
    variable = off;
    variable();
#elif defined(HANDED)
    call(off);
    call(variable);
    known(off);
#else
    on_to(on);
    known(off);
    (*(function *const volatile *)&constant)();
#endif
    END();
}
