// Shows one small program in each form that a C program takes: dynamic, static, static-pie, musl, 32 bits.
//# build hello: gcc -O2 -o $OUT $SRC
//# build hello-static: gcc -O2 -static -o $OUT $SRC
//# build hello-static-pie: gcc -O2 -static-pie -o $OUT $SRC
//# build hello-musl: musl-gcc -O2 -static -o $OUT $SRC
//# build hello-32: gcc -O2 -m32 -o $OUT $SRC
//# build hello-32-static: gcc -O2 -m32 -static -o $OUT $SRC
//# build hello-begin: gcc -O2 -include ${SRC%/*}/begin.h -o $OUT $SRC
//# build hello-begin-no-pie: gcc -O0 -fno-pie -no-pie -include ${SRC%/*}/begin.h -o $OUT $SRC
//# build hello-begin-static: gcc -O2 -static -include ${SRC%/*}/begin.h -o $OUT $SRC
//# build hello-begin-static-pie: gcc -O2 -static-pie -include ${SRC%/*}/begin.h -o $OUT $SRC
//# build hello-begin-musl: musl-gcc -O2 -static -include ${SRC%/*}/begin.h -o $OUT $SRC
#include <stdint.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

// Big enough that the allocator maps memory of its own instead of moving the break.
enum { BIG = 1 << 20 };

int main(int argc, char **argv) {
    FILE *out = fopen("hello.txt", "w");
    CHECK(out);
    for (int i = 0; i < argc; i++)
        fprintf(out, "%d\n", i);
    CHECK(fclose(out) == 0);

    struct stat status;
    CHECK(stat("hello.txt", &status) == 0);

    char *big = malloc(BIG);
    CHECK(big);
    memset(big, 'x', BIG);
    unsigned sum = 0;
    for (int i = 0; i < BIG; i += 4096)
        sum += (unsigned char)big[i];
    free(big);

    time_t now = time(NULL);
    CHECK(now > 0);

    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        _exit(7);
    int wait_status;
    CHECK(waitpid(child, &wait_status, 0) == child);

    printf("hello: %zu bits, %d arguments, file of %ld bytes, sum %u, child %d\n", 8 * sizeof(void *),
           argc - 1, (long)status.st_size, sum, WEXITSTATUS(wait_status));
    (void)argv;
    return 0;
}
