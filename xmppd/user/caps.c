/*
 * caps.c - hashes of this worker's sessions and what stands behind them
 *
 * A session remembers the number of its entry, not a pointer: an entry may be forgotten when there are too many. Entries that no session
 * has any more go first, so a client that says one hash after the other pushes out its own. One question is open for each hash; if it is not
 * answered in time, or wrongly, one of the next few who have said the same hash is asked.
 */
#include "xmppd/user/caps.h"

#include "shared/base/log.h"
#include "shared/base/map.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/base/random.h"
#include "shared/base/text.h"
#include "shared/xmpp/disco.h"
#include "shared/xmpp/ns.h"
#include "xmppd/route/limits.h"
#include "xmppd/route/snapshot.h"
#include "xmppd/user/user_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        ANSWER_MS = 30 * 1000,
        WAITING_MAX = 4,
        NODE_MAX = 512,
        ENTRY_BYTES = 16384, /* of names and features; who says more is not believed */
        KEY_BYTES = 16 + DISCO_HASH_TEXT,
        ID_TEXT = 2 * 8 + 1,
};

/* Who may be asked: said the hash, with this node. */
struct witness {
        char *jid, *node;
};

struct entry {
        struct link in_order; /* of `unused` or `used`, the one seen longest ago first */
        uint64_t number;
        char key[KEY_BYTES]; /* "sha-1 VER" */
        enum digest digest;
        const char *ver; /* inside key */
        size_t holders;  /* sessions that have said it last */
        bool is_known;
        struct arena *arena; /* of what is known */
        const char *name;
        const char **features; /* sorted */
        size_t feature_count;
        char question[ID_TEXT]; /* id of the iq; "": none is open */
        struct witness asked, waiting[WAITING_MAX];
        struct timer deadline;
};

/* Of this worker. */
static _Thread_local struct map *by_key, *by_number, *questions;
static _Thread_local struct list unused, used;
static _Thread_local uint64_t last_number;

/* ---- entries ---- */

static struct entry *
entry_of(const struct session *session)
{
        return session->caps == 0 || by_number == NULL ? NULL : map_get(by_number, &session->caps, sizeof(session->caps));
}

static void
drop_witness(struct witness *witness)
{
        mem_free(witness->jid);
        mem_free(witness->node);
        *witness = (struct witness){ 0 };
}

static void
close_question(struct entry *entry)
{
        if (entry->question[0] == '\0')
                return;
        map_remove_str(questions, entry->question);
        entry->question[0] = '\0';
        timer_stop(&entry->deadline);
        drop_witness(&entry->asked);
}

static void
forget(struct entry *entry)
{
        close_question(entry);
        list_remove(entry->holders > 0 ? &used : &unused, &entry->in_order);
        map_remove_str(by_key, entry->key);
        map_remove(by_number, &entry->number, sizeof(entry->number));
        for (size_t i = 0; i < WAITING_MAX; i++)
                drop_witness(&entry->waiting[i]);
        arena_free(&entry->arena);
        mem_free(entry);
}

static void
make_room(size_t most)
{
        while (map_count(by_key) >= most) {
                limit_note(LIMIT_CAPS);
                forget(container_of(list_is_empty(&unused) ? used.first : unused.first, struct entry, in_order));
        }
}

static struct entry *
find_or_add(const char *key, enum digest digest)
{
        if (by_key == NULL) {
                by_key = map_new();
                by_number = map_new();
                questions = map_new();
        }
        struct entry *entry = map_get_str(by_key, key);
        if (entry != NULL)
                return entry;
        make_room((size_t)limit_value(LIMIT_CAPS));
        entry = MEM_NEW(entry);
        entry->number = ++last_number;
        entry->digest = digest;
        strcpy(entry->key, key);
        entry->ver = strchr(entry->key, ' ') + 1;
        map_put_str(by_key, entry->key, entry);
        map_put(by_number, &entry->number, sizeof(entry->number), entry);
        list_append(&unused, &entry->in_order);
        return entry;
}

