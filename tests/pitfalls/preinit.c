// Shows the oldest and the earliest start-up code: .init, .fini, and .preinit_array.
//# build preinit: gcc -O2 -o $OUT $SRC
//# build preinit_static: gcc -O2 -static -o $OUT $SRC
//# build preinit_old: gcc -O2 -o $OUT $SRC -Wl,-init,own_init,-fini,own_fini
//# baseline preinit: empty
//# adds preinit: acct
//# baseline preinit_static: empty_static
//# adds preinit_static: acct
//# must preinit_old: acct swapoff swapon exit_group
//# before-main: acct
//# before-main preinit_old: swapon
//# after-main preinit_old: swapoff
//# not: reboot
#include "marker.h"

static void early(void) { MARK(acct); }
__attribute__((section(".preinit_array"), used)) static void (*entry)(void) = early;
DEAD static void dead(void) { MARK(reboot); }

void own_init(void) { MARK(swapon); }
void own_fini(void) { MARK(swapoff); }

int main(void) { return 0; }
