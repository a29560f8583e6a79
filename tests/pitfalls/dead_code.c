// Shows functions that nothing refers to, and one that only another dead one refers to.
//# build dead_code_O0: gcc -O0 $BARE -static -o $OUT $SRC
//# build dead_code_O2: gcc -O2 $BARE -static-pie -fPIE -s -o $OUT $SRC
//# exact: exit
//# gaps: none
#include "marker.h"

FUNCTION static void inner(void) { MARK(reboot); }
FUNCTION static void pointed(void) { MARK(kexec_load); }
DEAD static void outer(void) { inner(); }
DEAD static void *pointer(void) { return pointed; }
// Global, as a library's would be, but an executable exports nothing.
void exported(void) { MARK(init_module); }

void _start(void) { END(); }
