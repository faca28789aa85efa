/* trial.h - the whole way to one hop for the administrator, up to an answer to OPTIONS, beside the connections that are there
 *
 * Nothing of it touches what goes on: no flow is made, no hop is remembered as up or down, nobody is refused.
 */
#ifndef SIPCOMP_SIP_TRIAL_H
#define SIPCOMP_SIP_TRIAL_H

#include "sipcomp/sip/cause.h"
#include "sipcomp/sip/transport.h"

struct sip_trial;

struct sip_trial_end {
        enum sip_cause cause; /* NONE: it serves. Where several addresses failed, that of the one that came furthest */
        const char *detail;
        const char *subject;              /* a name in the certificate it showed; NULL: none */
        const struct sip_message *answer; /* to OPTIONS; NULL: none */
        const struct address *addresses;  /* of the hop */
        size_t address_count;
};

struct sip_trial_events {
        /* cause: NONE where it went well. */
        void (*step)(void *owner, enum sip_step step, enum sip_cause cause, const char *text);
        /* Exactly once, never from inside sip_trial_start; the trial is gone then. */
        void (*done)(void *owner, const struct sip_trial_end *end);
};

struct sip_trial_wish {
        const struct sip_hop *hop; /* its context is referenced */
        const char *domain;        /* whose hop it is; NULL: the connection is all that is wanted, no handshake */
        const char *from;          /* a domain of ours, in whose name it is asked */
};

/* At most 20 s. */
struct sip_trial *sip_trial_start(
        struct sip_transport *transport, const struct sip_trial_wish *wish, const struct sip_trial_events *events, void *owner);
void sip_trial_cancel(struct sip_trial **trial); /* done() will not come */

#endif
