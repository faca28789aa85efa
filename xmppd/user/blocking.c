/*
 * blocking.c - whom the user does not want to hear (XEP-0191)
 *
 * A blocked contact sees the user offline and is not told why. Towards a SIP domain of federation.conf the block works one way only: that
 * contact sees the user offline and cannot write, while the user still sees the contact and can write to it. Between servers the
 * plain rules hold.
 */
#include "xmppd/user/blocking.h"

#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/xmpp/ns.h"
#include "xmppd/route/limits.h"
#include "xmppd/route/route.h"
#include "xmppd/route/snapshot.h"
#include "xmppd/user/subscription.h"
#include "xmppd/user/tables.h"
#include "xmppd/user/user_private.h"

#include <stdio.h>
#include <string.h>

/* user@domain/resource, user@domain, domain/resource, domain: an entry for any of them is one for the address. */
bool
blocking_matches(const struct map *blocked, const struct jid *jid)
{
        if (blocked == NULL || map_count(blocked) == 0)
                return false;
        if (map_get(blocked, jid->full, jid->full_len) != NULL || map_get(blocked, jid->full, jid->bare_len) != NULL ||
                map_get_str(blocked, jid->domain) != NULL)
                return true;
        if (jid->resource == NULL || jid->local == NULL)
                return false;
        const char *domain = jid->full + strlen(jid->local) + 1;
        return map_get_str(blocked, domain) != NULL; /* domain/resource */
}

bool
blocking_has(const struct user *user, const struct jid *jid)
{
        return blocking_matches(user->blocked, jid) && !jid_equal_bare(jid, &user->jid);
}

bool
blocking_has_text(const struct user *user, const char *text)
{
        if (user->blocked == NULL)
                return false;
        struct arena *arena = arena_new(256);
        struct jid jid;
        bool has = jid_parse(&jid, arena, text) && blocking_has(user, &jid);
        arena_free(&arena);
        return has;
}

bool
blocking_is_one_sided(const struct jid *jid)
{
        const struct domain *domain = snapshot_domain(jid->domain);
        return domain != NULL && domain->sip;
}

bool
blocking_stops_incoming(struct user *user, struct stanza *stanza)
{
        if (stanza->from.full == NULL || !blocking_has(user, &stanza->from))
                return false;
        bool one_sided = blocking_is_one_sided(&stanza->from);

        switch (stanza->type) {
        case PRESENCE_PROBE:
                return false; /* is told "offline" like everybody when the user is */
        case PRESENCE_SUBSCRIBE:
                return true;
        case MESSAGE_NORMAL:
        case MESSAGE_CHAT:
        case MESSAGE_GROUPCHAT:
        case MESSAGE_HEADLINE:
        case IQ_GET:
        case IQ_SET:
                route_error(stanza, SERVICE_UNAVAILABLE, NULL);
                return true;
        default:
                /* Presence, answers and errors: what the user has asked for, if he could ask. */
                return !one_sided;
        }
}

static void
refuse_outgoing(struct session *session, const struct stanza *stanza)
{
        struct stanza *error = stanza_error(stanza, NOT_ACCEPTABLE, NULL);
        if (error == NULL)
                return;
        struct element *element = element_child(error->element, "error", XML_CONTENT_NS);
        element_set(error->arena, element, "type", "cancel");
        element_add(error->arena, element, "blocked", NS_BLOCKING_ERRORS);
        session_deliver(session, error); /* it is from a blocked address: route would stop it */
        stanza_unref(&error);
}

bool
blocking_stops_outgoing(struct session *session, struct stanza *stanza)
{
        if (!blocking_has(session->user, &stanza->to))
                return false;
        if (stanza->type == PRESENCE_AVAILABLE || stanza->type == PRESENCE_UNAVAILABLE)
                return true; /* looks offline already */
        if (stanza->type == PRESENCE_UNSUBSCRIBE || stanza->type == PRESENCE_UNSUBSCRIBED)
                return false; /* ends something, and must reach the roster */
        if (blocking_is_one_sided(&stanza->to))
                return false;
        refuse_outgoing(session, stanza);
        return true;
}

