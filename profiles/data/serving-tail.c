
/* Allows this process, all its threads and all that it starts from now on just these calls. Other
 * calls fail with EPERM, or with ENOSYS where libc then takes another. 0, or -errno: nothing was
 * changed then. Link with -lseccomp. */
int enter_serving(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int error;

	if (filter == NULL)
		return -ENOMEM;
	error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	for (size_t i = 0; error == 0 && i < sizeof allowed / sizeof *allowed; i++) {
		int call = seccomp_syscall_resolve_name(allowed[i].name);

		/* A libseccomp that is older than the call. */
		if (call == __NR_SCMP_ERROR) {
			error = allowed[i].needed ? -EOPNOTSUPP : 0;
			continue;
		}
		error = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, allowed[i].count,
					       allowed[i].compared);
	}
	for (size_t i = 0; error == 0 && i < sizeof missing / sizeof *missing; i++) {
		int call = seccomp_syscall_resolve_name(missing[i]);

		if (call != __NR_SCMP_ERROR)
			error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), call, 0);
	}
	if (error == 0)
		error = seccomp_load(filter);
	seccomp_release(filter);
	return error;
}
