/* What a listing takes of FreeBSD's capsicum_helpers.h: see sys/capsicum.h beside it. */
#ifndef CAPSICUM_HELPERS_H
#define CAPSICUM_HELPERS_H

#include <sys/capsicum.h>

int caph_rights_limit(int fd, const cap_rights_t *rights);
int caph_fcntls_limit(int fd, uint32_t fcntlrights);
int caph_ioctls_limit(int fd, const unsigned long *cmds, size_t ncmds);
int caph_limit_stdin(void);
int caph_limit_stdout(void);
int caph_limit_stderr(void);
int caph_limit_stdio(void);
void caph_cache_tzdata(void);
void caph_cache_catpages(void);
int caph_enter(void);
int caph_enter_casper(void);

#endif
