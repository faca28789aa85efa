/*
 * simple.c - the room's one object: who listens to which dialog, the turn of each SUBSCRIBE, and where a request goes first
 */
#include "sipcomp/simple/domain_private.h"

#include "shared/base/clock.h"
#include "shared/base/digest.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/base/text.h"
#include "shared/loop/worker.h"

#include <stdio.h>
#include <string.h>

const char *const simple_tables[] = { "watch", "relation", "watcher", "text", "sharer", NULL };

static void
copy_options(struct simple *simple, const struct simple_options *options)
{
        simple->options = *options;
        snprintf(simple->sdp_address, sizeof(simple->sdp_address), "%s", options->sdp_address);
        simple->options.sdp_address = simple->sdp_address;
        if (simple->options.subscribe_rate == 0)
                simple->options.subscribe_rate = 1;
}

struct simple *
simple_new(const struct simple_options *options, const struct simple_events *events, void *owner)
{
        struct simple *simple = MEM_NEW(simple);
        copy_options(simple, options);
        simple->events = events;
        simple->owner = owner;
        simple->dialogs = map_new();
        simple->foreigners = map_new();
        simple->watches = map_new();
        simple->shared = map_new();
        simple->sharers = map_new();
        simple->relations = map_new();
        simple->chats = map_new();
        simple->domains = map_new();
        receipts_init(&simple->expected);
        receipts_init(&simple->owed);
        return simple;
}

void
simple_free(struct simple **where)
{
        struct simple *simple = *where;
        if (simple == NULL)
                return;
        *where = NULL;
        watch_free_all(simple);
        relation_free_all(simple);
        chat_free_all(simple);
        receipts_free(&simple->expected);
        receipts_free(&simple->owed);
        domain_free_all(simple);
        map_free(&simple->domains);
        map_free(&simple->chats);
        map_free(&simple->relations);
        map_free(&simple->watches);
        map_free(&simple->shared);
        map_free(&simple->sharers);
        must(map_count(simple->dialogs) == 0);
        map_free(&simple->dialogs);
        must(map_count(simple->foreigners) == 0);
        map_free(&simple->foreigners);
        mem_free(simple);
}

void
simple_set_options(struct simple *simple, const struct simple_options *options)
{
        copy_options(simple, options);
}

void
simple_set_federation(struct simple *simple, const struct federation *federation)
{
        simple->federation = federation;
        share_settle(simple);
}

void
simple_resume(struct simple *simple)
{
        watch_resume(simple);
        relation_resume(simple);
        chat_resume(simple);
}

void
simple_drop(struct simple *simple, const char *domain)
{
        watch_drop(simple, domain);
        relation_drop(simple, domain);
        chat_drop(simple, domain);
}

void
simple_counters(const struct simple *simple, const char *domain, struct simple_counters *counters)
{
        *counters = (struct simple_counters){ 0 };
        domain_count(simple, domain, counters);
        chat_count(simple, domain, counters);
}

char *
copy_text(const char *text)
{
        return text == NULL ? NULL : mem_strdup(text);
}

/* --- Dialogs. */

static void
dialog_key(unsigned char key[DIALOG_KEY], const char *call_id, const char *local_tag)
{
        struct buf names = { 0 };
        sip_dialog_key(&names, call_id, local_tag);
        digest_of(DIGEST_SHA256, buf_data(&names), names.len, key);
        buf_free(&names);
}

void
ear_register(struct simple *simple, struct dialog_ear *ear, const char *call_id, const char *local_tag)
{
        ear_forget(simple, ear);
        dialog_key(ear->key, call_id, local_tag);
        ear->listens = true;
        map_put(simple->dialogs, ear->key, DIALOG_KEY, ear);
        ear->began = clock_wall_ms();
        ear->heard_at = 0;
}

void
ear_forget(struct simple *simple, struct dialog_ear *ear)
{
        if (!ear->listens)
                return;
        if (map_get(simple->dialogs, ear->key, DIALOG_KEY) == ear)
                map_remove(simple->dialogs, ear->key, DIALOG_KEY);
        ear->listens = false;
}

struct dialog_ear *
ear_find(const struct simple *simple, const char *call_id, const char *local_tag)
{
        unsigned char key[DIALOG_KEY];
        dialog_key(key, call_id, local_tag);
        return map_get(simple->dialogs, key, DIALOG_KEY);
}

static void
note_heard(struct dialog_ear *ear, const struct sip_message *message)
{
        ear->heard_at = clock_wall_ms();
        ear->heard_status = (short)message->status;
        ear->heard_nothing = message->local;
        snprintf(ear->heard_method, sizeof(ear->heard_method), "%s", message->method);
}

void
simple_answered(struct simple *simple, const struct sip_message *response)
{
        const char *call_id = response->call_id, *tag = response->from.tag;
        struct dialog_ear *ear = call_id == NULL || tag == NULL ? NULL : ear_find(simple, call_id, tag);
        if (ear != NULL)
                note_heard(ear, response);
}

void
simple_acked(struct simple *simple, const struct sip_message *ack)
{
        struct dialog_ear *ear = ack->to.tag == NULL ? NULL : ear_find(simple, ack->call_id, ack->to.tag);
        if (ear != NULL && ear->acked != NULL)
                ear->acked(ear);
}

