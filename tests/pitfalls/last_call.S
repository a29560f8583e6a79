// Shows calls of the kernel that do not come back: what lies behind one is another function, which nothing calls. Where
// the number may be another one, too, what follows is reached.
//# build last_call: gcc $BARE -static -o $OUT $SRC
//# build last_call_stripped: gcc $BARE -static -s -o $OUT $SRC
//# exact: exit exit_group setsid swapon sync
//# gaps: none
    .globl _start
    .type _start, @function
_start:
    .cfi_startproc
    mov $167, %eax          # swapon
    syscall
    call either
    testb $1, (%rsp)
    jz last
    jmp group
    .cfi_endproc
    .size _start, . - _start

    .type either, @function
either:
    .cfi_startproc
    mov $60, %eax           # exit
    testb $1, (%rsp)
    jz 1f
    mov $112, %eax          # setsid
1:  syscall
    .cfi_endproc
    .size either, . - either

    .type behind, @function
behind:
    .cfi_startproc
    mov $162, %eax          # sync
    syscall
    ret
    .cfi_endproc
    .size behind, . - behind

    .type last, @function
last:
    .cfi_startproc
    mov $60, %eax
    syscall
    .cfi_endproc
    .size last, . - last

    .type dead, @function
dead:
    .cfi_startproc
    mov $169, %eax          # reboot
    syscall
    ret
    .cfi_endproc
    .size dead, . - dead

    .type group, @function
group:
    .cfi_startproc
    mov $231, %edx          # exit_group
2:  mov %edx, %eax
    syscall
    mov $161, %edx          # chroot
    jmp 2b
    .cfi_endproc
    .size group, . - group
