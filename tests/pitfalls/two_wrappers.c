// Shows the number as a parameter through two wrappers, each with other parameters in other places.
//# build two_wrappers_O0: gcc -O0 $BARE -static -o $OUT $SRC
//# build two_wrappers_O2: gcc -O2 $BARE -static -fno-pie -no-pie -o $OUT $SRC
//# build two_wrappers_pie: gcc -O1 $BARE -static-pie -fPIE -o $OUT $SRC
//# build two_wrappers_stripped: gcc -O2 $BARE -static -s -o $OUT $SRC
//# exact: acct exit sethostname setdomainname
//# gaps: none
#include "marker.h"

FUNCTION static long inner(long first, long number) { return INSTRUCTION(number) + first; }

FUNCTION static long outer(long number, long first, const char *why) {
    return inner(first, number) + (why != 0);
}

DEAD static void dead(void) { outer(__NR_reboot, 1, "nobody calls this"); }

void _start(void) {
    outer(__NR_sethostname, 1, "first");
    if (UNKNOWN() & 1)
        outer(__NR_setdomainname, 2, "second");
    inner(3, __NR_acct);
    END();
}
