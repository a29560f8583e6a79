// Shows a newer call with an older one behind it, both through the same wrapper: openat2, else openat.
//# build fallback_O0: gcc -O0 $BARE -static -o $OUT $SRC
//# build fallback_O2: gcc -O2 $BARE -static-pie -fPIE -o $OUT $SRC
//# exact: exit openat openat2
//# gaps: none
#include "marker.h"

FUNCTION static long call(long number) { return INSTRUCTION(number); }

FUNCTION static long open_file(void) {
    long number = __NR_openat2, result;
    while ((result = call(number)) == -38 && number == __NR_openat2)
        number = __NR_openat;
    return result;
}

void _start(void) {
    open_file();
    END();
}
