// Shows every way to name a file or an endpoint; run in an empty directory D, it must be traced as in the table.
//# build: gcc -O2 -o $OUT $SRC
//# build paths-begin: gcc -O2 -include ${SRC%/*}/begin.h -o $OUT $SRC
//# build paths-begin-static-pie: gcc -O2 -static-pie -include ${SRC%/*}/begin.h -o $OUT $SRC
//
// create    D/sub D/sub/deep D/sub/file (via dirfd) D/fifo D/link1..3 D/renamed D/hard D/sock.path
// read      D/sub/file by: relative, absolute, ../, //./, dirfd, fchdir, link chain link3->link2->link1->sub/file,
//           /proc/self/cwd/sub/file, /proc/self/fd/N, openat2 (RESOLVE_BENEATH)
// refused   D/absent, D/absent/under, D/sub/file/under (ENOTDIR), D/loop (ELOOP), openat2 ../ (EXDEV)
// rename    D/sub/file -> D/renamed (renameat2), link D/renamed -> D/hard, removed: all of it at the end
// chroot    as root, in a child: /file there is D/jail/file
// network   unix pathname D/sock.path, abstract @profgen-paths-PID, tcp and udp 127.0.0.1
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "check.h"

static char top[PATH_MAX];

static void reads_file(int fd) {
    char text[4];
    CHECK(fd >= 0);
    CHECK(read(fd, text, sizeof text) == 4 && memcmp(text, "text", 4) == 0);
    CHECK(close(fd) == 0);
}

static void directories(void) {
    CHECK(mkdir("sub", 0755) == 0);
    int sub = open("sub", O_PATH | O_DIRECTORY);
    CHECK(sub >= 0);
    CHECK(mkdirat(sub, "deep", 0755) == 0);
    int file = openat(sub, "file", O_WRONLY | O_CREAT | O_EXCL, 0644);
    CHECK(file >= 0 && write(file, "text", 4) == 4 && close(file) == 0);

    char name[PATH_MAX + 32];
    reads_file(open("sub/file", O_RDONLY));
    snprintf(name, sizeof name, "%s/sub/file", top);
    reads_file(open(name, O_RDONLY));
    reads_file(open("sub/deep/../file", O_RDONLY));
    reads_file(open(".//sub/./file", O_RDONLY));
    reads_file(openat(sub, "file", O_RDONLY));
    reads_file(openat(sub, "deep/../../sub/file", O_RDONLY));

    CHECK(chdir("sub/deep") == 0);
    reads_file(open("../file", O_RDONLY));
    CHECK(fchdir(sub) == 0);
    reads_file(open("file", O_RDONLY));
    char *here = getcwd(name, sizeof name);
    CHECK(here && strcmp(here + strlen(top), "/sub") == 0);
    CHECK(chdir(top) == 0);

    int handle = open("sub/file", O_PATH);
    CHECK(handle >= 0);
    snprintf(name, sizeof name, "/proc/self/fd/%d", handle);
    reads_file(open(name, O_RDONLY));
    reads_file(open("/proc/self/cwd/sub/file", O_RDONLY));
    struct stat status;
    CHECK(fstatat(handle, "", &status, AT_EMPTY_PATH) == 0 && status.st_size == 4);
    CHECK(close(handle) == 0);

    struct open_how how = {.flags = O_RDONLY, .resolve = RESOLVE_BENEATH};
    int opened = (int)syscall(SYS_openat2, sub, "file", &how, sizeof how);
    if (opened >= 0 || errno != ENOSYS) {
        reads_file(opened);
        FAILS(EXDEV, syscall(SYS_openat2, sub, "../sub/file", &how, sizeof how));
    }
    CHECK(close(sub) == 0);

    DIR *list = opendir("sub");
    CHECK(list);
    int entries = 0;
    while (readdir(list))
        entries++;
    CHECK(entries == 4 && closedir(list) == 0);
    puts("paths: directories");
}

static void links(void) {
    CHECK(symlink("sub/file", "link1") == 0);
    CHECK(symlink("link1", "link2") == 0);
    int here = open(".", O_PATH);
    CHECK(here >= 0 && symlinkat("link2", here, "link3") == 0 && close(here) == 0);
    reads_file(open("link3", O_RDONLY));
    char target[PATH_MAX];
    CHECK(readlink("link3", target, sizeof target) == 5);
    CHECK(realpath("link3", target) && strcmp(target + strlen(top), "/sub/file") == 0);
    CHECK(symlink("loop", "loop") == 0);
    FAILS(ELOOP, open("loop", O_RDONLY));
    CHECK(symlink("absent", "dangling") == 0);
    FAILS(ENOENT, open("dangling", O_RDONLY));
    struct stat status;
    CHECK(lstat("dangling", &status) == 0 && S_ISLNK(status.st_mode));
    puts("paths: links");
}

