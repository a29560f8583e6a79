// Shows virtual functions and function objects of a C++ program with its library: what is made counts, what is not
// does not.
//# build objects: g++ -O2 -o $OUT $SRC
//# build objects_O0: g++ -O0 -o $OUT $SRC
//# build objects_static: g++ -O2 -static -o $OUT $SRC
//# must: acct exit_group swapoff swapon
//# not: reboot
#include <functional>
#include <memory>
#include <vector>

#include "marker.h"

struct Shape {
    virtual ~Shape() = default;
    virtual void draw() = 0;
};
struct Circle final : Shape {
    void draw() override;
};
struct Never final : Shape {
    void draw() override;
};
void Circle::draw() { MARK(swapon); }
void Never::draw() { MARK(reboot); }

int main() {
    std::vector<std::unique_ptr<Shape>> shapes;
    shapes.push_back(std::make_unique<Circle>());
    for (const auto &shape : shapes)
        shape->draw();
    std::function<void()> function = [] { MARK(swapoff); };
    function();
    std::vector<void (*)()> later;
    later.push_back([] { MARK(acct); });
    for (const auto &action : later)
        action();
    return 0;
}
