// Shows what comes with each C library when the program does nothing: the baseline of the others. What a run of it
// makes must be there; what no C library does on its own must not.
//# build empty: gcc -O2 -o $OUT $SRC
//# build empty_stripped: gcc -O2 -s -o $OUT $SRC
//# build empty_no_pie: gcc -O2 -fno-pie -no-pie -o $OUT $SRC
//# build empty_static: gcc -O2 -static -o $OUT $SRC
//# build empty_static_stripped: gcc -O2 -static -s -o $OUT $SRC
//# build empty_static_pie: gcc -O2 -static-pie -o $OUT $SRC
//# build empty_musl: musl-gcc -O2 -static -o $OUT $SRC
//# build empty_musl_dynamic: musl-gcc -O2 -o $OUT $SRC
//# must: exit_group
//# must empty: brk mmap munmap mprotect openat read close newfstatat pread64 access arch_prctl set_tid_address set_robust_list rseq prlimit64
//# must empty_static: brk mprotect arch_prctl set_tid_address set_robust_list rseq prlimit64 readlink getrandom
//# must empty_static_pie: brk mprotect arch_prctl set_tid_address set_robust_list rseq prlimit64 readlink getrandom
//# exact empty_musl: arch_prctl exit_group mmap open poll set_tid_address
//# must empty_musl_dynamic: arch_prctl set_tid_address brk mmap mprotect
//# not: reboot mount umount2 swapon swapoff acct sethostname setdomainname ptrace bpf init_module clone clone3 fork socket connect setuid unlink rename chmod
int main(void) { return 0; }
