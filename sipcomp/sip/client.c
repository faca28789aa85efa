/*
 * client.c - requests of ours (RFC 3261 17.1, 9.1, 13.2.2.4; RFC 6026; RFC 3263 4.3)
 *
 *     SEEKING     the hops are being looked up, or a connection to the next one is being made
 *     CALLING     sent, no answer at all: the only state from which another hop may be tried after sending
 *     PROCEEDING  a provisional answer came
 *     ACCEPTED    a 2xx to INVITE was given to the user; retransmissions of it get their ACK again
 */
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/base/text.h"
#include "sipcomp/sip/sip_private.h"
#include "sipcomp/sip/transaction_private.h"
#include "sipcomp/sip/transport_private.h"

#include <stdio.h>
#include <string.h>

enum client_state { CLIENT_SEEKING, CLIENT_CALLING, CLIENT_PROCEEDING, CLIENT_ACCEPTED };

enum { FORKS_MAX = 8, HOPS_MAX = 32, TAG_KEPT = 128 };

struct sip_client {
        struct link link;
        struct sip_transactions *layer;
        enum client_state state;
        bool invite, subscribe, cancelled, cancel_sent, sent;
        bool giving; /* inside final() for a 2xx: sip_client_ack may be called */
        struct sip_message *request;
        struct sip_message *ack; /* to the 2xx the user took */
        char *domain;
        struct sip_place wanted;
        struct sip_search *search; /* for the hops, or NULL */
        bool knows_hops;
        struct sip_hop *hops; /* those that were reachable lately first */
        size_t hop_count, next_hop;
        uint64_t hint, flow, began;
        char branch[SIP_BRANCH_TEXT];
        char tag[TAG_KEPT];              /* of the 2xx that counts; a longer one is told apart by its beginning */
        char forks[FORKS_MAX][TAG_KEPT]; /* of others, which were ended */
        size_t fork_count;
        char why[200];
        struct sip_dial *dial;
        struct timer timer;
        struct chore start;
        const struct sip_client_events *events; /* NULL: forgotten */
        void *owner;
};

static void try_next_hop(struct sip_client *client);

/* --- tables */

static size_t
write_branch_key(char *key, size_t room, const char *branch, const char *method)
{
        int len = snprintf(key, room, "%s %s", branch, method);
        return len > 0 && (size_t)len < room ? (size_t)len : 0;
}

static void
unlist_branch(struct sip_client *client)
{
        char key[128];
        if (client->branch[0] == '\0')
                return;
        map_remove(
                client->layer->clients_by_branch, key, write_branch_key(key, sizeof key, client->branch, client->request->method));
        client->branch[0] = '\0';
}

static void
list_branch(struct sip_client *client)
{
        char key[128];
        unlist_branch(client);
        sip_new_branch(client->branch);
        map_put(client->layer->clients_by_branch, key, write_branch_key(key, sizeof key, client->branch, client->request->method),
                client);
}

static void
stop_search(struct sip_client *client)
{
        if (client->search != NULL)
                client->layer->user->seek_no_more(client->layer->owner, client->search);
        client->search = NULL;
}

static void
free_client(struct sip_client *client)
{
        unlist_branch(client);
        timer_stop(&client->timer);
        worker_forget_chore(&client->start);
        stop_search(client);
        sip_dial_cancel(&client->dial);
        list_remove(&client->layer->clients, &client->link);
        for (size_t i = 0; i < client->hop_count; i++)
                tls_context_unref(&client->hops[i].tls);
        mem_free(client->hops);
        mem_free(client->domain);
        sip_message_free(&client->request);
        sip_message_free(&client->ack);
        mem_free(client);
}

void
client_discard_first(struct sip_transactions *layer)
{
        free_client(container_of(layer->clients.first, struct sip_client, link));
}

/* --- the end */

static void
tell_answered(const struct sip_client *client, const struct sip_message *response)
{
        const struct sip_transactions *layer = client->layer;
        if (layer->user->answered != NULL)
                layer->user->answered(layer->owner, client->domain, client->request, response);
}

