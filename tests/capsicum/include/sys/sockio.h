/* Requests of FreeBSD's sys/sockio.h: see sys/capsicum.h beside it. */
#ifndef SYS_SOCKIO_H
#define SYS_SOCKIO_H

#define SIOCATMARK 0x4004a200UL
#define SIOCGIFADDR 0x4004a201UL
#define SIOCGIFCONF 0x4004a202UL
#define SIOCGIFFLAGS 0x4004a203UL
#define SIOCGIFINDEX 0x4004a204UL
#define SIOCGIFMTU 0x4004a205UL

#endif
