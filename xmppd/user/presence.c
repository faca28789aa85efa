/*
 * presence.c - who sees whom (RFC 6121, section 4)
 *
 * A session's last presence is kept without its tree: it is only ever sent again. Whom a privacy list keeps out sees nothing of this; to him
 * the user looks offline.
 */
#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/loop/handler.h"
#include "xmppd/route/fanout.h"
#include "xmppd/route/limits.h"
#include "xmppd/route/route.h"
#include "xmppd/route/snapshot.h"
#include "xmppd/user/subscription.h"
#include "xmppd/user/user_private.h"

#include <string.h>

void
presence_send(struct session *session, struct stanza *presence, const char *to)
{
        route(address_to(stanza_derive(presence, &session->jid, NULL), to));
}

static bool
sees_user(const struct user *user, const char *bare)
{
        return (roster_state(user, bare) & SUBSCRIBED_FROM) != 0;
}

bool
user_is_seen_by(const struct jid *account, const struct jid *who)
{
        struct user *user = user_load(account);
        char bare[JID_MAX + 1];

        if (user == NULL || privacy_hides(user, who))
                return false;
        memcpy(bare, who->full, who->bare_len);
        bare[who->bare_len] = '\0';
        return jid_equal_bare(account, who) || sees_user(user, bare);
}

static void
send_to_contacts(struct session *session, struct stanza *presence)
{
        struct user *user = session->user;
        struct map *roster = roster_of(user);
        struct fanout *fanout = fanout_new(presence, &session->jid);
        size_t at = 0;

        for (struct item *item; roster != NULL && (item = map_next(roster, &at)) != NULL;) {
                struct jid contact = item_address(item);
                if ((item->state & SUBSCRIBED_FROM) && !privacy_denies_contact(user, session, item, PRIVACY_PRESENCE_OUT))
                        fanout_add(fanout, &contact);
        }
        fanout_send(&fanout);
}

/* To the user's resources that are available (4.2.2, 4.4.2, 4.5.2). */
static void
send_to_own(struct session *session, struct stanza *presence)
{
        struct user *user = session->user;
        struct stanza *copy = stanza_derive(presence, &session->jid, &user->jid);

        for (LIST_EACH(other, &user->sessions, struct session, in_user))
                if (other->presence != NULL)
                        session_deliver(other, copy);
        stanza_unref(&copy);
}

void
presence_send_unavailable(struct session *session, const char *to)
{
        route(address_to(stanza_new(STANZA_PRESENCE, PRESENCE_UNAVAILABLE, &session->jid, NULL), to));
}

void
presence_probe(struct session *session, const char *bare)
{
        route(address_to(stanza_new(STANZA_PRESENCE, PRESENCE_PROBE, &session->jid, NULL), bare));
}

/* 4.2.2, 4.3.1: what a newly available resource wants to know. A wish that nobody has answered is told again (3.1.2): the request may have been
 * lost on the other side, and where it was not, it changes nothing. */
void
presence_learn(struct session *session)
{
        struct user *user = session->user;
        struct map *roster = roster_of(user);
        struct stanza *probe = stanza_new(STANZA_PRESENCE, PRESENCE_PROBE, &session->jid, NULL);
        struct fanout *probes = fanout_new(probe, &session->jid);
        size_t at = 0;

        for (struct item *item; roster != NULL && (item = map_next(roster, &at)) != NULL;) {
                struct jid contact = item_address(item);
                bool sees = item->state & SUBSCRIBED_TO;
                if (!(item->state & (SUBSCRIBED_TO | PENDING_OUT)) ||
                        privacy_denies_contact(user, session, item, sees ? PRIVACY_PRESENCE_IN : PRIVACY_REST_OUT))
                        continue;
                if (sees)
                        fanout_add(probes, &contact);
                else
                        contact_send(user, PRESENCE_SUBSCRIBE, item->jid);
        }
        fanout_send(&probes);
        stanza_unref(&probe);
        for (LIST_EACH(other, &user->sessions, struct session, in_user)) {
                if (other == session || other->presence == NULL)
                        continue;
                struct stanza *copy = stanza_derive(other->presence, &other->jid, &user->jid);
                session_deliver(session, copy);
                stanza_unref(&copy);
        }
}

