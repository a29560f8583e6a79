// Shows numbers from a read-only table: all of its entries, and nothing of the table beside it.
//# build table_read_only_O0: gcc -O0 $BARE -static -o $OUT $SRC
//# build table_read_only_O2: gcc -O2 $BARE -static -fno-pie -no-pie -o $OUT $SRC
//# build table_read_only_pie: gcc -O2 $BARE -static-pie -fPIE -o $OUT $SRC
//# exact: acct exit swapoff swapon vhangup
//# gaps: none
#include "marker.h"

static const int table[4] = {__NR_swapon, __NR_swapoff, __NR_acct, __NR_vhangup};
__attribute__((used)) static const int other[2] = {__NR_reboot, __NR_mount};

void _start(void) {
    INSTRUCTION(table[UNKNOWN() & 3]);
    END();
}
