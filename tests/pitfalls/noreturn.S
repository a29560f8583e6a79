// Shows a call that never returns at the end of a function: what lies behind it is another function.
//# build noreturn: gcc $BARE -static -o $OUT $SRC
//# build noreturn_stripped: gcc $BARE -static -s -o $OUT $SRC
//# exact: exit_group swapon
//# gaps: none
    .globl _start
    .type _start, @function
_start:
    .cfi_startproc
    mov $167, %eax
    syscall
    call die
    .cfi_endproc
    .size _start, . - _start

    .type dead, @function
dead:
    .cfi_startproc
    mov $169, %eax
    syscall
    ret
    .cfi_endproc
    .size dead, . - dead

    .type die, @function
die:
    .cfi_startproc
    mov $231, %eax
    syscall
    hlt
    .cfi_endproc
    .size die, . - die
