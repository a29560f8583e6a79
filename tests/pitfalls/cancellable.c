// Shows the C libraries' own hand-over of numbers to calls at which a thread may be cancelled.
//# build cancellable: gcc -O2 -o $OUT $SRC
//# build cancellable_static: gcc -O2 -static -o $OUT $SRC
//# build cancellable_musl: musl-gcc -O2 -static -o $OUT $SRC
//# must: exit_group fdatasync fsync msgrcv msync recvmmsg
//# not: reboot msgget
//# no-gap cancellable_musl: number
#define _GNU_SOURCE

#include <pthread.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/socket.h>
#include <unistd.h>

static void *work(void *page) {
    char message[16];
    fsync(0);
    fdatasync(0);
    msync(page, 4096, MS_SYNC);
    recvmmsg(0, 0, 0, 0, 0);
    msgrcv(0, message, 8, 0, 0);
    return page;
}

int main(void) {
    pthread_t thread;
    pthread_create(&thread, 0, work, 0);
    pthread_cancel(thread);
    return pthread_join(thread, 0);
}
