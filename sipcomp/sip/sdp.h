/* sdp.h - the session descriptions of IM sessions: one `m=message` line, over the SIP dialog itself or over MSRP (DIALECTS.md 7.1, 7.3, 7.11) */
#ifndef SIPCOMP_SIP_SDP_H
#define SIPCOMP_SIP_SDP_H

#include "shared/base/arena.h"
#include "shared/base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sip_sdp_kind {
        SIP_SDP_IM,    /* m=message or m=x-ms-message with a port other than 0, transport sip, and nothing else */
        SIP_SDP_MSRP,  /* m=message over TCP/MSRP or TCP/TLS/MSRP (RFC 4975 8) with a path, and nothing else */
        SIP_SDP_OTHER, /* readable, but no such line, or other media too: 488 */
        SIP_SDP_BAD,   /* not SDP: 488 or 400 */
};

/* Who connects (RFC 4145 4, RFC 6135 4.2); not said: the one who offers. */
enum sip_sdp_setup { SIP_SETUP_NONE, SIP_SETUP_ACTIVE, SIP_SETUP_PASSIVE, SIP_SETUP_ACTPASS, SIP_SETUP_HOLDCONN };

struct sip_sdp {
        const char *accept_types; /* "text/plain text/html ..."; NULL: not said */
        /* MSRP: */
        bool secure;      /* TCP/TLS/MSRP */
        const char *path; /* URIs with blanks between them */
        enum sip_sdp_setup setup;
        bool has_fingerprint; /* a=fingerprint:sha-256 */
        unsigned char fingerprint[32];
};

/* Texts in the arena. At most 256 lines are read. */
enum sip_sdp_kind sip_sdp_read(struct sip_sdp *sdp, struct arena *arena, const char *body, size_t len);
/* Is this media type offered? Not said: only text/plain. "*" covers all. */
bool sip_sdp_accepts(const struct sip_sdp *sdp, const char *type);
/* Writes exactly the lines of 7.1. address: IP literal for o= and c=; format: "null" in an offer, our URI in an answer. */
void sip_sdp_write(struct buf *out, const char *address, const char *format, const char *accept_types);
/* The same for MSRP; setup NULL: it is not said. */
void sip_sdp_write_msrp(struct buf *out, const char *address, uint16_t port, bool secure, const char *path, const char *setup,
        const char *accept_types);
/* What we take: "text/plain text/html multipart/alternative application/im-iscomposing+xml". */
extern const char sip_sdp_accept_types[];
/* The same, and notifications of delivery (RFC 5438). */
extern const char sip_sdp_accept_types_imdn[];

#endif
