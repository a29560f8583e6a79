// Shows bytes that are no instruction where code leads to, a table of distances that is written to while the program
// runs, and a jump to a computed place in a function that nothing describes.
//# build no_code: gcc $BARE -static -DBYTES -o $OUT $SRC
//# build no_table: gcc $BARE -static -DTABLE -o $OUT $SRC
//# build no_end: gcc $BARE -static -s -DJUMP -o $OUT $SRC
//# must: exit
//# gap no_code: code
//# gap no_table: no-target
//# gap no_end: no-target
//# not: reboot
    .globl _start
    .type _start, @function
_start:
#ifndef JUMP
    .cfi_startproc
#endif
    rdtsc
    and $1, %eax
#ifdef BYTES
    jz odd
#endif
#ifdef TABLE
    lea table(%rip), %rdx
    movslq (%rdx,%rax,4), %rax
    add %rdx, %rax
    call *%rax
#endif
#ifdef JUMP
    jz end
    shl $2, %eax
    lea end(%rip), %rdx
    add %rdx, %rax
    jmp *%rax
#endif
end:
    mov $60, %eax
    syscall
    hlt
odd:
    .byte 0x06
    jmp end
#ifndef JUMP
    .cfi_endproc
#endif
    .size _start, . - _start

#ifdef TABLE
    .type on, @function
on:
    .cfi_startproc
    ret
    .cfi_endproc
    .size on, . - on

    .data
    .balign 4
table:
    .long on - table
    .long on - table
#endif
