/* Restricts this process, its threads and all that it starts to the system calls that it needs.
 * Call it before other threads run, or as late as the program has what it needs only once. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

