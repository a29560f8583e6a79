/* Requests of FreeBSD's sys/filio.h: see sys/capsicum.h beside it. */
#ifndef SYS_FILIO_H
#define SYS_FILIO_H

#define FIOCLEX 0x400484c0UL
#define FIONCLEX 0x400484c1UL
#define FIONREAD 0x400484c2UL
#define FIONBIO 0x400484c3UL
#define FIOASYNC 0x400484c4UL
#define FIOSETOWN 0x400484c5UL
#define FIOGETOWN 0x400484c6UL
#define FIOSEEKDATA 0x400484c7UL
#define FIOSEEKHOLE 0x400484c8UL

#endif
