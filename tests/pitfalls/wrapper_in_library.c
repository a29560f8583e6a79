// Shows a wrapper in a library: its number comes from callers in another file, and through its own pointer.
//# build wrapper_in_library: gcc -O2 -shared -fPIC -DLIBRARY -o $DIR/libwrapper.so $SRC && gcc -O2 -o $OUT $SRC -L$DIR -lwrapper -Wl,-rpath,'$ORIGIN'
//# build wrapper_no_plt: gcc -O0 -shared -fPIC -DLIBRARY -o $DIR/libwrapper.so $SRC && gcc -O2 -fno-plt -o $OUT $SRC -L$DIR -lwrapper -Wl,-rpath,'$ORIGIN'
//# build wrapper_bound_now: gcc -O2 -fcf-protection -shared -fPIC -DLIBRARY -Wl,-z,ibtplt,-z,now -o $DIR/libwrapper.so $SRC && gcc -O2 -fcf-protection -s -o $OUT $SRC -L$DIR -lwrapper -Wl,-z,ibtplt,-z,now,-rpath,'$ORIGIN'
//# build wrapper_sysv_hash: gcc -O2 -shared -fPIC -DLIBRARY -Wl,--hash-style=sysv -s -o $DIR/libwrapper.so $SRC && gcc -O2 -fuse-ld=gold -o $OUT $SRC -L$DIR -lwrapper -Wl,--hash-style=sysv,-rpath,'$ORIGIN'
//# baseline: empty
//# adds: acct swapoff swapon
//# no-gap: number
#include "marker.h"

#ifdef LIBRARY
__attribute__((noipa)) long raw(long first, long number) { return INSTRUCTION(number) + first; }
__attribute__((noipa)) long wrapper(long number) { return raw(0, number); }
__attribute__((noipa)) long back(long (*function)(long)) { return function(__NR_acct); }
__attribute__((noipa)) long dead(void) { return wrapper(__NR_reboot); }
#else
long wrapper(long number);
long back(long (*function)(long));

static long own(long number) { return wrapper(number); }

int main(void) {
    wrapper(__NR_swapon);
    own(__NR_swapoff);
    back(own);
    return 0;
}
#endif
