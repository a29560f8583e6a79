// Shows setuid in a program with threads: the other threads make the call too, from a structure. (musl
// does so for the first thread as well: resolved, or a gap.)
//# build setxid: gcc -O2 -o $OUT $SRC
//# build setxid_static: gcc -O2 -static -o $OUT $SRC
//# build setxid_musl: musl-gcc -O2 -static -o $OUT $SRC
//# must: exit_group setgroups
//# must setxid: setuid setresgid clone3 tgkill rt_sigreturn
//# must setxid_static: setuid setresgid clone3 tgkill rt_sigreturn
//# must setxid_musl: clone tkill rt_sigreturn
//# must-or-gap setxid_musl: number setuid setresgid
//# not: reboot setfsuid sethostname
#define _GNU_SOURCE
#include <grp.h>
#include <pthread.h>
#include <unistd.h>

static void *wait_forever(void *unused) {
    pause();
    return unused;
}

int main(void) {
    pthread_t thread;
    pthread_create(&thread, 0, wait_forever, 0);
    return setgroups(0, 0) + setresgid(65534, 65534, 65534) + setuid(65534);
}
