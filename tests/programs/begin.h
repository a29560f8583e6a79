// Included before a program's source: its first call from `main` on is one that neither start-up code nor the
// program makes otherwise, so that a trace shows where `main` begins.
#ifndef BEGIN_H
#define BEGIN_H

int begun();

// ioprio_get(0, 0): who is meant is no kind that there is (EINVAL).
int main(int argc, char **argv) {
    long begin = 252;
    __asm__ volatile("syscall" : "+a"(begin) : "D"(0L), "S"(0L) : "rcx", "r11", "memory");
    return begun(argc, argv);
}

#define main begun
#endif
