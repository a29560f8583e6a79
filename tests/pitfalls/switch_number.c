// Shows a switch that only selects a number: the compiler makes a table of it, or a jump table with one instruction
// behind all cases.
//# build switch_number_O0: gcc -O0 $BARE -static -o $OUT $SRC
//# build switch_number_O2: gcc -O2 $BARE -static -fno-pie -no-pie -o $OUT $SRC
//# build switch_number_pie: gcc -O2 $BARE -static-pie -fPIE -o $OUT $SRC
//# code switch_number_O0: jmp *
//# exact: acct exit pivot_root swapoff swapon syslog vhangup
//# gaps: none
#include "marker.h"

FUNCTION static int number_of(unsigned what) {
    switch (what) {
    case 0: return __NR_swapon;
    case 1: return __NR_swapoff;
    case 2: return __NR_acct;
    case 3: return __NR_vhangup;
    case 4: return __NR_syslog;
    default: return __NR_pivot_root;
    }
}

void _start(void) {
    INSTRUCTION(number_of(UNKNOWN()));
    END();
}
