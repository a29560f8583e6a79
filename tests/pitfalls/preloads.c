// Shows a library that is loaded first: its symbols replace others.
//# build preloads: gcc -O2 -shared -fPIC -DLIBRARY -o $DIR/libpreloaded.so $SRC && gcc -O2 -o $OUT $SRC
//# options: --preload $DIR/libpreloaded.so
//# must: exit_group swapon
//# not: reboot getpriority
#include <sys/resource.h>

#include "marker.h"

#ifdef LIBRARY
int getpriority(__priority_which_t which, id_t who) { return MARK(swapon), (int)(which + who); }
#else
int main(void) { return getpriority(PRIO_PROCESS, 0); }
#endif