static void
add_item(struct stanza *stanza, struct element *list, const char *jid)
{
        element_set(stanza->arena, element_add(stanza->arena, list, "item", NULL), "jid", jid);
}

void
blocking_tell(struct stanza *iq)
{
        struct user *user = user_load(&iq->to);
        struct session *session = session_find(&iq->from);
        struct stanza *result = stanza_result(iq);
        struct element *list = element_add(result->arena, result->element, "blocklist", NS_BLOCKING);
        size_t at = 0;

        for (char *jid; user->blocked != NULL && (jid = map_next(user->blocked, &at)) != NULL;)
                add_item(result, list, jid);
        if (session != NULL)
                session->wants_blocklist = true;
        session_note_change(session);
        if (user->writes == 0) {
                route(result);
                return;
        }
        struct write *barrier = write_new(user, iq);
        barrier->answer = result;
        write_commit(barrier);
}

/* The addresses of a request, prepared; NULL when one is none (the request has been refused then). */
static struct jid *
read_items(struct stanza *iq, size_t *count)
{
        size_t room = 0;
        for (const struct element *item = element_first(stanza_payload(iq)); item != NULL; item = element_next(item))
                room++;

        struct jid *jids = arena_alloc(iq->arena, (room + 1) * sizeof(*jids));
        *count = 0;
        for (const struct element *item = element_first(stanza_payload(iq)); item != NULL; item = element_next(item)) {
                const char *text = element_is(item, "item", NS_BLOCKING) ? element_attribute(item, "jid") : NULL;
                if (text == NULL) {
                        route_error(iq, BAD_REQUEST, NULL);
                        return NULL;
                }
                if (!jid_parse(&jids[(*count)++], iq->arena, text)) {
                        route_error(iq, JID_MALFORMED, NULL);
                        return NULL;
                }
        }
        return jids;
}

/* Who is shown the user's presence and would be hidden from, or shown to, by a change of the list. */
struct audience {
        struct item **contacts;
        struct jid *jids;
        bool *before;
        size_t count;
};

static void
note_audience(struct audience *audience, struct arena *arena, struct user *user)
{
        struct map *roster = roster_of(user);
        size_t room = roster != NULL ? map_count(roster) : 0, at = 0;

        *audience = (struct audience){
                .contacts = arena_alloc(arena, room * sizeof(*audience->contacts)),
                .jids = arena_alloc(arena, room * sizeof(*audience->jids)),
                .before = arena_alloc(arena, room * sizeof(*audience->before)),
        };
        for (struct item *item; room > 0 && (item = map_next(roster, &at)) != NULL;) {
                size_t i = audience->count;
                if (!(item->state & SUBSCRIBED_BOTH) || !jid_parse(&audience->jids[i], arena, item->jid))
                        continue;
                audience->contacts[i] = item;
                audience->before[i] = blocking_has(user, &audience->jids[i]);
                audience->count++;
        }
}

/* Whoever got directed presence and is blocked now. */
static void
hide_directed(struct user *user)
{
        for (LIST_EACH(session, &user->sessions, struct session, in_user)) {
                size_t at = 0;
                for (char *text; session->directed != NULL && (text = map_next(session->directed, &at)) != NULL;) {
                        struct arena *arena = arena_new(256);
                        struct jid jid;
                        if (jid_parse(&jid, arena, text) && blocking_has(user, &jid)) {
                                route(stanza_new(STANZA_PRESENCE, PRESENCE_UNAVAILABLE, &session->jid, &jid));
                                map_remove_str(session->directed, text);
                                mem_free(text);
                        }
                        arena_free(&arena);
                }
                if (session->directed != NULL && map_count(session->directed) == 0)
                        map_free(&session->directed);
        }
}