/* Gives the final answer and goes away. */
static void
finish(struct sip_client *client, const struct sip_message *response)
{
        const struct sip_client_events *events = client->events;

        tell_answered(client, response);
        unlist_branch(client);
        timer_stop(&client->timer);
        client->events = NULL;
        client->state = CLIENT_ACCEPTED; /* whoever forgets it now cancels nothing */
        if (events != NULL)
                events->final(client->owner, client, response, client->sent);
        free_client(client);
}

/* An answer nobody sent. */
static void
finish_local(struct sip_client *client, int status, const char *why)
{
        struct sip_message *response = sip_response_new(client->request, status, NULL, NULL);
        response->local = true;
        if (why[0] != '\0')
                sip_message_addf(response, "Warning", "399 %s \"%.150s\"", sip_transport_fqdn(client->layer->transport), why);
        finish(client, response);
        sip_message_free(&response);
}

static bool
has_another_hop(const struct sip_client *client)
{
        return client->next_hop < client->hop_count && !client->cancelled && (client->invite || client->subscribe || !client->sent);
}

/* --- ACK, CANCEL, and calls that were answered but nobody wants */

static struct sip_message *
build_alike(const struct sip_client *client, const char *method, const char *to)
{
        const struct sip_message *request = client->request;
        struct sip_message *message = sip_request_bare(method, request->uri);
        size_t at = 0;

        sip_message_add(message, "Max-Forwards", "70");
        for (const char *route; (route = sip_message_each(request, "Route", &at)) != NULL;)
                sip_message_add(message, "Route", route);
        sip_message_add(message, "From", sip_message_get(request, "From"));
        sip_message_add(message, "To", to);
        sip_message_add(message, "Call-ID", request->call_id);
        sip_message_addf(message, "CSeq", "%u %s", request->cseq, method);
        return message;
}

/* On the connection of the request, with its branch (9.1, 17.1.1.3). */
static void
send_alike(struct sip_client *client, const char *method, const char *to)
{
        struct sip_flow *flow = sip_flow_find(client->layer->transport, client->flow);
        struct sip_message *message = build_alike(client, method, to);
        if (flow != NULL)
                sip_flow_send(flow, message, client->branch);
        sip_message_free(&message);
}

static void
send_cancel(struct sip_client *client)
{
        client->cancel_sent = true;
        send_alike(client, "CANCEL", sip_message_get(client->request, "To"));
}

/* Ends a call that was answered though nobody wants it: the loser of a fork, or one that was cancelled too late. */
static void
end_call(struct sip_client *client, const struct sip_message *response, bool with_bye)
{
        struct sip_transactions *layer = client->layer;
        struct sip_dialog *dialog = sip_dialog_of_client(client->request, response, sip_transport_fqdn(layer->transport));
        struct sip_flow *flow = sip_flow_find(layer->transport, response->flow);
        char branch[SIP_BRANCH_TEXT];

        if (dialog == NULL)
                return;
        struct sip_message *ack = sip_dialog_ack(dialog, client->request->cseq);
        if (flow != NULL)
                sip_flow_send(flow, ack, sip_new_branch(branch));
        sip_message_free(&ack);
        if (with_bye) {
                struct sip_target target = {
                        .domain = client->domain, .hops = client->hops, .hop_count = client->hop_count, .flow = response->flow
                };
                struct sip_client *bye = sip_client_start(layer, sip_dialog_request(dialog, "BYE", false), &target, NULL, NULL);
                sip_client_forget(&bye);
        }
        sip_dialog_free(&dialog);
}

static bool
is_tag(const char *kept, const char *tag)
{
        return strncmp(kept, tag, TAG_KEPT - 1) == 0;
}