static void
broadcast(struct session *session, struct stanza *presence)
{
        bool was_available = session->presence != NULL;
        bool was_there = was_available && session->priority >= 0;

        handler_note("presence");
        stanza_unref(&session->presence);
        session->presence = stanza_keep(presence);
        session->priority = (int8_t)stanza_priority(presence);
        session->presence_at = clock_mono_ms();
        session_note_change(session);
        send_to_contacts(session, presence);
        send_to_own(session, presence);
        if (!was_available) {
                presence_learn(session);
                contact_show_requests(session);
        }
        if (!was_there && session->priority >= 0)
                offline_deliver(session);
}

/* Addresses that got directed presence and would not hear of the end otherwise (4.6.4). */
static void
end_directed(struct session *session, struct stanza *unavailable, bool contacts_know)
{
        struct user *user = session->user;
        size_t at = 0;

        for (char *text; session->directed != NULL && (text = map_next(session->directed, &at)) != NULL;) {
                struct jid jid;
                struct arena *arena = arena_new(256);
                must(jid_parse(&jid, arena, text));
                struct jid bare = jid_bare(&jid, arena);
                if (!privacy_denies(user, session, &jid, PRIVACY_PRESENCE_OUT) && !(contacts_know && sees_user(user, bare.full)))
                        route(stanza_derive(unavailable, &session->jid, &jid));
                arena_free(&arena);
                mem_free(text);
        }
        map_free(&session->directed);
}

void
presence_forget_directed(struct session *session)
{
        size_t at = 0;

        for (char *text; session->directed != NULL && (text = map_next(session->directed, &at)) != NULL;)
                mem_free(text);
        map_free(&session->directed);
}

void
presence_leave(struct session *session, struct stanza *unavailable)
{
        bool was_available = session->presence != NULL;
        if (!was_available && session->directed == NULL)
                return;

        struct stanza *made = unavailable == NULL ? stanza_new(STANZA_PRESENCE, PRESENCE_UNAVAILABLE, &session->jid, NULL) : NULL;
        struct stanza *presence = unavailable != NULL ? unavailable : made;
        if (was_available) {
                send_to_contacts(session, presence);
                send_to_own(session, presence);
        }
        end_directed(session, presence, was_available);
        stanza_unref(&session->presence);
        session->priority = 0;
        session_note_change(session);
        if (was_available)
                last_note_leave(session->user, unavailable);
        stanza_unref(&made);
}

/* 4.6. Takes the reference. */
static void
send_directed(struct session *session, struct stanza *presence)
{
        const char *to = presence->to.full;
        bool is_known = session->directed != NULL && map_get_str(session->directed, to) != NULL;

        if (presence->type == PRESENCE_UNAVAILABLE && is_known) {
                mem_free(map_remove_str(session->directed, to));
                if (map_count(session->directed) == 0)
                        map_free(&session->directed);
                session_note_change(session);
        }
        if (presence->type == PRESENCE_AVAILABLE && !is_known) {
                if (session->directed == NULL)
                        session->directed = map_new();
                if (map_count(session->directed) >= (size_t)limit_value(LIMIT_DIRECTED)) {
                        limit_note(LIMIT_DIRECTED);
                        log_info(LOG_ABOUT("user", session->jid.full), "directed presence to too many addresses, one dropped");
                        stanza_unref(&presence);
                        return;
                }
                map_put_str(session->directed, to, mem_strdup(to));
                session_note_change(session);
        }
        route(presence);
}

/* Takes the reference. */
static void
take_broadcast(struct session *session, struct stanza *presence)
{
        switch (presence->type) {
        case PRESENCE_AVAILABLE:
                broadcast(session, presence);
                break;
        case PRESENCE_UNAVAILABLE:
                presence_leave(session, presence);
                break;
        default: {
                /* Everything else needs an address (3.1.1, 4.3.1). */
                struct stanza *error = stanza_error(presence, BAD_REQUEST, NULL);
                if (error != NULL)
                        session_deliver(session, error);
                stanza_unref(&error);
                break;
        }
        }
        stanza_unref(&presence);
}

/* Probes are the server's to send (4.3). A client's goes on to people of this server and to those the user is subscribed to: to others it would
 * be a subscription without consent, and a gateway would keep it for ever. Takes the reference. */
