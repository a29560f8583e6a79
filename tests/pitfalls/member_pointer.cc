// Shows pointers to members, virtual or not, thunks of a second base class, and an object of several classes.
//# build member_pointer_O0: g++ -O0 $BARE -fno-rtti -fno-exceptions -static -o $OUT $SRC
//# build member_pointer_O2: g++ -O2 $BARE -fno-rtti -fno-exceptions -static-pie -fPIE -o $OUT $SRC
//# must: acct exit swapoff swapon
//# not: reboot
//# gaps: none
#include "marker.h"

struct First {
    int value = 0;
    virtual void one() = 0;
};
struct Second {
    int value = 0;
    virtual void two() = 0;
};
struct Both final : First, Second {
    void one() override;
    void two() override;
    void plain();
};
struct Never final : First, Second {
    void one() override;
    void two() override;
};
void Both::one() { MARK(swapon); }
void Both::two() { MARK(swapoff); }
void Both::plain() { MARK(acct); }
void Never::one() { MARK(reboot); }
void Never::two() { MARK(reboot); }
extern "C" void __cxa_pure_virtual() { __builtin_trap(); }

FUNCTION static void by_second(Second *second) { second->two(); }
FUNCTION static void by_pointer(Both *both, void (Both::*member)()) { (both->*member)(); }

extern "C" void _start() {
    Both both;
    by_second(&both);
    by_pointer(&both, &Both::one);
    by_pointer(&both, &Both::plain);
    END();
}
