/*
 * relation.c - what a local user has decided about a watcher, kept for the next morning (5.5 of the dialects)
 *
 * The end of a SIP dialog means nothing here: Microsoft clients drop their subscriptions when a person signs out.
 */
#include "sipcomp/simple/watcher_private.h"

#include "shared/base/clock.h"
#include "shared/base/digest.h"
#include "shared/base/mem.h"
#include "shared/base/text.h"

#include <string.h>

struct relation *
relation_of(struct simple *simple, const struct pair *pair)
{
        unsigned char key[PAIR_KEY];
        pair_key(key, pair);
        struct relation *relation = map_get(simple->relations, key, PAIR_KEY);
        if (relation != NULL)
                return relation;
        relation = MEM_NEW(relation);
        relation->simple = simple;
        pair_copy(&relation->pair, pair);
        memcpy(relation->key, key, PAIR_KEY);
        relation->domain = domain_of(simple, pair->domain);
        domain_add_relation(relation->domain, &relation->in_domain);
        map_put(simple->relations, key, PAIR_KEY, relation);
        return relation;
}

static void
free_relation(struct relation *relation)
{
        for (LIST_EACH(watcher, &relation->watchers, struct watcher, link))
                watcher_free(watcher);
        map_remove(relation->simple->relations, relation->key, PAIR_KEY);
        domain_remove_relation(relation->domain, &relation->in_domain);
        pair_free(&relation->pair);
        mem_free(relation->activity);
        mem_free(relation->note);
        mem_free(relation);
}

void
relation_tidy(struct relation *relation)
{
        if (list_is_empty(&relation->watchers) && relation->decision == DECISION_NONE && !relation->asked && relation->storing == 0)
                free_relation(relation);
}

void
relation_free_all(struct simple *simple)
{
        struct relation *relation;
        for (size_t at = 0; (relation = map_next(simple->relations, &at)) != NULL;)
                free_relation(relation);
}

static void
encode(const struct relation *relation, struct buf *record)
{
        encode_u8(record, RECORD_VERSION);
        pair_encode(&relation->pair, record);
        encode_u8(record, (uint8_t)relation->decision);
        encode_u8(record, relation->asked);
        encode_u8(record, relation->open);
        encode_text(record, relation->activity);
        encode_text(record, relation->note);
}

void
relation_save(struct relation *relation)
{
        struct buf record = { 0 };
        encode(relation, &record);
        save(relation->simple, TABLE_RELATION, relation->key, PAIR_KEY, &record);
        buf_free(&record);
}

static void
tell_all(struct relation *relation, enum notify_event event)
{
        for (LIST_EACH(watcher, &relation->watchers, struct watcher, link))
                watcher_apply(watcher, event);
}

/* A write that the watchers hear of when it is on disk. */
struct news {
        struct simple *simple;
        unsigned char key[PAIR_KEY];
};

static void
tell_news(void *arg, enum store_outcome outcome)
{
        struct news *news = arg;
        struct relation *relation = map_get(news->simple->relations, news->key, PAIR_KEY);
        mem_free(news);
        if (relation == NULL || relation->storing == 0)
                return;
        if (outcome != STORE_DONE)
                log_error(RELATION_LOG(relation), "a decision could not be stored: after a restart the user will be asked again");
        if (--relation->storing == 0)
                tell_all(relation, NOTIFY_CHANGED);
        relation_tidy(relation);
}

static void
save_and_tell(struct relation *relation)
{
        struct buf record = { 0 };
        struct news *news = MEM_NEW(news);
        news->simple = relation->simple;
        memcpy(news->key, relation->key, PAIR_KEY);
        relation->storing++;
        encode(relation, &record);
        struct batch *batch = batch_new(relation->simple->options.store);
        batch_put(batch, TABLE_RELATION, relation->key, PAIR_KEY, buf_data(&record), record.len);
        batch_commit(batch, tell_news, news);
        buf_free(&record);
}

static bool
resume_relation(void *arg, const void *key, size_t key_len, const void *value, size_t value_len)
{
        struct cursor cursor = cursor_on(value, value_len);
        struct arena *arena = arena_new(1024);
        struct pair pair;
        if (decode_u8(&cursor) == RECORD_VERSION && pair_decode(&pair, &cursor, arena)) {
                struct relation *relation = relation_of(arg, &pair);
                uint8_t decision = decode_u8(&cursor);
                relation->decision = decision <= DECISION_DENIED ? (enum decision)decision : DECISION_NONE;
                relation->asked = decode_u8(&cursor) != 0;
                relation->open = decode_u8(&cursor) != 0;
                relation->activity = copy_text(decode_text(&cursor, arena));
                relation->note = copy_text(decode_text(&cursor, arena));
        }
        arena_free(&arena);
        return true;
}

