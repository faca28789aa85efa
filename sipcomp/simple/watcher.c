/*
 * watcher.c - SUBSCRIBE from a foreign watcher (section 5 of the dialects, RFC 6665)
 *
 * Whoever is refused is not told so: pending, denied, blocked and unknown all look like a user who is offline.
 */
#include "sipcomp/simple/watcher_private.h"

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/text.h"

#include <string.h>
#include <strings.h>

enum { EXPIRES_LEAST = 60, EXPIRES_MOST = 86400 };

/* --- How many dialogs a foreign user has with all of ours. */

struct foreigner {
        size_t dialogs;
};

static void
count_dialog(struct simple *simple, const char *foreign, int difference)
{
        struct foreigner *foreigner = map_get_str(simple->foreigners, foreign);
        if (foreigner == NULL) {
                foreigner = MEM_NEW(foreigner);
                map_put_str(simple->foreigners, foreign, foreigner);
        }
        foreigner->dialogs += (size_t)difference;
        if (foreigner->dialogs > 0)
                return;
        map_remove_str(simple->foreigners, foreign);
        mem_free(foreigner);
}

static bool
has_too_many(const struct simple *simple, const char *foreign)
{
        const struct foreigner *foreigner = map_get_str(simple->foreigners, foreign);
        return foreigner != NULL && foreigner->dialogs >= DIALOGS_PER_FOREIGN_USER;
}

/* --- Life. */

struct watcher *
watcher_new(struct relation *relation, struct sip_dialog *dialog)
{
        struct watcher *watcher = MEM_NEW(watcher);
        watcher->relation = relation;
        watcher->dialog = dialog;
        watcher->ear.request = watcher_hear;
        watcher->ear.pair = &relation->pair;
        ear_register(relation->simple, &watcher->ear, dialog->call_id, dialog->local_tag);
        list_append(&relation->watchers, &watcher->link);
        relation->domain->watcher_count++;
        count_dialog(relation->simple, relation->pair.foreign, 1);
        return watcher;
}

void
watcher_free(struct watcher *watcher)
{
        list_remove(&watcher->relation->watchers, &watcher->link);
        watcher->relation->domain->watcher_count--;
        count_dialog(watcher->relation->simple, watcher->relation->pair.foreign, -1);
        ear_forget(watcher->relation->simple, &watcher->ear);
        sip_client_forget(&watcher->client);
        sip_dialog_free(&watcher->dialog);
        timer_stop(&watcher->timer);
        timer_stop(&watcher->expiry);
        mem_free(watcher->event_id);
        mem_free(watcher);
}

static void
expire(struct timer *timer)
{
        struct watcher *watcher = container_of(timer, struct watcher, expiry);
        struct relation *relation = watcher->relation;
        log_debug(RELATION_LOG(relation), "expired");
        watcher_apply(watcher, NOTIFY_GONE);
        relation_tidy(relation);
}

void
watcher_expire_in(struct watcher *watcher, uint64_t ms)
{
        timer_start(&watcher->expiry, ms, expire);
}

void
watcher_encode(const struct watcher *watcher, struct buf *record)
{
        encode_u8(record, RECORD_VERSION);
        pair_encode(&watcher->relation->pair, record);
        encode_u64(record, (uint64_t)watcher->expires_at);
        encode_text(record, watcher->event_id);
        sip_dialog_encode(watcher->dialog, record);
}

void
watcher_save(struct watcher *watcher)
{
        struct buf record = { 0 };
        watcher_encode(watcher, &record);
        save(watcher->relation->simple, TABLE_WATCHER, watcher->ear.key, DIALOG_KEY, &record);
        buf_free(&record);
}

/* --- What a SUBSCRIBE asks for. */

static bool
accepts_pidf(const struct sip_message *request)
{
        return sip_message_get(request, "Accept") == NULL || sip_message_lists(request, "Accept", PIDF_TYPE) ||
                sip_message_lists(request, "Accept", "application/*") || sip_message_lists(request, "Accept", "*/*");
}

static bool
is_presence(const char *event)
{
        return strncasecmp(event, "presence", 8) == 0 && (event[8] == '\0' || strchr("; \t", event[8]) != NULL);
}

