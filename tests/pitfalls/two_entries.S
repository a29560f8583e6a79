// Shows a function with a second entry in its middle, under the same unwind entry: the first half is dead.
//# build two_entries: gcc $BARE -static -o $OUT $SRC
//# build two_entries_stripped: gcc $BARE -static -s -o $OUT $SRC
//# exact: exit swapon
//# gaps: none
    .globl _start
    .type _start, @function
_start:
    .cfi_startproc
    call second
    mov $60, %eax
    syscall
    hlt
    .cfi_endproc

    .type first, @function
first:
    .cfi_startproc
    mov $169, %eax
    syscall
second:
    mov $167, %eax
    syscall
    ret
    .cfi_endproc
