/*
 * watch_record.c - a subscription's life: made, stored, read again, freed
 */
#include "sipcomp/simple/watch_private.h"

#include "shared/base/clock.h"
#include "shared/base/mem.h"

#include <string.h>

struct watch *
watch_create(struct simple *simple, const struct pair *pair)
{
        struct watch *watch = MEM_NEW(watch);
        watch->simple = simple;
        pair_copy(&watch->pair, pair);
        pair_key(watch->key, pair);
        watch->ear.request = watch_hear;
        watch->ear.pair = &watch->pair;
        watch->state = &pidf_closed;
        watch->domain = domain_of(simple, pair->domain);
        domain_add_watch(watch->domain, &watch->in_domain);
        map_put(simple->watches, watch->key, PAIR_KEY, watch);
        return watch;
}

void
watch_destroy(struct watch *watch)
{
        map_remove(watch->simple->watches, watch->key, PAIR_KEY);
        share_forget(watch);
        domain_remove_watch(watch->domain, &watch->in_domain);
        ear_forget(watch->simple, &watch->ear);
        sip_client_forget(&watch->client);
        sip_dialog_free(&watch->dialog);
        timer_stop(&watch->timer);
        timer_stop(&watch->expiry);
        pidf_free_copy(&watch->state);
        pair_free(&watch->pair);
        mem_free(watch->redirect);
        mem_free(watch);
}

void
watch_free_all(struct simple *simple)
{
        struct watch *watch;
        for (size_t at = 0; (watch = map_next(simple->watches, &at)) != NULL;)
                watch_destroy(watch);
}

static void
encode(const struct watch *watch, struct buf *record)
{
        encode_u8(record, RECORD_VERSION);
        pair_encode(&watch->pair, record);
        encode_u8(record, watch->known);
        encode_u8(record, watch->asked);
        encode_u8(record, watch->stage == WATCH_WAITING && !timer_is_running(&watch->timer)); /* waits for the user */
        encode_u32(record, watch->expires_asked);
        encode_u64(record, (uint64_t)watch->expires_at);
        encode_u8(record, watch->state->open);
        encode_text(record, watch->state->activity);
        encode_u8(record, (uint8_t)watch->state->note_count);
        for (size_t i = 0; i < watch->state->note_count; i++) {
                encode_text(record, watch->state->notes[i].lang);
                encode_text(record, watch->state->notes[i].text);
        }
        encode_u8(record, watch->dialog != NULL);
        if (watch->dialog != NULL)
                sip_dialog_encode(watch->dialog, record);
}

void
watch_save(struct watch *watch)
{
        struct buf record = { 0 };
        encode(watch, &record);
        save(watch->simple, TABLE_WATCH, watch->key, PAIR_KEY, &record);
        buf_free(&record);
}

void
watch_save_later(struct watch *watch)
{
        struct buf record = { 0 };
        encode(watch, &record);
        save_later(watch->simple, TABLE_WATCH, watch->key, PAIR_KEY, &record);
        buf_free(&record);
}

/* A write after which the user hears. Meanwhile the watch may go: it is looked up again. */
struct news {
        struct simple *simple;
        unsigned char key[PAIR_KEY];
};

static void
say_news(void *arg, enum store_outcome outcome)
{
        struct news *news = arg;
        struct watch *watch = map_get(news->simple->watches, news->key, PAIR_KEY);
        mem_free(news);
        if (watch == NULL || watch->storing == 0)
                return;
        if (outcome != STORE_DONE)
                log_error(WATCH_LOG(watch), "a subscription could not be stored: after a restart it will be lost");
        if (--watch->storing > 0 || watch->stage == WATCH_ENDING)
                return;
        watch_say_accepted(watch);
        watch_save(watch);
        watch_say_state(watch);
}

void
watch_save_and_say(struct watch *watch)
{
        struct buf record = { 0 };
        struct news *news = MEM_NEW(news);
        news->simple = watch->simple;
        memcpy(news->key, watch->key, PAIR_KEY);
        watch->storing++;
        encode(watch, &record);
        struct batch *batch = batch_new(watch->simple->options.store);
        batch_put(batch, TABLE_WATCH, watch->key, PAIR_KEY, buf_data(&record), record.len);
        batch_commit(batch, say_news, news);
        buf_free(&record);
}

