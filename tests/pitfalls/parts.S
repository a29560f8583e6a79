// Puts rare code of a function elsewhere, under a description of its own, and enters it in the middle from two
// places; one of them goes back into the middle of the function. Each number is set on one side and used on the other.
//# build parts: gcc $BARE -static -o $OUT $SRC
//# exact: exit setsid sync
//# gaps: none
    .globl _start
    .type _start, @function
_start:
    .cfi_startproc
    rdtsc
    mov $162, %edi          # sync
    test $1, %al
    jnz second
    test $2, %al
    jnz third
    mov $60, %eax
    syscall
    hlt
back:
    mov %esi, %eax
    syscall                 # setsid
    mov $60, %eax
    syscall
    hlt
    .cfi_endproc
    .size _start, . - _start

    .section .text.unlikely, "ax", @progbits
    .type part, @function
part:
    .cfi_startproc
    mov $163, %eax          # acct: nothing enters here
    syscall
    hlt
second:
    mov %edi, %eax
    syscall
    mov $60, %eax
    syscall
    hlt
third:
    mov $112, %esi          # setsid
    jmp back
    .cfi_endproc
    .size part, . - part
