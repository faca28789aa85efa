/*
 * blocking.c - whom the user does not want to hear (XEP-0191)
 *
 * The blocking list is part of the default privacy list: its rules that deny everything to one address (5). Where there is no such list the first
 * block makes one, and the last one that goes takes it away.
 */
#include "xmppd/user/blocking.h"

#include "shared/xmpp/ns.h"
#include "xmppd/route/limits.h"
#include "xmppd/route/route.h"
#include "xmppd/user/privacy_private.h"

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
        struct element *element = element_add(result->arena, result->element, "blocklist", NS_BLOCKING);
        const struct privacy_list *list = user->default_list;

        for (size_t i = 0; list != NULL && i < list->count; i++)
                if (rule_is_block(&list->rules[i]))
                        add_item(result, element, list->rules[i].value);
        if (session != NULL) {
                session->wants_blocklist = true;
                session_note_change(session);
        }
        write_answer(user, iq, result);
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

static struct write *
begin(struct user *user, struct stanza *iq, const char *name, const struct jid *jids, size_t count)
{
        struct write *write = write_new(user, iq);
        struct stanza *push;
        struct element *list = privacy_begin_push(&push, name, NS_BLOCKING);

        for (size_t i = 0; i < count; i++)
                add_item(push, list, jids[i].full);
        write_push(write, push, IN_BLOCKLIST);
        write->answer = stanza_result(iq);
        return write;
}

void
blocking_block(struct stanza *iq)
{
        struct user *user = user_load(&iq->to);
        size_t count;
        struct jid *jids = read_items(iq, &count);
        if (jids == NULL)
                return;
        if (count == 0) {
                route_error(iq, BAD_REQUEST, NULL); /* 3.3 */
                return;
        }
        struct privacy_list *old = user->default_list;
        if (old == NULL && !privacy_has_room(user, iq))
                return;
        struct privacy_list *fresh = privacy_list_block(old, privacy_new_name(user, iq->arena), jids, count);
        if (fresh->count > (size_t)limit_value(LIMIT_BLOCKED)) {
                privacy_list_free(&fresh);
                limit_note(LIMIT_BLOCKED);
                route_error(iq, NOT_ALLOWED, "The blocking list is full.");
                return;
        }
        struct privacy_edit edit = { .old = old, .fresh = fresh, .default_list = fresh, .interest = IN_PRIVACY };
        privacy_commit(begin(user, iq, "block", jids, count), &edit);
}

void
blocking_unblock(struct stanza *iq)
{
        struct user *user = user_load(&iq->to);
        size_t count;
        struct jid *jids = read_items(iq, &count);
        if (jids == NULL)
                return;

        struct write *write = begin(user, iq, "unblock", jids, count);
        if (user->default_list == NULL) {
                write_commit(write);
                return;
        }
        struct privacy_list *fresh = privacy_list_unblock(user->default_list, jids, count); /* 3.5: none are all */
        if (fresh->count == 0)
                privacy_list_free(&fresh);
        struct privacy_edit edit = { .old = user->default_list, .fresh = fresh, .default_list = fresh, .interest = IN_PRIVACY };
        privacy_commit(write, &edit);
}
