// Shows numbers among variable arguments, and in pairs of function and number: resolved, or a gap.
//# build vararg_number_O0: gcc -O0 $BARE -static -o $OUT $SRC
//# build vararg_number_O2: gcc -O2 $BARE -static -o $OUT $SRC
//# must-or-gap: number acct swapoff swapon vhangup
//# must: exit
//# not: reboot
#include <stdarg.h>

#include "marker.h"

FUNCTION static void all(int count, ...) {
    va_list list;
    va_start(list, count);
    while (count-- > 0)
        INSTRUCTION(va_arg(list, int));
    va_end(list);
}

FUNCTION static void one(int number) { INSTRUCTION(number); }
DEAD static void dead(void) { MARK(reboot); }

static const struct {
    void (*function)(int);
    int number;
} pairs[2] = {{one, __NR_acct}, {one, __NR_vhangup}};

void _start(void) {
    all(2, __NR_swapon, __NR_swapoff);
    for (int i = 0; i < 2; i++)
        pairs[i].function(pairs[i].number);
    END();
}