static void probes(void) {
    struct stat status;
    FAILS(ENOENT, open("absent", O_RDONLY));
    FAILS(ENOENT, stat("absent/under", &status));
    FAILS(ENOENT, access("absent", R_OK));
    FAILS(ENOTDIR, open("sub/file/under", O_RDONLY));
    FAILS(ENOENT, open("", O_RDONLY));
    FAILS(EBADF, openat(9999, "file", O_RDONLY));
    FAILS(EFAULT, open((const char *)8, O_RDONLY));
    FAILS(ENOENT, execl("absent/program", "program", (char *)NULL));
    char long_name[PATH_MAX + 1];
    memset(long_name, 'a', PATH_MAX);
    long_name[PATH_MAX] = 0;
    FAILS(ENAMETOOLONG, open(long_name, O_RDONLY));
    puts("paths: probes");
}

static void changes(void) {
    CHECK(mkfifo("fifo", 0600) == 0);
    CHECK(truncate("sub/file", 3) == 0);
    CHECK(chmod("sub/file", 0600) == 0);
    CHECK(chown("sub/file", (uid_t)-1, (gid_t)-1) == 0);
    CHECK(utimensat(AT_FDCWD, "sub/file", NULL, 0) == 0);
    char value[8];
    ssize_t got = getxattr("sub/file", "user.none", value, sizeof value);
    CHECK(got == -1 && (errno == ENODATA || errno == EOPNOTSUPP));
    CHECK(syscall(SYS_renameat2, AT_FDCWD, "sub/file", AT_FDCWD, "renamed", 1 /* RENAME_NOREPLACE */) == 0);
    CHECK(link("renamed", "hard") == 0);
    CHECK(linkat(AT_FDCWD, "link3", AT_FDCWD, "hard-of-link", 0) == 0);
    CHECK(rename("hard", "hard2") == 0);
    FAILS(ENOENT, rename("absent", "absent2"));
    puts("paths: changes");
}

static void jail(void) {
    if (geteuid() != 0)
        return;
    CHECK(mkdir("jail", 0755) == 0);
    int file = open("jail/file", O_WRONLY | O_CREAT, 0644);
    CHECK(file >= 0 && write(file, "text", 4) == 4 && close(file) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK(chroot("jail") == 0 && chdir("/") == 0);
        reads_file(open("/file", O_RDONLY));
        reads_file(open("../../file", O_RDONLY));
        FAILS(ENOENT, open("/etc/passwd", O_RDONLY));
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(unlink("jail/file") == 0 && rmdir("jail") == 0);
}

// A name that starts with NUL is abstract: it is no file.
static void unix_socket(const char *name, size_t length) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, name, length);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(server, (struct sockaddr *)&address, size) == 0 && listen(server, 1) == 0);
    CHECK(connect(client, (struct sockaddr *)&address, size) == 0);
    int accepted = accept(server, NULL, NULL);
    CHECK(accepted >= 0 && write(client, "text", 4) == 4);
    CHECK(close(client) == 0);
    reads_file(accepted);
    CHECK(close(server) == 0);
}

static void inet_socket(int type) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int server = socket(AF_INET, type, 0), client = socket(AF_INET, type, 0);
    CHECK(bind(server, (struct sockaddr *)&address, size) == 0);
    CHECK(getsockname(server, (struct sockaddr *)&address, &size) == 0);
    if (type == SOCK_STREAM) {
        CHECK(listen(server, 1) == 0);
        CHECK(connect(client, (struct sockaddr *)&address, size) == 0);
        int accepted = accept4(server, NULL, NULL, SOCK_CLOEXEC);
        CHECK(accepted >= 0 && send(client, "text", 4, MSG_NOSIGNAL) == 4);
        reads_file(accepted);
    } else {
        CHECK(sendto(client, "text", 4, 0, (struct sockaddr *)&address, size) == 4);
        struct iovec data = {"text", 4};
        struct msghdr message = {.msg_name = &address, .msg_namelen = size, .msg_iov = &data, .msg_iovlen = 1};
        CHECK(sendmsg(client, &message, 0) == 4);
        char text[4];
        CHECK(recvfrom(server, text, 4, 0, NULL, NULL) == 4);
        reads_file(dup(server));
    }
    CHECK(close(server) == 0 && close(client) == 0);
}

static void network(void) {
    unix_socket("sock.path", sizeof "sock.path");
    char abstract[40];
    int length = snprintf(abstract, sizeof abstract, "%cprofgen-paths-%d", 0, getpid());
    unix_socket(abstract, (size_t)length);
    inet_socket(SOCK_STREAM);
    inet_socket(SOCK_DGRAM);
    puts("paths: network");
}

static void clean_up(void) {
    const char *files[] = {"link1", "link2", "link3", "loop",    "dangling",
                           "fifo",  "hard2", "hard-of-link", "renamed", "sock.path"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        CHECK(unlink(files[i]) == 0);
    CHECK(unlinkat(AT_FDCWD, "sub/deep", AT_REMOVEDIR) == 0 && rmdir("sub") == 0);
    puts("paths: clean");
}

int main(void) {
    setvbuf(stdout, NULL, _IONBF, 0);
    CHECK(getcwd(top, sizeof top));
    directories();
    links();
    probes();
    changes();
    jail();
    network();
    clean_up();
    return 0;
}
