// Shows numbers that are no names: x32's, marked by a bit, one newer than every table, and -1.
//# build numbers_beyond: gcc $BARE -static -o $OUT $SRC
//# exact: #999 #4294967295 exit x32:getppid
//# gaps: none
    .globl _start
_start:
    mov $0x4000006e, %eax
    syscall
    mov $999, %eax
    syscall
    mov $-1, %rax
    syscall
    mov $60, %eax
    syscall
    hlt
