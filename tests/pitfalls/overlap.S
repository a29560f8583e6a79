// Shows a jump into the middle of an instruction: the bytes are two different programs, and both run.
//# build overlap: gcc $BARE -static -o $OUT $SRC
//# exact: exit swapon
//# gaps: none
    .globl _start
_start:
    rdtsc
    test $1, %al
    mov $167, %eax
    jz inside
    .byte 0x48, 0xb9                # movabs $..., %rcx
inside:
    syscall
    jmp next
    .byte 0, 0, 0, 0
next:
    mov $60, %eax
    syscall
    hlt