/* Is this the 2xx of another branch of the call? Its tag is remembered, so that it is ended once and acknowledged always. */
static void
receive_fork(struct sip_client *client, const struct sip_message *response)
{
        for (size_t i = 0; i < client->fork_count; i++) {
                if (is_tag(client->forks[i], response->to.tag)) {
                        end_call(client, response, false);
                        return;
                }
        }
        bool remembered = client->fork_count < FORKS_MAX;
        if (remembered)
                snprintf(client->forks[client->fork_count++], sizeof client->forks[0], "%s", response->to.tag);
        end_call(client, response, remembered);
}

static void
send_ack(struct sip_client *client, uint64_t flow_id)
{
        struct sip_flow *flow = sip_flow_find(client->layer->transport, flow_id);
        char branch[SIP_BRANCH_TEXT];
        if (flow != NULL)
                sip_flow_send(flow, client->ack, sip_new_branch(branch));
}

static void
end_accepted(struct timer *timer)
{
        free_client(container_of(timer, struct sip_client, timer));
}

static void
accept_call(struct sip_client *client, const struct sip_message *response)
{
        const struct sip_client_events *events = client->events;
        struct sip_flow *flow = sip_flow_find(client->layer->transport, response->flow);

        client->state = CLIENT_ACCEPTED;
        snprintf(client->tag, sizeof client->tag, "%s", response->to.tag != NULL ? response->to.tag : "");
        timer_start(&client->timer, (uint64_t)client->layer->t1 * LIFE_STEPS, end_accepted);
        if (flow != NULL)
                sip_flow_keep(flow);
        client->flow = response->flow;
        client->events = NULL;
        tell_answered(client, response);
        if (events != NULL) {
                client->giving = true;
                events->final(client->owner, client, response, true);
                client->giving = false;
        }
        if (client->ack == NULL)
                end_call(client, response, true);
}

static void
receive_accepted(struct sip_client *client, const struct sip_message *response)
{
        if (response->status < 200 || response->status >= 300 || response->to.tag == NULL)
                return;
        if (!is_tag(client->tag, response->to.tag))
                receive_fork(client, response);
        else if (client->ack != NULL)
                send_ack(client, response->flow);
        else
                end_call(client, response, false);
}

/* --- time */

static void
run_out(struct timer *timer)
{
        struct sip_client *client = container_of(timer, struct sip_client, timer);
        uint64_t patience = (uint64_t)client->layer->t1 * PATIENCE_STEPS, waited = worker_now() - client->began;

        if (client->state == CLIENT_CALLING && has_another_hop(client) && waited < patience) {
                snprintf(client->why, sizeof client->why, "no answer in time");
                unlist_branch(client);
                try_next_hop(client);
                return;
        }
        if (client->invite && client->state == CLIENT_PROCEEDING && !client->cancel_sent) {
                /* The user hears now; a 2xx that comes all the same is ended. */
                const struct sip_client_events *events = client->events;
                struct sip_message *response = sip_response_new(client->request, 408, NULL, NULL);
                response->local = true;
                client->events = NULL;
                client->cancelled = true;
                tell_answered(client, response);
                send_cancel(client);
                timer_start(&client->timer, (uint64_t)client->layer->t1 * LIFE_STEPS, run_out);
                if (events != NULL)
                        events->final(client->owner, client, response, true);
                sip_message_free(&response);
                return;
        }
        finish_local(client, 408, "no answer in time");
}

/* --- sending */

static void
hear_ready(void *owner, struct sip_flow *flow, const char *why)
{
        struct sip_client *client = owner;
        struct sip_transactions *layer = client->layer;

        client->dial = NULL;
        if (flow == NULL)
                snprintf(client->why, sizeof client->why, "%s", why);
        if (flow == NULL || client->cancelled) {
                try_next_hop(client);
                return;
        }
        list_branch(client);
        if (!sip_flow_send(flow, client->request, client->branch)) {
                snprintf(client->why, sizeof client->why, "the connection was lost");
                try_next_hop(client);
                return;
        }
        client->flow = sip_flow_id(flow);
        client->sent = true;
        client->state = CLIENT_CALLING;
        timer_start(&client->timer, (uint64_t)layer->t1 * LIFE_STEPS, run_out);
}

