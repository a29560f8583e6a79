// Shows the name service: its modules are loaded by configuration, by a static program too.
//# build services: gcc -O2 -o $OUT $SRC
//# build services_static: gcc -O2 -static -o $OUT $SRC
//# must: exit_group openat socket connect
//# not: reboot sethostname
#include <netdb.h>
#include <pwd.h>

int main(void) {
    struct addrinfo *found = 0;
    return getaddrinfo("localhost", "80", 0, &found) + (getpwnam("root") != 0);
}
