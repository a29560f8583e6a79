// Shows a function that is entered by a return: its address is pushed.
//# build push_ret: gcc $BARE -static -no-pie -o $OUT $SRC
//# exact: exit swapon
    .globl _start
_start:
    push $next
    ret

dead:
    mov $169, %eax
    syscall
    ret

next:
    mov $167, %eax
    syscall
    mov $60, %eax
    syscall
    hlt
