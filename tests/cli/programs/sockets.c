// Makes a socket of each family that is named, and says the error number of each.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        int family = atoi(argv[i]);
        errno = 0;
        int made = socket(family, family == 16 ? SOCK_RAW : SOCK_STREAM, 0);
        printf("%d: %d\n", family, made < 0 ? errno : 0);
    }
    return 0;
}
