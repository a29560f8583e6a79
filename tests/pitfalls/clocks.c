// Shows calls that the vDSO answers: where it cannot, the function makes the call.
//# build clocks: gcc -O2 -o $OUT $SRC
//# build clocks_static: gcc -O2 -static -o $OUT $SRC
//# build clocks_musl: musl-gcc -O2 -static -o $OUT $SRC
//# must: clock_gettime exit_group getcpu
//# not: reboot clock_settime settimeofday
#define _GNU_SOURCE
#include <sched.h>
#include <time.h>

int main(void) {
    struct timespec now;
    return clock_gettime(CLOCK_REALTIME, &now) + sched_getcpu();
}
