/* failure.h - what a SIP failure means: to the XMPP side, and for the next try (4.6, 7.7 of the dialects) */
#ifndef SIPCOMP_SIMPLE_FAILURE_H
#define SIPCOMP_SIMPLE_FAILURE_H

#include "shared/xmpp/errors.h"
#include "sipcomp/sip/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a first subscription (never active before) is told. */
enum first_word { FIRST_NOTHING, FIRST_ERROR, FIRST_UNSUBSCRIBED, FIRST_ERROR_AFTER_TRIES };
enum retry { RETRY_NEVER, RETRY_FIXED, RETRY_DOUBLING, RETRY_AT_ONCE };

struct subscribe_failure {
        int from, to; /* SIP status */
        enum first_word first;
        enum stanza_condition condition; /* with its type */
        const char *type;
        bool known_unavailable; /* a known one is shown unavailable now; else when the dialog expires */
        enum retry first_retry, known_retry;
        uint32_t wait, wait_max; /* seconds: the first wait, the longest */
        bool routing_fault;      /* worth a line in the log */
};

/* Never NULL. 423, 420 and 3xx have steps of their own before they come here; 481 is RETRY_AT_ONCE. */
const struct subscribe_failure *failure_of_subscribe(int status);
/* Seconds until the next try after `tries` failures in a row (1 and up). */
uint32_t failure_wait(const struct subscribe_failure *rule, unsigned tries);

/* What the texts get when an INVITE, a MESSAGE in the session or one in pager mode is refused. */
enum message_step {
        STEP_FAIL,        /* error to the sender */
        STEP_RETRY_LATER, /* once more after 2 s or, from 500 on, after a short Retry-After; then as FAIL */
        STEP_NEW_SESSION, /* certain: not delivered. Drop the session, send again in a new one, once */
        STEP_DROP,        /* the session is dead; the text may have arrived, it is not sent again */
        STEP_PLAINER,     /* once more as text/plain without parameters */
        STEP_SPLIT,       /* once more in smaller pieces */
        STEP_PAGER        /* pager mode where the dialect has it, else FAIL */
};

struct message_failure {
        int from, to;
        enum message_step step;
        enum stanza_condition condition;
        const char *type;
        const char *text; /* added for the sender; NULL: none */
};

const struct message_failure *failure_of_invite(const struct sip_message *response);
/* sent: as in the final event of the transaction. */
const struct message_failure *failure_of_message(const struct sip_message *response, bool sent);
/* status: of MSRP (RFC 4975 10); 0: the connection is gone. */
const struct message_failure *failure_of_msrp(int status);

/* "SIP 403 Forbidden (ms-diagnostics 1002: the user there may not ...)" into text; returns text. */
enum { FAILURE_TEXT = 400 };
char *failure_text(char text[FAILURE_TEXT], const struct sip_message *response, const char *added);

#endif
