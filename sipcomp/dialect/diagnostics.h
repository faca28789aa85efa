/* diagnostics.h - what the headers say in which a peer gives its reasons, in words (17 of the dialects: MS-OCER; RFC 3261 20.43, RFC 3326) */
#ifndef SIPCOMP_DIALECT_DIAGNOSTICS_H
#define SIPCOMP_DIALECT_DIAGNOSTICS_H

#include "sipcomp/sip/message.h"

#include <stdbool.h>
#include <stddef.h>

struct diagnostics {
        const char *header;   /* "ms-diagnostics" */
        unsigned id;          /* of MS-OCER, a warn-code, a cause; 0: none */
        char said[200];       /* the peer's own words; no control characters, but bytes above 0x7f as they came */
        const char *sentence; /* ours, for an id that is known; NULL: theirs have to do */
        const char *advice;   /* for the administrator; NULL: none */
};

/* The header that says most: one with a known id before others, Microsoft's before Warning and Reason. False: the message gives no reason. */
bool diagnostics_read(struct diagnostics *found, const struct sip_message *message);
/* "ms-diagnostics 1002: the partner does not ...", or with the peer's words in quotes where the id is not known. Returns text. */
char *diagnostics_text(char *text, size_t room, const struct diagnostics *found);

#endif
