/* As FreeBSD's sys/ioctl.h: requests for files, sockets and terminals, and none of Linux. */
#ifndef SYS_IOCTL_H
#define SYS_IOCTL_H

#include <sys/filio.h>
#include <sys/sockio.h>
#include <sys/ttycom.h>

int ioctl(int fd, unsigned long request, ...);

#endif
