// Shows a number in a variable that is written by no instruction that names it: through an index, through a pointer
// that data holds, as one part of a wider word, and by bytes.
//# build written_by_index: gcc -O2 $BARE -static -DINDEX -o $OUT $SRC
//# build written_by_index_pie: gcc -O2 $BARE -static-pie -fPIE -DINDEX -o $OUT $SRC
//# build written_by_pointer: gcc -O2 $BARE -static -DPOINTER -o $OUT $SRC
//# build written_by_pointer_pie: gcc -O2 $BARE -static-pie -fPIE -DPOINTER -o $OUT $SRC
//# build written_whole: gcc -O2 $BARE -static-pie -fPIE -DWHOLE -o $OUT $SRC
//# build written_by_vector: gcc -O2 $BARE -static-pie -fPIE -DVECTOR -o $OUT $SRC
//# build written_by_bytes: gcc -O2 $BARE -static-pie -fPIE -DBYTES -o $OUT $SRC
//# must-or-gap: number acct swapon
//# must: exit
//# not: reboot
#include "marker.h"

static volatile int numbers[4] __attribute__((aligned(16))) = {__NR_swapon, __NR_swapon, __NR_swapon, __NR_swapon};
static volatile int *volatile pointer = numbers + 1;

DEAD static void dead(void) { MARK(reboot); }

FUNCTION static void change(void) {
#if defined INDEX
    numbers[UNKNOWN() & 3] = __NR_acct;
#elif defined POINTER
    *pointer = __NR_acct;
#elif defined WHOLE
    __asm__ volatile("movq %1, %0" : "=m"(*(volatile long *)numbers) : "r"((long)__NR_acct << 32 | __NR_acct));
#elif defined VECTOR
    __asm__ volatile("movd %1, %%xmm0; pshufd $0, %%xmm0, %%xmm0; movaps %%xmm0, %0"
                     : "=m"(*(volatile __int128 *)numbers)
                     : "r"(__NR_acct)
                     : "xmm0");
#elif defined BYTES
    __asm__ volatile("movb %1, %0" : "=m"(numbers[1]) : "i"(__NR_acct));
#endif
}

void _start(void) {
    INSTRUCTION(numbers[1]);
    change();
    INSTRUCTION(numbers[1]);
    END();
}
