// Shows a symbol that executable and library both define: the executable's is called, by the library too.
//# build interposition: gcc -O2 -shared -fPIC -DLIBRARY -o $DIR/libinterposed.so $SRC && gcc -O2 -o $OUT $SRC -L$DIR -linterposed -Wl,-rpath,'$ORIGIN'
//# build interposition_no_pie: gcc -O2 -shared -fPIC -DLIBRARY -o $DIR/libinterposed.so $SRC && gcc -O2 -fno-pie -no-pie -rdynamic -s -o $OUT $SRC -L$DIR -linterposed -Wl,--disable-new-dtags,-rpath,'$ORIGIN'
//# baseline interposition: empty
//# baseline interposition_no_pie: empty_no_pie
//# adds: acct swapon
//# module: libinterposed.so core
#include "marker.h"

#ifdef LIBRARY
__attribute__((noipa)) void helper(void) { MARK(swapoff); }
__attribute__((noipa)) void dead(void) { MARK(reboot); }
void work(void) {
    MARK(acct);
    helper();
}
#else
void work(void);
__attribute__((noipa)) void helper(void) { MARK(swapon); }

int main(void) {
    work();
    return 0;
}
#endif
