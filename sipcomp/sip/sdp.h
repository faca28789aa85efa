/* sdp.h - the session descriptions of IM sessions: one `m=message` line over the SIP dialog itself (DIALECTS.md 7.1, 7.3) */
#ifndef SIPCOMP_SIP_SDP_H
#define SIPCOMP_SIP_SDP_H

#include "shared/base/arena.h"
#include "shared/base/buf.h"

#include <stdbool.h>
#include <stddef.h>

enum sip_sdp_kind {
        SIP_SDP_IM,    /* m=message or m=x-ms-message with a port other than 0, transport sip, and nothing else */
        SIP_SDP_OTHER, /* readable, but no such line, or other media too: 488 */
        SIP_SDP_BAD,   /* not SDP: 488 or 400 */
};

struct sip_sdp {
        const char *accept_types; /* "text/plain text/html ..."; NULL: not said */
};

/* Texts in the arena. At most 256 lines are read. */
enum sip_sdp_kind sip_sdp_read(struct sip_sdp *sdp, struct arena *arena, const char *body, size_t len);
/* Is this media type offered? Not said: only text/plain. "*" covers all. */
bool sip_sdp_accepts(const struct sip_sdp *sdp, const char *type);
/* Writes exactly the lines of 7.1. address: IP literal for o= and c=; format: "null" in an offer, our URI in an answer. */
void sip_sdp_write(struct buf *out, const char *address, const char *format, const char *accept_types);
/* What we take: "text/plain text/html multipart/alternative application/im-iscomposing+xml". */
extern const char sip_sdp_accept_types[];
/* The same, and notifications of delivery (RFC 5438). */
extern const char sip_sdp_accept_types_imdn[];

#endif
