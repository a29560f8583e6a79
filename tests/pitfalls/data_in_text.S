// Shows data between functions that looks like code with a system call, and code with bytes of a call inside an
// immediate.
//# build data_in_text: gcc $BARE -static -Wl,-N -o $OUT $SRC
//# build data_in_text_stripped: gcc $BARE -static -s -o $OUT $SRC
//# exact: exit swapon
//# gaps: none
    .globl _start
_start:
    mov message(%rip), %rsi
    mov $167, %eax
    syscall
    movabs $0x050f000000a9b800, %rdx    # holds: mov $169, %eax; syscall
    call finish
message:
    .byte 0xb8, 0xa9, 0, 0, 0, 0x0f, 0x05, 0xc3     # mov $169, %eax; syscall; ret
    .byte 0xe8, 0xff, 0xff
finish:
    mov $60, %eax
    syscall
    hlt
