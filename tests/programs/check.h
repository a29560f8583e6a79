// Shared by the programs that check themselves: CHECK ends the program with the place and errno.
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(cond)                                                                          \
    do {                                                                                     \
        if (!(cond)) {                                                                       \
            int saved_errno = errno;                                                         \
            printf("failed: %s:%d: %s (%s)\n", __FILE__, __LINE__, #cond, strerror(saved_errno)); \
            fflush(stdout);                                                                  \
            exit(99);                                                                        \
        }                                                                                    \
    } while (0)

// The call must fail, and with this errno.
#define FAILS(want, call)                                                                    \
    do {                                                                                     \
        errno = 0;                                                                           \
        long failed_result = (long)(call);                                                   \
        int failed_errno = errno;                                                            \
        if (failed_result != -1 || failed_errno != (want)) {                                 \
            printf("failed: %s:%d: %s gave %ld, errno %d, wanted %d\n", __FILE__, __LINE__, #call, \
                   failed_result, failed_errno, (want));                                     \
            fflush(stdout);                                                                  \
            exit(99);                                                                        \
        }                                                                                    \
    } while (0)

#endif