static bool
resume_watcher(void *arg, const void *key, size_t key_len, const void *value, size_t value_len)
{
        struct simple *simple = arg;
        struct cursor cursor = cursor_on(value, value_len);
        struct arena *arena = arena_new(1024);
        struct pair pair;
        if (decode_u8(&cursor) == RECORD_VERSION && pair_decode(&pair, &cursor, arena)) {
                int64_t expires_at = (int64_t)decode_u64(&cursor), left = expires_at - clock_wall_ms();
                char *event_id = decode_text(&cursor, arena);
                struct sip_dialog *dialog = sip_dialog_decode(&cursor);
                if (dialog != NULL && left > 0) {
                        dialog->local_cseq += CSEQ_LEAP;
                        struct watcher *watcher = watcher_new(relation_of(simple, &pair), dialog);
                        watcher->event_id = copy_text(event_id);
                        watcher->expires_at = expires_at;
                        watcher->stage = NOTIFY_QUIET;
                        watcher->owed = true;
                        watcher_save(watcher); /* the next run must not begin where this one does */
                        watcher_expire_in(watcher, (uint64_t)left);
                } else {
                        sip_dialog_free(&dialog);
                        forget(simple, TABLE_WATCHER, key, key_len);
                }
        }
        arena_free(&arena);
        return true;
}

void
relation_resume(struct simple *simple)
{
        store_scan(simple->options.store, TABLE_RELATION, "", 0, 0, resume_relation, simple);
        store_scan(simple->options.store, TABLE_WATCHER, "", 0, 0, resume_watcher, simple);
        domain_resend_all(simple);
}

void
relation_drop(struct simple *simple, const char *name)
{
        for (LIST_EACH(relation, &domain_of(simple, name)->relations, struct relation, in_domain)) {
                for (LIST_EACH(watcher, &relation->watchers, struct watcher, link))
                        forget(simple, TABLE_WATCHER, watcher->ear.key, DIALOG_KEY);
                forget(simple, TABLE_RELATION, relation->key, PAIR_KEY);
                free_relation(relation);
        }
}

void
simple_decide(struct simple *simple, const struct pair *pair, enum decision decision)
{
        struct relation *relation = relation_of(simple, pair);
        bool asked = relation->asked;
        relation->asked = false;
        if (relation->decision == decision && !asked) {
                relation_tidy(relation);
                return;
        }
        log_info(RELATION_LOG(relation), "%s",
                decision == DECISION_ACCEPTED         ? "accepted"
                        : decision == DECISION_DENIED ? "denied"
                                                      : "open again");
        relation->decision = decision;
        if (decision != DECISION_ACCEPTED)
                relation->open = false;
        save_and_tell(relation);
        if (decision == DECISION_ACCEPTED && !list_is_empty(&relation->watchers)) /* an old decision comes without a state */
                simple->events->watcher_probes(simple->owner, &relation->pair);
}

void
simple_reconsider(struct simple *simple, const struct pair *pair)
{
        unsigned char key[PAIR_KEY];
        pair_key(key, pair);
        struct relation *relation = map_get(simple->relations, key, PAIR_KEY);
        if (relation == NULL || relation->decision != DECISION_DENIED || !list_is_empty(&relation->watchers))
                return; /* a running dialog would show the difference */
        relation->decision = DECISION_NONE;
        forget(simple, TABLE_RELATION, relation->key, PAIR_KEY);
        relation_tidy(relation);
}

void
simple_state(struct simple *simple, const struct pair *pair, bool open, const char *activity, const char *note)
{
        struct relation *relation = relation_of(simple, pair);
        bool same = relation->open == open && text_equal(relation->activity, activity) && text_equal(relation->note, note) &&
                !relation->hidden;
        if (same) {
                relation_tidy(relation);
                return;
        }
        mem_free(relation->activity);
        mem_free(relation->note);
        relation->open = open;
        relation->activity = copy_text(activity);
        relation->note = copy_text(note);
        relation->hidden = false;
        if (relation->storing > 0) {
                save_and_tell(relation);
                return;
        }
        if (relation->decision != DECISION_NONE || !list_is_empty(&relation->watchers))
                relation_save(relation);
        tell_all(relation, NOTIFY_CHANGED);
        relation_tidy(relation);
}

/* The server behind the user is away, or back: then his state is asked for, or he is asked again what he has not answered. */
void
relation_visit(struct link *link, bool hide)
{
        struct relation *relation = container_of(link, struct relation, in_domain);
        if (hide && !relation->hidden) {
                relation->hidden = true;
                tell_all(relation, NOTIFY_CHANGED);
        } else if (!hide && !list_is_empty(&relation->watchers)) {
                if (relation->decision == DECISION_ACCEPTED)
                        relation->simple->events->watcher_probes(relation->simple->owner, &relation->pair);
                else if (relation->decision == DECISION_NONE && relation->asked)
                        relation->simple->events->watcher_asks(relation->simple->owner, &relation->pair);
        }
}

bool
relation_resend(struct link *link)
{
        struct relation *relation = container_of(link, struct relation, in_domain);
        bool waits = false;
        for (LIST_EACH(watcher, &relation->watchers, struct watcher, link)) {
                bool retries = watcher->stage == NOTIFY_RETRYING;
                if (!retries && !watcher->owed)
                        continue;
                waits = true;
                watcher_apply(watcher, retries ? NOTIFY_BACK : NOTIFY_CHANGED);
        }
        return waits;
}
