// Shows ways back that are no returns: longjmp, and a context of one's own.
//# build jumps: gcc -O2 -o $OUT $SRC
//# build jumps_static: gcc -O2 -static -o $OUT $SRC
//# must: acct exit_group rt_sigprocmask swapoff swapon
//# not: reboot
#include <setjmp.h>
#include <ucontext.h>

#include "marker.h"

static jmp_buf place;
static ucontext_t here, there;
static char stack[1 << 16];

DEAD static void dead(void) { MARK(reboot); }
FUNCTION static void leave(void) { longjmp(place, 1); }
static void elsewhere(void) { MARK(acct); }

int main(void) {
    if (setjmp(place) == 0) {
        MARK(swapon);
        leave();
    } else {
        MARK(swapoff);
    }
    getcontext(&there);
    there.uc_stack.ss_sp = stack;
    there.uc_stack.ss_size = sizeof stack;
    there.uc_link = &here;
    makecontext(&there, elsewhere, 0);
    swapcontext(&here, &there);
    return 0;
}
