// Shows one of two numbers without a branch: by the carry, by a set byte, by a mask. Resolved, or a gap.
//# build branchless: gcc $BARE -static -o $OUT $SRC
//# must: exit
//# must-or-gap: number acct mount swapoff swapon umount2 pivot_root
    .globl _start
_start:
    rdtsc
    cmp $7, %eax
    sbb %eax, %eax
    add $168, %eax          # swapon, swapoff
    syscall
    rdtsc
    xor %ecx, %ecx
    test $1, %al
    setz %cl
    lea 165(%rcx), %eax     # mount, umount2
    syscall
    rdtsc
    and $8, %eax
    add $155, %eax          # pivot_root, acct
    syscall
    mov $60, %eax
    syscall
    hlt
