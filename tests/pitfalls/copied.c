// Shows a library's data that a relocation copies into a non-PIE executable, with the function pointers in it.
//# build copied: gcc -O2 -shared -fPIC -DLIBRARY -o $DIR/libcopied.so $SRC && gcc -O2 -fno-pie -no-pie -o $OUT $SRC -L$DIR -lcopied -Wl,-rpath,'$ORIGIN'
//# code: call *
//# baseline: empty_no_pie
//# adds: acct swapon
#include "marker.h"

struct operations {
    int kind;
    void (*first)(void), (*second)(void);
};
extern struct operations operations;

#ifdef LIBRARY
FUNCTION static void on(void) { MARK(swapon); }
FUNCTION static void account(void) { MARK(acct); }
FUNCTION static void dead(void) { MARK(reboot); }
struct operations operations = {1, on, account};
struct operations unused = {2, dead, dead};
#else
int main(void) {
    operations.first();
    operations.second();
    return 0;
}
#endif
