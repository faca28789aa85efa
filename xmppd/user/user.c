/*
 * user.c - the accounts of this worker in memory, and the door for stanzas to them
 *
 * An account stays loaded while it has a session or a write under way, and for a while after, so that a run of messages to somebody who is
 * away reads its lists once.
 */
#include "xmppd/user/user.h"

#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/config/config.h"
#include "shared/xmpp/ns.h"
#include "xmppd/extend/extension.h"
#include "xmppd/route/home.h"
#include "xmppd/route/route.h"
#include "xmppd/route/snapshot.h"
#include "xmppd/user/account.h"
#include "xmppd/user/caps.h"
#include "xmppd/user/data.h"
#include "xmppd/user/delivery.h"
#include "xmppd/user/mail.h"
#include "xmppd/user/privacy.h"
#include "xmppd/user/sm.h"
#include "xmppd/user/tables.h"
#include "xmppd/user/user_private.h"

#include <string.h>

enum { IDLE_MAX = 1000, IDLE_MS = 30 * 1000, SWEEP_MS = 10 * 1000, WRITES_MANY = 5000 };

struct store *user_store;
const struct log_scope user_log = { .room = "user" };

/* Of this worker. */
static _Thread_local struct map *users; /* bare JID -> struct user */
static _Thread_local struct list idle;  /* the longest idle first */
static _Thread_local struct timer sweep;

void
user_start(struct store *store)
{
        user_store = store;
}

static void
free_user(struct user *user)
{
        must(user->writes == 0 && list_is_empty(&user->sessions));
        roster_forget(user);
        privacy_forget(user);
        offline_forget(user);
        mem_free(user->left);
        struct arena *arena = user->arena;
        arena_free(&arena);
}

static void
leave_idle(struct user *user)
{
        if (user->idle_since == 0)
                return;
        list_remove(&idle, &user->in_idle);
        user->idle_since = 0;
}

/* Out of the table; freed as soon as nothing is under way. */
static void
drop_user(struct user *user)
{
        leave_idle(user);
        if (!user->is_gone)
                map_remove(users, user->jid.full, user->jid.full_len);
        sm_unload(user);
        user->is_gone = true;
        if (user->writes == 0)
                free_user(user);
}

static void
sweep_idle(struct timer *timer)
{
        uint64_t now = worker_now();

        for (LIST_EACH(user, &idle, struct user, in_idle)) {
                if (now - user->idle_since < IDLE_MS && idle.count <= IDLE_MAX)
                        break;
                drop_user(user);
        }
        if (!list_is_empty(&idle))
                timer_start(timer, SWEEP_MS, sweep_idle);
}

/* Hibernated sessions do not keep it in memory. */
static bool
is_in_use(const struct user *user)
{
        if (user->writes > 0)
                return true;
        for (LIST_EACH(session, &user->sessions, struct session, in_user))
                if (!sm_is_at_rest(session))
                        return true;
        return false;
}

void
user_note_use(struct user *user)
{
        if (user->is_gone) {
                if (user->writes == 0 && list_is_empty(&user->sessions))
                        free_user(user);
                return;
        }
        leave_idle(user);
        if (is_in_use(user))
                return;
        user->idle_since = worker_now() + 1;
        list_append(&idle, &user->in_idle);
        if (!timer_is_running(&sweep))
                timer_start(&sweep, SWEEP_MS, sweep_idle);
        /* The oldest has not been touched in this turn. */
        if (idle.count > IDLE_MAX)
                drop_user(container_of(idle.first, struct user, in_idle));
}

static void
load_photo(struct user *user)
{
        if (!data_read_note(&user->jid, DATA_PHOTO, user->photo, sizeof(user->photo)))
                user->photo[0] = '\0';
}

void
user_load_again(struct user *user)
{
        if (user->is_gone)
                return;
        roster_forget(user);
        privacy_load_again(user);
        load_photo(user);
}

struct user *
user_loaded(const struct jid *jid)
{
        return users == NULL ? NULL : map_get(users, jid->full, jid->bare_len);
}