static void
hold(struct session *session, struct entry *entry)
{
        list_remove(entry->holders > 0 ? &used : &unused, &entry->in_order);
        if (session->caps != entry->number)
                entry->holders++;
        session->caps = entry->number;
        list_append(&used, &entry->in_order);
}

/* ---- asking ---- */

static void ask_next(struct entry *entry);

static void
give_up(struct timer *timer)
{
        struct entry *entry = container_of(timer, struct entry, deadline);

        log_debug(LOG_ABOUT("user", entry->asked.jid), "does not say what is behind its hash");
        close_question(entry);
        ask_next(entry);
}

/* XEP-0115, 6.2. */
static void
ask(struct entry *entry, struct session *session, const char *node)
{
        struct arena *arena = arena_new(256);
        struct jid server;

        jid_make(&server, arena, NULL, session->jid.domain, NULL);
        random_hex(entry->question, (ID_TEXT - 1) / 2);
        map_put_str(questions, entry->question, entry);
        entry->asked = (struct witness){ mem_strdup(session->jid.full), mem_strdup(node) };
        timer_start(&entry->deadline, ANSWER_MS, give_up);
        struct stanza *iq = stanza_new(STANZA_IQ, IQ_GET, &server, &session->jid);
        stanza_set_id(iq, entry->question);
        struct element *query = element_add(iq->arena, iq->element, "query", NS_DISCO_INFO);
        element_set(iq->arena, query, "node", arena_printf(arena, "%s#%s", node, entry->ver));
        session_deliver(session, iq);
        stanza_unref(&iq);
        arena_free(&arena);
}

/* The first of those who wait that still says so; nobody: the next who says it is asked. */
static void
ask_next(struct entry *entry)
{
        for (size_t i = 0; i < WAITING_MAX; i++) {
                struct witness witness = entry->waiting[i];
                struct arena *arena = arena_new(256);
                struct jid jid;
                entry->waiting[i] = (struct witness){ 0 };
                struct session *session = witness.jid != NULL && jid_parse(&jid, arena, witness.jid) ? session_find(&jid) : NULL;
                bool can_tell = session != NULL && session->caps == entry->number && session->edge != &hibernated_edge;
                if (can_tell)
                        ask(entry, session, witness.node);
                drop_witness(&witness);
                arena_free(&arena);
                if (can_tell)
                        return;
        }
}

static void
wait(struct entry *entry, const struct session *session, const char *node)
{
        for (size_t i = 0; i < WAITING_MAX; i++) {
                if (entry->waiting[i].jid != NULL && !text_equal(entry->waiting[i].jid, session->jid.full))
                        continue;
                drop_witness(&entry->waiting[i]);
                entry->waiting[i] = (struct witness){ mem_strdup(session->jid.full), mem_strdup(node) };
                return;
        }
}

/* "sha-1 VER" of a <c/> whose ver is the hash that it says (5.4, 1 and 2); false: it is of no use. */
static bool
read_caps(const struct element *c, char key[KEY_BYTES], enum digest *digest, const char **node)
{
        const char *ver = element_attribute(c, "ver"), *hash = element_attribute(c, "hash");
        unsigned char bytes[DISCO_HASH_TEXT];

        *node = element_attribute(c, "node");
        if (*node == NULL || strlen(*node) > NODE_MAX || ver == NULL || strlen(ver) >= DISCO_HASH_TEXT ||
                !disco_digest_of(digest, hash))
                return false;
        if (text_unbase64(bytes, ver, strlen(ver)) != (int64_t)digest_size(*digest))
                return false;
        snprintf(key, KEY_BYTES, "%s %s", hash, ver);
        return true;
}

void
caps_see(struct session *session, const struct stanza *presence)
{
        const struct element *c = element_child(presence->element, "c", NS_CAPS);
        char key[KEY_BYTES];
        enum digest digest;
        const char *node;

        if (c == NULL)
                return;
        if (!read_caps(c, key, &digest, &node)) {
                caps_leave(session);
                return;
        }
        const struct entry *before = entry_of(session);
        if (before == NULL || !text_equal(before->key, key))
                caps_leave(session);
        struct entry *entry = find_or_add(key, digest);
        hold(session, entry);
        if (entry->is_known)
                return;
        if (entry->question[0] == '\0')
                ask(entry, session, node);
        else if (!text_equal(entry->asked.jid, session->jid.full))
                wait(entry, session, node);
}

