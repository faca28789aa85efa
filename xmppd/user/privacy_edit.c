/*
 * privacy_edit.c - a list takes the place of another, or another list applies
 *
 * Memory changes at once, presence follows at once; results and pushes wait for the disk. Both protocols (XEP-0016, XEP-0191) change lists
 * here, so that each tells of what was done through the other.
 */
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/xmpp/ns.h"
#include "xmppd/route/route.h"
#include "xmppd/user/privacy_private.h"

struct element *
privacy_begin_push(struct stanza **push, const char *name, const char *ns)
{
        *push = stanza_new(STANZA_IQ, IQ_SET, NULL, NULL);
        return element_add((*push)->arena, (*push)->element, name, ns);
}

/* ---- pushes ---- */

/* 2.2, 10: the name alone. */
static void
push_name(struct write *write, const struct privacy_edit *edit)
{
        const struct privacy_list *changed = edit->fresh != NULL ? edit->fresh : edit->old;
        struct stanza *push;

        if (changed == NULL)
                return;
        struct element *query = privacy_begin_push(&push, "query", NS_PRIVACY);
        element_set(push->arena, element_add(push->arena, query, "list", NULL), "name", changed->name);
        write_push(write, push, edit->interest);
}

/* XEP-0191, 5: what the default list blocks and `other` does not, under this name. */
static void
push_blocks(struct write *write, const char *name, const struct privacy_list *list, const struct privacy_list *other)
{
        struct stanza *push = NULL;
        struct element *element = NULL;

        for (size_t i = 0; list != NULL && i < list->count; i++) {
                const struct rule *rule = &list->rules[i];
                if (!rule_is_block(rule) || privacy_list_blocks(other, rule->value))
                        continue;
                if (push == NULL)
                        element = privacy_begin_push(&push, name, NS_BLOCKING);
                element_set(push->arena, element_add(push->arena, element, "item", NULL), "jid", rule->value);
        }
        if (push != NULL)
                write_push(write, push, IN_BLOCKLIST);
}

/* ---- a change ---- */

static void
put_on_disk(struct write *write, const struct privacy_edit *edit)
{
        const struct privacy_list *before = write->user->default_list, *then = edit->default_list;

        if (edit->fresh != NULL)
                privacy_save(write, edit->fresh, edit->fresh == then);
        else if (edit->old != NULL)
                privacy_erase(write, edit->old->name);
        if (before == then)
                return;
        if (before != NULL && before != edit->old)
                privacy_save(write, before, false);
        if (then != NULL && then != edit->fresh)
                privacy_save(write, then, true);
}

static void
put_in_memory(struct user *user, const struct privacy_edit *edit)
{
        if (edit->old != NULL)
                map_remove_str(user->lists, edit->old->name);
        if (edit->fresh != NULL && user->lists == NULL)
                user->lists = map_new();
        if (edit->fresh != NULL)
                map_put_str(user->lists, edit->fresh->name, edit->fresh);
        if (user->lists != NULL && map_count(user->lists) == 0)
                map_free(&user->lists);
        user->default_list = edit->default_list;
}

/* The sessions for which this list is in force, or was: chosen is what they have chosen, NULL: nothing. */
static size_t
collect(struct user *user, const struct privacy_list *chosen, struct session **sessions)
{
        size_t count = 0;

        for (LIST_EACH(session, &user->sessions, struct session, in_user))
                if (session->active == chosen)
                        sessions[count++] = session;
        return count;
}

/* Whoever has chosen the list goes on with the new one; where it is gone, with the default list. */
static size_t
hand_over(struct user *user, const struct privacy_edit *edit, struct session **sessions)
{
        size_t count = edit->old != NULL ? collect(user, edit->old, sessions) : 0;

        for (size_t i = 0; i < count; i++) {
                sessions[i]->active = edit->fresh;
                session_note_change(sessions[i]);
        }
        return count;
}

void
privacy_commit(struct write *write, const struct privacy_edit *edit)
{
        struct user *user = write->user;
        const struct privacy_list *before = user->default_list;
        size_t most = user->sessions.count + 1;
        struct session **others = mem_array(most, sizeof(*others)), **chosen = mem_array(most, sizeof(*chosen));
        struct privacy_list *old = edit->old;

        push_name(write, edit);
        if (edit->interest == IN_ALL && before != edit->default_list) {
                push_blocks(write, "block", edit->default_list, before);
                push_blocks(write, "unblock", before, edit->default_list);
        }
        put_on_disk(write, edit);
        size_t other_count = collect(user, NULL, others);
        size_t chosen_count = hand_over(user, edit, chosen);
        put_in_memory(user, edit);
        write_commit(write);

        privacy_show_change(user, others, other_count, before, edit->default_list);
        privacy_show_change(user, chosen, chosen_count, old, edit->fresh != NULL ? edit->fresh : edit->default_list);
        privacy_list_free(&old);
        mem_free(others);
        mem_free(chosen);
}

void
privacy_activate(struct session *session, struct privacy_list *list)
{
        struct user *user = session->user;
        const struct privacy_list *before = privacy_in_force(user, session);

        session->active = list;
        session_note_change(session);
        privacy_show_change(user, &session, 1, before, privacy_in_force(user, session));
}
