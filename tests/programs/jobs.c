// Shows job control: what a parent sees of children that stop and continue must not change under a tracer.
//# build: gcc -O2 -pthread -o $OUT $SRC
//# build jobs-begin: gcc -O2 -pthread -include ${SRC%/*}/begin.h -o $OUT $SRC
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static void *spin_in_pause(void *unused) {
    (void)unused;
    for (;;)
        pause();
}

static int told;
static void on_cont(int signal) {
    (void)signal;
    (void)!write(told, "c", 1);
}

// A child in its own process group (SIGTSTP does nothing in an orphaned one), ready when this returns.
static pid_t start(int *from_child, int with_thread, int raise_stop) {
    int ends[2];
    CHECK(pipe(ends) == 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        told = ends[1];
        close(ends[0]);
        CHECK(setpgid(0, 0) == 0);
        struct sigaction action = {.sa_handler = on_cont};
        CHECK(sigaction(SIGCONT, &action, NULL) == 0);
        pthread_t other;
        if (with_thread)
            CHECK(pthread_create(&other, NULL, spin_in_pause, NULL) == 0);
        CHECK(write(told, "r", 1) == 1);
        if (raise_stop)
            raise(SIGSTOP);
        for (;;)
            pause();
    }
    close(ends[1]);
    char byte = 0;
    CHECK(read(ends[0], &byte, 1) == 1 && byte == 'r');
    *from_child = ends[0];
    return pid;
}

static void stop_and_continue(pid_t pid, int from_child, int signal) {
    if (signal)
        CHECK(kill(pid, signal) == 0);
    siginfo_t info = {0};
    CHECK(waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOWAIT) == 0);
    CHECK(info.si_code == CLD_STOPPED && info.si_status == (signal ? signal : SIGSTOP));
    int status;
    CHECK(waitpid(pid, &status, WUNTRACED) == pid);
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == (signal ? signal : SIGSTOP));

    // Stopped means stopped: another signal waits, and nothing is written meanwhile.
    CHECK(kill(pid, SIGWINCH) == 0);
    struct timespec moment = {0, 20 * 1000 * 1000};
    nanosleep(&moment, NULL);
    CHECK(waitpid(pid, &status, WUNTRACED | WCONTINUED | WNOHANG) == 0);

    CHECK(kill(pid, SIGCONT) == 0);
    CHECK(waitpid(pid, &status, WCONTINUED) == pid);
    CHECK(WIFCONTINUED(status));
    char byte = 0;
    CHECK(read(from_child, &byte, 1) == 1 && byte == 'c');
}

static void end(pid_t pid, int signal) {
    int status;
    CHECK(kill(pid, signal) == 0);
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == signal);
}

int main(void) {
    for (int with_thread = 0; with_thread < 2; with_thread++) {
        int from_child;
        pid_t pid = start(&from_child, with_thread, 0);
        stop_and_continue(pid, from_child, SIGSTOP);
        stop_and_continue(pid, from_child, SIGTSTP);
        stop_and_continue(pid, from_child, SIGTTIN);
        end(pid, SIGTERM);
        close(from_child);
        printf("jobs: %s: stopped and continued three times\n", with_thread ? "threads" : "one thread");
    }

    int from_child;
    pid_t pid = start(&from_child, 0, 1);
    stop_and_continue(pid, from_child, 0);
    end(pid, SIGTERM);
    puts("jobs: stopped itself");

    // Killed while stopped: never continued, ended.
    pid = start(&from_child, 1, 0);
    int status;
    CHECK(kill(pid, SIGSTOP) == 0);
    CHECK(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
    end(pid, SIGKILL);
    puts("jobs: killed while stopped");
    return 0;
}
