/*
 * server.c - requests of theirs (RFC 3261 17.2, 13.3.1.4; RFC 6026)
 *
 *     OPEN      the user has it and owes an answer
 *     ANSWERED  the final answer is kept for 64 T1, over TCP and TLS too: a balancer that repeats a request must not make it happen twice
 *     ACCEPTED  a 2xx to INVITE: as ANSWERED, and sent again at T1, 2 T1 .. T2 until its ACK comes
 */
#include "shared/base/digest.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "sipcomp/sip/sip_private.h"
#include "sipcomp/sip/transaction_private.h"

#include <string.h>

enum server_state { SERVER_OPEN, SERVER_ANSWERED, SERVER_ACCEPTED };

struct sip_server {
        struct link link;
        struct sip_transactions *layer;
        uint64_t id;
        enum server_state state;
        bool invite;
        bool taken;   /* the request is the user's */
        uint64_t key; /* the keyed hash of what makes a request this one: two of them meet once in 2^64, and very many are kept */
        struct buf ack_key;
        struct buf origin;            /* empty: in a dialog, or another one stands for all of its branches */
        struct sip_message *request;  /* until it is answered for good */
        struct sip_message *response; /* the last one sent; NULL: none, or nothing is ever said */
        struct timer life, again;
        struct chore handing; /* an INVITE to the user, once the CANCEL that may stand behind it has been read */
        unsigned interval;
};

/* The RFC's rule is branch, sent-by and method; Call-ID, CSeq and From tag are the same in every retransmission, ACK and CANCEL, and keep apart
 * what careless branches confuse. Without a branch that carries the cookie the whole top Via stands in for it (17.2.3). */
static void
write_key(struct buf *key, const struct sip_message *request, const char *method)
{
        const struct sip_via *via = &request->via;
        if (via->branch != NULL && strncmp(via->branch, "z9hG4bK", 7) == 0 && via->branch[7] != '\0')
                buf_printf(key, "%s\n%s:%u", via->branch, via->host, via->port);
        else
                buf_puts(key, via->text);
        buf_printf(key, "\n%s\n%u\n%s\n%s", request->call_id, request->cseq, request->from.tag, method);
}

/* A MESSAGE that comes again with another branch, forked or by another server of its sender, is still the same message (DIALECTS.md 7.4). Outside
 * of a dialog there are programs that never change Call-ID, CSeq and tag, so there the text counts too. */
static void
write_message_key(struct buf *key, const struct sip_message *message)
{
        unsigned char digest[DIGEST_MAX] = { 0 };

        buf_printf(key, "again\n%s\n%u\n%s\n", message->call_id, message->cseq, message->from.tag);
        if (message->to.tag != NULL) {
                buf_puts(key, message->to.tag);
                return;
        }
        digest_of(DIGEST_SHA256, message->body_len > 0 ? message->body : "", message->body_len, digest);
        buf_put(key, digest, digest_size(DIGEST_SHA256));
}

static void
write_request_key(struct buf *key, const struct sip_message *request)
{
        if (sip_message_is(request, "MESSAGE"))
                write_message_key(key, request);
        else
                write_key(key, request, request->method);
}

/* Outside of a dialog a request may have been forked; messages are told apart by their own key. */
static bool
has_branches(const struct sip_message *request)
{
        return request->to.tag == NULL && !sip_message_is(request, "MESSAGE");
}

/* What is the same in all branches of a request (8.2.2.2). */
static void
write_origin(struct buf *origin, const struct sip_message *request)
{
        buf_printf(origin, "%s\n%u\n%s\n%s", request->call_id, request->cseq, request->from.tag, request->method);
}

static void
write_ack_key(struct buf *key, const struct sip_message *message)
{
        buf_printf(key, "%s\n%s\n%s\n%u", message->call_id, message->from.tag, message->to.tag != NULL ? message->to.tag : "",
                message->cseq);
}

