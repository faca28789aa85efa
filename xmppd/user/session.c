/*
 * session.c - connected resources
 *
 * A session that was replaced or whose account is gone is detached at once, in the eyes of everybody else it has ended; the edge closes it
 * when its stream is done.
 */
#include "xmppd/user/session.h"

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/base/random.h"
#include "shared/config/config.h"
#include "xmppd/extend/extension.h"
#include "xmppd/route/home.h"
#include "xmppd/route/limits.h"
#include "xmppd/route/route.h"
#include "xmppd/route/snapshot.h"
#include "xmppd/user/caps.h"
#include "xmppd/user/sm.h"
#include "xmppd/user/user_private.h"

#include <string.h>

enum { ANSWER_MS_MAX = 60 * 1000 };

/* Milliseconds of silence after which a client is asked; 0: nobody asks. */
static uint64_t
idle_limit(void)
{
        for (const struct extension *const *all = extend_all(); all != NULL && *all != NULL; all++)
                if (strcmp((*all)->name, "ping") == 0)
                        return (uint64_t)config_number(snapshot_section("ping"), "idle") * 1000;
        return 0;
}

static void
look_if_idle(struct timer *timer)
{
        struct session *session = container_of(timer, struct session, idle);
        uint64_t limit = idle_limit(), now = worker_now(), heard = session->edge->last_heard(session->edge_owner);
        uint64_t wait = limit < ANSWER_MS_MAX ? limit : ANSWER_MS_MAX;

        if (limit == 0)
                return;
        if (session->asked > 0 && heard < session->asked) {
                if (now - session->asked < wait) {
                        timer_start(timer, wait - (now - session->asked), look_if_idle);
                        return;
                }
                log_info(LOG_ABOUT("user", session->jid.full), "gives no sign of life");
                session->edge->end(session->edge_owner, STREAM_CONNECTION_TIMEOUT, NULL);
                return;
        }
        session->asked = 0;
        uint64_t silent = now > heard ? now - heard : 0;
        if (silent >= limit)
                extend_run(HOOK_SESSION_IDLE, session, NULL);
        timer_start(timer, session->asked > 0 ? wait : limit - (silent < limit ? silent : 0), look_if_idle);
}

bool
session_can_hear(const struct session *session)
{
        return session->edge->is_open(session->edge_owner);
}

struct session *
session_of(const struct user *user, const char *resource)
{
        for (LIST_EACH(session, &user->sessions, struct session, in_user))
                if (strcmp(session->jid.resource, resource) == 0)
                        return session;
        return NULL;
}

struct session *
session_find(const struct jid *full)
{
        struct user *user = full->resource != NULL ? user_loaded(full) : NULL;
        return user != NULL ? session_of(user, full->resource) : NULL;
}

static bool
choose_address(struct jid *full, struct arena *arena, const struct user *user, const char *resource)
{
        char made[2 * 8 + 1];
        if (resource != NULL)
                return jid_with_resource(full, arena, &user->jid, resource);
        return jid_with_resource(full, arena, &user->jid, random_hex(made, 8));
}

static struct session *
put_session(struct user *user, struct arena *arena, const struct jid *full, const struct session_edge *edge, void *edge_owner)
{
        struct session *session = MEM_NEW(session);

        session->user = user;
        session->arena = arena;
        session->jid = *full;
        session->edge = edge;
        session->edge_owner = edge_owner;
        list_append(&user->sessions, &session->in_user);
        return session;
}

static bool
is_full(const struct user *user)
{
        return user->sessions.count >= (size_t)limit_value(LIMIT_RESOURCES);
}

/* Sessions whose client is away make room for one that is there. */
static bool
give_up_oldest(struct user *user)
{
        for (LIST_EACH(session, &user->sessions, struct session, in_user))
                if (sm_is_at_rest(session)) {
                        session_close(&session, true);
                        return true;
                }
        return false;
}

/* RFC 6120 7.7.2.2. Whose client is away has nobody to keep the resource for. */
enum conflict_rule { REPLACE, RENAME_NEWER, REFUSE_NEWER };

