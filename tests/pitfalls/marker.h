// For programs of which only the analysis is tested: system calls as single instructions, so that nothing of a C
// library comes with them. Their numbers are chosen among calls that start-up code and libraries never make.
#ifndef MARKER_H
#define MARKER_H

#include <sys/syscall.h>

// The number is an immediate of the instruction before, at every level of optimisation.
#define MARK(name) ((void)INSTRUCTION(__NR_##name))

#define INSTRUCTION(number)                                                                                \
    __extension__({                                                                                        \
        long marker_result;                                                                                \
        __asm__ volatile("syscall"                                                                         \
                         : "=a"(marker_result)                                                             \
                         : "0"((long)(number)), "D"(0L), "S"(0L), "d"(0L)                                  \
                         : "rcx", "r11", "memory");                                                        \
        marker_result;                                                                                     \
    })

// A value that nobody can know beforehand, without a call.
#define UNKNOWN()                                                                                          \
    __extension__({                                                                                        \
        unsigned marker_low;                                                                               \
        __asm__ volatile("rdtsc" : "=a"(marker_low) : : "rdx");                                            \
        marker_low;                                                                                        \
    })

// A function that stays one: not inlined, cloned or known to its callers.
#define FUNCTION __attribute__((noipa))

// What is never called must not be predicted; kept in the file all the same.
#define DEAD __attribute__((used, noipa))

// The end of a program without a C library.
#define END()                                                                                              \
    do {                                                                                                   \
        MARK(exit);                                                                                        \
        __builtin_trap();                                                                                  \
    } while (0)

#endif