static void
send_client_probe(struct session *session, struct stanza *probe)
{
        const struct domain *domain = snapshot_domain(probe->to.domain);
        struct jid bare = jid_bare(&probe->to, probe->arena);
        const struct item *item = roster_find(session->user, bare.full);

        if ((domain != NULL && domain->kind == DOMAIN_LOCAL) || (item != NULL && (item->state & SUBSCRIBED_TO)))
                route(probe);
        else
                stanza_unref(&probe);
}

void
presence_from_session(struct session *session, struct stanza *presence)
{
        if (presence->to.full == NULL) {
                take_broadcast(session, presence);
                return;
        }
        if (privacy_stops_outgoing(session, presence)) {
                stanza_unref(&presence);
                return;
        }
        switch (presence->type) {
        case PRESENCE_SUBSCRIBE:
        case PRESENCE_SUBSCRIBED:
        case PRESENCE_UNSUBSCRIBE:
        case PRESENCE_UNSUBSCRIBED:
                contact_ask(session, presence);
                stanza_unref(&presence);
                return;
        case PRESENCE_AVAILABLE:
        case PRESENCE_UNAVAILABLE:
                send_directed(session, presence);
                return;
        case PRESENCE_PROBE:
                send_client_probe(session, presence);
                return;
        default:
                route(presence);
                return;
        }
}

void
presence_show_to(struct user *user, const char *bare)
{
        struct arena *arena = arena_new(256);
        struct jid contact;

        must(jid_parse(&contact, arena, bare));
        for (LIST_EACH(session, &user->sessions, struct session, in_user))
                if (session->presence != NULL && !privacy_denies(user, session, &contact, PRIVACY_PRESENCE_OUT))
                        presence_send(session, session->presence, bare);
        arena_free(&arena);
}

void
presence_hide_from(struct user *user, const struct item *contact)
{
        for (LIST_EACH(session, &user->sessions, struct session, in_user))
                if (session->presence != NULL && !privacy_denies_contact(user, session, contact, PRIVACY_PRESENCE_OUT))
                        presence_send_unavailable(session, contact->jid);
}

/* What a session shows to somebody who asks. False: nothing, he is kept out or it is not available. */
static bool
answer_with(struct session *session, const struct jid *asker)
{
        if (session->presence == NULL || privacy_denies(session->user, session, asker, PRIVACY_PRESENCE_OUT))
                return false;
        route(stanza_derive(session->presence, &session->jid, asker));
        return true;
}

/* Who is kept out gets no answer at all (XEP-0016, 2.14); a SIP contact, whose gateway waits for one, is told "offline" like everybody when the
 * user is. */
static bool
gets_no_answer(struct user *user, const struct jid *asker)
{
        return user->lists != NULL && privacy_hides(user, asker) && !privacy_is_one_sided(asker);
}

void
presence_refuse_probe(const struct stanza *probe)
{
        struct stanza *refusal = stanza_new(STANZA_PRESENCE, PRESENCE_UNSUBSCRIBED, NULL, NULL);
        struct jid contact = jid_bare(&probe->to, refusal->arena), asker = jid_bare(&probe->from, refusal->arena);

        stanza_set_from(refusal, &contact);
        stanza_set_to(refusal, &asker);
        route(refusal);
}

void
presence_answer_probe(struct user *user, struct stanza *probe)
{
        struct arena *arena = arena_new(256);
        struct jid asker = jid_bare(&probe->from, arena);
        bool is_own = jid_equal_bare(&asker, &user->jid), answered = false;

        if (!is_own && !sees_user(user, asker.full)) {
                if (!privacy_hides(user, &probe->from))
                        contact_send(user, PRESENCE_UNSUBSCRIBED, asker.full); /* 4.3.2, 1 */
                goto out;
        }
        for (LIST_EACH(session, &user->sessions, struct session, in_user))
                answered |= answer_with(session, &probe->from);
        if (!answered && !gets_no_answer(user, &probe->from)) /* 4.3.2, 3 */
                route(stanza_new(STANZA_PRESENCE, PRESENCE_UNAVAILABLE, &user->jid, &probe->from));
out:
        arena_free(&arena);
}
