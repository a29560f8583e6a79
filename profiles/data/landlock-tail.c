/* What a rule on something that is no directory can carry. */
#define OF_FILES                                                       \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |  \
	 LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_TRUNCATE |  \
	 LANDLOCK_ACCESS_FS_IOCTL_DEV)

/* Restricts this process to what it needs. 0, or -1 and errno; a kernel without Landlock is no
 * error. */
int restrict_process(void)
{
	struct landlock_ruleset_attr attr = handled;
	long abi = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0,
			   LANDLOCK_CREATE_RULESET_VERSION);
	int ruleset, saved, result;

	if (abi < 1)
		return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -1;
	/* A kernel that is older knows less. */
	if (abi < 2)
		attr.handled_access_fs &= ~LANDLOCK_ACCESS_FS_REFER;
	if (abi < 3)
		attr.handled_access_fs &= ~LANDLOCK_ACCESS_FS_TRUNCATE;
	if (abi < 4)
		attr.handled_access_net = 0;
	if (abi < 5)
		attr.handled_access_fs &= ~LANDLOCK_ACCESS_FS_IOCTL_DEV;
	if (abi < 6)
		attr.scoped = 0;
	if (!attr.handled_access_fs && !attr.handled_access_net && !attr.scoped)
		return 0;
	ruleset = syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (ruleset < 0)
		return -1;
	for (size_t i = 0; attr.handled_access_fs && paths[i].path; i++) {
		struct landlock_path_beneath_attr rule = {
			.allowed_access = paths[i].rights & attr.handled_access_fs,
			.parent_fd = open(paths[i].path, O_PATH | O_CLOEXEC),
		};
		struct stat found;

		/* A path that is not here cannot be granted. */
		if (rule.parent_fd < 0)
			continue;
		if (fstat(rule.parent_fd, &found) == 0 && !S_ISDIR(found.st_mode))
			rule.allowed_access &= OF_FILES;
		result = rule.allowed_access ? syscall(SYS_landlock_add_rule, ruleset,
						       LANDLOCK_RULE_PATH_BENEATH, &rule, 0) :
					       0;
		close(rule.parent_fd);
		if (result)
			goto fail;
	}
	for (size_t i = 0; attr.handled_access_net && ports[i].allowed_access; i++) {
		if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_NET_PORT, &ports[i], 0))
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
