/*
 * watch_share.c - who sees what a subscription tells: one user, or with shared-subscription all who watch this contact
 *
 * The subscription bears the name of the user who asked first; the others are its sharers. When he leaves, it passes on to the next one: a new
 * dialog in his name, while the old one ends; the state stays, so nobody sees anything of it. Whether a domain shares may change with a reload and
 * between two runs: then subscriptions are folded into one, or each sharer gets one of his own, at subscribe-rate.
 */
#include "sipcomp/simple/watch_private.h"

#include "shared/base/clock.h"
#include "shared/base/mem.h"

#include <string.h>

enum { GRACE_MS = 60000 };

/* A user besides the one in whose name the subscription is. Owned by the watch. */
struct sharer {
        struct link link;
        struct watch *watch;
        struct pair pair;
        unsigned char key[PAIR_KEY];
        bool asked; /* he waits for `subscribed` */
};

/* --- Life. */

static struct watch *
find_watch(const struct simple *simple, const struct pair *pair)
{
        unsigned char key[PAIR_KEY];
        pair_key(key, pair);
        return map_get(simple->watches, key, PAIR_KEY);
}

static struct sharer *
find_sharer(const struct simple *simple, const struct pair *pair)
{
        unsigned char key[PAIR_KEY];
        pair_key(key, pair);
        return map_get(simple->sharers, key, PAIR_KEY);
}

static void
list_as_shared(struct watch *watch)
{
        if (watch->domain->shared)
                map_put_str(watch->simple->shared, watch->pair.foreign, watch);
}

static void
save_sharer(const struct sharer *sharer)
{
        struct buf record = { 0 };
        encode_u8(&record, RECORD_VERSION);
        pair_encode(&sharer->pair, &record);
        encode_u8(&record, sharer->asked);
        save(sharer->watch->simple, TABLE_SHARER, sharer->key, PAIR_KEY, &record);
        buf_free(&record);
}

/* Who joins those who see the contact hears of it when it is on disk. */
struct joiner {
        struct simple *simple;
        unsigned char key[PAIR_KEY];
};

static void
greet(void *arg, enum store_outcome outcome)
{
        struct joiner *joiner = arg;
        struct simple *simple = joiner->simple;
        struct sharer *sharer = map_get(simple->sharers, joiner->key, PAIR_KEY);
        mem_free(joiner);
        if (sharer == NULL || !sharer->asked || !sharer->watch->known)
                return;
        if (outcome != STORE_DONE)
                log_error(WATCH_LOG(sharer->watch),
                        "who shares the subscription could not be stored: after a restart he will be lost");
        sharer->asked = false;
        save_sharer(sharer);
        simple->events->watch_accepted(simple->owner, &sharer->pair);
        simple->events->watch_state(simple->owner, &sharer->pair, sharer->watch->state);
}

static void
greet_when_stored(struct sharer *sharer)
{
        struct joiner *joiner = MEM_NEW(joiner);
        joiner->simple = sharer->watch->simple;
        memcpy(joiner->key, sharer->key, PAIR_KEY);
        batch_commit(batch_new(joiner->simple->options.store), greet, joiner); /* an empty one: behind what was handed in before */
}

static struct sharer *
add_sharer(struct watch *watch, const struct pair *pair, bool asked)
{
        struct sharer *sharer = MEM_NEW(sharer);
        sharer->watch = watch;
        pair_copy(&sharer->pair, pair);
        pair_key(sharer->key, pair);
        sharer->asked = asked;
        list_append(&watch->sharers, &sharer->link);
        map_put(watch->simple->sharers, sharer->key, PAIR_KEY, sharer);
        save_sharer(sharer);
        return sharer;
}

static void
move_sharer(struct sharer *sharer, struct watch *to)
{
        list_remove(&sharer->watch->sharers, &sharer->link);
        list_append(&to->sharers, &sharer->link);
        sharer->watch = to;
}

static void
free_sharer(struct sharer *sharer)
{
        map_remove(sharer->watch->simple->sharers, sharer->key, PAIR_KEY);
        list_remove(&sharer->watch->sharers, &sharer->link);
        pair_free(&sharer->pair);
        mem_free(sharer);
}

static void
remove_sharer(struct sharer *sharer)
{
        forget(sharer->watch->simple, TABLE_SHARER, sharer->key, PAIR_KEY);
        free_sharer(sharer);
}

void
share_unsave(struct watch *watch)
{
        for (LIST_EACH(sharer, &watch->sharers, struct sharer, link))
                forget(watch->simple, TABLE_SHARER, sharer->key, PAIR_KEY);
}

void
share_forget(struct watch *watch)
{
        for (LIST_EACH(sharer, &watch->sharers, struct sharer, link))
                free_sharer(sharer);
        if (map_get_str(watch->simple->shared, watch->pair.foreign) == watch)
                map_remove_str(watch->simple->shared, watch->pair.foreign);
}

