/*
 * contact.c - subscription stanzas (RFC 6121, section 3)
 *
 * The tables of subscription.c say what happens; here it happens: the roster changes, the stanza goes on, presence is shown or withdrawn.
 * Stanzas go on at once and in order, pushes when the change is on disk.
 */
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "xmppd/route/route.h"
#include "xmppd/user/mail.h"
#include "xmppd/user/privacy.h"
#include "xmppd/user/subscription.h"
#include "xmppd/user/user_private.h"

#include <string.h>

enum { REQUEST_MAX = 4096 }; /* bytes of a request that are kept; a longer one is kept without its inside */

struct stanza *
address_to(struct stanza *stanza, const char *prepared)
{
        must(jid_parse(&stanza->to, stanza->arena, prepared));
        return stanza;
}

void
contact_send(struct user *user, enum stanza_type type, const char *bare)
{
        route(address_to(stanza_new(STANZA_PRESENCE, type, &user->jid, NULL), bare));
}

static void
set_request(struct item *item, const struct stanza *presence)
{
        bool fits = presence != NULL && presence->inside_len <= REQUEST_MAX;

        mem_free(item->request);
        item->request = NULL;
        item->request_len = 0;
        if (presence == NULL)
                return;
        item->request_len = fits ? presence->inside_len : 0;
        item->request = mem_new(item->request_len + 1);
        if (item->request_len > 0)
                memcpy(item->request, presence->inside, item->request_len);
}

/* Puts the item into its new state, in memory and on its way to the disk. The item may be gone afterwards. */
static void
change(struct user *user, struct item *item, uint8_t then, bool approved, bool lists, struct stanza *cause)
{
        const uint8_t visible = SUBSCRIBED_BOTH | PENDING_OUT;
        struct privacy_view *view = privacy_look(user, item);
        bool shows = (item->state & visible) != (then & visible) || item->is_approved != approved || (lists && !item->is_listed);

        item->state = then;
        item->is_approved = approved;
        item->is_listed |= lists;
        if (!(then & PENDING_IN))
                set_request(item, NULL);

        struct write *write = write_new(user, cause);
        if (shows && item->is_listed)
                write_push(write, roster_push(item, false), IN_ROSTER);
        if (!item->is_listed && then == SUBSCRIPTION_NONE) {
                roster_erase(write, item->jid);
                roster_remove(user, item);
                item = NULL;
        } else {
                roster_save(write, item);
        }
        write_commit(write);
        privacy_look_again(&view, item);
}

void
contact_ask(struct session *session, struct stanza *presence)
{
        struct user *user = session->user;
        struct jid bare = jid_bare(&presence->to, presence->arena);

        mail_find_account(presence->arena, &bare, &bare); /* a colleague by mail: the contact is the account */
        if (jid_equal_bare(&bare, &user->jid))
                return;
        stanza_set_from(presence, &user->jid);
        stanza_set_to(presence, &bare);
        struct item *item = roster_find(user, bare.full);
        uint8_t state = item != NULL ? item->state : SUBSCRIPTION_NONE;
        struct subscription_step step = subscription_out(presence->type, state);
        bool was_approved = item != NULL && item->is_approved;
        bool approved = step.approves || (was_approved && presence->type != PRESENCE_UNSUBSCRIBED);
        if (!step.passes && approved == was_approved)
                return;

        bool lists = presence->type == PRESENCE_SUBSCRIBE || presence->type == PRESENCE_SUBSCRIBED;
        if (item == NULL && (step.then != SUBSCRIPTION_NONE || approved) && (item = roster_add(user, bare.full, true)) == NULL) {
                struct stanza *error = stanza_error(presence, NOT_ALLOWED, "The roster is full.");
                if (error != NULL)
                        session_deliver(session, error);
                stanza_unref(&error);
                return;
        }
        bool hides = (state & SUBSCRIBED_FROM) && !(step.then & SUBSCRIBED_FROM);
        bool shows = !(state & SUBSCRIBED_FROM) && (step.then & SUBSCRIBED_FROM);
        if (hides && step.passes)
                presence_hide_from(user, item); /* 3.2.1 */
        if (item != NULL && state == SUBSCRIPTION_NONE && presence->type == PRESENCE_SUBSCRIBE)
                item->knows_mail = mail_is_shown(&user->jid, bare.domain);
        if (item != NULL && (step.then != state || approved != was_approved || (lists && !item->is_listed)))
                change(user, item, step.then, approved, lists, presence);
        if (!step.passes)
                return;
        route(stanza_ref(presence));
        if (shows)
                presence_show_to(user, bare.full); /* 3.1.5 */
}

