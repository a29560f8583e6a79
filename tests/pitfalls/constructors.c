// Shows code before and after main that nothing calls by name: constructors and destructors.
//# build constructors: gcc -O2 -o $OUT $SRC
//# build constructors_static: gcc -O2 -static -o $OUT $SRC
//# build constructors_static_pie: gcc -O2 -static-pie -s -o $OUT $SRC
//# build constructors_musl: musl-gcc -O2 -static -o $OUT $SRC
//# baseline constructors: empty
//# baseline constructors_static: empty_static
//# baseline constructors_static_pie: empty_static_pie
//# baseline constructors_musl: empty_musl
//# adds: acct setdomainname sethostname swapon
//# before-main constructors: sethostname acct
//# after-main constructors: swapon setdomainname
//# before-main constructors_static: sethostname acct
//# after-main constructors_static: swapon setdomainname
//# before-main constructors_musl: sethostname acct
//# after-main constructors_musl: swapon setdomainname
#include "marker.h"

__attribute__((constructor)) static void before(void) { MARK(sethostname); }
__attribute__((destructor)) static void after(void) { MARK(setdomainname); }
DEAD static void dead(void) { MARK(reboot); }

// An entry of its own, with the arguments that main gets.
static void early(int argc, char **argv, char **environment) {
    (void)argc, (void)argv, (void)environment;
    MARK(acct);
}
__attribute__((section(".init_array"), used)) static void (*entry)(int, char **, char **) = early;

int main(void) {
    MARK(swapon);
    return 0;
}
