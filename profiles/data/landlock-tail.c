/* What a rule on something that is no directory can carry. */
#define OF_FILES (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

enum { PATH_BENEATH = 1, NET_PORT = 2, GET_VERSION = 1 };

/* Restricts this process to what it needs. 0, or -1 and errno; a kernel without Landlock is no
 * error. */
int restrict_process(void)
{
	struct ruleset_attr attr = handled;
	/* A kernel that is older knows a shorter attr. */
	size_t size = sizeof(attr);
	long abi = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, GET_VERSION);
	int ruleset, saved;

	if (abi < 1)
		return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -1;
	if (abi < 2)
		attr.handled_access_fs &= ~FS_REFER;
	if (abi < 3)
		attr.handled_access_fs &= ~FS_TRUNCATE;
	if (abi < 4) {
		attr.handled_access_net = 0;
		size = offsetof(struct ruleset_attr, handled_access_net);
	}
	if (abi < 5)
		attr.handled_access_fs &= ~FS_IOCTL_DEV;
	if (abi < 6) {
		attr.scoped = 0;
		if (size == sizeof(attr))
			size = offsetof(struct ruleset_attr, scoped);
	}
	if (!attr.handled_access_fs && !attr.handled_access_net && !attr.scoped)
		return 0;
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (ruleset < 0)
		return -1;
	for (size_t i = 0; attr.handled_access_fs && paths[i].path; i++) {
		struct path_beneath_attr rule = {
			.allowed_access = paths[i].rights & attr.handled_access_fs,
			.parent_fd = open(paths[i].path, O_PATH | O_CLOEXEC),
		};
		struct stat found;
		long result = 0;

		/* A path that is not here cannot be granted. */
		if (rule.parent_fd < 0)
			continue;
		if (fstat(rule.parent_fd, &found) == 0 && !S_ISDIR(found.st_mode))
			rule.allowed_access &= OF_FILES;
		if (rule.allowed_access)
			result = syscall(SYS_landlock_add_rule, ruleset, PATH_BENEATH, &rule, 0);
		close(rule.parent_fd);
		if (result)
			goto fail;
	}
	for (size_t i = 0; attr.handled_access_net && ports[i].allowed_access; i++) {
		struct net_port_attr rule = ports[i];

		rule.allowed_access &= attr.handled_access_net;
		if (rule.allowed_access &&
		    syscall(SYS_landlock_add_rule, ruleset, NET_PORT, &rule, 0))
			goto fail;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    syscall(SYS_landlock_restrict_self, ruleset, 0))
		goto fail;
	return close(ruleset);
fail:
	saved = errno;
	close(ruleset);
	errno = saved;
	return -1;
}