void
caps_leave(struct session *session)
{
        struct entry *entry = entry_of(session);

        session->caps = 0;
        if (entry == NULL)
                return;
        if (entry->holders == 1) {
                list_remove(&used, &entry->in_order);
                list_append(&unused, &entry->in_order);
        }
        entry->holders--;
        if (entry->question[0] != '\0' && text_equal(entry->asked.jid, session->jid.full)) {
                close_question(entry);
                ask_next(entry);
        }
        if (!entry->is_known && entry->question[0] == '\0' && entry->holders == 0)
                forget(entry);
}

/* ---- answers ---- */

/* Keeps what was said. False: it is too much. */
static bool
keep(struct entry *entry, const struct disco *disco)
{
        const struct disco_identity *identity = disco_identity(disco);
        size_t bytes = strlen(identity->name) + strlen(identity->category) + strlen(identity->type);

        for (size_t i = 0; i < disco->feature_count; i++)
                bytes += strlen(disco->features[i]) + sizeof(char *);
        if (bytes > ENTRY_BYTES)
                return false;
        entry->arena = arena_new(bytes + 256);
        entry->name = identity->name[0] != '\0' ? arena_strdup(entry->arena, identity->name)
                                                : arena_printf(entry->arena, "%s/%s", identity->category, identity->type);
        entry->features = arena_alloc(entry->arena, (disco->feature_count + 1) * sizeof(*entry->features));
        for (size_t i = 0; i < disco->feature_count; i++)
                entry->features[i] = arena_strdup(entry->arena, disco->features[i]);
        entry->feature_count = disco->feature_count;
        return true;
}

/* 5.4, 3. */
static bool
believe(struct entry *entry, const struct stanza *iq)
{
        const struct element *query = iq->type == IQ_RESULT ? element_child(iq->element, "query", NS_DISCO_INFO) : NULL;
        struct arena *arena = arena_new(16384);
        char hash[DISCO_HASH_TEXT];
        struct disco disco;

        bool is_right = query != NULL && disco_read(&disco, arena, query) &&
                strcmp(disco_hash(&disco, entry->digest, hash), entry->ver) == 0 && keep(entry, &disco);
        arena_free(&arena);
        return is_right;
}

bool
caps_hear(struct session *session, const struct stanza *iq)
{
        struct entry *entry = questions == NULL || iq->id == NULL ? NULL : map_get_str(questions, iq->id);

        if (entry == NULL || !text_equal(entry->asked.jid, session->jid.full) || (iq->to.full != NULL && iq->to.local != NULL))
                return false;
        close_question(entry);
        entry->is_known = believe(entry, iq);
        if (!entry->is_known) {
                log_debug(LOG_ABOUT("user", session->jid.full), "says something else than its hash");
                ask_next(entry);
        }
        for (size_t i = 0; i < WAITING_MAX && entry->is_known; i++)
                drop_witness(&entry->waiting[i]);
        return true;
}

void
caps_stop(void)
{
        while (!list_is_empty(&unused))
                forget(container_of(unused.first, struct entry, in_order));
        while (!list_is_empty(&used))
                forget(container_of(used.first, struct entry, in_order));
        map_free(&by_key);
        map_free(&by_number);
        map_free(&questions);
}

/* ---- what is known ---- */

const char *
caps_name(const struct session *session)
{
        const struct entry *entry = entry_of(session);

        return entry != NULL && entry->is_known ? entry->name : NULL;
}

static int
compare(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool
caps_have(const struct session *session, const char *feature)
{
        const struct entry *entry = entry_of(session);

        return entry != NULL && entry->is_known &&
                bsearch(&feature, entry->features, entry->feature_count, sizeof(*entry->features), compare) != NULL;
}
