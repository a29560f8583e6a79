// Shows a library that is not there: a gap, and what remains is analysed.
//# build missing_library: gcc -O2 -shared -fPIC -DLIBRARY -o $DIR/libgone.so $SRC && gcc -O2 -o $OUT $SRC -L$DIR -lgone -Wl,-rpath,'$ORIGIN' && rm $DIR/libgone.so
//# must: exit_group swapon
//# not: reboot
//# gap: module
#include "marker.h"

#ifdef LIBRARY
void work(void) { MARK(reboot); }
#else
void work(void);

int main(void) {
    MARK(swapon);
    work();
    return 0;
}
#endif
