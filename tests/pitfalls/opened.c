// Shows libraries that are opened at run time: under a constant name, a computed one, and functions found by name.
//# build opened_constant: gcc -O2 -shared -fPIC -DLIBRARY -o $DIR/libopened.so $SRC && gcc -O2 -o $OUT $SRC -Wl,-rpath,'$ORIGIN'
//# build opened_computed: gcc -O2 -DCOMPUTED -o $OUT $SRC
//# build symbol_computed: gcc -O2 -shared -fPIC -DLIBRARY -o $DIR/libopened.so $SRC && gcc -O2 -DCOMPUTED_SYMBOL -o $OUT $SRC -Wl,-rpath,'$ORIGIN'
//# must: exit_group
//# must opened_constant: sethostname swapon
//# layer opened_constant: dlopen sethostname swapon
//# module opened_constant: libopened.so dlopen
//# not opened_constant: reboot
//# gap opened_computed: dynamic-name
//# not opened_computed: swapon reboot
//# must symbol_computed: sethostname swapon
//# gap symbol_computed: dynamic-name
#include <dlfcn.h>
#include <stdio.h>

#include "marker.h"

#ifdef LIBRARY
__attribute__((constructor)) static void loaded(void) { MARK(sethostname); }
FUNCTION static void dead(void) { MARK(reboot); }
__attribute__((used)) static void (*unused)(void) = dead;
void plugin(void) { MARK(swapon); }
#else
int main(int argc, char **argv) {
    const char *library = "libopened.so", *symbol = "plugin";
    char name[100];
#ifdef COMPUTED
    snprintf(name, sizeof name, "lib%s.so", argv[argc - 1]);
    library = name;
#endif
#ifdef COMPUTED_SYMBOL
    snprintf(name, sizeof name, "plug%s", argv[argc - 1]);
    symbol = name;
#endif
    void *handle = dlopen(library, RTLD_NOW);
    void (*function)(void) = handle ? (void (*)(void))dlsym(handle, symbol) : 0;
    if (function)
        function();
    (void)name, (void)argv;
    return argc;
}
#endif
