// Shows the smallest program: two calls, nothing else in the file.
//# build smallest: gcc $BARE -static -o $OUT $SRC
//# build smallest_stripped: gcc $BARE -static -s -o $OUT $SRC
//# exact: exit_group write
//# gaps: none
    .globl _start
_start:
    mov $1, %eax
    mov $1, %edi
    lea text(%rip), %rsi
    mov $6, %edx
    syscall
    mov $231, %eax
    xor %edi, %edi
    syscall
    hlt
    .section .rodata
text:
    .ascii "hello\n"
