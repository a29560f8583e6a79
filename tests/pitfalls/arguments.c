// Shows arguments that are known: one value, two that meet, through a wrapper; and one that is not known.
//# build arguments_O0: gcc -O0 $BARE -static -o $OUT $SRC
//# build arguments_O2: gcc -O2 $BARE -static-pie -fPIE -o $OUT $SRC
//# exact: exit prctl socket unshare
//# argument: socket domain 1 2
//# argument: prctl option 15
//# argument: unshare flags unknown
//# gaps: none
#include "marker.h"

FUNCTION static long call(long number, long first, long second, long third) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "0"(number), "D"(first), "S"(second), "d"(third)
                     : "rcx", "r11", "memory");
    return result;
}
FUNCTION static long open_socket(int domain) { return call(__NR_socket, domain, 1, 0); }

void _start(void) {
    open_socket(1);
    open_socket(2);
    call(__NR_prctl, 15, 0, 0);
    call(__NR_unshare, UNKNOWN(), 0, 0);
    END();
}
