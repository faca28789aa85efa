/* cause.h - why a federation does not come about: one code, one sentence and one piece of advice for each cause
 *
 * The steps are those of the way to a foreign domain, in their order. Who sees a step fail names the cause; the log, the sender of a stanza and
 * the administrator read the same row.
 */
#ifndef XMPPD_S2S_CAUSE_H
#define XMPPD_S2S_CAUSE_H

#include "shared/config/policies.h"
#include "shared/tls/peer.h"
#include "shared/xmpp/errors.h"

#include <stdbool.h>

enum step { STEP_POLICY, STEP_DNS, STEP_CONNECT, STEP_STREAM, STEP_TLS, STEP_CERTIFICATE, STEP_AUTHENTICATION, STEP_PING, STEPS };

enum cause {
        CAUSE_NONE,
        /* policy */
        CAUSE_OFF,
        CAUSE_DENIED,
        CAUSE_NO_DOMAIN,
        /* dns */
        CAUSE_NO_NAME,
        CAUSE_NOT_OFFERED,
        CAUSE_DNS_FAILED,
        /* connect */
        CAUSE_REFUSED,
        CAUSE_SILENT,
        CAUSE_UNREACHABLE,
        /* stream */
        CAUSE_CLOSED,
        CAUSE_NOT_XMPP,
        CAUSE_NO_ANSWER,
        CAUSE_HOST_UNKNOWN,
        CAUSE_PEER_POLICY,
        CAUSE_STREAM_ERROR,
        CAUSE_LIMIT,
        /* tls */
        CAUSE_TLS_NOT_OFFERED,
        CAUSE_TLS_REFUSED,
        CAUSE_TLS_FAILED,
        CAUSE_OUR_CERTIFICATE,
        /* certificate */
        CAUSE_NO_CERTIFICATE,
        CAUSE_EXPIRED,
        CAUSE_NOT_YET,
        CAUSE_CLOCK,
        CAUSE_SELF_SIGNED,
        CAUSE_UNKNOWN_AUTHORITY,
        CAUSE_PURPOSE,
        CAUSE_BAD_CERTIFICATE,
        CAUSE_NAME,
        CAUSE_PIN,
        /* authentication */
        CAUSE_NO_WAY,
        CAUSE_EXTERNAL,
        CAUSE_DIALBACK,
        CAUSE_DIALBACK_ERROR,
        CAUSE_DIALBACK_SILENT,
        CAUSE_DIALBACK_KEY,
        CAUSE_DIALBACK_UNREACHABLE,
        /* ping */
        CAUSE_NO_PONG,
        CAUSES
};

struct cause_row {
        const char *code; /* "cert-expired" */
        enum step step;
        bool is_lasting; /* trying again in a moment will not help: what waits goes back at once */
        enum stanza_condition condition;
        const char *sentence; /* of the domain that was to be reached, or that came */
        const char *advice;
};
const struct cause_row *cause_row(enum cause cause);
/* Its sentence with what is known of this case: "its certificate is for another name (it names a, b)". detail may be NULL. */
enum { CAUSE_TEXT = 500 };
const char *cause_text(char text[CAUSE_TEXT], enum cause cause, const char *detail);
const char *step_name(enum step step); /* "certificate" */
/* What a fault of a certificate is called here. */
enum cause cause_of_fault(enum tls_fault fault);
/* The same for a verdict of the policy that does not allow it. */
enum cause cause_of_policy(const struct policy_verdict *verdict);

#endif
