/*
 * roster.c - contacts (RFC 6121, section 2)
 *
 * The roster in memory is the truth at once; results and pushes wait for the disk. A get while something is being written waits too, so that
 * nobody is shown what a sudden death could take back.
 *
 * Most users sit there and change nothing, so a roster that nobody has needed for a while is let go and read again when it is.
 */
#include "shared/base/digest.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/loop/handler.h"
#include "shared/xmpp/ns.h"
#include "xmppd/route/limits.h"
#include "xmppd/route/route.h"
#include "xmppd/user/subscription.h"
#include "xmppd/user/tables.h"
#include "xmppd/user/user_private.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 1023, GROUPS_OF_ITEM_MAX = 64, UNUSED_MS = 1000, MANY = 100 };

/* Of this worker. */
static _Thread_local struct list loaded; /* users whose roster is in memory */
static _Thread_local struct timer sweep;
static _Thread_local size_t forgotten; /* since the store was told last */

static bool
load_item(void *arg, const void *key, size_t key_len, const void *value, size_t value_len)
{
        struct user *user = arg;
        struct item *item = record_read_item(value, value_len);
        struct arena *arena = arena_new(256);
        struct jid jid;
        bool is_address = item != NULL && jid_parse(&jid, arena, item->jid) && strcmp(jid.full, item->jid) == 0;

        arena_free(&arena);
        if (!is_address) {
                item_free(&item);
                log_error(LOG_ABOUT("user", user->jid.full), "a roster record cannot be read and is left alone");
                return true;
        }
        if (user->roster == NULL)
                user->roster = map_new();
        struct item *before = map_put_str(user->roster, item->jid, item);
        item_free(&before);
        return true;
}

void
roster_forget(struct user *user)
{
        size_t at = 0;

        if (!user->has_roster)
                return;
        for (struct item *item; user->roster != NULL && (item = map_next(user->roster, &at)) != NULL;)
                item_free(&item);
        map_free(&user->roster);
        user->roster_mark = 0;
        user->knows_marks = false;
        user->has_roster = false;
        list_remove(&loaded, &user->in_loaded);
}

/* What is on its way to the disk is not there yet, so those rosters stay. */
static void
forget_unused(struct timer *timer)
{
        uint64_t now = worker_now();

        for (LIST_EACH(user, &loaded, struct user, in_loaded))
                if (user->writes == 0 && now - user->roster_used >= UNUSED_MS) {
                        roster_forget(user);
                        forgotten++;
                }
        if (!list_is_empty(&loaded)) {
                timer_start(timer, UNUSED_MS / 2, forget_unused);
        } else if (forgotten >= MANY) {
                forgotten = 0;
                store_rest(user_store);
        }
}

struct map *
roster_of(struct user *user)
{
        user->roster_used = worker_now();
        if (user->has_roster)
                return user->roster;
        user->has_roster = true;
        list_append(&loaded, &user->in_loaded);
        store_scan(user_store, TABLE_ROSTER, user->key, ACCOUNT_KEY, 0, load_item, user);
        if (!timer_is_running(&sweep))
                timer_start(&sweep, UNUSED_MS / 2, forget_unused);
        return user->roster;
}

void
roster_stop(void)
{
        timer_stop(&sweep);
}

struct item *
roster_find(struct user *user, const char *bare)
{
        struct map *roster = roster_of(user);

        return roster == NULL ? NULL : map_get_str(roster, bare);
}

/* Read for itself where the roster is not in memory: then the disk has all of it. */
uint8_t
roster_state(const struct user *user, const char *bare)
{
        unsigned char key[RECORD_KEY];
        const void *value;
        size_t len;

        if (user->has_roster) {
                const struct item *item = user->roster == NULL ? NULL : map_get_str(user->roster, bare);
                return item == NULL ? 0 : item->state;
        }
        record_key(key, user->id, bare);
        if (!store_get(user_store, TABLE_ROSTER, key, sizeof(key), &value, &len))
                return 0;
        struct item *item = record_read_item(value, len);
        uint8_t state = item != NULL && strcmp(item->jid, bare) == 0 ? item->state : 0;
        item_free(&item);
        return state;
}

static size_t
count_items(const struct user *user, bool listed)
{
        size_t at = 0, count = 0;
        for (struct item *item; (item = map_next(user->roster, &at)) != NULL;)
                count += item->is_listed == listed;
        return count;
}

/* Requests have a limit of their own, so that strangers cannot fill somebody's roster. */
struct item *
roster_add(struct user *user, const char *bare, bool listed)
{
        enum limit kind = listed ? LIMIT_ROSTER : LIMIT_REQUESTS;
        size_t limit = (size_t)limit_value(kind);

        if (roster_of(user) == NULL)
                user->roster = map_new();
        if (map_count(user->roster) >= limit && count_items(user, listed) >= limit) {
                limit_note(kind);
                return NULL;
        }
        struct item *item = item_new(bare);
        must(map_put_str(user->roster, bare, item) == NULL);
        return item;
}

