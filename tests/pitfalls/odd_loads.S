// Shows numbers that come by other instructions than mov: push and pop, lea, one byte, arithmetic, exchange, memory,
// a register that lives across a call, a slot of the own frame.
//# build odd_loads: gcc $BARE -static -no-pie -o $OUT $SRC
//# exact: acct delete_module exit init_module iopl ioperm mount setdomainname sethostname swapoff swapon umount2 vhangup
//# gaps: none
    .globl _start
_start:
    push $167               # swapon
    pop %rax
    syscall
    xor %ecx, %ecx
    lea 168(%rcx), %eax     # swapoff
    syscall
    xor %eax, %eax
    mov $163, %al           # acct
    syscall
    mov $150, %eax
    add $3, %eax            # vhangup
    syscall
    mov $-165, %rax
    neg %rax                # mount
    syscall
    mov $166, %edx
    xchg %eax, %edx         # umount2
    syscall
    mov sethostname(%rip), %eax
    syscall
    mov $171, %ebx          # setdomainname, across a call
    call keeps
    mov %ebx, %eax
    syscall
    sub $24, %rsp
    movl $172, 8(%rsp)      # iopl, across a call
    call keeps
    mov 8(%rsp), %eax
    add $24, %rsp
    syscall
    movabs $173, %r8        # ioperm
    mov %r8, %r9
    mov %r9, %rax
    syscall
    mov $350, %eax
    shr $1, %eax            # init_module
    syscall
    mov $0xffffffb0, %eax
    movzbl %al, %eax        # delete_module: 0xb0
    syscall
    mov $60, %eax
    syscall
    hlt

keeps:
    push %rbx
    mov $1, %ebx
    pop %rbx
    ret

# Nobody calls this.
dead:
    mov $169, %eax
    syscall
    ret

    .section .rodata
    .balign 4
    .long 169               # reboot, beside the number that is read
sethostname:
    .long 170
    .long 169
