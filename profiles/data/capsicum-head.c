/* What to add to a program so that it confines itself by Capsicum (FreeBSD 10.1 and later).
 *
 * Each _limit_ function belongs right after the place that makes such a descriptor (for what is
 * inherited: at the start of main), each _narrow_ function right before _enter, and _enter where its
 * comment says. caph_* calls are content where the kernel has no Capsicum (ENOSYS). Link with
 * -lcasper and the services that the comments name, where there are any. */
#include <sys/types.h>
#include <sys/capsicum.h>
#include <sys/ioctl.h>
#include <sys/filio.h>
#include <sys/sockio.h>
#include <sys/ttycom.h>
#include <capsicum_helpers.h>
#include <libcasper.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
