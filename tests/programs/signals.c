// Shows blocked calls hit by signals: EINTR without SA_RESTART, and with it only where the kernel never restarts.
//# build: gcc -O2 -pthread -o $OUT $SRC
//# build signals-begin: gcc -O2 -pthread -include ${SRC%/*}/begin.h -o $OUT $SRC
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

enum { TICK_US = 40000, RELEASE_AFTER = 2 };

// The timer ticks until the call returns. Where restarting is asked for, the second tick brings what the
// call waits for: so a slow tracer changes no outcome, only how much of it was spent blocked.
static volatile sig_atomic_t ticks;
static int restarting;
static void (*release)(void);

static void on_alarm(int signal) {
    (void)signal;
    int saved = errno;
    ticks++;
    if (restarting && ticks >= RELEASE_AFTER && release)
        release();
    errno = saved;
}

static int pipe_ends[2], full_pipe[2], pair[2], listening, locked;
static uint32_t futex_word;
static pid_t child;
static struct sockaddr_un address = {AF_UNIX, "signals.sock"};

static void write_pipe(void) { (void)!write(pipe_ends[1], "x", 1); }
static void write_pair(void) { (void)!write(pair[1], "x", 1); }
static void kill_child(void) { kill(child, SIGKILL); }
static void drain_pipe(void) {
    char buffer[4096];
    (void)!read(full_pipe[0], buffer, sizeof buffer);
}
static void wake_futex(void) {
    __atomic_store_n(&futex_word, 1, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, &futex_word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}
static void connect_here(void) {
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    (void)!connect(client, (struct sockaddr *)&address, sizeof address);
    close(client);
}

// Non-zero when the call ended otherwise than by failing.
static int call_read(void) {
    char byte;
    return read(pipe_ends[0], &byte, 1) >= 0;
}
static int call_write(void) {
    char page[4096] = {0};
    return write(full_pipe[1], page, sizeof page) >= 0;
}
static int call_recv(void) {
    char byte;
    return recv(pair[0], &byte, 1, 0) >= 0;
}
static int call_accept(void) {
    int client = accept(listening, NULL, NULL);
    if (client >= 0)
        close(client);
    return client >= 0;
}
static int call_wait(void) { return waitpid(child, NULL, 0) >= 0; }
static int call_flock(void) { return flock(locked, LOCK_EX) == 0; }
static int call_futex(void) {
    // Woken or found changed: both are how a wait ends well.
    return syscall(SYS_futex, &futex_word, FUTEX_WAIT, 0, NULL, NULL, 0) == 0 || errno == EAGAIN;
}
static int call_poll(void) {
    struct pollfd fd = {pipe_ends[0], POLLIN, 0};
    return poll(&fd, 1, -1) >= 0;
}
static int call_select(void) {
    fd_set set;
    FD_ZERO(&set);
    FD_SET(pipe_ends[0], &set);
    return select(pipe_ends[0] + 1, &set, NULL, NULL, NULL) >= 0;
}
static int call_epoll(void) {
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, pipe_ends[0], &event) == 0);
    int result = epoll_wait(epoll, &event, 1, -1);
    int saved = errno;
    close(epoll);
    errno = saved;
    return result >= 0;
}
static int call_pause(void) { return pause() >= 0; }
static int call_sigsuspend(void) {
    sigset_t none;
    sigemptyset(&none);
    return sigsuspend(&none) >= 0;
}
static int call_nanosleep(void) {
    struct timespec long_time = {60, 0};
    return nanosleep(&long_time, NULL) == 0;
}
static int call_semop(void) {
    static int semaphore = -1;
    if (semaphore < 0)
        CHECK((semaphore = semget(IPC_PRIVATE, 1, 0600)) >= 0);
    struct sembuf take = {0, -1, 0};
    int result = semop(semaphore, &take, 1);
    int saved = errno;
    if (restarting)
        CHECK(semctl(semaphore, 0, IPC_RMID) == 0);
    errno = saved;
    return result == 0;
}

static const struct {
    const char *name;
    int (*call)(void);
    void (*release)(void); // NULL: signal(7) says that this one is never restarted
} cases[] = {
    {"read", call_read, write_pipe},       {"write", call_write, drain_pipe},
    {"recv", call_recv, write_pair},       {"accept", call_accept, connect_here},
    {"waitpid", call_wait, kill_child},    {"flock", call_flock, kill_child},
    {"futex", call_futex, wake_futex},     {"poll", call_poll, NULL},
    {"select", call_select, NULL},         {"epoll_wait", call_epoll, NULL},
    {"pause", call_pause, NULL},           {"sigsuspend", call_sigsuspend, NULL},
    {"nanosleep", call_nanosleep, NULL},   {"semop", call_semop, NULL},
};

static void tick(int on) {
    struct itimerval timer = {{0, on ? TICK_US : 0}, {0, on ? TICK_US : 0}};
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

// A child that lives until it is killed, and holds the lock if asked to.
static void start_child(int with_lock) {
    int ready[2];
    CHECK(pipe2(ready, O_CLOEXEC) == 0);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        if (with_lock) {
            int lock = open("signals.lock", O_RDWR);
            CHECK(flock(lock, LOCK_EX) == 0);
        }
        CHECK(write(ready[1], "r", 1) == 1);
        for (;;)
            pause();
    }
    char byte;
    CHECK(read(ready[0], &byte, 1) == 1);
    close(ready[0]);
    close(ready[1]);
}

static const char *run(int i) {
    int needs_child = cases[i].release == kill_child;
    if (needs_child)
        start_child(cases[i].call == call_flock);
    futex_word = 0;
    ticks = 0;
    release = cases[i].release;
    tick(1);
    errno = 0;
    int completed = cases[i].call();
    int error = errno;
    tick(0);
    if (needs_child) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        if (cases[i].call == call_flock && completed)
            CHECK(flock(locked, LOCK_UN) == 0);
    }
    return completed ? "completed" : error == EINTR ? "EINTR" : strerror(error);
}

int main(void) {
    CHECK(pipe2(pipe_ends, O_CLOEXEC) == 0);
    CHECK(pipe2(full_pipe, O_CLOEXEC | O_NONBLOCK) == 0);
    char page[4096] = {0};
    while (write(full_pipe[1], page, sizeof page) > 0)
        ;
    CHECK(fcntl(full_pipe[1], F_SETFL, 0) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    unlink(address.sun_path);
    listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(listening, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(listen(listening, 4) == 0);
    locked = open("signals.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK(locked >= 0);

    for (restarting = 0; restarting < 2; restarting++) {
        struct sigaction action = {.sa_handler = on_alarm, .sa_flags = restarting ? SA_RESTART : 0};
        CHECK(sigaction(SIGALRM, &action, NULL) == 0);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            const char *outcome = run((int)i);
            const char *want = restarting && cases[i].release ? "completed" : "EINTR";
            printf("%s %s: %s\n", restarting ? "restart" : "plain", cases[i].name, outcome);
            CHECK(strcmp(outcome, want) == 0);
        }
    }
    return 0;
}
