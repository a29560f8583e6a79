// Shows the destructor of a thread's own object: only the end of the thread calls it.
//# build thread_destructor: g++ -O2 -o $OUT $SRC
//# build thread_destructor_static: g++ -O2 -static -o $OUT $SRC
//# must: exit_group swapon
//# not: reboot
#include "marker.h"

struct Own {
    int value = 1;
    ~Own() { MARK(swapon); }
};
struct Never {
    int value = 1;
    DEAD ~Never() { MARK(reboot); }
};
static thread_local Own own;

int main() { return own.value; }
