/* Like redis: one process that waits by epoll, a thread that syncs the append-only file, a child that writes a
 * snapshot. */
#include "server.h"
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER, done = PTHREAD_COND_INITIALIZER;
static int appended, pending;
static char value[256];

static void *sync_always(void *nothing) {
    pthread_mutex_lock(&lock);
    for (;;) {
        while (!pending)
            pthread_cond_wait(&work, &lock);
        CHECK(fdatasync(appended) == 0);
        pending = 0;
        pthread_cond_signal(&done);
    }
    return nothing;
}

static void append(const char *request) {
    CHECK(dprintf(appended, "%s\n", request) > 0);
    pthread_mutex_lock(&lock);
    pending = 1;
    pthread_cond_signal(&work);
    while (pending)
        pthread_cond_wait(&done, &lock);
    pthread_mutex_unlock(&lock);
}

static int snapshot(const char *directory) {
    pid_t child = fork();
    if (child == 0) {
        char aside[4096], path[4096];
        snprintf(aside, sizeof aside, "%s/snapshot.new", directory);
        snprintf(path, sizeof path, "%s/snapshot", directory);
        int file = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        CHECK(file >= 0 && dprintf(file, "%s\n", value) > 0 && fsync(file) == 0 && close(file) == 0);
        CHECK(rename(aside, path) == 0);
        _exit(0);
    }
    int status;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    return status;
}

int main(int count, char **words) {
    char path[4096], request[256];
    CHECK(count == 2);
    read_filter();
    snprintf(path, sizeof path, "%s/cache", words[1]);
    CHECK(mkdir(path, 0700) == 0 || errno == EEXIST);
    snprintf(path, sizeof path, "%s/appended", words[1]);
    appended = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    CHECK(appended >= 0);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, sync_always, NULL) == 0);
    int listener = listen_on_any_port(), epoll = watch(listener);
    serve_only();
    for (;;) {
        int client = next(epoll, listener, request, sizeof request);
        if (client < 0)
            continue;
        if (strncmp(request, "SET ", 4) == 0) {
            strcpy(value, request + 4);
            append(request);
            dprintf(client, "OK\n");
        } else if (strcmp(request, "GET") == 0) {
            dprintf(client, "%s\n", value);
        } else if (strcmp(request, "SAVE") == 0) {
            dprintf(client, "saved: %d\n", snapshot(words[1]));
        } else if (strcmp(request, "TRY") == 0) {
            try_all(client, words[1]);
        } else if (strcmp(request, "QUIT") == 0) {
            dprintf(client, "bye\n");
            return 0;
        }
        close(client);
    }
}