static void
try_next_hop(struct sip_client *client)
{
        client->state = CLIENT_SEEKING;
        timer_stop(&client->timer);
        if (client->cancelled) {
                finish_local(client, 487, "");
                return;
        }
        if (!has_another_hop(client)) {
                finish_local(client, 503, client->why[0] != '\0' ? client->why : "no route");
                return;
        }
        const struct sip_hop *hop = &client->hops[client->next_hop++];
        client->dial = sip_transport_dial(
                client->layer->transport, hop, client->domain, client->hint, client->request->to.tag != NULL, hear_ready, client);
}

/* Those that could be reached lately first; otherwise the order given. */
static void
take_hops(struct sip_client *client, const struct sip_hop *hops, size_t count)
{
        if (count > HOPS_MAX)
                count = HOPS_MAX;
        client->knows_hops = true;
        client->hops = mem_array(count > 0 ? count : 1, sizeof *client->hops);
        for (int shunned = 0; shunned <= 1; shunned++)
                for (size_t i = 0; i < count; i++)
                        if (sip_transport_shuns(client->layer->transport, &hops[i]) == (shunned == 1))
                                client->hops[client->hop_count++] = hops[i];
        for (size_t i = 0; i < client->hop_count; i++)
                if (client->hops[i].tls != NULL)
                        client->hops[i].tls = tls_context_ref(client->hops[i].tls);
}

static void
hear_hops(void *arg, const struct sip_hop *hops, size_t count, const char *why)
{
        struct sip_client *client = arg;
        client->search = NULL;
        take_hops(client, hops, count);
        if (count == 0)
                snprintf(client->why, sizeof client->why, "%s", why);
        try_next_hop(client);
}

static void
run_start(struct chore *chore)
{
        struct sip_client *client = container_of(chore, struct sip_client, start);
        struct sip_transactions *layer = client->layer;
        if (client->knows_hops || client->cancelled) {
                try_next_hop(client);
                return;
        }
        /* The answer may come before the call returns, and end the client. */
        struct sip_search *search = layer->user->seek(layer->owner, client->domain, &client->wanted, hear_hops, client);
        if (search != NULL)
                client->search = search;
}

struct sip_client *
sip_client_start(struct sip_transactions *layer, struct sip_message *request, const struct sip_target *target,
        const struct sip_client_events *events, void *owner)
{
        struct sip_client *client = MEM_NEW(client);

        must(request->uri != NULL && request->call_id != NULL);
        client->layer = layer;
        client->request = request;
        client->invite = sip_message_is(request, "INVITE");
        client->subscribe = sip_message_is(request, "SUBSCRIBE");
        client->domain = mem_strdup(target->domain);
        client->hint = target->flow;
        client->wanted = target->wanted;
        client->events = events;
        client->owner = owner;
        client->began = worker_now();
        client->start.run = run_start;
        list_append(&layer->clients, &client->link);
        if (target->hops != NULL)
                take_hops(client, target->hops, target->hop_count);
        worker_at_turn_end(&client->start);
        return client;
}

/* --- answers */

static bool
is_hop_trouble(int status)
{
        return status == 500 || status == 503 || status == 504 || status == 513;
}

