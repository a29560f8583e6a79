// Shows a program with a seccomp filter of its own that answers some calls by errno and some by SIGSYS.
//# build: gcc -O2 -o $OUT $SRC
//# build own_filter-begin: gcc -O2 -include ${SRC%/*}/begin.h -o $OUT $SRC
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <ucontext.h>
#include <unistd.h>

#include "check.h"

static struct sock_filter program[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EDQUOT),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sysinfo, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static volatile int trapped;

// Answers the trapped call in its place.
static void on_sigsys(int signal, siginfo_t *info, void *context) {
    (void)signal;
    trapped = info->si_syscall;
#ifdef __x86_64__
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX] = -ENOTBLK;
#elif defined(__aarch64__)
    ((ucontext_t *)context)->uc_mcontext.regs[0] = -ENOTBLK;
#endif
}

int main(void) {
    struct sigaction action = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGSYS, &action, NULL) == 0);
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    struct sock_fprog filter = {sizeof program / sizeof *program, program};
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0);

    FAILS(EDQUOT, syscall(SYS_getppid));
    struct sysinfo info;
    FAILS(ENOTBLK, syscall(SYS_sysinfo, &info));
    CHECK(trapped == SYS_sysinfo);
    puts("own_filter: errno and SIGSYS as asked");
    return 0;
}
