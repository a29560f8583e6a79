// A program as an Alpine image has it: musl's loader and C library beside it, and nothing of the machine's.
//# build musl-dynamic: musl-gcc -O2 -o $OUT $SRC
//# build musl-dynamic-begin: musl-gcc -O2 -include ${SRC%/*}/begin.h -o $OUT $SRC
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

int main(void) {
    struct passwd *user = getpwuid(getuid());
    printf("user %s\n", user ? user->pw_name : "unknown");
    return 6;
}