static enum conflict_rule
conflict_rule(const struct session *older)
{
        const char *rule = config_text(snapshot_section("c2s"), "resource-conflict");

        if (strcmp(rule, "replace") == 0 || older->edge == &hibernated_edge || !session_can_hear(older))
                return REPLACE;
        return strcmp(rule, "rename") == 0 ? RENAME_NEWER : REFUSE_NEWER;
}

struct session *
session_open(const struct jid *account, const char *resource, const struct session_edge *edge, void *edge_owner,
        enum stanza_condition *condition)
{
        must(on_home(home_of(account)));
        struct user *user = user_load(account);
        if (user == NULL) {
                *condition = NOT_AUTHORIZED;
                return NULL;
        }
        struct arena *arena = arena_new(256);
        struct jid full;
        if (!choose_address(&full, arena, user, resource)) {
                *condition = BAD_REQUEST;
                arena_free(&arena);
                return NULL;
        }
        struct session *older = session_of(user, full.resource);
        enum conflict_rule rule = older == NULL ? REPLACE : conflict_rule(older);
        if (rule == REFUSE_NEWER) {
                *condition = CONFLICT;
                arena_free(&arena);
                return NULL;
        }
        if (rule == RENAME_NEWER) {
                must(choose_address(&full, arena, user, NULL));
                older = NULL;
        }
        if (older == NULL && is_full(user) && !give_up_oldest(user)) {
                limit_note(LIMIT_RESOURCES);
                *condition = RESOURCE_CONSTRAINT;
                arena_free(&arena);
                return NULL;
        }
        if (older != NULL) {
                const struct session_edge *its = older->edge;
                void *owner = older->edge_owner;
                session_detach(older);
                its->end(owner, STREAM_CONFLICT, NULL);
        }

        struct session *session = put_session(user, arena, &full, edge, edge_owner);
        session->opened = clock_wall_ms();
        user_note_use(user);
        if (idle_limit() > 0)
                timer_start(&session->idle, idle_limit(), look_if_idle);
        log_info(LOG_ABOUT("user", session->jid.full), "bound");
        extend_run(HOOK_SESSION_OPEN, session, NULL);
        return session;
}

void
session_detach(struct session *session)
{
        struct user *user = session->user;

        extend_run(HOOK_SESSION_CLOSE, session, NULL);
        timer_stop(&session->idle);
        list_remove(&user->sessions, &session->in_user);
        presence_leave(session, NULL);
        offline_leave(user, session);
        sm_end(session, user);
        session->user = NULL;
        session->active = NULL;
        user_note_use(user);
        log_info(LOG_ABOUT("user", session->jid.full), "gone");
}

static void
free_session(struct session *session)
{
        must(session->sm == NULL && session->presence == NULL && session->directed == NULL);
        arena_free(&session->arena);
        mem_free(session);
}

void
session_close(struct session **session, bool for_good)
{
        struct session *s = *session;
        if (s == NULL)
                return;
        *session = NULL;
        must(s->user == NULL || on_home(s->user->home));
        if (!for_good && sm_lose_stream(s))
                return;
        if (s->user != NULL)
                session_detach(s);
        free_session(s);
}

void
session_lose_edge(struct session *session)
{
        struct user *user = session->user;

        extend_run(HOOK_SESSION_LOST, session, NULL);
        timer_stop(&session->idle);
        session->asked = 0;
        session->edge = &hibernated_edge;
        session->edge_owner = session;
        offline_leave(user, session);
        log_info(LOG_ABOUT("user", session->jid.full), "has lost its stream");
        user_note_use(user);
}

void
session_attach(struct session *session, const struct session_edge *edge, void *edge_owner)
{
        session->edge = edge;
        session->edge_owner = edge_owner;
        if (idle_limit() > 0)
                timer_start(&session->idle, idle_limit(), look_if_idle);
        log_info(LOG_ABOUT("user", session->jid.full), "resumed");
        user_note_use(session->user);
}