void
roster_remove(struct user *user, struct item *item)
{
        must(map_remove_str(user->roster, item->jid) == item);
        user->roster_mark ^= item->mark;
        item_free(&item);
}

/* What clients see of it, in eight bytes; 0 for an item that they do not see. */
static uint64_t
mark_of(const struct item *item)
{
        struct buf seen = { 0 };
        unsigned char digest[DIGEST_MAX];
        uint64_t mark = 0;

        if (!item->is_listed)
                return 0;
        buf_put(&seen, item->jid, strlen(item->jid) + 1);
        buf_puts(&seen, subscription_name(item->state));
        buf_puts(&seen, item->state & PENDING_OUT ? "?" : "");
        buf_puts(&seen, item->is_approved ? "!" : "");
        buf_puts(&seen, item->name != NULL ? item->name : "");
        for (char **group = item->groups; group != NULL && *group != NULL; group++)
                buf_put(&seen, *group, strlen(*group) + 1);
        digest_of(DIGEST_SHA256, buf_data(&seen), seen.len, digest);
        memcpy(&mark, digest, sizeof(mark));
        buf_free(&seen);
        return mark;
}

void
roster_note_change(struct user *user, struct item *item)
{
        if (!user->knows_marks)
                return;
        user->roster_mark ^= item->mark;
        item->mark = mark_of(item);
        user->roster_mark ^= item->mark;
}

/* Most rosters are read for their addresses only. */
static void
learn_marks(struct user *user)
{
        struct map *roster = roster_of(user);
        size_t at = 0;

        if (user->knows_marks)
                return;
        user->knows_marks = true;
        user->roster_mark = 0;
        for (struct item *item; roster != NULL && (item = map_next(roster, &at)) != NULL;) {
                item->mark = 0;
                roster_note_change(user, item);
        }
}

/* RFC 6121 2.6: equal rosters have equal versions, so none need be kept. */
static void
write_version(struct user *user, struct arena *arena, struct element *query)
{
        char version[20];

        learn_marks(user);
        snprintf(version, sizeof(version), "%016llx", (unsigned long long)user->roster_mark);
        element_set(arena, query, "ver", version);
}

void
roster_finish_push(struct user *user, struct stanza *push)
{
        write_version(user, push->arena, stanza_payload(push));
}

void
roster_save(struct write *write, struct item *item)
{
        unsigned char key[RECORD_KEY];
        struct buf value = { 0 };

        roster_note_change(write->user, item);
        record_key(key, write->user->id, item->jid);
        record_item(&value, item);
        batch_put(write->batch, TABLE_ROSTER, key, sizeof(key), buf_data(&value), value.len);
        buf_free(&value);
}

void
roster_erase(struct write *write, const char *bare)
{
        unsigned char key[RECORD_KEY];

        record_key(key, write->user->id, bare);
        batch_remove(write->batch, TABLE_ROSTER, key, sizeof(key));
}

static void
write_item(struct arena *arena, struct element *query, const struct item *item)
{
        struct element *element = element_add(arena, query, "item", NULL);
        element_set(arena, element, "jid", item->jid);
        element_set(arena, element, "name", item->name);
        element_set(arena, element, "subscription", subscription_name(item->state));
        if (item->state & PENDING_OUT)
                element_set(arena, element, "ask", "subscribe");
        if (item->is_approved)
                element_set(arena, element, "approved", "true");
        for (char **group = item->groups; group != NULL && *group != NULL; group++)
                element_add_text(arena, element, "group", NULL, *group);
}

struct stanza *
roster_push(const struct item *item, bool removed)
{
        struct stanza *push = stanza_new(STANZA_IQ, IQ_SET, NULL, NULL);
        struct element *query = element_add(push->arena, push->element, "query", NS_ROSTER);

        if (removed) {
                struct element *element = element_add(push->arena, query, "item", NULL);
                element_set(push->arena, element, "jid", item->jid);
                element_set(push->arena, element, "subscription", "remove");
        } else {
                write_item(push->arena, query, item);
        }
        return push;
}

static void
answer_get(struct user *user, struct stanza *iq)
{
        struct session *session = session_find(&iq->from);
        struct stanza *result = stanza_result(iq);
        struct map *roster = roster_of(user); /* before its version is told */
        const char *known = element_attribute(stanza_payload(iq), "ver");
        struct element *query = element_new(result->arena, "query", NS_ROSTER);
        size_t at = 0;

        if (known != NULL)
                write_version(user, result->arena, query);
        /* 2.6.2: whoever has this version already gets an empty result. */
        if (known == NULL || known[0] == '\0' || strcmp(known, element_attribute(query, "ver")) != 0) {
                element_append(result->element, query);
                for (struct item *item; roster != NULL && (item = map_next(roster, &at)) != NULL;)
                        if (item->is_listed)
                                write_item(result->arena, query, item);
        }
        if (session != NULL && !session->wants_roster) {
                session->wants_roster = true;
                session_note_change(session);
        }
        write_answer(user, iq, result);
}

