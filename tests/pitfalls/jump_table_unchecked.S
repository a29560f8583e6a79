// Two jumps through tables of distances by a byte that nothing is compared with: all the values that occur have an entry.
// The tables stand one behind the other, and what follows the first leads into the middle of the other function, where
// the first never goes.
//# build jump_table_unchecked: gcc $BARE -static -o $OUT $SRC
//# exact: exit setsid sync
//# gaps: none
    .globl _start
    .type _start, @function
_start:
    .cfi_startproc
    movzbl (%rsp), %eax
    lea first(%rip), %rdx
    movslq (%rdx,%rax,4), %rax
    add %rdx, %rax
    jmp *%rax
one:
    mov $162, %eax          # sync
    syscall
two:
    mov $60, %eax
    jmp other               # exit: the kernel is entered in the other function
    .cfi_endproc
    .size _start, . - _start

    .type other, @function
other:
    .cfi_startproc
    mov %eax, %esi
    movzbl (%rsp), %eax
    lea second(%rip), %rdx
    movslq (%rdx,%rax,4), %rax
    add %rdx, %rax
    jmp *%rax
three:
    mov $112, %eax          # setsid
    syscall
four:
    mov %esi, %eax
    syscall                 # what was in eax when the function began, and nothing else
    hlt
    .cfi_endproc
    .size other, . - other

    .section .rodata
    .align 4
first:
    .long one - first, two - first
second:
    .long three - second, four - second
