/* Like nginx: a master that opens the log and the page, two workers that wait by epoll, take connections, send the page
 * by sendfile and append to the log. */
#include "server.h"
#include <signal.h>

static int log_file, page;
static off_t page_size;

static void serve(int listener, const char *directory) {
    char request[256];
    int epoll = watch(listener);
    serve_only();
    for (;;) {
        int client = next(epoll, listener, request, sizeof request);
        if (client < 0)
            continue;
        if (strcmp(request, "GET") == 0) {
            off_t from = 0;
            CHECK(sendfile(client, page, &from, (size_t)page_size) == page_size);
        } else if (strcmp(request, "TRY") == 0) {
            try_all(client, directory);
        } else if (strcmp(request, "QUIT") == 0) {
            dprintf(client, "bye\n");
            close(client);
            _exit(0);
        }
        dprintf(log_file, "%s\n", request);
        close(client);
    }
}

int main(int count, char **words) {
    char path[4096];
    CHECK(count == 2);
    read_filter();
    snprintf(path, sizeof path, "%s/cache", words[1]);
    CHECK(mkdir(path, 0700) == 0 || errno == EEXIST);
    snprintf(path, sizeof path, "%s/page", words[1]);
    page = open(path, O_RDONLY | O_CLOEXEC);
    struct stat about;
    CHECK(page >= 0 && fstat(page, &about) == 0);
    page_size = about.st_size;
    snprintf(path, sizeof path, "%s/access.log", words[1]);
    log_file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    CHECK(log_file >= 0);
    int listener = listen_on_any_port();
    pid_t workers[2];
    for (int i = 0; i < 2; i++) {
        workers[i] = fork();
        CHECK(workers[i] >= 0);
        if (workers[i] == 0)
            serve(listener, words[1]);
    }
    /* One ends when it is told to, or when it fails: then the other has to. */
    int status, other;
    pid_t first = wait(&status);
    CHECK(kill(workers[first == workers[0]], SIGTERM) == 0);
    CHECK(wait(&other) > 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}
