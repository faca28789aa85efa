/*
 * privacy_presence.c - who sees the user, and whom the user sees, when another list applies (XEP-0016, 2.11 and 2.12)
 *
 * Nothing is remembered for this: whether somebody was kept out before is asked of the list before.
 */
#include "shared/base/mem.h"
#include "xmppd/route/route.h"
#include "xmppd/user/privacy_private.h"
#include "xmppd/user/subscription.h"

struct change {
        struct user *user;
        struct session *const *sessions;
        size_t count;
        const struct privacy_list *before, *now;
};

enum outcome { STAYS, IS_SHUT, IS_OPENED };

static enum outcome
outcome_for(const struct change *change, const struct item *item, enum privacy_kind kind)
{
        bool before = privacy_list_denies_contact(change->user, change->before, item, kind) != NULL;
        bool now = privacy_list_denies_contact(change->user, change->now, item, kind) != NULL;

        return before == now ? STAYS : now ? IS_SHUT : IS_OPENED;
}

static void
show_or_hide(const struct change *change, const struct item *item)
{
        enum outcome outcome = outcome_for(change, item, PRIVACY_PRESENCE_OUT);

        for (size_t i = 0; outcome != STAYS && i < change->count; i++) {
                struct session *session = change->sessions[i];
                if (session->presence == NULL)
                        continue;
                if (outcome == IS_SHUT)
                        presence_send_unavailable(session, item->jid);
                else
                        presence_send(session, session->presence, item->jid);
        }
}

/* Which of the contact's resources the client knows, the client knows: it is told of the contact as a whole. */
static void
tell_unavailable(struct session *session, const struct item *item)
{
        struct stanza *presence = address_to(stanza_new(STANZA_PRESENCE, PRESENCE_UNAVAILABLE, NULL, NULL), item->jid);
        struct jid contact = presence->to;

        stanza_set_from(presence, &contact);
        stanza_set_to(presence, &session->jid);
        session_deliver(session, presence);
        stanza_unref(&presence);
}

static void
see_or_not(const struct change *change, const struct item *item)
{
        enum outcome outcome = outcome_for(change, item, PRIVACY_PRESENCE_IN);

        for (size_t i = 0; outcome != STAYS && i < change->count; i++) {
                struct session *session = change->sessions[i];
                if (session->presence == NULL)
                        continue;
                if (outcome == IS_SHUT)
                        tell_unavailable(session, item);
                else
                        presence_probe(session, item->jid);
        }
}

/* Whoever got directed presence and is kept out now; a contact has been told already. */
static void
hide_directed(const struct change *change, struct session *session)
{
        size_t at = 0;

        for (char *text; session->directed != NULL && (text = map_next(session->directed, &at)) != NULL;) {
                struct arena *arena = arena_new(256);
                struct jid jid;
                if (jid_parse(&jid, arena, text) &&
                        privacy_list_denies(change->user, change->now, &jid, NULL, PRIVACY_PRESENCE_OUT) != NULL) {
                        struct jid bare = jid_bare(&jid, arena);
                        const struct item *item = roster_find(change->user, bare.full);
                        if (session->presence == NULL || item == NULL || !(item->state & SUBSCRIBED_FROM))
                                presence_send_unavailable(session, text);
                        map_remove_str(session->directed, text);
                        mem_free(text);
                        session_note_change(session);
                }
                arena_free(&arena);
        }
        if (session->directed != NULL && map_count(session->directed) == 0)
                map_free(&session->directed);
}

void
privacy_show_change(struct user *user, struct session *const *sessions, size_t count, const struct privacy_list *before,
        const struct privacy_list *now)
{
        struct change change = { user, sessions, count, before, now };
        struct map *roster = before != now && count > 0 ? roster_of(user) : NULL;
        size_t at = 0;

        for (struct item *item; roster != NULL && (item = map_next(roster, &at)) != NULL;) {
                if (item->state & SUBSCRIBED_FROM)
                        show_or_hide(&change, item);
                if (item->state & SUBSCRIBED_TO)
                        see_or_not(&change, item);
        }
        for (size_t i = 0; before != now && i < count; i++)
                hide_directed(&change, sessions[i]);
}
