/* What a listing takes of FreeBSD's sys/capsicum.h: the shapes of its names, so that a compiler can
 * check a listing elsewhere. The values say nothing. */
#ifndef SYS_CAPSICUM_H
#define SYS_CAPSICUM_H

#include <stddef.h>
#include <stdint.h>

typedef struct cap_rights {
	uint64_t cr_rights[2];
} cap_rights_t;

cap_rights_t *__cap_rights_init(int version, cap_rights_t *rights, ...);
#define cap_rights_init(...) __cap_rights_init(0, __VA_ARGS__, 0ULL)

int cap_rights_limit(int fd, const cap_rights_t *rights);
int cap_fcntls_limit(int fd, uint32_t fcntlrights);
int cap_ioctls_limit(int fd, const unsigned long *cmds, size_t ncmds);
int cap_enter(void);

#define CAP_READ (1ULL << 0)
#define CAP_WRITE (1ULL << 1)
#define CAP_SEEK_TELL (1ULL << 2)
#define CAP_SEEK (1ULL << 3)
#define CAP_PREAD (1ULL << 4)
#define CAP_PWRITE (1ULL << 5)
#define CAP_MMAP (1ULL << 6)
#define CAP_MMAP_R (1ULL << 7)
#define CAP_MMAP_W (1ULL << 8)
#define CAP_MMAP_X (1ULL << 9)
#define CAP_MMAP_RW (1ULL << 10)
#define CAP_MMAP_RX (1ULL << 11)
#define CAP_MMAP_WX (1ULL << 12)
#define CAP_MMAP_RWX (1ULL << 13)
#define CAP_CREATE (1ULL << 14)
#define CAP_FEXECVE (1ULL << 15)
#define CAP_FSYNC (1ULL << 16)
#define CAP_FTRUNCATE (1ULL << 17)
#define CAP_LOOKUP (1ULL << 18)
#define CAP_FCHDIR (1ULL << 19)
#define CAP_FCHFLAGS (1ULL << 20)
#define CAP_CHFLAGSAT (1ULL << 21)
#define CAP_FCHMOD (1ULL << 22)
#define CAP_FCHMODAT (1ULL << 23)
#define CAP_FCHOWN (1ULL << 24)
#define CAP_FCHOWNAT (1ULL << 25)
#define CAP_FCNTL (1ULL << 26)
#define CAP_FLOCK (1ULL << 27)
#define CAP_FPATHCONF (1ULL << 28)
#define CAP_FSCK (1ULL << 29)
#define CAP_FSTAT (1ULL << 30)
#define CAP_FSTATAT (1ULL << 31)
#define CAP_FSTATFS (1ULL << 32)
#define CAP_FUTIMES (1ULL << 33)
#define CAP_FUTIMESAT (1ULL << 34)
#define CAP_LINKAT_TARGET (1ULL << 35)
#define CAP_LINKAT_SOURCE (1ULL << 36)
#define CAP_MKDIRAT (1ULL << 37)
#define CAP_MKFIFOAT (1ULL << 38)
#define CAP_MKNODAT (1ULL << 39)
#define CAP_RENAMEAT_SOURCE (1ULL << 40)
#define CAP_RENAMEAT_TARGET (1ULL << 41)
#define CAP_SYMLINKAT (1ULL << 42)
#define CAP_UNLINKAT (1ULL << 43)
#define CAP_ACCEPT (1ULL << 44)
#define CAP_BIND (1ULL << 45)
#define CAP_BINDAT (1ULL << 46)
#define CAP_CONNECT (1ULL << 47)
#define CAP_CONNECTAT (1ULL << 48)
#define CAP_GETPEERNAME (1ULL << 49)
#define CAP_GETSOCKNAME (1ULL << 50)
#define CAP_GETSOCKOPT (1ULL << 51)
#define CAP_LISTEN (1ULL << 52)
#define CAP_PEELOFF (1ULL << 53)
#define CAP_SETSOCKOPT (1ULL << 54)
#define CAP_SHUTDOWN (1ULL << 55)
#define CAP_RECV (1ULL << 56)
#define CAP_SEND (1ULL << 0)
#define CAP_SOCK_CLIENT (1ULL << 1)
#define CAP_SOCK_SERVER (1ULL << 2)
#define CAP_MAC_GET (1ULL << 3)
#define CAP_MAC_SET (1ULL << 4)
#define CAP_SEM_GETVALUE (1ULL << 5)
#define CAP_SEM_POST (1ULL << 6)
#define CAP_SEM_WAIT (1ULL << 7)
#define CAP_EVENT (1ULL << 8)
#define CAP_KQUEUE_EVENT (1ULL << 9)
#define CAP_KQUEUE_CHANGE (1ULL << 10)
#define CAP_KQUEUE (1ULL << 11)
#define CAP_IOCTL (1ULL << 12)
#define CAP_TTYHOOK (1ULL << 13)
#define CAP_PDGETPID (1ULL << 14)
#define CAP_PDWAIT (1ULL << 15)
#define CAP_PDKILL (1ULL << 16)
#define CAP_EXTATTR_DELETE (1ULL << 17)
#define CAP_EXTATTR_GET (1ULL << 18)
#define CAP_EXTATTR_LIST (1ULL << 19)
#define CAP_EXTATTR_SET (1ULL << 20)
#define CAP_ACL_CHECK (1ULL << 21)
#define CAP_ACL_DELETE (1ULL << 22)
#define CAP_ACL_GET (1ULL << 23)
#define CAP_ACL_SET (1ULL << 24)

#define CAP_FCNTL_GETFL (1 << 3)
#define CAP_FCNTL_SETFL (1 << 4)
#define CAP_FCNTL_GETOWN (1 << 5)
#define CAP_FCNTL_SETOWN (1 << 6)

#endif
