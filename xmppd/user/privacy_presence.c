/*
 * privacy_presence.c - who sees the user, and whom the user sees, when another list applies (XEP-0016, 2.11 and 2.12), or the same list says
 * something else of somebody whose place in the roster has changed (2.2, 9)
 *
 * Nothing is remembered for this: whether somebody was kept out before is asked of the list before.
 */
#include "shared/base/mem.h"
#include "xmppd/route/fanout.h"
#include "xmppd/user/privacy_private.h"
#include "xmppd/user/subscription.h"

struct change {
        struct user *user;
        const struct privacy_list *before, *now;
        struct told *told; /* the sessions that are available */
        size_t count;
};

/* What a session says, and to whom. */
struct told {
        struct session *session;
        struct stanza *presence, *unavailable, *probe;
        struct fanout *shown, *hidden, *probed;
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
        struct jid contact = item_address(item);

        for (size_t i = 0; outcome != STAYS && i < change->count; i++)
                fanout_add(outcome == IS_SHUT ? change->told[i].hidden : change->told[i].shown, &contact);
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
        struct jid contact = item_address(item);

        for (size_t i = 0; outcome == IS_SHUT && i < change->count; i++)
                tell_unavailable(change->told[i].session, item);
        for (size_t i = 0; outcome == IS_OPENED && i < change->count; i++)
                fanout_add(change->told[i].probed, &contact);
}

static void
begin(struct told *told, struct session *session)
{
        *told = (struct told){
                .session = session,
                .presence = stanza_ref(session->presence),
                .unavailable = stanza_new(STANZA_PRESENCE, PRESENCE_UNAVAILABLE, &session->jid, NULL),
                .probe = stanza_new(STANZA_PRESENCE, PRESENCE_PROBE, &session->jid, NULL),
        };
        told->shown = fanout_new(told->presence, &session->jid);
        told->hidden = fanout_new(told->unavailable, &session->jid);
        told->probed = fanout_new(told->probe, &session->jid);
}

static void
end(struct told *told)
{
        fanout_send(&told->hidden);
        fanout_send(&told->shown);
        fanout_send(&told->probed);
        stanza_unref(&told->presence);
        stanza_unref(&told->unavailable);
        stanza_unref(&told->probe);
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
        struct change change = { .user = user, .before = before, .now = now };
        size_t at = 0;

        if (before == now || count == 0)
                return;
        struct map *roster = roster_of(user);
        change.told = mem_array(count, sizeof(*change.told));
        for (size_t i = 0; i < count; i++)
                if (sessions[i]->presence != NULL)
                        begin(&change.told[change.count++], sessions[i]);
        for (struct item *item; roster != NULL && change.count > 0 && (item = map_next(roster, &at)) != NULL;) {
                if (item->state & SUBSCRIBED_FROM)
                        show_or_hide(&change, item);
                if (item->state & SUBSCRIBED_TO)
                        see_or_not(&change, item);
        }
        for (size_t i = 0; i < count; i++)
                hide_directed(&change, sessions[i]);
        for (size_t i = 0; i < change.count; i++)
                end(&change.told[i]);
        mem_free(change.told);
}

/* ---- a change in the roster ---- */

struct privacy_view {
        struct user *user;
        uint8_t state; /* of the item */
        size_t count;
        struct seen {
                struct session *session;
                bool hides, is_blind;
        } sessions[];
};

static bool
asks_for_roster(const struct user *user)
{
        if (user->default_list != NULL && user->default_list->needs_roster)
                return true;
        for (LIST_EACH(session, &user->sessions, struct session, in_user))
                if (session->active != NULL && session->active->needs_roster)
                        return true;
        return false;
}

static struct seen
see(struct user *user, struct session *session, const struct item *item)
{
        return (struct seen){
                .session = session,
                .hides = privacy_denies_contact(user, session, item, PRIVACY_PRESENCE_OUT),
                .is_blind = privacy_denies_contact(user, session, item, PRIVACY_PRESENCE_IN),
        };
}

struct privacy_view *
privacy_look(struct user *user, const struct item *item)
{
        if (user->lists == NULL || !asks_for_roster(user))
                return NULL;
        struct privacy_view *view = mem_new(sizeof(*view) + user->sessions.count * sizeof(view->sessions[0]));
        *view = (struct privacy_view){ .user = user, .state = item->state };
        for (LIST_EACH(session, &user->sessions, struct session, in_user))
                if (session->presence != NULL)
                        view->sessions[view->count++] = see(user, session, item);
        return view;
}

/* What begins or ends with the subscription itself is not for here. */
void
privacy_look_again(struct privacy_view **looked, const struct item *item)
{
        struct privacy_view *view = *looked;
        uint8_t stays = view != NULL && item != NULL ? view->state & item->state : 0;

        for (size_t i = 0; stays != 0 && i < view->count; i++) {
                struct seen before = view->sessions[i], now = see(view->user, before.session, item);
                if ((stays & SUBSCRIBED_FROM) && now.hides && !before.hides)
                        presence_send_unavailable(now.session, item->jid);
                if ((stays & SUBSCRIBED_FROM) && !now.hides && before.hides)
                        presence_send(now.session, now.session->presence, item->jid);
                if ((stays & SUBSCRIBED_TO) && now.is_blind && !before.is_blind)
                        tell_unavailable(now.session, item);
                if ((stays & SUBSCRIBED_TO) && !now.is_blind && before.is_blind)
                        presence_probe(now.session, item->jid);
        }
        mem_free(view);
        *looked = NULL;
}
