#include <errno.h>
#include <seccomp.h>
#include <stddef.h>

struct allowed {
	const char *name;
	int needed; /* runs showed it; otherwise it follows from what they showed */
	unsigned count;
	struct scmp_arg_cmp compared[6];
};