/* --- What XMPP hears. Whose subscription is folded into another one hears from that. */

bool
watch_is_awaited(const struct watch *watch)
{
        bool awaited = watch->asked && !watch->folded;
        for (LIST_EACH(sharer, &watch->sharers, struct sharer, link))
                awaited |= sharer->asked;
        return awaited;
}

void
watch_say_accepted(struct watch *watch)
{
        const struct simple_events *events = watch->simple->events;
        if (watch->asked && !watch->folded) {
                watch->asked = false;
                events->watch_accepted(watch->simple->owner, &watch->pair);
        }
        for (LIST_EACH(sharer, &watch->sharers, struct sharer, link)) {
                if (!sharer->asked)
                        continue;
                sharer->asked = false;
                save_sharer(sharer);
                events->watch_accepted(watch->simple->owner, &sharer->pair);
        }
}

void
watch_say_state(struct watch *watch)
{
        const struct simple_events *events = watch->simple->events;
        if (watch->folded || watch->storing > 0)
                return;
        events->watch_state(watch->simple->owner, &watch->pair, watch->state);
        for (LIST_EACH(sharer, &watch->sharers, struct sharer, link))
                events->watch_state(watch->simple->owner, &sharer->pair, watch->state);
}

void
watch_say_ended(struct watch *watch)
{
        const struct simple_events *events = watch->simple->events;
        if (watch->folded)
                return;
        events->watch_ended(watch->simple->owner, &watch->pair);
        for (LIST_EACH(sharer, &watch->sharers, struct sharer, link))
                events->watch_ended(watch->simple->owner, &sharer->pair);
}

void
watch_say_failed(struct watch *watch, enum stanza_condition condition, const char *type, const char *text)
{
        const struct simple_events *events = watch->simple->events;
        if (watch->folded)
                return;
        events->watch_failed(watch->simple->owner, &watch->pair, condition, type, text);
        for (LIST_EACH(sharer, &watch->sharers, struct sharer, link))
                events->watch_failed(watch->simple->owner, &sharer->pair, condition, type, text);
}

/* --- One of several leaves. */

/* A subscription that goes on where another one was: the contact is shown as before until the new one knows better. */
static struct watch *
succeed(struct watch *old, const struct sharer *sharer)
{
        struct watch *watch = map_get(old->simple->watches, sharer->key, PAIR_KEY); /* one that is ending */
        int64_t left = old->expires_at - clock_wall_ms();
        if (watch == NULL)
                watch = watch_create(old->simple, &sharer->pair);
        watch->folded = false;
        watch->known = old->known;
        watch->asked = sharer->asked;
        watch_keep_state(watch, old->state);
        if (watch->state->open)
                watch_expire_in(watch, left > GRACE_MS ? (uint64_t)left : GRACE_MS);
        return watch;
}

/* The first of the sharers gives the subscription his name. His record as a watch is written before that as a sharer goes. */
static void
pass_on(struct watch *old)
{
        struct sharer *first = LIST_ITEM(old->sharers.first, struct sharer, link);
        struct watch *watch = succeed(old, first);
        for (LIST_EACH(sharer, &old->sharers, struct sharer, link))
                if (sharer != first)
                        move_sharer(sharer, watch);
        list_as_shared(watch);
        watch_apply(watch, WATCH_WANTED, NULL);
        remove_sharer(first);
}

/* --- What the domain wants now. */

/* There is one subscription for this contact already, or this becomes it. The other one is ended when its turn comes. */
static void
fold(struct watch *watch)
{
        struct watch *shared = map_get_str(watch->simple->shared, watch->pair.foreign);
        if (shared == NULL) {
                list_as_shared(watch);
                return;
        }
        struct watch *kept = watch->known && !shared->known ? watch : shared, *other = kept == watch ? shared : watch;
        list_as_shared(kept);
        for (LIST_EACH(sharer, &other->sharers, struct sharer, link))
                move_sharer(sharer, kept);
        struct sharer *sharer = add_sharer(kept, &other->pair, other->asked);
        other->folded = true;
        if (kept->known && sharer->asked)
                greet_when_stored(sharer);
        else if (kept->known)
                watch->simple->events->watch_state(watch->simple->owner, &sharer->pair, kept->state);
}

/* Each sharer gets a subscription of his own. */
static void
unfold(struct watch *watch)
{
        for (LIST_EACH(sharer, &watch->sharers, struct sharer, link)) {
                struct watch *own = succeed(watch, sharer);
                watch_save(own);
                if (own->stage == WATCH_ENDING)
                        watch_apply(own, WATCH_WANTED, NULL);
                remove_sharer(sharer);
        }
        share_forget(watch);
}