static void
remove_item(struct user *user, struct stanza *iq, struct item *item)
{
        if (item == NULL || !item->is_listed) {
                route_error(iq, ITEM_NOT_FOUND, NULL);
                return;
        }
        if (item->state & SUBSCRIBED_FROM)
                presence_hide_from(user, item);
        struct write *write = write_new(user, iq);
        write_push(write, roster_push(item, true), IN_ROSTER);
        write->answer = stanza_result(iq);
        roster_erase(write, item->jid);

        uint8_t state = item->state;
        char *bare = mem_strdup(item->jid);
        roster_remove(user, item);
        write_commit(write);

        /* 2.5.2: the end of what there was, both ways; an open request is declined. */
        if (state & (SUBSCRIBED_TO | PENDING_OUT))
                contact_send(user, PRESENCE_UNSUBSCRIBE, bare);
        if (state & (SUBSCRIBED_FROM | PENDING_IN))
                contact_send(user, PRESENCE_UNSUBSCRIBED, bare);
        mem_free(bare);
}

/* A roster that its client could not take in one piece would lock it out. */
static bool
is_too_long(const char *name, const char *const *groups, size_t count)
{
        size_t len = name != NULL ? strlen(name) : 0;

        for (size_t i = 0; i < count; i++)
                len += strlen(groups[i]);
        if (len <= (size_t)limit_value(LIMIT_ROSTER_ITEM))
                return false;
        limit_note(LIMIT_ROSTER_ITEM);
        return true;
}

/* The groups of an item into names; STANZA_CONDITIONS if they are fine (2.3.3). */
static enum stanza_condition
read_groups(struct arena *arena, const struct element *element, const char *names[GROUPS_OF_ITEM_MAX], size_t *count)
{
        *count = 0;
        for (const struct element *child = element_first(element); child != NULL; child = element_next(child)) {
                if (!element_is(child, "group", NS_ROSTER))
                        continue;
                const char *name = element_text(child, arena);
                if (name[0] == '\0' || strlen(name) > TEXT_MAX || *count == GROUPS_OF_ITEM_MAX)
                        return NOT_ACCEPTABLE;
                for (size_t i = 0; i < *count; i++)
                        if (strcmp(names[i], name) == 0)
                                return BAD_REQUEST;
                names[(*count)++] = name;
        }
        return STANZA_CONDITIONS;
}

static void
answer_set(struct user *user, struct stanza *iq)
{
        const struct element *element = element_first(stanza_payload(iq));
        if (!element_is(element, "item", NS_ROSTER) || element_next(element) != NULL) {
                route_error(iq, BAD_REQUEST, "A roster set holds one item.");
                return;
        }
        const char *text = element_attribute(element, "jid"), *name = element_attribute(element, "name");
        const char *wish = element_attribute(element, "subscription");
        struct jid contact, bare;
        if (text == NULL) {
                route_error(iq, BAD_REQUEST, "The item has no address.");
                return;
        }
        if (!jid_parse(&contact, iq->arena, text)) {
                route_error(iq, JID_MALFORMED, NULL);
                return;
        }
        bare = jid_bare(&contact, iq->arena);
        struct item *item = roster_find(user, bare.full);
        if (wish != NULL && strcmp(wish, "remove") == 0) {
                remove_item(user, iq, item);
                return;
        }
        const char *groups[GROUPS_OF_ITEM_MAX];
        size_t group_count;
        enum stanza_condition problem = read_groups(iq->arena, element, groups, &group_count);
        if (jid_equal_bare(&bare, &user->jid))
                problem = NOT_ALLOWED;
        else if (problem == STANZA_CONDITIONS &&
                ((name != NULL && strlen(name) > TEXT_MAX) || is_too_long(name, groups, group_count)))
                problem = NOT_ACCEPTABLE;
        if (problem == STANZA_CONDITIONS && item == NULL && (item = roster_add(user, bare.full, true)) == NULL)
                problem = NOT_ALLOWED;
        if (problem != STANZA_CONDITIONS) {
                route_error(iq, problem, NULL);
                return;
        }

        struct privacy_view *view = privacy_look(user, item);
        mem_free(item->name);
        item->name = name != NULL && name[0] != '\0' ? mem_strdup(name) : NULL;
        item_set_groups(item, groups, group_count);
        item->is_listed = true;

        struct write *write = write_new(user, iq);
        roster_save(write, item);
        write_push(write, roster_push(item, false), IN_ROSTER);
        write->answer = stanza_result(iq);
        write_commit(write);
        privacy_look_again(&view, item);
}

void
roster_answer(struct user *user, struct stanza *iq)
{
        handler_note("roster");
        if (!jid_equal_bare(&iq->from, &user->jid))
                route_error(iq, SERVICE_UNAVAILABLE, NULL); /* 2.3.3 has forbidden for a set; see TO_OWN in extend/extension.h */
        else if (iq->type == IQ_GET)
                answer_get(user, iq);
        else
                answer_set(user, iq);
}