static void
forget_ack(struct sip_server *server)
{
        timer_stop(&server->again);
        if (server->ack_key.len > 0 &&
                map_get(server->layer->servers_by_ack, buf_data(&server->ack_key), server->ack_key.len) == server)
                map_remove(server->layer->servers_by_ack, buf_data(&server->ack_key), server->ack_key.len);
        buf_free(&server->ack_key);
}

/* No other branch of it is refused any more. */
static void
forget_origin(struct sip_server *server)
{
        if (server->origin.len > 0 &&
                map_get(server->layer->servers_by_origin, buf_data(&server->origin), server->origin.len) == server)
                map_remove(server->layer->servers_by_origin, buf_data(&server->origin), server->origin.len);
        buf_free(&server->origin);
}

static void
free_request(struct sip_server *server)
{
        if (server->taken)
                server->request = NULL;
        else
                sip_message_free(&server->request);
}

static void
free_server(struct sip_server *server)
{
        struct sip_transactions *layer = server->layer;

        forget_ack(server);
        timer_stop(&server->life);
        worker_forget_chore(&server->handing);
        list_remove(server->state == SERVER_ANSWERED ? &layer->answered : &layer->servers, &server->link);
        map_remove(layer->servers_by_key, &server->key, sizeof server->key);
        map_remove(layer->servers_by_id, &server->id, sizeof server->id);
        forget_origin(server);
        if (server->state == SERVER_OPEN)
                layer->unanswered--;
        free_request(server);
        sip_message_free(&server->response);
        mem_free(server);
}

void
server_discard_first(struct sip_transactions *layer)
{
        struct list *list = list_is_empty(&layer->servers) ? &layer->answered : &layer->servers;
        free_server(container_of(list->first, struct sip_server, link));
}

static void
end_life(struct timer *timer)
{
        struct sip_server *server = container_of(timer, struct sip_server, life);
        struct sip_transactions *layer = server->layer;

        if (server->state == SERVER_OPEN) {
                log_info(&layer->log, "no answer to %s from %s within its time", server->request->method,
                        server->request->from.uri.text);
                sip_server_status(server, 408);
                return;
        }
        if (server->state == SERVER_ACCEPTED) {
                struct sip_message *response = server->response;
                server->response = NULL;
                free_server(server);
                layer->user->unacked(layer->owner, response->call_id, response->to.tag);
                sip_message_free(&response);
                return;
        }
        free_server(server);
}

static void
send_stored(struct sip_server *server)
{
        struct sip_flow *flow = sip_flow_find(server->layer->transport, server->response->flow);
        if (flow != NULL)
                sip_flow_send(flow, server->response, NULL);
}

static void
send_accepted_again(struct timer *timer)
{
        struct sip_server *server = container_of(timer, struct sip_server, again);

        send_stored(server);
        server->interval *= 2;
        if (server->interval > server->layer->t1 * T2_STEPS)
                server->interval = server->layer->t1 * T2_STEPS;
        timer_start(&server->again, server->interval, send_accepted_again);
}

/* --- what arrives */

/* The stored answer once more, to the way this copy of the request came. */
static void
repeat_answer(struct sip_server *server, const struct sip_message *request)
{
        if (server->response == NULL)
                return;
        struct sip_message *copy = sip_message_copy(server->response);
        size_t at = 0;
        sip_message_remove(copy, "Via");
        for (const char *via; (via = sip_message_each(request, "Via", &at)) != NULL;)
                sip_message_add(copy, "Via", via);
        transactions_respond(server->layer, request, copy);
}

/* Takes the text. */
static uint64_t
hash_of(struct buf *text)
{
        uint64_t hash = map_hash(buf_data(text), text->len);
        buf_free(text);
        return hash;
}

static struct sip_server *
find_server(struct sip_transactions *layer, uint64_t key)
{
        return map_get(layer->servers_by_key, &key, sizeof key);
}

/* Another branch of this request is under way: both would be done (8.2.2.2). Where the connection of that one is gone, its sender has turned to
 * another hop (RFC 3263 4.3) and waits for this one only. */
