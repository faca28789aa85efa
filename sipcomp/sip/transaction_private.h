/* transaction_private.h - what transaction.c (tables, who gets what), server.c and client.c share */
#ifndef SIPCOMP_SIP_TRANSACTION_PRIVATE_H
#define SIPCOMP_SIP_TRANSACTION_PRIVATE_H

#include "shared/base/list.h"
#include "shared/base/log.h"
#include "shared/base/map.h"
#include "shared/loop/timer.h"
#include "shared/loop/worker.h"
#include "sipcomp/sip/transaction.h"

enum {
        T1_MS = 500,
        T2_STEPS = 8,         /* T2 is 8 T1 */
        LIFE_STEPS = 64,      /* B, F, H, and how long answers are kept: 64 T1 = 32 s */
        PATIENCE_STEPS = 180, /* an INVITE that was answered provisionally: 90 s */
        REQUESTS_MAX = 50000, /* server transactions without a final answer; further ones get 503 */
        ANSWERS_MAX = 16384,  /* answers that are kept for who asks again */
};

struct sip_transactions {
        struct sip_transport *transport;
        const struct sip_user *user;
        void *owner;
        unsigned t1; /* milliseconds; tests make it small */
        struct list servers, clients;
        struct list answered; /* servers that are kept for the sake of their answer only, the oldest first */
        struct map *servers_by_key, *servers_by_id, *servers_by_ack;
        struct map *servers_by_origin; /* those under way that began outside of a dialog */
        struct map *clients_by_branch;
        uint64_t last_id;
        size_t unanswered;
        struct log_scope log;
};

/* For tests. */
void transactions_set_t1(struct sip_transactions *layer, unsigned ms);

/* Sends a response to this request without a transaction, on the flow it came on or, if that is gone, on another that may speak for its
 * sender. Nothing goes out to ACK and BENOTIFY. The first takes the response, the second leaves it with the caller. */
void transactions_send(struct sip_transactions *layer, const struct sip_message *request, struct sip_message *response);
void transactions_respond(struct sip_transactions *layer, const struct sip_message *request, struct sip_message *response);

/* server.c. The receivers take the request. */
void server_receive(struct sip_transactions *layer, struct sip_message *request);
void server_receive_ack(struct sip_transactions *layer, struct sip_message *ack);
void server_receive_cancel(struct sip_transactions *layer, struct sip_message *cancel);
void server_discard_first(struct sip_transactions *layer); /* tells nobody */

/* client.c */
void client_receive(struct sip_transactions *layer, struct sip_message *response); /* takes it */
void client_lost_flow(struct sip_transactions *layer, uint64_t flow);
void client_discard_first(struct sip_transactions *layer); /* tells nobody */

#endif
