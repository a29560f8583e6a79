
/* 0, or -1 and errno. */
int restrict_system_calls(void)
{
	const struct sock_fprog program = {
		.len = sizeof(instructions) / sizeof(instructions[0]),
		.filter = (struct sock_filter *)instructions,
	};
	long result;

	/* The kernel takes a filter from whoever can gain no privileges by it. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
	if (result > 0)
		errno = ESRCH; /* Another thread has a filter that is not one of ours. */
	return result ? -1 : 0;
}