static bool
is_batch(const struct sip_message *request)
{
        const char *type = sip_message_content_type(request);
        return type != NULL &&
                (text_equal(type, "application/adrl+xml") || text_equal(type, "application/msrtc-adrl-categorylist+xml"));
}

/* 0 and the seconds granted, or the answer that was sent. */
static int
check_subscribe(const struct simple *simple, struct sip_server *server, const struct sip_message *request, const char *domain,
        uint32_t *expires)
{
        const char *event = sip_message_get(request, "Event");
        int64_t asked = sip_message_number(request, "Expires", UINT32_MAX);
        struct sip_address contact;
        if (event == NULL || !is_presence(event)) {
                answer(server, request, 489, "Allow-Events", "presence");
                return 489;
        }
        if (is_batch(request)) { /* a client falls back to single subscriptions (MS-SIP 3.3.5.2) */
                answer(server, request, 420, "Unsupported", "adhoclist");
                return 420;
        }
        if (!accepts_pidf(request)) {
                answer(server, request, 406, "Accept", PIDF_TYPE);
                return 406;
        }
        if (asked == -2 || (request->to.tag == NULL && (!sip_message_contact(request, &contact) || contact.star))) {
                sip_server_status(server, 400);
                return 400;
        }
        if (asked > 0 && asked < EXPIRES_LEAST) {
                answer(server, request, 423, "Min-Expires", "60");
                return 423;
        }
        *expires = asked < 0 ? dialect_for(simple, domain)->grant_expires : asked > EXPIRES_MOST ? EXPIRES_MOST : (uint32_t)asked;
        return 0;
}

/* --- Answers. */

/* The 200 leaves after the commit that keeps the dialog. Between the two the watcher may go: it is looked up again. */
struct grant {
        struct simple *simple;
        uint64_t server;
        uint32_t expires;
        char *call_id, *local_tag, *contact_user;
};

static void
send_grant(struct simple *simple, uint64_t id, uint32_t expires, const char *local_tag, const char *contact_user)
{
        struct sip_server *server = sip_server_find(simple->options.transactions, id);
        if (server == NULL)
                return;
        struct sip_message *response = sip_response_new(sip_server_request(server), 200, NULL, local_tag);
        sip_message_set_contact_user(response, contact_user);
        sip_message_addf(response, "Expires", "%u", expires);
        sip_message_add(response, "Allow-Events", "presence");
        sip_server_answer(server, response);
}

static struct watcher *
find_watcher(struct simple *simple, const char *call_id, const char *local_tag)
{
        struct dialog_ear *ear = ear_find(simple, call_id, local_tag);
        return ear != NULL && ear->request == watcher_hear ? container_of(ear, struct watcher, ear) : NULL;
}

static void
granted(void *arg, enum store_outcome outcome)
{
        struct grant *grant = arg;
        struct watcher *watcher = find_watcher(grant->simple, grant->call_id, grant->local_tag);
        struct sip_server *server = sip_server_find(grant->simple->options.transactions, grant->server);
        if (outcome != STORE_DONE) {
                if (server != NULL)
                        sip_server_status(server, 500);
                if (watcher != NULL)
                        watcher_apply(watcher, NOTIFY_GONE);
        } else {
                send_grant(grant->simple, grant->server, grant->expires, grant->local_tag, grant->contact_user);
                if (watcher != NULL) {
                        watcher->ends = grant->expires == 0;
                        watcher_apply(watcher, grant->expires == 0 ? NOTIFY_ENDED : NOTIFY_ASKED);
                }
        }
        mem_free(grant->call_id);
        mem_free(grant->local_tag);
        mem_free(grant->contact_user);
        mem_free(grant);
}