static bool
is_merged(struct sip_transactions *layer, const struct sip_message *request)
{
        struct buf origin = { 0 };
        if (!has_branches(request))
                return false;
        write_origin(&origin, request);
        const struct sip_server *first = map_get(layer->servers_by_origin, buf_data(&origin), origin.len);
        buf_free(&origin);
        if (first == NULL)
                return false;
        const struct sip_message *known = first->request != NULL ? first->request : first->response;
        return sip_flow_find(layer->transport, known->flow) != NULL;
}

static void
hand_over(struct chore *chore)
{
        struct sip_server *server = container_of(chore, struct sip_server, handing);
        if (server->state == SERVER_OPEN)
                server->layer->user->request(server->layer->owner, server, server->request);
}

static struct sip_server *
new_server(struct sip_transactions *layer, struct sip_message *request, uint64_t key)
{
        struct sip_server *server = MEM_NEW(server);
        server->layer = layer;
        server->id = ++layer->last_id;
        server->invite = sip_message_is(request, "INVITE");
        server->request = request;
        server->key = key;
        list_append(&layer->servers, &server->link);
        map_put(layer->servers_by_key, &server->key, sizeof server->key, server);
        map_put(layer->servers_by_id, &server->id, sizeof server->id, server);
        if (has_branches(request)) {
                write_origin(&server->origin, request);
                map_put(layer->servers_by_origin, buf_data(&server->origin), server->origin.len, server);
        }
        layer->unanswered++;
        timer_start(&server->life, (uint64_t)layer->t1 * LIFE_STEPS, end_life);
        return server;
}

void
server_receive(struct sip_transactions *layer, struct sip_message *request)
{
        struct sip_fault fault;
        struct buf text = { 0 };

        write_request_key(&text, request);
        uint64_t key = hash_of(&text);
        struct sip_server *server = find_server(layer, key);
        if (server != NULL) {
                repeat_answer(server, request);
                sip_message_free(&request);
        } else if (is_merged(layer, request)) {
                transactions_respond(layer, request, sip_response_new(request, 482, NULL, NULL));
                sip_message_free(&request);
        } else if (!sip_message_check(request, &fault)) {
                log_debug(&layer->log, "refused: %s from %s: %s", request->method, request->from.uri.text, fault.why);
                transactions_respond(layer, request, sip_response_of_fault(request, &fault));
                sip_message_free(&request);
        } else if (layer->servers.count >= REQUESTS_MAX) {
                struct sip_message *busy = sip_response_new(request, 503, NULL, NULL);
                sip_message_add(busy, "Retry-After", "60");
                transactions_respond(layer, request, busy);
                sip_message_free(&request);
        } else {
                server = new_server(layer, request, key);
                if (!server->invite) {
                        layer->user->request(layer->owner, server, request);
                } else {
                        sip_server_answer(server, sip_response_new(request, 100, NULL, NULL));
                        server->handing.run = hand_over;
                        worker_at_turn_end(&server->handing);
                }
        }
}

/* Over TCP and TLS nothing must be kept (17.2.2): where there are very many, the oldest answers go first. */
static void
keep_answer(struct sip_server *server)
{
        struct sip_transactions *layer = server->layer;

        forget_origin(server);
        list_remove(&layer->servers, &server->link);
        list_append(&layer->answered, &server->link);
        if (layer->answered.count > ANSWERS_MAX)
                free_server(container_of(layer->answered.first, struct sip_server, link));
}

void
server_receive_ack(struct sip_transactions *layer, struct sip_message *ack)
{
        struct buf key = { 0 };

        /* The ACK to a refusal has the branch of its INVITE and says nothing new; the one to a 2xx is found by its dialog. */
        write_ack_key(&key, ack);
        struct sip_server *server = map_get(layer->servers_by_ack, buf_data(&key), key.len);
        buf_free(&key);
        if (server != NULL) {
                server->state = SERVER_ANSWERED;
                keep_answer(server);
                forget_ack(server);
                layer->user->acked(layer->owner, ack);
        }
        sip_message_free(&ack);
}

