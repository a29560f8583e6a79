// Shows structures of functions behind a pointer, as drivers and file systems have them: which is called depends on
// the object.
//# build operations_O0: gcc -O0 $BARE -static -o $OUT $SRC
//# build operations_O2: gcc -O2 $BARE -static -fno-pie -no-pie -o $OUT $SRC
//# build operations_pie: gcc -O2 $BARE -static-pie -fPIE -o $OUT $SRC
//# must: acct exit swapon
//# within: acct exit swapon swapoff vhangup
//# gaps: none
#include "marker.h"

struct operations {
    const char *name;
    void (*open)(void);
    void (*close)(void);
};

FUNCTION static void on(void) { MARK(swapon); }
FUNCTION static void off(void) { MARK(swapoff); }
FUNCTION static void account(void) { MARK(acct); }
FUNCTION static void hang(void) { MARK(vhangup); }
FUNCTION static void dead(void) { MARK(reboot); }

static const struct operations first = {"first", on, off}, second = {"second", account, hang};
__attribute__((used)) static const struct operations unused = {"unused", dead, dead};

FUNCTION static void use(const struct operations *operations) { operations->open(); }

void _start(void) {
    use(&first);
    use(&second);
    END();
}
