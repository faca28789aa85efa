/* cpim.h - message/cpim (RFC 3862) around a message that wants to know what became of it, and message/imdn+xml that says so (RFC 5438) */
#ifndef SIPCOMP_DIALECT_CPIM_H
#define SIPCOMP_DIALECT_CPIM_H

#include "shared/base/buf.h"

#include <stdbool.h>
#include <stddef.h>

enum { CPIM_ID_MAX = 128, CPIM_TIME_MAX = 64 };

/* The heads of a message/cpim; texts are empty where it does not say, or says it in a way we do not repeat. */
struct cpim {
        char message_id[CPIM_ID_MAX + 1]; /* imdn.Message-ID: printable, without blanks */
        char date_time[CPIM_TIME_MAX + 1];
        bool wants_delivery;  /* imdn.Disposition-Notification holds positive-delivery */
        bool is_notification; /* the inner type is message/imdn+xml */
        const char *body;     /* inside the bytes that were read */
        size_t body_len;
};

/* False if there is no inner part. */
bool cpim_read(struct cpim *cpim, const char *bytes, size_t len);

/* A text that asks for positive-delivery and negative-delivery; line ends as they shall be on the wire. */
void cpim_write_text(struct buf *out, const char *from, const char *to, const char *message_id, const char *date_time,
        const char *text, size_t len);
/* The notification that a message was delivered: about `about`, which came to `from`. */
void cpim_write_delivered(struct buf *out, const char *from, const char *to, const char *message_id, const struct cpim *about);

enum imdn_status { IMDN_NOTHING, IMDN_DELIVERED, IMDN_FAILED, IMDN_FORBIDDEN };
/* What an imdn document says about the delivery of one message; IMDN_NOTHING for displays, processing, and what is none. */
enum imdn_status imdn_read(const char *bytes, size_t len, char message_id[CPIM_ID_MAX + 1]);

#endif
