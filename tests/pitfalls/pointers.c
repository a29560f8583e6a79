// Shows functions reached through a table: constant, writable, or filled at run time; a table that nobody reads
// keeps nothing alive.
//# build pointers_constant: gcc -O2 -DTABLE=const $BARE -static -fno-pie -no-pie -o $OUT $SRC
//# build pointers_constant_O0: gcc -O0 -DTABLE=const $BARE -static -fno-pie -no-pie -o $OUT $SRC
//# build pointers_constant_pie: gcc -O2 -DTABLE=const $BARE -static-pie -fPIE -o $OUT $SRC
//# build pointers_relr: gcc -O2 -DTABLE=const $BARE -static-pie -fPIE -Wl,-z,pack-relative-relocs -o $OUT $SRC
//# build pointers_writable: gcc -O2 -DTABLE= $BARE -static -fno-pie -no-pie -o $OUT $SRC
//# build pointers_writable_pie: gcc -O2 -DTABLE= $BARE -static-pie -fPIE -s -o $OUT $SRC
//# build pointers_stored: gcc -O2 -DSTORED -DTABLE= $BARE -static -fno-pie -no-pie -o $OUT $SRC
//# build pointers_stored_pie: gcc -O0 -DSTORED -DTABLE= $BARE -static-pie -fPIE -o $OUT $SRC
//# exact: acct exit swapoff swapon
//# gaps: none
#include "marker.h"

FUNCTION static void on(void) { MARK(swapon); }
FUNCTION static void off(void) { MARK(swapoff); }
FUNCTION static void account(void) { MARK(acct); }
FUNCTION static void dead(void) { MARK(reboot); }

typedef void function(void);
__attribute__((used)) static function *TABLE unused[2] = {dead, dead};
#ifdef STORED
static function *volatile table[4];
#else
static function *TABLE table[4] = {on, off, account, on};
#endif

void _start(void) {
#ifdef STORED
    table[0] = table[3] = on;
    table[1] = off;
    table[2] = account;
#endif
    table[UNKNOWN() & 3]();
    END();
}
