// Shows a switch as a jump table: absolute addresses in non-PIE, offsets in PIE, with and without notrack.
//# build jump_table: gcc -O2 $BARE -static -fno-pie -no-pie -o $OUT $SRC
//# build jump_table_O0: gcc -O0 $BARE -static -fno-pie -no-pie -o $OUT $SRC
//# build jump_table_pie: gcc -O2 $BARE -static-pie -fPIE -o $OUT $SRC
//# build jump_table_cet: gcc -O2 -fcf-protection $BARE -static-pie -fPIE -s -o $OUT $SRC
//# code: jmp *
//# code jump_table_cet: notrack jmp *
//# exact: acct exit mount pivot_root swapoff swapon umount2 vhangup
//# gaps: none
#include "marker.h"

FUNCTION static void act(unsigned what) {
    switch (what) {
    case 10: MARK(swapon); break;
    case 11: MARK(swapoff); break;
    case 12: MARK(acct); break;
    case 13: MARK(vhangup); break;
    case 14: MARK(mount); break;
    case 15: MARK(umount2); break;
    case 17: MARK(pivot_root); break;
    }
}

DEAD static void dead(unsigned what) {
    switch (what) {
    case 0: MARK(reboot); break;
    case 1: MARK(kexec_load); break;
    case 2: MARK(init_module); break;
    case 3: MARK(delete_module); break;
    case 4: MARK(settimeofday); break;
    }
}

void _start(void) {
    act(UNKNOWN());
    END();
}