static void
deliver_to_sessions(struct user *user, struct stanza *presence)
{
        for (LIST_EACH(session, &user->sessions, struct session, in_user))
                if ((presence->type == PRESENCE_SUBSCRIBE ? session->presence != NULL : session->wants_roster) &&
                        privacy_lets_in(session, presence))
                        session_deliver(session, presence);
}

/* Mail addresses for federation (mail.h): a contact that makes a subscription by the other one of the user's addresses has moved there. */
static bool
is_by_other_address(struct user *user, const struct item *item, const struct stanza *presence)
{
        return item != NULL && item->knows_mail != presence->to_mail && mail_is_shown(&user->jid, presence->from.domain);
}

static bool
makes_subscription(const struct stanza *presence, uint8_t state)
{
        return presence->type == PRESENCE_SUBSCRIBE ||
                (presence->type == PRESENCE_SUBSCRIBED && (state & (SUBSCRIBED_TO | PENDING_OUT)));
}

void
contact_told(struct user *user, struct stanza *presence)
{
        struct arena *arena = arena_new(256);
        struct jid bare = jid_bare(&presence->from, arena);
        struct item *item = roster_find(user, bare.full);
        uint8_t state = item != NULL ? item->state : SUBSCRIPTION_NONE;
        bool approved = item != NULL && item->is_approved;
        bool is_other = is_by_other_address(user, item, presence), moves = is_other && makes_subscription(presence, state);
        struct subscription_step step = approved && presence->type == PRESENCE_SUBSCRIBE ? subscription_in_approved(state)
                                                                                         : subscription_in(presence->type, state);

        if (jid_equal_bare(&bare, &user->jid))
                goto out;
        if (is_other && !moves)
                goto out; /* the end of a subscription that it has moved away from */
        if (moves)
                item->knows_mail = presence->to_mail;
        if (step.answered)
                contact_send(user, PRESENCE_SUBSCRIBED, bare.full); /* 3.1.3: has been approved before */
        if (step.answered && (step.then != state || moves)) {
                change(user, item, step.then, approved, true, presence);
                presence_show_to(user, bare.full);
        }
        if (moves && presence->type == PRESENCE_SUBSCRIBE && (step.then & SUBSCRIBED_TO))
                contact_send(user, PRESENCE_SUBSCRIBE, bare.full);
        if (!step.passes && !step.answered && moves)
                change(user, item, state, approved, false, presence);
        if (!step.passes)
                goto out;
        if (item == NULL && (item = roster_add(user, bare.full, false)) == NULL) {
                route_error(presence, RESOURCE_CONSTRAINT, "Too many requests are waiting for this user.");
                goto out;
        }
        struct stanza *shown = stanza_derive(presence, &bare, &user->jid);
        if (state == SUBSCRIPTION_NONE)
                item->knows_mail = presence->to_mail;
        if (presence->type == PRESENCE_SUBSCRIBE)
                set_request(item, presence);
        if ((state & SUBSCRIBED_FROM) && !(step.then & SUBSCRIBED_FROM))
                presence_hide_from(user, item); /* 3.3.3 */
        change(user, item, step.then, approved, false, presence);
        deliver_to_sessions(user, shown);
        stanza_unref(&shown);
out:
        arena_free(&arena);
}

void
contact_show_requests(struct session *session)
{
        static const struct xml_limits limits = { .stanza_bytes = 2 * REQUEST_MAX, .depth = 64, .attributes = 64 };
        struct user *user = session->user;
        size_t at = 0;

        struct map *roster = roster_of(user);

        for (struct item *item; roster != NULL && (item = map_next(roster, &at)) != NULL;) {
                if (!(item->state & PENDING_IN))
                        continue;
                struct buf xml = { 0 };
                struct arena *arena;
                enum xml_problem problem;
                buf_puts(&xml, "<presence xmlns=\"" XML_CONTENT_NS "\" type=\"subscribe\">");
                if (item->request != NULL)
                        buf_put(&xml, item->request, item->request_len);
                buf_puts(&xml, "</presence>");
                struct element *element = xml_parse_document(buf_data(&xml), xml.len, &limits, &arena, &problem);
                buf_free(&xml);
                struct jid contact;
                struct stanza *presence = NULL;
                enum stanza_problem refusal;
                if (element != NULL && jid_parse(&contact, arena, item->jid))
                        presence = stanza_new_parsed(arena, element, NULL, &refusal);
                if (presence == NULL) {
                        log_error(LOG_ABOUT("user", user->jid.full), "the request of %s cannot be read", item->jid);
                        arena_free(&arena);
                        continue;
                }
                stanza_set_from(presence, &contact);
                stanza_set_to(presence, &user->jid);
                if (privacy_lets_in(session, presence))
                        session_deliver(session, presence);
                stanza_unref(&presence);
        }
}