static void
change_audience(struct user *user, const struct audience *audience)
{
        for (size_t i = 0; i < audience->count; i++) {
                bool now = blocking_has(user, &audience->jids[i]);
                uint8_t state = audience->contacts[i]->state;
                if (now == audience->before[i])
                        continue;
                if (now && (state & SUBSCRIBED_FROM))
                        presence_hide_from(user, &audience->jids[i]);
                if (!now && (state & SUBSCRIBED_FROM))
                        presence_show_to(user, audience->jids[i].full);
                if (!now && (state & SUBSCRIBED_TO) && !blocking_is_one_sided(&audience->jids[i]))
                        presence_probe_from(user, audience->jids[i].full);
        }
}

static void
save_blocked(struct write *write, const char *jid, bool on)
{
        unsigned char key[RECORD_KEY];
        struct buf value = { 0 };

        record_key(key, write->user->id, jid);
        if (!on) {
                batch_remove(write->batch, TABLE_BLOCKED, key, sizeof(key));
                return;
        }
        record_blocked(&value, jid);
        batch_put(write->batch, TABLE_BLOCKED, key, sizeof(key), buf_data(&value), value.len);
        buf_free(&value);
}

static struct element *
begin_push(struct write *write, const char *name)
{
        write->push = stanza_new(STANZA_IQ, IQ_SET, NULL, NULL);
        write->interest = IN_BLOCKLIST;
        return element_add(write->push->arena, write->push->element, name, NS_BLOCKING);
}

void
blocking_block(struct stanza *iq)
{
        struct user *user = user_load(&iq->to);
        size_t count, fresh = 0;
        struct jid *jids = read_items(iq, &count);
        if (jids == NULL)
                return;
        if (count == 0) {
                route_error(iq, BAD_REQUEST, NULL); /* 3.3 */
                return;
        }
        if (user->blocked == NULL)
                user->blocked = map_new();
        for (size_t i = 0; i < count; i++)
                fresh += map_get_str(user->blocked, jids[i].full) == NULL;
        if (map_count(user->blocked) + fresh > (size_t)limit_value(LIMIT_BLOCKED)) {
                limit_note(LIMIT_BLOCKED);
                route_error(iq, NOT_ALLOWED, "The blocking list is full.");
                return;
        }

        struct audience audience;
        note_audience(&audience, iq->arena, user);
        struct write *write = write_new(user, iq);
        struct element *list = begin_push(write, "block");
        write->answer = stanza_result(iq);
        for (size_t i = 0; i < count; i++) {
                add_item(write->push, list, jids[i].full);
                if (map_get_str(user->blocked, jids[i].full) != NULL)
                        continue;
                map_put_str(user->blocked, jids[i].full, mem_strdup(jids[i].full));
                save_blocked(write, jids[i].full, true);
        }
        write_commit(write);
        change_audience(user, &audience);
        hide_directed(user);
}

void
blocking_unblock(struct stanza *iq)
{
        struct user *user = user_load(&iq->to);
        size_t count;
        struct jid *jids = read_items(iq, &count);
        if (jids == NULL)
                return;

        struct audience audience;
        note_audience(&audience, iq->arena, user);
        struct write *write = write_new(user, iq);
        struct element *list = begin_push(write, "unblock");
        write->answer = stanza_result(iq);
        for (size_t i = 0; i < count; i++) {
                char *text = user->blocked != NULL ? map_remove_str(user->blocked, jids[i].full) : NULL;
                if (text != NULL)
                        save_blocked(write, text, false);
                mem_free(text);
                add_item(write->push, list, jids[i].full);
        }
        if (count == 0) { /* 3.5: all */
                size_t at = 0;
                for (char *text; user->blocked != NULL && (text = map_next(user->blocked, &at)) != NULL;) {
                        save_blocked(write, text, false);
                        mem_free(text);
                }
                map_free(&user->blocked);
        }
        write_commit(write);
        change_audience(user, &audience);
}
