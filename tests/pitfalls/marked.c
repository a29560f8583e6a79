// Shows that a program with one instruction more is predicted one call more, whatever it is linked to; a function
// that is never called adds nothing. (Which function is main, a stripped static program need not tell.)
//# build marked: gcc -O2 -o $OUT $SRC
//# build marked_O0: gcc -O0 -fno-pie -no-pie -o $OUT $SRC
//# build marked_static: gcc -O2 -static -o $OUT $SRC
//# build marked_static_stripped: gcc -O2 -static -s -o $OUT $SRC
//# build marked_static_pie: gcc -O2 -static-pie -o $OUT $SRC
//# build marked_musl: musl-gcc -O2 -static -o $OUT $SRC
//# baseline marked: empty
//# baseline marked_O0: empty_no_pie
//# baseline marked_static: empty_static
//# baseline marked_static_stripped: empty_static_stripped
//# baseline marked_static_pie: empty_static_pie
//# baseline marked_musl: empty_musl
//# adds: sethostname
//# after-main marked: sethostname
//# after-main marked_O0: sethostname
//# after-main marked_static: sethostname
//# after-main marked_static_pie: sethostname
//# after-main marked_musl: sethostname
#include "marker.h"

DEAD static void dead(void) { MARK(reboot); }

int main(void) {
    MARK(sethostname);
    return 0;
}
