// Shows two libraries that define the same symbol: the one that is loaded first counts, also for the other.
//# build library_order: gcc -O2 -shared -fPIC -DFIRST -o $DIR/libfirst.so $SRC && gcc -O2 -shared -fPIC -DSECOND -o $DIR/libsecond.so $SRC && gcc -O2 -o $OUT $SRC -L$DIR -Wl,--no-as-needed -lfirst -lsecond -Wl,-rpath,'$ORIGIN'
//# build library_symbolic: gcc -O2 -shared -fPIC -DFIRST -o $DIR/libfirst.so $SRC && gcc -O2 -shared -fPIC -DSECOND -Wl,-Bsymbolic -o $DIR/libsecond.so $SRC && gcc -O2 -o $OUT $SRC -L$DIR -Wl,--no-as-needed -lfirst -lsecond -Wl,-rpath,'$ORIGIN'
//# baseline: empty
//# adds library_order: swapon
//# adds library_symbolic: swapon swapoff
#include "marker.h"

#if defined(FIRST)
__attribute__((noipa)) void work(void) { MARK(swapon); }
#elif defined(SECOND)
__attribute__((noipa)) void work(void) { MARK(swapoff); }
void start(void) { work(); }
#else
void work(void);
void start(void);

int main(void) {
    work();
    start();
    return 0;
}
#endif