void
session_catch_up(struct session *session, bool missed)
{
        extend_run(HOOK_SESSION_RESUMED, session, NULL);
        if (session->presence == NULL)
                return;
        if (missed)
                presence_learn(session);
        if (session->priority >= 0)
                offline_deliver(session);
}

struct session *
session_revive(struct user *user, const struct jid *full, int64_t opened)
{
        struct arena *arena = arena_new(256);
        struct jid copy = jid_copy(full, arena);
        struct session *session = put_session(user, arena, &copy, &hibernated_edge, NULL);

        session->edge_owner = session;
        session->opened = opened;
        return session;
}

void
session_unload(struct session *session)
{
        caps_leave(session);
        list_remove(&session->user->sessions, &session->in_user);
        sm_free(&session->sm);
        stanza_unref(&session->presence);
        presence_forget_directed(session);
        free_session(session);
}

static void
refuse(struct session *session, const struct stanza *stanza, enum stanza_condition condition)
{
        struct stanza *error = stanza_error(stanza, condition, NULL);
        if (error == NULL)
                return;
        if (error->from.full == NULL)
                stanza_set_from(error, &session->user->jid);
        session_deliver(session, error);
        stanza_unref(&error);
}

void
session_receive(struct session *session, struct stanza *stanza)
{
        struct user *user = session->user;

        if (user == NULL) { /* its stream is ending */
                stanza_unref(&stanza);
                return;
        }
        must(on_home(user->home));
        if (extend_run(HOOK_FROM_CLIENT, session, stanza) == STOP) {
                stanza_unref(&stanza);
                return;
        }
        if (stanza_is_request(stanza) && !stanza_has_one_payload(stanza)) {
                refuse(session, stanza, BAD_REQUEST);
                stanza_unref(&stanza);
                return;
        }
        if (stanza->kind == STANZA_PRESENCE) {
                presence_from_session(session, stanza);
                return;
        }
        /* RFC 6120 10.3.1, 10.3.3: without address it is for the account. */
        if (stanza->to.full == NULL)
                stanza_set_to(stanza, &user->jid);
        if (privacy_stops_outgoing(session, stanza)) {
                stanza_unref(&stanza);
                return;
        }
        route(stanza);
}

/* Behind all rules. number: in the offline store; 0: it is not there. */
static void
write_to(struct session *session, struct stanza *stanza, uint64_t number)
{
        if (session->sm != NULL)
                sm_deliver(session, stanza, number);
        else
                session->edge->deliver(session->edge_owner, stanza);
}

void
session_write(struct session *session, struct stanza *stanza)
{
        if (session->user != NULL)
                write_to(session, stanza, 0);
}

bool
session_is_alone(const struct session *session)
{
        return session->user == NULL || session->user->sessions.count < 2;
}

void
session_each_other(struct session *session, void (*each)(void *arg, struct session *other), void *arg)
{
        if (session_is_alone(session))
                return;
        for (LIST_EACH(other, &session->user->sessions, struct session, in_user))
                if (other != session)
                        each(arg, other);
}

void
session_deliver(struct session *session, struct stanza *stanza)
{
        if (session->user != NULL && extend_run(HOOK_TO_SESSION, session, stanza) == PASS)
                write_to(session, stanza, 0);
}

bool
session_deliver_kept(struct session *session, struct stanza *message, uint64_t number)
{
        if (session->user == NULL || extend_run(HOOK_TO_SESSION, session, message) != PASS)
                return false;
        write_to(session, message, number);
        return session->sm != NULL;
}

void
session_ask(struct session *session, const char *ns, const char *name)
{
        struct arena *arena = arena_new(256);
        struct jid server;
        char id[2 * 8 + 1];

        must(session->user != NULL);
        jid_make(&server, arena, NULL, session->jid.domain, NULL);
        struct stanza *iq = stanza_new(STANZA_IQ, IQ_GET, &server, &session->jid);
        stanza_set_id(iq, random_hex(id, 8));
        element_add(iq->arena, iq->element, name, ns);
        session->asked = worker_now(); /* the clock of last_heard: an answer within the same millisecond counts */
        session_deliver(session, iq);
        stanza_unref(&iq);
        arena_free(&arena);
}
