// Shows a number that travels in a structure through a pointer, as in setxid: resolved, or a gap.
//# build number_in_struct_O0: gcc -O0 $BARE -static -o $OUT $SRC
//# build number_in_struct_O2: gcc -O2 $BARE -static-pie -fPIE -o $OUT $SRC
//# must-or-gap: number swapoff swapon
//# must: exit
//# not: reboot
#include "marker.h"

struct request {
    long arguments[3];
    int number;
};
static struct request *pending;

FUNCTION static void serve(void) { pending->arguments[0] = INSTRUCTION(pending->number); }

FUNCTION static void ask(struct request *request, int number) {
    request->number = number;
    pending = request;
    serve();
}

DEAD static void dead(void) { MARK(reboot); }

void _start(void) {
    struct request request = {{1, 2, 3}, 0};
    ask(&request, __NR_swapon);
    ask(&request, __NR_swapoff);
    END();
}