struct user *
user_load(const struct jid *jid)
{
        struct user *user = user_loaded(jid);
        if (user != NULL)
                return user;

        struct arena *arena = arena_new(512);
        user = ARENA_NEW(arena, user);
        user->arena = arena;
        user->jid = jid_bare(jid, arena);
        user->id = account_id(user_store, &user->jid);
        if (user->id == 0) {
                arena_free(&arena);
                return NULL;
        }
        user->home = worker_here();
        must(user->home == home_of(jid));
        unsigned char key[16];
        record_offline_key(key, user->id, 0);
        memcpy(user->key, key, ACCOUNT_KEY);
        if (users == NULL)
                users = map_new();
        map_put(users, user->jid.full, user->jid.full_len, user);
        privacy_load(user);
        load_photo(user);
        sm_load(user);
        user_note_use(user);
        return user;
}

bool
user_is_pressed(void)
{
        return user_store != NULL && (store_waiting(user_store) > WRITES_MANY || sm_is_pressed());
}

void
user_stop(void)
{
        timer_stop(&sweep);
        roster_stop();
        caps_stop();
        size_t at = 0;
        for (struct user *user; users != NULL && (user = map_next(users, &at)) != NULL;) {
                drop_user(user);
        }
        map_free(&users);
        sm_stop_here();
}

void
user_forget(const struct jid *jid)
{
        struct user *user = user_loaded(jid);
        if (user == NULL)
                return;
        must(on_home(user->home));
        user->is_deleted = account_id(user_store, &user->jid) != user->id;
        for (LIST_EACH(session, &user->sessions, struct session, in_user)) {
                const struct session_edge *edge = session->edge;
                void *owner = session->edge_owner;
                session_detach(session);
                edge->end(owner, STREAM_NOT_AUTHORIZED, "The account was deleted or its password changed.");
        }
        /* With another password it is the same account, and something may still be on its way to the disk. */
        if (user->is_deleted)
                drop_user(user);
}

void
user_each_session(void (*each)(void *arg, struct session *session), void *arg)
{
        size_t at = 0;
        for (struct user *user; users != NULL && (user = map_next(users, &at)) != NULL;)
                for (LIST_EACH(session, &user->sessions, struct session, in_user))
                        each(arg, session);
}

/* ---- delivery ---- */

static bool
is_there(const struct session *session)
{
        return session->presence != NULL && session->priority >= 0 && session_can_hear(session);
}

/* Whose client is there comes before whose client may come back. */
static bool
is_better(const struct session *session, const struct session *best)
{
        bool waits = session->edge == &hibernated_edge, best_waits = best->edge == &hibernated_edge;

        if (waits != best_waits)
                return best_waits;
        if (session->priority != best->priority)
                return session->priority > best->priority;
        return session->presence_at >= best->presence_at;
}

/* Of those whose list lets the stanza in. */
static struct session *
find_best(const struct user *user, const struct stanza *stanza)
{
        struct session *best = NULL;
        for (LIST_EACH(session, &user->sessions, struct session, in_user)) {
                if (!is_there(session) || !privacy_lets_in(session, stanza))
                        continue;
                if (best == NULL || is_better(session, best))
                        best = session;
        }
        return best;
}

static enum delivery_case
find_case(const struct user *user, const struct stanza *stanza, struct session *it)
{
        if (user == NULL)
                return TO_NO_ACCOUNT;
        bool somebody = find_best(user, stanza) != NULL;
        if (stanza->to.resource == NULL)
                return somebody ? TO_BARE_SOMEBODY : TO_BARE_NOBODY;
        if (it != NULL)
                return TO_FULL_IT;
        return somebody ? TO_FULL_SOMEBODY : TO_FULL_NOBODY;
}

/* named: the session it is addressed to; NULL: any will do. */
static void
deliver_to_one(struct user *user, struct stanza *stanza, struct session *session, const struct session *named)
{
        if (offline_comes_first(user, named, stanza)) {
                offline_keep(user, stanza);
                return;
        }
        session_deliver(session, stanza);
        if (stanza->kind == STANZA_MESSAGE && user->sessions.count > 1)
                extend_run(HOOK_DELIVERED, session, stanza);
}

