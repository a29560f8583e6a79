// Shows virtual functions: of every class that is made, and of none that is not. (Without symbols the tables
// lie side by side, and nothing says where one ends.)
//# build virtual_call_O0: g++ -O0 $BARE -fno-rtti -fno-exceptions -static -o $OUT $SRC
//# build virtual_call_O2: g++ -O2 $BARE -fno-rtti -fno-exceptions -static-pie -fPIE -o $OUT $SRC
//# build virtual_call_stripped: g++ -O1 $BARE -fno-rtti -fno-exceptions -static -fno-pie -no-pie -s -o $OUT $SRC
//# exact virtual_call_O0: exit swapoff swapon
//# exact virtual_call_O2: exit swapoff swapon
//# must virtual_call_stripped: exit swapoff swapon
//# gaps: none
#include "marker.h"

struct Base {
    virtual void act() = 0;
};
struct On final : Base {
    void act() override;
};
struct Off final : Base {
    void act() override;
};
// Never made: its table is in the file, as its function is not inline.
struct Never final : Base {
    void act() override;
};
void On::act() { MARK(swapon); }
void Off::act() { MARK(swapoff); }
void Never::act() { MARK(reboot); }
extern "C" void __cxa_pure_virtual() { __builtin_trap(); }

FUNCTION static void use(Base *base) { base->act(); }

extern "C" void _start() {
    On on;
    Off off;
    use(UNKNOWN() & 1 ? static_cast<Base *>(&on) : &off);
    END();
}
