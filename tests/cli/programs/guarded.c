// Makes calls only when it is told to: code that a run without arguments does not show.
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "unlink") == 0)
        unlink("file");
    if (argc > 1 && strcmp(argv[1], "mount") == 0)
        mount("none", "/nowhere", "tmpfs", 0, "");
    if (argc > 1 && strcmp(argv[1], "socket") == 0)
        printf("%d\n", socket(AF_NETLINK, SOCK_RAW, 0) < 0 ? 0 : 1);
    puts("done");
    return 0;
}