void
server_receive_cancel(struct sip_transactions *layer, struct sip_message *cancel)
{
        struct buf text = { 0 };

        write_key(&text, cancel, "INVITE");
        struct sip_server *server = find_server(layer, hash_of(&text));
        /* Both answers carry the same To tag (9.2). */
        char fresh[SIP_TAG_TEXT];
        const char *said = server != NULL && server->response != NULL ? server->response->to.tag : NULL;
        const char *tag = said != NULL ? said : sip_new_tag(fresh);
        transactions_respond(layer, cancel, sip_response_new(cancel, server != NULL ? 200 : 481, NULL, tag));
        if (server != NULL && server->state == SERVER_OPEN && server->invite) {
                uint64_t id = server->id;
                bool known = !server->handing.waiting;
                sip_server_answer(server, sip_response_new(server->request, 487, NULL, tag));
                if (known && layer->user->cancelled != NULL)
                        layer->user->cancelled(layer->owner, id);
        }
        sip_message_free(&cancel);
}

/* --- what the user does */

uint64_t
sip_server_id(const struct sip_server *server)
{
        return server->id;
}

struct sip_server *
sip_server_find(struct sip_transactions *layer, uint64_t id)
{
        struct sip_server *server = map_get(layer->servers_by_id, &id, sizeof id);
        return server != NULL && server->state == SERVER_OPEN ? server : NULL;
}

const struct sip_message *
sip_server_request(const struct sip_server *server)
{
        return server->request;
}

struct sip_message *
sip_server_take_request(struct sip_server *server)
{
        must(server->state == SERVER_OPEN);
        server->taken = true;
        return server->request;
}

struct sip_flow *
sip_server_flow(const struct sip_server *server)
{
        return sip_flow_find(server->layer->transport, server->request->flow);
}

/* The user is done with it. */
static void
close_server(struct sip_server *server, enum server_state state)
{
        must(server->state == SERVER_OPEN);
        server->state = state;
        server->layer->unanswered--;
        free_request(server);
        if (state == SERVER_ANSWERED)
                keep_answer(server);
        timer_start(&server->life, (uint64_t)server->layer->t1 * LIFE_STEPS, end_life);
}

static void
await_ack(struct sip_server *server)
{
        write_ack_key(&server->ack_key, server->response);
        map_put(server->layer->servers_by_ack, buf_data(&server->ack_key), server->ack_key.len, server);
        server->interval = server->layer->t1;
        timer_start(&server->again, server->interval, send_accepted_again);
}

void
sip_server_answer(struct sip_server *server, struct sip_message *response)
{
        struct sip_transactions *layer = server->layer;
        bool good = response->status >= 200 && response->status < 300, final = response->status >= 200;

        must(server->state == SERVER_OPEN);
        response->flow = server->request->flow;
        sip_message_free(&server->response);
        server->response = response;
        /* What is kept is what was said: the transport only adds lines that are the same every time. */
        transactions_send(layer, server->request, response);
        if (!final)
                return;
        struct sip_flow *flow = sip_server_flow(server);
        if (good && flow != NULL && (server->invite || sip_message_is(response, "SUBSCRIBE")))
                sip_flow_keep(flow);
        close_server(server, server->invite && good ? SERVER_ACCEPTED : SERVER_ANSWERED);
        if (server->state == SERVER_ACCEPTED)
                await_ack(server);
        else
                server->response = message_pack(server->response);
}

void
sip_server_status(struct sip_server *server, int status)
{
        sip_server_answer(server, sip_response_new(server->request, status, NULL, NULL));
}

void
sip_server_drop(struct sip_server *server)
{
        sip_message_free(&server->response);
        close_server(server, SERVER_ANSWERED);
}

size_t
sip_server_count(const struct sip_transactions *layer)
{
        return layer->unanswered;
}
