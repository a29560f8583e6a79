// Shows files without section headers: segments and the dynamic section are all that a loader needs.
//# build no_sections: gcc -O2 $BARE -DBARE -static -s -o $OUT $SRC && printf '\0\0\0\0\0\0\0\0' | dd of=$OUT bs=1 seek=40 conv=notrunc status=none && printf '\0\0\0\0\0\0' | dd of=$OUT bs=1 seek=58 conv=notrunc status=none
//# build no_sections_libc: gcc -O2 -s -o $OUT $SRC && printf '\0\0\0\0\0\0\0\0' | dd of=$OUT bs=1 seek=40 conv=notrunc status=none && printf '\0\0\0\0\0\0' | dd of=$OUT bs=1 seek=58 conv=notrunc status=none
//# exact no_sections: exit swapon swapoff
//# gaps no_sections: none
//# baseline no_sections_libc: empty_stripped
//# adds no_sections_libc: exit swapon swapoff
#include "marker.h"

FUNCTION static void on(void) { MARK(swapon); }
FUNCTION static void off(void) { MARK(swapoff); }
DEAD static void dead(void) { MARK(reboot); }
static void (*volatile chosen)(void) = off;

#ifdef BARE
void _start(void) {
#else
int main(void) {
#endif
    on();
    chosen();
    END();
}
