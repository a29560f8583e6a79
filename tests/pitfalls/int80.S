// Shows the 32-bit gate in 64-bit code: the numbers are another architecture's.
//# build int80_gate: gcc $BARE -static -o $OUT $SRC
//# exact: exit i386:getpid i386:mount
//# gaps: none
    .globl _start
_start:
    mov $20, %eax
    int $0x80
    mov $21, %eax
    int $0x80
    mov $60, %eax
    syscall
    hlt
