/* transaction.h - requests and their answers (RFC 3261 17, RFC 6026): timers, retransmissions of 2xx, CANCEL, ACK, stored answers, other hops
 *
 * Sits between the transport and the user of this room (called "the user" below: simple/ and bridge/). All on one worker.
 */
#ifndef SIPCOMP_SIP_TRANSACTION_H
#define SIPCOMP_SIP_TRANSACTION_H

#include "sipcomp/sip/dialog.h"
#include "sipcomp/sip/message.h"
#include "sipcomp/sip/transport.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sip_transactions;
struct sip_server; /* a request of theirs, until it is answered for good */
struct sip_client; /* a request of ours, until its final answer was given up */
struct sip_search; /* of the user: the hops of a request are being looked up */

/* The hops for a request, in the order to try; copied. None: why says so in a sentence. */
typedef void sip_hops_found(void *client, const struct sip_hop *hops, size_t count, const char *why);

/* What the user fills in. */
struct sip_user {
        /* May this connection speak for the From domain of this request (DIALECTS.md 2.4)? 0: yes; otherwise the status to answer (403).
         * Asked for every request, also ACK and CANCEL, before anything else looks at it. */
        int (*access)(void *owner, const struct sip_flow *flow, const struct sip_message *request);
        /* As in transport.h. */
        bool (*may_carry)(void *owner, const char *domain, const struct tls_peer *peer, const struct address *address);
        /* Finds the hops of this foreign domain; wanted: the place a dialog's route or target names (its host "" for none). Calls found exactly once:
         * before it returns, which is NULL then, or later, unless seek_no_more was called. */
        struct sip_search *(*seek)(
                void *owner, const char *domain, const struct sip_place *wanted, sip_hops_found *found, void *client);
        void (*seek_no_more)(void *owner, struct sip_search *search);
        /* As in transport.h. */
        struct tls_context *(*choose_tls)(void *owner, const struct address *address, enum tls_ask ask);
        void (*back)(void *owner, const char *domain);
        bool (*is_wanted)(void *owner, const char *domain, const struct sip_hop *hop);
        bool (*is_known)(void *owner, const struct sip_flow *flow);
        /* (An INVITE comes at the end of the turn, so that a CANCEL right behind it is seen first.)
         * A new request that passed access and sip_message_check; not ACK, not CANCEL, no retransmission. The request lives as long as the
         * transaction. Answer now or later with sip_server_answer; not answering BENOTIFY is done with sip_server_drop.
         * 100 Trying was sent to an INVITE. */
        void (*request)(void *owner, struct sip_server *server, const struct sip_message *request);
        /* The ACK to a 2xx of ours, matched by Call-ID, tags and CSeq. */
        void (*acked)(void *owner, const struct sip_message *ack);
        /* No ACK came for 32 s after our 2xx to this INVITE: send BYE (13.3.1.4). The texts are those of the dialog. */
        void (*unacked)(void *owner, const char *call_id, const char *local_tag);
        /* Before final(): the answer to a request of ours, for whoever keeps books. domain: to whom it went. May be NULL. */
        void (*answered)(void *owner, const char *domain, const struct sip_message *request, const struct sip_message *response);
        /* The INVITE was cancelled; 487 was sent; the id is not found any more. May be NULL. */
        void (*cancelled)(void *owner, uint64_t server);
};

/* Owns the transport it makes from options. */
struct sip_transactions *
sip_transactions_new(const struct sip_transport_options *options, const struct sip_user *user, void *owner);
/* No callback comes any more. */
void sip_transactions_free(struct sip_transactions **transactions);
struct sip_transport *sip_transactions_transport(struct sip_transactions *transactions);

/* --- Server side. Between two turns remember the id: a transaction can end by itself (CANCEL, 32 s without an answer: 408 is sent for us). */
uint64_t sip_server_id(const struct sip_server *server);
struct sip_server *sip_server_find(struct sip_transactions *transactions, uint64_t id);
const struct sip_message *sip_server_request(const struct sip_server *server);
/* The request is the caller's from now on, who needs it longer than until its answer. Answer first, then free it. */
struct sip_message *sip_server_take_request(struct sip_server *server);
/* The flow the request came on; NULL when it is gone. */
struct sip_flow *sip_server_flow(const struct sip_server *server);
/* Takes the response. 1xx: the transaction goes on. A final one ends it for the user: the pointer is gone, the answer is kept 32 s
 * for retransmissions; a 2xx to INVITE is sent again until its ACK. */
void sip_server_answer(struct sip_server *server, struct sip_message *response);
/* The same with nothing but a status. */
void sip_server_status(struct sip_server *server, int status);
/* Says nothing (BENOTIFY); retransmissions are swallowed for 32 s. */
void sip_server_drop(struct sip_server *server);
size_t sip_server_count(const struct sip_transactions *transactions); /* unanswered ones */

/* --- Client side. */
struct sip_client_events {
        /* 101..199. May be NULL. */
        void (*provisional)(void *owner, const struct sip_message *response);
        /* Exactly once, unless forgotten; never from inside sip_client_start; the client's pointer is gone afterwards except as said at
         * sip_client_ack. response->local: made here: 408 timer F or B, 503 no hop could be reached or the connection was lost
         * after sending (then `sent` is true: it may have arrived). For INVITE 3xx-6xx the ACK has been sent. */
        void (*final)(void *owner, struct sip_client *client, const struct sip_message *response, bool sent);
};

struct sip_target {
        const char *domain;         /* foreign domain whose route this is; for may_carry */
        const struct sip_hop *hops; /* in the order to try; copied. NULL: seek() of the user finds them */
        size_t hop_count;
        struct sip_place wanted; /* for seek() */
        uint64_t flow;           /* a flow of this dialog (sip_dialog.flow); 0: none */
};

/* Takes the request (built by sip_request_new or sip_dialog_request). Without any hop it ends with 503. A hop that is down comes last; the next one is
 * tried; once sent, only INVITE and SUBSCRIBE without any answer are tried on another hop. INVITE: 32 s without any answer or 90 s in
 * all, then CANCEL where an answer came, and 408. */
struct sip_client *sip_client_start(struct sip_transactions *transactions, struct sip_message *request,
        const struct sip_target *target, const struct sip_client_events *events, void *owner);
/* The request as it was sent last. */
const struct sip_message *sip_client_request(const struct sip_client *client);
/* INVITE only: CANCEL as soon as RFC 3261 9.1 allows; final() still comes (487, or a 2xx that crossed: then ACK and BYE are up to the user). */
void sip_client_cancel(struct sip_client *client);
/* No events any more; clears the pointer. An INVITE that is under way is cancelled, and ended with ACK and BYE if a 2xx comes all the same. */
void sip_client_forget(struct sip_client **client);
/* Inside final() for a 2xx to INVITE, and only there: sends this ACK (from sip_dialog_ack) and again for each retransmitted 2xx. Without this
 * call the transaction ends the dialog itself with ACK and BYE. A 2xx of another branch of a fork is always ended so. */
void sip_client_ack(struct sip_client *client, struct sip_message *ack);
size_t sip_client_count(const struct sip_transactions *transactions); /* requests of ours that wait for their final answer */

#endif
