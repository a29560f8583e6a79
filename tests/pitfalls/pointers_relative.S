// Shows a table of 32-bit distances to functions, as hand-written dispatchers have it.
//# build pointers_relative: gcc $BARE -static-pie -o $OUT $SRC
//# must: exit
//# must-or-gap: no-target swapon swapoff
//# not: reboot
    .globl _start
    .type _start, @function
_start:
    .cfi_startproc
    rdtsc
    and $1, %eax
    lea table(%rip), %rdx
    movslq (%rdx,%rax,4), %rax
    add %rdx, %rax
    call *%rax
    mov $60, %eax
    syscall
    hlt
    .cfi_endproc
    .size _start, . - _start

    .type on, @function
on:
    .cfi_startproc
    mov $167, %eax
    syscall
    ret
    .cfi_endproc
    .size on, . - on

    .type off, @function
off:
    .cfi_startproc
    mov $168, %eax
    syscall
    ret
    .cfi_endproc
    .size off, . - off

    .type dead, @function
dead:
    .cfi_startproc
    mov $169, %eax
    syscall
    ret
    .cfi_endproc
    .size dead, . - dead

    .section .rodata
    .balign 4
table:
    .long on - table
    .long off - table
