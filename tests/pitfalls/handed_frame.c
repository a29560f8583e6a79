// Shows functions that are put on the stack between being handed over and being called: where only the function itself
// reads the word, who calls with which number is known; where others do (through a pointer, as an argument on the stack,
// by an index, as part of a larger object), they are called by those.
//# build handed_frame_O0: gcc -O0 $BARE -static -o $OUT $SRC
//# build handed_frame_O1: gcc -O1 $BARE -static-pie -fPIE -o $OUT $SRC
//# build handed_frame_O2: gcc -O2 $BARE -static -o $OUT $SRC
//# build handed_frame_O3: gcc -O3 -mavx2 $BARE -static-pie -fPIE -s -o $OUT $SRC
//# exact: acct chroot exit setsid swapoff swapon sync vhangup
//# gaps: none
#include "marker.h"

typedef long function(long);

FUNCTION static long raw(long number) { return INSTRUCTION(number); }
FUNCTION static long first(long ignored) { return MARK(swapoff), ignored; }
FUNCTION static long second(long ignored) { return MARK(acct), ignored; }
FUNCTION static long third(long ignored) { return MARK(setsid), ignored; }
FUNCTION static long fourth(long ignored) { return MARK(sync), ignored; }
FUNCTION static long fifth(long ignored) { return MARK(chroot), ignored; }
FUNCTION static long sixth(long ignored) { return MARK(vhangup), ignored; }
DEAD static void dead(void) { MARK(reboot); }

// Only here.
FUNCTION static long own(function *given) { return given(__NR_swapon); }

// Through a pointer to the word.
FUNCTION static long pointed(function **given) { return (*given)(0); }
FUNCTION static long by_pointer(function *given) { return pointed(&given); }

// As the seventh and eighth argument.
FUNCTION static long eight(long a, long b, long c, long d, long e, long f, function *one, function *other) {
    return one(a + b + c) + other(d + e + f);
}
FUNCTION static long by_stack(function *one, function *other) { return eight(1, 2, 3, 4, 5, 6, one, other); }

// By an index that nobody knows.
FUNCTION static long by_index(function *given) {
    function *volatile table[4] = {given, given, given, given};
    return table[UNKNOWN() & 3](0);
}

// As part of an object that is copied whole.
struct large {
    long before[3];
    function *inside;
};
FUNCTION static long whole(struct large given) { return given.inside(given.before[0]); }
FUNCTION static long by_copy(function *given) {
    struct large large = {{1, 2, 3}, given};
    struct large copy = large;
    return whole(copy);
}

void _start(void) {
    own(raw);
    by_pointer(first);
    by_stack(second, third);
    by_index(fourth);
    by_copy(fifth);
    own(sixth);
    END();
}
