/* What a listing takes of FreeBSD's libcasper.h: see sys/capsicum.h beside it. */
#ifndef LIBCASPER_H
#define LIBCASPER_H

typedef struct cap_channel cap_channel_t;

cap_channel_t *cap_init(void);
cap_channel_t *cap_service_open(const cap_channel_t *chan, const char *name);
void cap_close(cap_channel_t *chan);

#endif