static void
deliver_to_many(struct user *user, struct stanza *stanza, bool also_negative)
{
        for (LIST_EACH(session, &user->sessions, struct session, in_user))
                if ((also_negative ? session->presence != NULL : is_there(session)) && privacy_lets_in(session, stanza))
                        session_deliver(session, stanza);
}

static void
answer_for_account(struct user *user, struct stanza *iq)
{
        const struct element *payload = stanza_payload(iq);

        if (payload != NULL && strcmp(payload->ns, NS_ROSTER) == 0 && strcmp(payload->name, "query") == 0)
                roster_answer(user, iq);
        else if (!extend_answer(iq, TO_ACCOUNT | (jid_equal_bare(&iq->from, &user->jid) ? TO_OWN : 0)))
                route_error(iq, SERVICE_UNAVAILABLE, NULL);
}

/* Nobody of this name is in memory, so nobody is connected: is that all one needs to know? */
static bool
needs_account(const struct stanza *stanza)
{
        switch (stanza->type) {
        case PRESENCE_AVAILABLE:
        case PRESENCE_UNAVAILABLE:
        case PRESENCE_ERROR:
        case IQ_RESULT:
        case IQ_ERROR:
        case MESSAGE_ERROR:
        case MESSAGE_HEADLINE:
                return stanza->to.resource != NULL && sm_has_hibernated(&stanza->to);
        default:
                return true;
        }
}

static void
deliver(struct user *user, struct stanza *stanza, struct session *it)
{
        switch (delivery_of(stanza->type, find_case(user, stanza, it))) {
        case DELIVER_TO_IT:
                deliver_to_one(user, stanza, it, it);
                return;
        case DELIVER_TO_BEST:
                deliver_to_one(user, stanza, find_best(user, stanza), NULL);
                return;
        case DELIVER_TO_ALL:
                deliver_to_many(user, stanza, false);
                return;
        case DELIVER_TO_AVAILABLE:
                deliver_to_many(user, stanza, true);
                return;
        case DELIVER_LATER:
                offline_keep(user, stanza);
                return;
        case ANSWER_FOR_ACCOUNT:
                answer_for_account(user, stanza);
                return;
        case CHANGE_SUBSCRIPTION:
                contact_told(user, stanza);
                return;
        case ANSWER_PROBE:
                if (user != NULL)
                        presence_answer_probe(user, stanza);
                else
                        presence_refuse_probe(stanza);
                return;
        case REFUSE:
                route_error(stanza, SERVICE_UNAVAILABLE, NULL);
                return;
        case IGNORE:
                return;
        }
}

static bool
somebody_is_there(const struct user *user)
{
        for (LIST_EACH(session, &user->sessions, struct session, in_user))
                if (is_there(session))
                        return true;
        return false;
}

/* XEP-0016, 2.2: before any other rule of delivery comes the list of the session that is addressed. A message for the account is stopped when
 * none of the sessions it could go to lets it in; presence goes to those that do. What the account itself answers or keeps is for its default
 * list to decide. */
static bool
is_stopped(struct user *user, const struct stanza *stanza, const struct session *it)
{
        if (user->lists == NULL || stanza->type == PRESENCE_PROBE)
                return false;
        if (it != NULL)
                return !privacy_lets_in(it, stanza);
        if (stanza->type == PRESENCE_AVAILABLE || stanza->type == PRESENCE_UNAVAILABLE)
                return false;
        if (stanza->kind == STANZA_MESSAGE && somebody_is_there(user))
                return find_best(user, stanza) == NULL;
        return !privacy_lets_in_account(user, stanza);
}

void
user_receive(struct stanza *stanza)
{
        must(on_home(home_of(&stanza->to)));
        struct user *user = needs_account(stanza) ? user_load(&stanza->to) : user_loaded(&stanza->to);
        struct session *it = user != NULL && stanza->to.resource != NULL ? session_of(user, stanza->to.resource) : NULL;
        if (it != NULL && !session_can_hear(it))
                it = NULL;
        if (user == NULL && mail_redirect(stanza))
                return;

        if (user != NULL && is_stopped(user, stanza, it))
                privacy_refuse_incoming(stanza);
        else
                deliver(user, stanza, it);
        stanza_unref(&stanza);
}
