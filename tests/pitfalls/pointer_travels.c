// Shows a function pointer that goes through parameters, a structure and a result before it is called.
//# build pointer_travels_O0: gcc -O0 $BARE -static -o $OUT $SRC
//# build pointer_travels_O2: gcc -O2 $BARE -static-pie -fPIE -s -o $OUT $SRC
//# exact: exit swapoff swapon
//# gaps: none
#include "marker.h"

typedef void function(void);
struct node {
    struct node *next;
    function *action;
};

FUNCTION static void on(void) { MARK(swapon); }
FUNCTION static void off(void) { MARK(swapoff); }
DEAD static void dead(void) { MARK(reboot); }

FUNCTION static function *choose(int which) { return which ? on : off; }
FUNCTION static void add(struct node *node, struct node **list, function *action) {
    node->action = action;
    node->next = *list;
    *list = node;
}
FUNCTION static void run(struct node *list) {
    for (; list; list = list->next)
        list->action();
}

void _start(void) {
    struct node *list = 0, nodes[2];
    add(&nodes[0], &list, choose(UNKNOWN() & 1));
    add(&nodes[1], &list, choose(UNKNOWN() & 2));
    run(list);
    END();
}
