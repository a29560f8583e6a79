// Shows syscall(2): with a constant, and with its number from a parameter.
//# build syscall_function: gcc -O2 -o $OUT $SRC
//# build syscall_function_O0: gcc -O0 -o $OUT $SRC
//# build syscall_function_no_plt: gcc -O2 -fno-plt -fno-pie -no-pie -o $OUT $SRC
//# build syscall_function_static: gcc -O2 -static -o $OUT $SRC
//# build syscall_function_musl: musl-gcc -O2 -static -o $OUT $SRC
//# baseline syscall_function: empty
//# baseline syscall_function_O0: empty
//# baseline syscall_function_no_plt: empty_no_pie
//# baseline syscall_function_static: empty_static
//# baseline syscall_function_musl: empty_musl
//# adds: acct swapoff swapon
//# no-gap: number
#define _GNU_SOURCE
#include <unistd.h>

#include "marker.h"

FUNCTION static long call(int number, long first) { return syscall(number, first, 0, 0); }
DEAD static long dead(void) { return syscall(__NR_reboot, 0) + call(__NR_mount, 0); }

int main(void) {
    syscall(__NR_acct, 0);
    call(__NR_swapon, 1);
    return (int)call(__NR_swapoff, 2);
}
