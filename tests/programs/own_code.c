// Calls from code that is not as a linker left it: `own_code CASE [ADDRESS]`, where ADDRESS is one that
// profgen may want for itself. Each case makes its calls many times, and says what they answered.
//# build: gcc -O2 -o $OUT $SRC
//# build own_code_there: gcc -O2 -static -no-pie -Wl,-Ttext-segment=0x7f800000 -o $OUT $SRC
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define TIMES 50
#define PAGE 4096

// mov $NUMBER,%eax; syscall; ret
static const unsigned char code[] = {0xb8, 0, 0, 0, 0, 0x0f, 0x05, 0xc3};

__attribute__((noinline, aligned(PAGE))) static long place(void) {
    long result;
    __asm__ volatile("mov $110, %%eax\n\tsyscall" : "=a"(result) : : "rcx", "r11", "memory");
    return result;
}

// The number is the caller's.
__attribute__((noinline)) static long any(long number) {
    long result = number;
    __asm__ volatile("nopl 0x100(%%rax)\n\tsyscall" : "+a"(result) : : "rcx", "r11", "memory");
    return result;
}

// The carry flag lives through the call.
__attribute__((noinline)) static int carry(int set) {
    unsigned char out;
    __asm__ volatile("bt $0, %1\n\tmov $110, %%eax\n\tsyscall\n\tsetc %0"
                     : "=q"(out) : "r"(set) : "rax", "rcx", "r11", "memory", "cc");
    return out;
}

static long (*put(unsigned char *at, unsigned char number))(void) {
    memcpy(at, code, sizeof code);
    at[1] = number;
    return (long (*)(void))at;
}

static long repeat(long (*call)(void)) {
    long good = 0;
    for (int i = 0; i < TIMES; i++) good += call() > 0;
    return good;
}

