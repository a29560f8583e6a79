// Shows a program that only prints a line: musl's needs no more than a few calls.
//# build hello_musl_static: musl-gcc -O2 -static -o $OUT $SRC
//# build hello_glibc: gcc -O2 -o $OUT $SRC
//# build hello_glibc_static: gcc -O2 -static -o $OUT $SRC
//# build hello_glibc_static_pie: gcc -O2 -static-pie -s -o $OUT $SRC
//# must: exit_group
//# must hello_musl_static: arch_prctl set_tid_address ioctl writev
//# within hello_musl_static: arch_prctl close exit exit_group futex ioctl lseek mmap open poll set_tid_address writev
//# must hello_glibc: write newfstatat brk
//# must hello_glibc_static: write newfstatat brk
//# must hello_glibc_static_pie: write newfstatat brk
//# not: reboot mount swapon acct sethostname ptrace bpf clone clone3 socket connect setuid rename
#include <stdio.h>

int main(void) {
    puts("hello");
    return 0;
}