/* Stores the dialog, then answers 200, then notifies (5.2). */
static void
keep_and_grant(struct watcher *watcher, struct sip_server *server, uint32_t expires)
{
        struct simple *simple = watcher->relation->simple;
        struct grant *grant = MEM_NEW(grant);
        struct buf record = { 0 };
        grant->simple = simple;
        grant->server = sip_server_id(server);
        grant->expires = expires;
        grant->call_id = mem_strdup(watcher->dialog->call_id);
        grant->local_tag = mem_strdup(watcher->dialog->local_tag);
        grant->contact_user = mem_strdup(watcher->relation->pair.local_user);
        watcher->expires_at = clock_wall_ms() + (int64_t)expires * 1000;
        if (expires > 0)
                watcher_expire_in(watcher, (uint64_t)expires * 1000);
        watcher_encode(watcher, &record);
        struct batch *batch = batch_new(simple->options.store);
        if (expires > 0)
                batch_put(batch, TABLE_WATCHER, watcher->ear.key, DIALOG_KEY, buf_data(&record), record.len);
        else
                batch_remove(batch, TABLE_WATCHER, watcher->ear.key, DIALOG_KEY);
        batch_commit(batch, granted, grant);
        buf_free(&record);
}

static char *
event_id_of(const struct sip_message *request)
{
        const char *id = sip_message_parameter(request, "Event", "id");
        return id != NULL && sip_is_token(id) ? mem_strdup(id) : NULL;
}

/* The same From tag and Call-ID once more without a tag of ours: that dialog starts anew (5.6). */
static void
drop_predecessor(struct relation *relation, const struct sip_message *request)
{
        for (LIST_EACH(watcher, &relation->watchers, struct watcher, link))
                if (text_equal(watcher->dialog->call_id, request->call_id) &&
                        text_equal(watcher->dialog->remote_tag, request->from.tag)) {
                        forget(relation->simple, TABLE_WATCHER, watcher->ear.key, DIALOG_KEY);
                        watcher_free(watcher);
                }
}

/* Asks the local user once, or learns his state; when the watcher has had his first NOTIFY, whatever that said. */
void
watcher_ask(struct watcher *watcher)
{
        struct relation *relation = watcher->relation;
        watcher->must_ask = false;
        if (relation->decision == DECISION_ACCEPTED) {
                relation->simple->events->watcher_probes(relation->simple->owner, &relation->pair);
        } else if (relation->decision == DECISION_NONE && !relation->asked) {
                relation->asked = true;
                relation_save(relation);
                relation->simple->events->watcher_asks(relation->simple->owner, &relation->pair);
        }
}

void
watcher_subscribe(struct simple *simple, struct sip_server *server, const struct sip_message *request, const struct pair *pair)
{
        uint32_t expires;
        char tag[SIP_TAG_TEXT];
        if (check_subscribe(simple, server, request, pair->domain, &expires) != 0)
                return;
        if (has_too_many(simple, pair->foreign)) {
                answer(server, request, 503, "Retry-After", "60");
                return;
        }
        struct sip_dialog *dialog = sip_dialog_of_server(request, sip_new_tag(tag), pair->local_user, own_host(simple));
        if (dialog == NULL) {
                sip_server_status(server, 400);
                return;
        }
        struct relation *relation = relation_of(simple, pair);
        drop_predecessor(relation, request);
        struct watcher *watcher = watcher_new(relation, dialog);
        watcher->event_id = event_id_of(request);
        log_info(RELATION_LOG(relation), "%s", expires == 0 ? "fetches the state" : "subscribes");
        watcher->must_ask = expires > 0; /* nobody is asked for a fetch (5.4) */
        keep_and_grant(watcher, server, expires);
}

void
watcher_hear(struct dialog_ear *ear, struct sip_server *server, const struct sip_message *request)
{
        struct watcher *watcher = container_of(ear, struct watcher, ear);
        struct relation *relation = watcher->relation;
        uint32_t expires;
        if (!sip_message_is(request, "SUBSCRIBE") || !sip_dialog_matches(watcher->dialog, request) || watcher->ends) {
                if (sip_message_is(request, "BENOTIFY"))
                        sip_server_drop(server);
                else
                        sip_server_status(server, 481);
                return;
        }
        int status = sip_dialog_receive(watcher->dialog, request);
        if (status != 0)
                sip_server_status(server, status);
        else if (check_subscribe(relation->simple, server, request, relation->pair.domain, &expires) == 0)
                keep_and_grant(watcher, server, expires);
}
