/* refusals.h - who was turned away of late, or turned us away, and why: for the administrator, who comes after the fact
 *
 * The same refusal again only counts. Bounded: REFUSALS_MAX in all and REFUSALS_OF_ONE from one place; the one that happened longest ago gives way.
 */
#ifndef SIPCOMP_SIP_REFUSALS_H
#define SIPCOMP_SIP_REFUSALS_H

#include "sipcomp/sip/cause.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum refusal_kind {
        REFUSAL_CONNECTION, /* a connection of theirs */
        REFUSAL_REQUEST,    /* a request of theirs */
        REFUSAL_HOP,        /* a connection of ours did not come about */
        REFUSAL_ANSWER,     /* a request of ours was answered so */
};

struct refusal {
        enum refusal_kind kind;
        enum sip_cause cause; /* NONE: no row of the table, why alone says it */
        int status;           /* of an answer; 0: none */
        int64_t first, last;  /* wall clock, ms */
        uint64_t count;
        const char *domain; /* of SIP users; NULL: not known, as where TLS failed before a word was said */
        const char *place;  /* "192.0.2.7", or the hop "edge.lync.test:5061" */
        const char *what;   /* the method; NULL: none */
        const char *why;    /* a sentence, with the cure where there is one */
};

struct refusals;

enum { REFUSALS_MAX = 256, REFUSALS_OF_ONE = 16 };

struct refusals *refusals_new(void);
void refusals_free(struct refusals **refusals);

/* Copies the texts (of what, and that of why up to 700 bytes). True when the log should have a line about it: what is new, or was not said for a
 * minute; one place a second at most, and ten lines a second in all. */
bool refusals_note(struct refusals *refusals, const struct refusal *refusal);

/* Newest first: start with *at = 0; NULL at the end. Valid until the next note. */
const struct refusal *refusals_each(const struct refusals *refusals, size_t *at);

#endif