static unsigned char *map(void *at, int flags) {
    unsigned char *page = mmap(at, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                               MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    CHECK(page != MAP_FAILED);
    return page;
}

static void change(unsigned char number) {
    unsigned char *page = (unsigned char *)((long)place & -PAGE), *at = (unsigned char *)place;
    CHECK(mprotect(page, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
    while (memcmp(at, "\xb8\x6e\0\0\0\x0f\x05", 7) != 0 && at < page + 64) at++;
    CHECK(at < page + 64);
    at[1] = number;
    CHECK(mprotect(page, PAGE, PROT_READ | PROT_EXEC) == 0);
}

static void deny(int number) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EDOM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {4, filter};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static volatile long handled;
static void on_signal(int signal) { handled += signal == SIGALRM ? 1 : place() > 0; }

int main(int argc, char **argv) {
    CHECK(argc >= 2);
    const char *what = argv[1];
    unsigned char *there = argc > 2 ? (unsigned char *)strtoul(argv[2], NULL, 0) : NULL;
    if (strcmp(what, "made") == 0) {
        unsigned char *page = map(NULL, 0);
        long first = repeat(put(page, SYS_getppid));
        printf("%ld %ld\n", first, repeat(put(page, SYS_getpid)));
    } else if (strcmp(what, "changed") == 0) {
        long first = repeat(place);
        change(SYS_gettid);
        printf("%ld %d\n", first, place() == getpid());
        repeat(place);
    } else if (strcmp(what, "dropped") == 0) {
        long first = repeat(place);
        CHECK(madvise((void *)((long)place & -PAGE), PAGE, MADV_DONTNEED) == 0);
        printf("%ld %ld\n", first, repeat(place));
    } else if (strcmp(what, "there") == 0) {
        long before = repeat(place);
        long first = repeat(put(map(there, MAP_FIXED), SYS_getppid));
        printf("%ld %ld %ld\n", before, first, repeat(place));
    } else if (strcmp(what, "unmapped") == 0) {
        long before = repeat(place);
        munmap(there, PAGE);
        printf("%ld %ld\n", before, repeat(place));
    } else if (strcmp(what, "numbers") == 0) {
        static const int numbers[] = {SYS_getpid, SYS_gettid, SYS_getuid, SYS_getgid, SYS_geteuid, SYS_getegid,
                                      SYS_getppid, SYS_getpgrp, SYS_sched_yield, SYS_sync_file_range};
        long good = 0;
        for (int i = 0; i < TIMES * 10; i++) good += any(numbers[i / 7 % 10]) >= 0;
        printf("%ld\n", good);
    } else if (strcmp(what, "sends") == 0) {
        // From one place: to whom a socket is connected, to an address, and to one that has gone.
        struct sockaddr_un address = {AF_UNIX, "own_code.socket"};
        int pair[2], from = socket(AF_UNIX, SOCK_DGRAM, 0), to = socket(AF_UNIX, SOCK_DGRAM, 0);
        CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
        CHECK(bind(to, (struct sockaddr *)&address, sizeof address) == 0);
        long good = 0;
        for (int i = 0; i < TIMES; i++) {
            char byte = 0;
            int addressed = i % 10 == 9, gone = i == TIMES - 1;
            if (gone) CHECK(close(pair[1]) == 0);
            ssize_t sent = sendto(addressed ? from : pair[0], "x", 1, MSG_NOSIGNAL,
                                  addressed && !gone ? (void *)&address : NULL,
                                  addressed && !gone ? sizeof address : 0);
            good += gone ? sent == -1 && errno == ENOTCONN : sent == 1 && read(addressed ? to : pair[1], &byte, 1) == 1;
        }
        printf("%ld\n", good);
    } else if (strcmp(what, "flags") == 0) {
        long good = 0;
        for (int i = 0; i < TIMES; i++) good += carry(i % 2) == i % 2;
        printf("%ld\n", good);
    } else if (strcmp(what, "filter") == 0) {
        long before = repeat(place);
        deny(SYS_getppid);
        printf("%ld %ld %ld\n", before, repeat(place), place());
    } else if (strcmp(what, "limits") == 0) {
        // How often malloc unmaps without data of its own depends on where things lie.
        static char room[256];
        setvbuf(stdout, room, _IOFBF, sizeof room);
        struct rlimit small = {1, 1};
        CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0 && setrlimit(RLIMIT_DATA, &small) == 0);
        printf("%ld\n", repeat(place));
    } else if (strcmp(what, "no_room") == 0) {
        struct rlimit small = {4 << 20, 4 << 20};
        CHECK(setrlimit(RLIMIT_AS, &small) == 0);
        execl("/proc/self/exe", "own_code", "made", NULL);
        CHECK(!"executed");
    } else if (strcmp(what, "copied") == 0) {
        long before = repeat(place);
        pid_t child = fork();
        if (child == 0) _exit(repeat(place) == TIMES ? 3 : 4);
        int status = 0;
        CHECK(waitpid(child, &status, 0) == child);
        if (vfork() == 0) {
            for (int i = 0; i < TIMES; i++) place();
            _exit(0);
        }
        printf("%ld %d %ld\n", before, WEXITSTATUS(status), repeat(place));
    } else if (strcmp(what, "restarted") == 0) {
        int ends[2];
        char byte;
        struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
        CHECK(pipe(ends) == 0 && sigaction(SIGALRM, &action, NULL) == 0);
        for (int i = 0; i < TIMES; i++) CHECK(write(ends[1], "x", 1) == 1 && read(ends[0], &byte, 1) == 1);
        pid_t child = fork();
        if (child == 0) {
            // Five signals, each while the parent waits in its read.
            for (int i = 0; i < 5; i++) {
                usleep(20000);
                kill(getppid(), SIGALRM);
            }
            usleep(20000);
            CHECK(write(ends[1], "y", 1) == 1);
            _exit(0);
        }
        CHECK(read(ends[0], &byte, 1) == 1 && waitpid(child, NULL, 0) == child);
        printf("%c %ld\n", byte, handled);
    } else if (strcmp(what, "killed") == 0) {
        repeat(place);
        kill(getpid(), SIGKILL);
    } else {
        CHECK(!"a case");
    }
    return 0;
}
