/* cause.h - why a SIP domain is not reached, or does not reach us: one code, one sentence and one piece of advice for each cause
 *
 * The steps are those of the way there, in their order. The log, the memory of refusals and the troubleshooter read the same row.
 */
#ifndef SIPCOMP_SIP_CAUSE_H
#define SIPCOMP_SIP_CAUSE_H

#include "shared/base/buf.h"
#include "shared/tls/peer.h"
#include "shared/tls/session.h"

#include <stdbool.h>

enum sip_step {
        SIP_STEP_DEFINITION,
        SIP_STEP_XMPP,
        SIP_STEP_OURSELVES,
        SIP_STEP_ROUTE,
        SIP_STEP_DNS,
        SIP_STEP_CONNECT,
        SIP_STEP_TLS,
        SIP_STEP_CERTIFICATE,
        SIP_STEP_PEER,
        SIP_STEP_ANSWER,
        SIP_STEP_INCOMING,
        SIP_STEPS
};

enum sip_cause {
        SIP_CAUSE_NONE,
        /* definition */
        SIP_CAUSE_NO_DOMAIN,
        /* xmpp: the component stream */
        SIP_CAUSE_XMPP_UNREACHABLE,
        SIP_CAUSE_XMPP_SECRET,
        SIP_CAUSE_XMPP_UNKNOWN,
        SIP_CAUSE_XMPP_TAKEN,
        SIP_CAUSE_XMPP_DOWN,
        /* ourselves */
        SIP_CAUSE_NO_TLS_HERE,
        SIP_CAUSE_OWN_NAME,
        SIP_CAUSE_OWN_PURPOSE,
        SIP_CAUSE_OWN_ADDRESS,
        SIP_CAUSE_OWN_LISTENER,
        SIP_CAUSE_OWN_PORT,
        SIP_CAUSE_OWN_SRV,
        /* route, dns */
        SIP_CAUSE_NO_ROUTE,
        SIP_CAUSE_NO_SRV,
        SIP_CAUSE_NOT_OFFERED,
        SIP_CAUSE_NO_ADDRESS,
        SIP_CAUSE_DNS_FAILED,
        /* connect */
        SIP_CAUSE_REFUSED,
        SIP_CAUSE_SILENT,
        SIP_CAUSE_UNREACHABLE,
        /* tls */
        SIP_CAUSE_TLS_UNLIKE,
        SIP_CAUSE_TLS_CLEAR,
        SIP_CAUSE_TLS_CLOSED,
        SIP_CAUSE_TLS_SILENT,
        SIP_CAUSE_TLS_FAILED,
        SIP_CAUSE_OUR_CERTIFICATE,
        /* certificate */
        SIP_CAUSE_NO_CERTIFICATE,
        SIP_CAUSE_EXPIRED,
        SIP_CAUSE_NOT_YET,
        SIP_CAUSE_SELF_SIGNED,
        SIP_CAUSE_UNKNOWN_AUTHORITY,
        SIP_CAUSE_PURPOSE,
        SIP_CAUSE_BAD_CERTIFICATE,
        /* peer */
        SIP_CAUSE_NOT_ALLOWED,
        /* answer */
        SIP_CAUSE_CLOSED,
        SIP_CAUSE_NO_ANSWER,
        SIP_CAUSE_NOT_SIP,
        SIP_CAUSE_FORBIDDEN,
        SIP_CAUSE_PASSWORD,
        SIP_CAUSE_PEER_TROUBLE,
        /* incoming */
        SIP_CAUSE_NO_PEER,
        SIP_CAUSE_TURNED_AWAY,
        SIP_CAUSE_TURNED_US_AWAY,
        SIP_CAUSES
};

struct sip_cause_row {
        const char *code; /* "tls-unlike" */
        enum sip_step step;
        bool is_doubt;        /* messages may pass all the same: it counts where nothing else is wrong */
        const char *sentence; /* about the domain, or the hop that was dialled */
        const char *advice;   /* NULL: none */
};
/* In sentence and advice DOMAIN, HOST and SUBJECT stand for what is known of the case. */
const struct sip_cause_row *sip_cause_row(enum sip_cause cause);
const char *sip_step_name(enum sip_step step); /* "certificate" */

/* NULL: not known, and the word stays. */
struct sip_case {
        const char *domain;
        const char *host;    /* as it was dialled */
        const char *subject; /* of the sip-peer: the name in its certificate */
};
/* Appends a sentence of the table, or its advice, with the words filled in. */
void sip_cause_fill(struct buf *out, const char *text, const struct sip_case *of);
/* Appends "sentence (detail): advice", for the log; detail may be NULL. */
void sip_cause_say(struct buf *out, enum sip_cause cause, const struct sip_case *of, const char *detail);

/* What a fault of a certificate, a handshake that failed, a connection that did not come about is called here. */
enum sip_cause sip_cause_of_fault(enum tls_fault fault);
/* tls may be NULL: why alone tells. */
enum sip_cause sip_cause_of_handshake(const struct tls_session *tls, const char *why);
enum sip_cause sip_cause_of_connect(const char *why);

#endif