void
simple_unacked(struct simple *simple, const char *call_id, const char *local_tag)
{
        struct dialog_ear *ear = ear_find(simple, call_id, local_tag);
        if (ear != NULL && ear->unacked != NULL)
                ear->unacked(ear);
}

/* --- Requests. */

void
answer(struct sip_server *server, const struct sip_message *request, int status, const char *name, const char *value)
{
        struct sip_message *response = sip_response_new(request, status, NULL, NULL);
        if (name != NULL)
                sip_message_add(response, name, value);
        sip_server_answer(server, response);
}

/* RFC 3261 11.2; for a user or the bare domain, in a dialog or outside. */
static void
tell_options(struct sip_server *server, const struct sip_message *request)
{
        struct sip_message *response = sip_response_new(request, 200, NULL, NULL);
        sip_message_add(response, "Allow", sip_allow);
        sip_message_add(response, "Accept",
                "application/sdp, text/plain, text/html, multipart/alternative, application/im-iscomposing+xml, application/pidf+xml");
        sip_message_add(response, "Accept-Encoding", "identity");
        sip_message_add(response, "Allow-Events", "presence");
        sip_message_add(response, "Supported", "timer");
        sip_server_answer(server, response);
}

void
simple_request_in_dialog(struct simple *simple, struct sip_server *server, const struct sip_message *request)
{
        struct dialog_ear *ear = ear_find(simple, request->call_id, request->to.tag);
        if (ear != NULL && !text_equal(request->from.uri.host, ear->pair->domain))
                ear = NULL; /* another domain that has guessed or overheard the tags */
        if (ear != NULL)
                note_heard(ear, request);
        if (ear != NULL && sip_message_is(request, "OPTIONS"))
                tell_options(server, request);
        else if (ear != NULL)
                ear->request(ear, server, request);
        else if (sip_message_is(request, "BENOTIFY"))
                sip_server_drop(server); /* never answered (7.10) */
        else
                sip_server_status(server, 481);
}

void
simple_request(struct simple *simple, struct sip_server *server, const struct sip_message *request, const struct pair *pair)
{
        if (sip_message_is(request, "SUBSCRIBE"))
                watcher_subscribe(simple, server, request, pair);
        else if (sip_message_is(request, "INVITE"))
                session_invited(simple, server, request, pair);
        else if (sip_message_is(request, "MESSAGE"))
                pager_message(simple, server, request, pair);
        else if (sip_message_is(request, "OPTIONS"))
                tell_options(server, request);
        else if (sip_message_is(request, "BENOTIFY"))
                sip_server_drop(server);
        else
                sip_server_status(server, 481); /* a method that lives in dialogs only */
}

/* One number for both: those of MSRP have the highest bit. */
static const uint64_t of_msrp = (uint64_t)1 << 63;

uint64_t
vouch_id_of_msrp(uint64_t token)
{
        return token | of_msrp;
}

void
simple_vouch(struct simple *simple, uint64_t id, int status)
{
        if ((id & of_msrp) != 0) {
                msrp_answer(simple->options.msrp, id & ~of_msrp, status == 200 ? 200 : 403);
                return;
        }
        struct sip_server *server = sip_server_find(simple->options.transactions, id);
        if (server != NULL)
                sip_server_status(server, status);
}

/* --- Requests of ours. */

const char *
own_host(const struct simple *simple)
{
        return sip_transport_fqdn(sip_transactions_transport(simple->options.transactions));
}

const struct dialect *
dialect_for(const struct simple *simple, const char *domain)
{
        const struct foreign_domain *foreign = federation_domain(simple->federation, domain);
        return foreign == NULL ? &dialect_simple : foreign->dialect;
}

struct sip_client *
send_request(struct simple *simple, struct sip_message *request, const char *domain, const struct sip_dialog *dialog,
        const struct sip_client_events *events, void *owner)
{
        struct sip_target target = { .domain = domain };
        struct arena *arena = arena_new(512);
        struct sip_uri next;

        if (dialog != NULL) {
                target.flow = dialog->flow;
                if (sip_dialog_next(dialog, arena, &next) && strlen(next.host) < sizeof(target.wanted.host)) {
                        strcpy(target.wanted.host, next.host);
                        target.wanted.port = (uint16_t)next.port;
                }
        }
        struct sip_client *client = sip_client_start(simple->options.transactions, request, &target, events, owner);
        arena_free(&arena);
        return client;
}

/* --- Records. */

static const struct log_scope scope = { .room = "simple" };

static void
saved(void *unused, enum store_outcome outcome)
{
        if (outcome != STORE_DONE)
                log_error(&scope, "a dialog could not be stored: after a restart it will be lost");
}

void
save(struct simple *simple, enum table table, const void *key, size_t key_len, const struct buf *record)
{
        struct batch *batch = batch_new(simple->options.store);
        batch_put(batch, table, key, key_len, buf_data(record), record->len);
        batch_commit(batch, saved, NULL);
}

void
save_later(struct simple *simple, enum table table, const void *key, size_t key_len, const struct buf *record)
{
        struct batch *batch = batch_new(simple->options.store);
        batch_put(batch, table, key, key_len, buf_data(record), record->len);
        batch_commit_later(batch, saved, NULL);
}

void
forget(struct simple *simple, enum table table, const void *key, size_t key_len)
{
        struct batch *batch = batch_new(simple->options.store);
        batch_remove(batch, table, key, key_len);
        batch_commit(batch, saved, NULL);
}