void
watch_unsave(struct watch *watch)
{
        forget(watch->simple, TABLE_WATCH, watch->key, PAIR_KEY);
}

static bool
read_state(struct watch *watch, struct cursor *cursor, struct arena *texts)
{
        struct pidf state = pidf_closed;
        state.open = decode_u8(cursor) != 0;
        const char *activity = decode_text(cursor, texts);
        state.activity = activity == NULL ? "" : activity;
        size_t notes = decode_u8(cursor);
        if (notes > PIDF_NOTES)
                return false;
        for (size_t i = 0; i < notes; i++) {
                const char *lang = decode_text(cursor, texts);
                const char *text = decode_text(cursor, texts);
                if (text != NULL)
                        state.notes[state.note_count++] = (struct pidf_note){ lang, text };
        }
        watch_keep_state(watch, &state);
        return true;
}

static bool
resume_one(void *arg, const void *key, size_t key_len, const void *value, size_t value_len)
{
        struct simple *simple = arg;
        struct cursor cursor = cursor_on(value, value_len);
        struct arena *arena = arena_new(1024);
        struct pair pair;

        if (decode_u8(&cursor) != RECORD_VERSION || !pair_decode(&pair, &cursor, arena))
                goto out;
        struct watch *watch = watch_create(simple, &pair);
        watch->known = decode_u8(&cursor) != 0;
        watch->asked = decode_u8(&cursor) != 0;
        bool dormant = decode_u8(&cursor) != 0;
        watch->expires_asked = decode_u32(&cursor);
        watch->expires_at = (int64_t)decode_u64(&cursor);
        bool fine = read_state(watch, &cursor, arena);
        if (fine && decode_u8(&cursor) != 0)
                watch->dialog = sip_dialog_decode(&cursor);
        if (watch->dialog != NULL) {
                watch->dialog->local_cseq += CSEQ_LEAP;
                ear_register(simple, &watch->ear, watch->dialog->call_id, watch->dialog->local_tag);
        }
        int64_t left = watch->expires_at - clock_wall_ms();
        if (watch->state->open)
                watch_expire_in(watch, left > 60000 ? (uint64_t)left : 60000);
        if (dormant)
                watch->stage = WATCH_WAITING;
        else if (watch->dialog != NULL)
                watch_plan(watch); /* unless its turn in domain_renew comes first */
        if (watch->dialog != NULL)
                watch_save(watch); /* the next run must not begin where this one does */
out:
        arena_free(&arena);
        return true;
}

/* What the numbers have been raised to is on disk: the dialogs go on. */
static void
go_on(void *arg, enum store_outcome outcome)
{
        struct simple *simple = arg;
        struct domain *domain;
        for (size_t at = 0; (domain = map_next(simple->domains, &at)) != NULL;) {
                if (list_is_empty(&domain->watches))
                        continue;
                log_info(LOG_ABOUT("simple.watch", domain->name), "resuming subscriptions=%zu", domain->watches.count);
                domain_renew(domain);
        }
}

void
watch_resume(struct simple *simple)
{
        store_scan(simple->options.store, TABLE_WATCH, "", 0, 0, resume_one, simple);
        share_resume(simple);
        batch_commit(batch_new(simple->options.store), go_on, simple);
}

/* The contacts are shown offline; the other side hears nothing: it may not be talked to any more. */
void
watch_drop(struct simple *simple, const char *name)
{
        for (LIST_EACH(watch, &domain_of(simple, name)->watches, struct watch, in_domain)) {
                watch_show_closed(watch);
                share_unsave(watch);
                watch_unsave(watch);
                watch_destroy(watch);
        }
}

void
watch_tell(struct link *link)
{
        struct watch *watch = container_of(link, struct watch, in_domain);
        if (watch->state->open && watch->stage != WATCH_ENDING)
                watch_say_state(watch);
}
