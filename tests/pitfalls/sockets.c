// Shows the arguments of libc's functions as constants of their callers.
//# build sockets: gcc -O2 -o $OUT $SRC
//# build sockets_static: gcc -O2 -static -o $OUT $SRC
//# build sockets_musl: musl-gcc -O2 -static -o $OUT $SRC
//# must: exit_group socket
//# argument: socket domain 2 10
//# not: reboot
#include <sys/socket.h>

int main(void) {
    return socket(AF_INET, SOCK_STREAM, 0) + socket(AF_INET6, SOCK_DGRAM, 0);
}