static void
receive_answer(struct sip_client *client, const struct sip_message *response)
{
        if (response->status < 200) {
                if (client->state == CLIENT_CALLING && client->invite) {
                        uint64_t patience = (uint64_t)client->layer->t1 * PATIENCE_STEPS, waited = worker_now() - client->began;
                        timer_start(&client->timer, waited < patience ? patience - waited : 0, run_out);
                }
                client->state = CLIENT_PROCEEDING;
                if (client->cancelled && !client->cancel_sent) {
                        send_cancel(client);
                        timer_start(&client->timer, (uint64_t)client->layer->t1 * LIFE_STEPS, run_out);
                }
                if (response->status > 100 && client->events != NULL && client->events->provisional != NULL)
                        client->events->provisional(client->owner, response);
                return;
        }
        if (!client->invite) {
                struct sip_flow *flow = sip_flow_find(client->layer->transport, response->flow);
                bool carries_dialog = client->subscribe || client->request->to.tag != NULL;
                if (carries_dialog && response->status < 300 && flow != NULL)
                        sip_flow_keep(flow);
                finish(client, response);
                return;
        }
        if (response->status < 300) {
                accept_call(client, response);
                return;
        }
        send_alike(client, "ACK", sip_message_get(response, "To"));
        if (is_hop_trouble(response->status) && has_another_hop(client)) {
                unlist_branch(client);
                try_next_hop(client);
                return;
        }
        finish(client, response);
}

void
client_receive(struct sip_transactions *layer, struct sip_message *response)
{
        char key[128];
        size_t len = response->via.branch != NULL ? write_branch_key(key, sizeof key, response->via.branch, response->method) : 0;
        struct sip_client *client = len > 0 ? map_get(layer->clients_by_branch, key, len) : NULL;

        if (client == NULL || !text_equal(client->request->call_id, response->call_id) || client->request->cseq != response->cseq)
                log_debug(&layer->log, "dropped: %d to %s that nobody waits for", response->status, response->method);
        else if (client->state == CLIENT_ACCEPTED)
                receive_accepted(client, response);
        else
                receive_answer(client, response);
        sip_message_free(&response);
}

void
client_lost_flow(struct sip_transactions *layer, uint64_t flow)
{
        /* A final answer may make the user start or forget others, so look from the front until nobody is left. */
        for (bool found = true; found;) {
                found = false;
                for (LIST_EACH(client, &layer->clients, struct sip_client, link)) {
                        if (client->flow != flow || (client->state != CLIENT_CALLING && client->state != CLIENT_PROCEEDING))
                                continue;
                        found = true;
                        client->flow = 0;
                        /* Whoever was at its end may have lost our dialogs, and knows nothing of this request. */
                        hop_broken(layer->transport, &client->hops[client->next_hop - 1], "the connection was lost");
                        snprintf(client->why, sizeof client->why, "the connection was lost");
                        unlist_branch(client);
                        if (client->state == CLIENT_CALLING && has_another_hop(client))
                                try_next_hop(client);
                        else
                                finish_local(client, 503, client->why);
                        break;
                }
        }
}

/* --- what the user does */

const struct sip_message *
sip_client_request(const struct sip_client *client)
{
        return client->request;
}

void
sip_client_cancel(struct sip_client *client)
{
        must(client->invite);
        if (client->cancelled || client->state == CLIENT_ACCEPTED)
                return;
        client->cancelled = true;
        if (client->state == CLIENT_SEEKING) {
                /* Nothing was sent: the end comes at the end of this turn. */
                stop_search(client);
                sip_dial_cancel(&client->dial);
                worker_at_turn_end(&client->start);
        } else if (client->state == CLIENT_PROCEEDING) {
                send_cancel(client);
                timer_start(&client->timer, (uint64_t)client->layer->t1 * LIFE_STEPS, run_out);
        }
}

void
sip_client_forget(struct sip_client **where)
{
        struct sip_client *client = *where;
        if (client == NULL)
                return;
        *where = NULL;
        client->events = NULL;
        if (client->invite)
                sip_client_cancel(client);
}

void
sip_client_ack(struct sip_client *client, struct sip_message *ack)
{
        must(client->giving && client->ack == NULL);
        client->ack = ack;
        send_ack(client, client->flow);
}

size_t
sip_client_count(const struct sip_transactions *layer)
{
        size_t count = 0;
        for (LIST_EACH(client, &layer->clients, struct sip_client, link))
                count += client->state != CLIENT_ACCEPTED;
        return count;
}
