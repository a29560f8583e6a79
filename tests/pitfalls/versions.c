// Shows one symbol in two versions: the executable is bound to one of them.
//# build version_new: printf 'V1 { global: work; local: *; }; V2 { global: work; } V1;' >$TMP/map && gcc -O2 -shared -fPIC -DLIBRARY -Wl,--version-script=$TMP/map -o $DIR/libversions.so $SRC && gcc -O2 -o $OUT $SRC -L$DIR -lversions -Wl,-rpath,'$ORIGIN'
//# build version_old: printf 'V1 { global: work; local: *; }; V2 { global: work; } V1;' >$TMP/map && gcc -O2 -shared -fPIC -DLIBRARY -Wl,--version-script=$TMP/map -o $DIR/libversions.so $SRC && gcc -O2 -DOLD -o $OUT $SRC -L$DIR -lversions -Wl,-rpath,'$ORIGIN'
//# baseline: empty
//# adds version_new: swapon
//# adds version_old: swapoff
#include "marker.h"

#ifdef LIBRARY
__attribute__((noipa, symver("work@@V2"))) void new_work(void) { MARK(swapon); }
__attribute__((noipa, symver("work@V1"))) void old_work(void) { MARK(swapoff); }
#else
void work(void);
#ifdef OLD
__asm__(".symver work, work@V1");
#endif

int main(void) {
    work();
    return 0;
}
#endif
