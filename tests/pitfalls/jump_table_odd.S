// Shows jump tables that no C compiler of today makes: among the code, in two steps through a table of bytes, and an
// address that is computed from a case's size.
//# build jump_table_odd: gcc $BARE -static -no-pie -o $OUT $SRC
//# must: exit
//# must-or-gap: no-target acct mount swapoff swapon umount2 vhangup
//# not: reboot
    .globl _start
    .type _start, @function
_start:
    .cfi_startproc
    rdtsc
    and $1, %eax
    jmp *in_text(,%rax,8)
in_text:
    .quad on, off
on:
    mov $167, %eax
    syscall
    jmp two_steps
off:
    mov $168, %eax
    syscall

two_steps:
    rdtsc
    cmp $3, %eax
    ja computed
    movzbl bytes(%rax), %eax
    jmp *words(,%rax,8)
account:
    mov $163, %eax
    syscall
    jmp computed
hang:
    mov $153, %eax
    syscall

computed:
    rdtsc
    and $1, %eax
    shl $4, %rax
    lea cases(%rax), %rax
    jmp *%rax
    .balign 16
cases:
    mov $165, %eax
    syscall
    jmp end
    .balign 16
    mov $166, %eax
    syscall
end:
    mov $60, %eax
    syscall
    hlt
    .cfi_endproc

    .type dead, @function
dead:
    .cfi_startproc
    mov $169, %eax
    syscall
    ret
    .cfi_endproc

    .section .rodata
bytes:
    .byte 0, 1, 1, 0
    .balign 8
words:
    .quad account, hang