static void
settle_domain(struct domain *domain)
{
        const struct foreign_domain *foreign = federation_domain(domain->simple->federation, domain->name);
        if (foreign == NULL || foreign->shared == domain->shared)
                return;
        domain->shared = foreign->shared;
        for (LIST_EACH(watch, &domain->watches, struct watch, in_domain)) {
                if (watch->stage == WATCH_ENDING)
                        continue;
                if (domain->shared)
                        fold(watch);
                else
                        unfold(watch);
        }
        domain_go_over(domain);
}

void
share_settle(struct simple *simple)
{
        struct domain *domain;
        for (size_t at = 0; (domain = map_next(simple->domains, &at)) != NULL;)
                settle_domain(domain);
}

static struct domain *
settled_domain(struct simple *simple, const char *name)
{
        struct domain *domain = domain_of(simple, name);
        settle_domain(domain);
        return domain;
}

/* A sharer as the last run left him. Where a subscription in his name was written too, that one counts. */
static void
take_up(struct simple *simple, const struct pair *pair, bool asked)
{
        struct domain *domain = settled_domain(simple, pair->domain);
        struct watch *shared = map_get_str(simple->shared, pair->foreign);
        if (find_watch(simple, pair) != NULL)
                return;
        if (domain->shared && shared != NULL) {
                add_sharer(shared, pair, asked);
                return;
        }
        struct watch *own = watch_create(simple, pair);
        own->asked = asked;
        own->known = !asked;
        list_as_shared(own);
        watch_save(own);
}

static bool
resume_sharer(void *arg, const void *key, size_t key_len, const void *value, size_t value_len)
{
        struct simple *simple = arg;
        struct cursor cursor = cursor_on(value, value_len);
        struct arena *arena = arena_new(1024);
        struct pair pair;
        if (decode_u8(&cursor) == RECORD_VERSION && pair_decode(&pair, &cursor, arena)) {
                take_up(simple, &pair, decode_u8(&cursor) != 0);
                if (find_sharer(simple, &pair) == NULL)
                        forget(simple, TABLE_SHARER, key, key_len);
        }
        arena_free(&arena);
        return true;
}

void
share_resume(struct simple *simple)
{
        share_settle(simple);
        store_scan(simple->options.store, TABLE_SHARER, "", 0, 0, resume_sharer, simple);
}

/* --- What the bridge asks for. */

/* The subscription that another user has for this contact already; NULL: there is none, or none that can be shared. */
static struct watch *
to_share(struct simple *simple, const struct pair *pair)
{
        if (!settled_domain(simple, pair->domain)->shared)
                return NULL;
        struct watch *watch = map_get_str(simple->shared, pair->foreign);
        return watch == find_watch(simple, pair) ? NULL : watch;
}

static void
watch_with(struct watch *watch, const struct pair *pair)
{
        struct sharer *sharer = find_sharer(watch->simple, pair);
        if (sharer == NULL)
                sharer = add_sharer(watch, pair, true);
        sharer->asked = true;
        save_sharer(sharer);
        if (watch->known) {
                greet_when_stored(sharer);
                return;
        }
        watch->tries = 0;
        watch_apply(watch, WATCH_WANTED, NULL);
}

void
simple_watch(struct simple *simple, const struct pair *pair)
{
        struct watch *watch = to_share(simple, pair);
        if (watch != NULL) {
                watch_with(watch, pair);
                return;
        }
        watch = find_watch(simple, pair);
        if (watch == NULL)
                watch = watch_create(simple, pair);
        watch->folded = false;
        watch->asked = true;
        watch->tries = 0;
        list_as_shared(watch);
        watch_apply(watch, WATCH_WANTED, NULL);
}

void
simple_unwatch(struct simple *simple, const struct pair *pair)
{
        struct sharer *sharer = find_sharer(simple, pair);
        struct watch *watch = find_watch(simple, pair);
        if (sharer != NULL)
                remove_sharer(sharer);
        if (watch == NULL || watch->stage == WATCH_ENDING || watch->folded)
                return;
        if (!list_is_empty(&watch->sharers))
                pass_on(watch);
        share_forget(watch);
        watch_apply(watch, WATCH_UNWANTED, NULL);
}

void
simple_watch_probe(struct simple *simple, const struct pair *pair)
{
        struct sharer *sharer = find_sharer(simple, pair);
        struct watch *watch = sharer != NULL ? sharer->watch : to_share(simple, pair);
        if (watch != NULL && sharer == NULL)
                add_sharer(watch, pair, false); /* he may see the contact, says the roster */
        if (watch == NULL)
                watch = find_watch(simple, pair);
        if (watch == NULL) {
                watch = watch_create(simple, pair);
                watch->known = true; /* says the roster */
                list_as_shared(watch);
                watch_apply(watch, WATCH_WANTED, NULL);
                return;
        }
        if (watch->known && watch->stage != WATCH_ENDING)
                simple->events->watch_state(simple->owner, pair, watch->state);
}
