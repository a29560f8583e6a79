// Shows a start that is not at the beginning of a function or a section, in a file with code in two segments.
//# build weird_start: gcc $BARE -static -Wl,-e,start_here -o $OUT $SRC
//# exact: exit swapon
//# gaps: none
    .globl start_here
    .type function, @function
function:
    .cfi_startproc
    mov $169, %eax
    syscall
start_here:
    mov $167, %eax
    syscall
    jmp elsewhere
    .cfi_endproc

    .section .other, "ax", @progbits
elsewhere:
    mov $60, %eax
    syscall
    hlt
