/*
 * sm.c - stream management of a session: counting, acknowledging, resuming (XEP-0198)
 */
#include "xmppd/user/sm.h"

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/base/random.h"
#include "shared/store/journal.h"
#include "shared/xmpp/ns.h"
#include "shared/xmpp/pledge.h"
#include "xmppd/route/snapshot.h"
#include "xmppd/user/sm_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORD_AROUND = 1024, PLEDGED_MAX = 64 }; /* stanzas after which one asks by itself whether they have been handled */

/* What one stanza looks like on the wire; of this worker, so that nothing is allocated for it. */
static _Thread_local struct buf wire;

void
sm_forget_wire(void)
{
        buf_free(&wire);
}

bool
sm_is_connected(const struct sm *sm)
{
        return sm->session != NULL && sm->session->edge != &hibernated_edge;
}

void
sm_write_text(struct sm *sm, const char *text)
{
        sm->session->edge->send(sm->session->edge_owner, text, strlen(text));
}

bool
sm_enable(struct session *session, bool may_resume, uint64_t seconds)
{
        if (session->sm != NULL || session->user == NULL || !sm_is_possible())
                return false;
        struct sm *sm = MEM_NEW(sm);
        uint64_t most = (uint64_t)limit_value(LIMIT_UNACKED_TIME);

        sm->session = session;
        sm->user = session->user;
        do
                random_bytes(&sm->id, sizeof(sm->id));
        while (sm->id == 0);
        if (may_resume)
                sm->seconds = seconds > 0 && seconds < most ? seconds : most;
        session->sm = sm;
        journal_add_session(sm);
        return true;
}

bool
sm_is_possible(void)
{
        return journal_is_open();
}

uint64_t
sm_describe(const struct session *session, char *id)
{
        snprintf(id, SM_ID_TEXT, "%016llx", (unsigned long long)session->sm->id);
        return session->sm->seconds;
}

/* ---- from the client ---- */

/* What is handled does not come again. Until then it may, after one more kill. */
static void
forget_taken(struct sm *sm)
{
        for (size_t i = 0; i < sm->taken_count; i++)
                if ((int32_t)(sm->taken[i] - (uint32_t)sm->handled) > 0)
                        return;
        mem_free(sm->taken);
        sm->taken = NULL;
        sm->taken_count = 0;
}

static void
see_handled(void *owner, void *cookie)
{
        struct sm *sm = owner;
        uint64_t promise = (uint64_t)(uintptr_t)cookie;
        char answer[64];

        sm->open_pledges--;
        sm->handled = promise >> 1;
        if (sm->taken_count > 0)
                forget_taken(sm);
        journal_note_handled(sm);
        if (promise & 1 && sm_is_connected(sm)) {
                snprintf(answer, sizeof(answer), "<a xmlns=\"" NS_SM "\" h=\"%u\"/>", (uint32_t)sm->handled);
                sm_write_text(sm, answer);
        }
        if (sm->open_pledges == 0)
                sm_go_on(sm);
}

enum promise { TO_KNOW = 0, TO_ANSWER = 1, TO_GO_ON = 2 };

/* What has been received so far is to be handled: then this is known, and <a/> is sent if it is owed. */
static void
close_pledge(struct sm *sm, enum promise promise)
{
        struct pledge *pledge = sm->pledge != NULL ? sm->pledge : pledge_new(see_handled, sm);

        sm->pledge = NULL;
        sm->promised = sm->received;
        sm->open_pledges++;
        if (promise != TO_KNOW)
                pledge_await(pledge);
        pledge_close(pledge, (void *)(uintptr_t)(sm->received << 1 | (promise == TO_ANSWER)));
}

void
sm_want_handled(struct sm *sm)
{
        if (sm->received > sm->promised)
                close_pledge(sm, TO_GO_ON);
}

static bool
was_taken(const struct sm *sm, uint64_t count)
{
        for (size_t i = 0; i < sm->taken_count; i++)
                if (sm->taken[i] == (uint32_t)count)
                        return true;
        return false;
}

bool
sm_count_in(struct session *session, struct stanza *stanza)
{
        struct sm *sm = session->sm;

        if (sm == NULL)
                return true;
        sm->received++;
        if (stanza != NULL) {
                /* Presence has many addressees and does no harm when it comes again. */
                if (stanza->kind != STANZA_PRESENCE) {
                        stanza->origin = sm->id;
                        stanza->origin_count = (uint32_t)sm->received;
                }
                if (sm->pledge == NULL)
                        sm->pledge = pledge_new(see_handled, sm);
                pledge_take(sm->pledge, stanza);
        }
        if (sm->received - sm->promised >= PLEDGED_MAX)
                close_pledge(sm, TO_KNOW);
        return sm->taken_count == 0 || !was_taken(sm, sm->received);
}

void
sm_answer(struct session *session)
{
        struct sm *sm = session->sm;

        if (sm != NULL)
                close_pledge(sm, TO_ANSWER);
}

/* ---- to the client ---- */

/* The count on the wire is the low half of ours (XEP-0198, 4: it wraps). */
static uint64_t
widen(const struct sm *sm, uint32_t h)
{
        return sm->acknowledged + (uint32_t)(h - (uint32_t)sm->acknowledged);
}

/* What the offline store kept for the client has arrived. */
static void
remove_kept(struct sm *sm, uint64_t up_to)
{
        struct write *write = NULL;
        uint64_t low = UINT64_MAX, high = 0;

        for (uint64_t count = sm->acknowledged + 1; count <= up_to; count++) {
                uint64_t number = queue_at(sm, count)->number;
                if (number == 0)
                        continue;
                if (write == NULL)
                        write = write_new(sm->user, NULL);
                offline_remove(write, number);
                low = number < low ? number : low;
                high = number > high ? number : high;
        }
        if (write != NULL)
                offline_commit_removal(write, low, high);
}

static void
take_acknowledgement(struct sm *sm, uint64_t up_to)
{
        if (up_to == sm->acknowledged)
                return;
        if (sm->low > 0)
                remove_kept(sm, up_to);
        queue_drop(sm, up_to);
        journal_note_acknowledged(sm);
}

bool
sm_acknowledge(struct session *session, uint32_t h)
{
        struct sm *sm = session->sm;

        if (sm == NULL || session->user == NULL)
                return true;
        uint64_t up_to = widen(sm, h);
        if (up_to > sm->sent)
                return false;
        take_acknowledgement(sm, up_to);
        sm->asked = false;
        ask_in_time(sm);
        return true;
}

uint32_t
sm_sent_count(const struct session *session)
{
        return session->sm != NULL ? (uint32_t)session->sm->sent : 0;
}

/* The oldest one does not count: one that is large by itself, a roster say, is acknowledged like any other. */
static bool
is_too_much(struct sm *sm)
{
        size_t bytes = sm->bytes;

        if (sm->place != IN_STORE && sm->sent > sm->acknowledged)
                bytes -= queue_at(sm, sm->acknowledged + 1)->len;
        return sm->sent - sm->acknowledged > (uint64_t)limit_value(LIMIT_UNACKED) ||
                bytes > (size_t)limit_value(LIMIT_UNACKED_BYTES);
}

/* Presence of contacts is a state, not news: a client that comes back is told what it is then. */
static bool
is_state(const struct stanza *stanza)
{
        return (stanza->type == PRESENCE_AVAILABLE || stanza->type == PRESENCE_UNAVAILABLE) && stanza->to.resource == NULL;
}

static void
queue_stanza(struct sm *sm, struct stanza *stanza, const struct sm_sent_record *record)
{
        struct sent sent = { 0 };

        journal_note_sent(sm, &sent, record);
        if (stanza->pledge != NULL) {
                sent.pledge = stanza->pledge;
                pledge_hold(sent.pledge);
        }
        queue_add(sm, &sent);
        if (sent.pledge != NULL)
                journal_want_synced(sm);
}

void
sm_deliver(struct session *session, struct stanza *stanza, uint64_t number)
{
        struct sm *sm = session->sm;

        if (!sm_is_connected(sm) && is_state(stanza)) {
                sm->missed = true;
                return;
        }
        buf_clear(&wire);
        stanza_write(&wire, stanza);
        if (wire.len > JOURNAL_RECORD_MAX - RECORD_AROUND) { /* nothing that a client can be meant to read */
                sm_give_up(sm);
                return;
        }
        struct sm_sent_record record = {
                .when = clock_wall_ms(),
                .number = number,
                .origin = stanza->origin,
                .origin_count = stanza->origin_count,
                .wire = buf_data(&wire),
                .len = wire.len,
        };
        if (sm->place == IN_JOURNAL)
                queue_stanza(sm, stanza, &record);
        else
                hibernate_put_sent(sm, stanza, &record);
        if (sm_is_connected(sm)) {
                session->edge->send(session->edge_owner, record.wire, record.len);
                ask_in_time(sm);
        }
        if (is_too_much(sm))
                sm_give_up(sm);
}

bool
sm_holds(const struct user *user, uint64_t number)
{
        for (LIST_EACH(session, &user->sessions, struct session, in_user))
                if (session->sm != NULL && session->sm->low > 0 && number >= session->sm->low && number <= session->sm->high)
                        return true;
        return false;
}

/* ---- resuming ---- */

struct session *
sm_find(const struct jid *account, const char *id)
{
        struct user *user = user_load(account);
        char *end;
        uint64_t wanted = strlen(id) == SM_ID_TEXT - 1 ? strtoull(id, &end, 16) : 0;

        if (user == NULL || wanted == 0 || *end != '\0' || !sm_is_possible())
                return NULL;
        for (LIST_EACH(session, &user->sessions, struct session, in_user))
                if (session->sm != NULL && session->sm->id == wanted && session->sm->seconds > 0)
                        return session;
        return NULL;
}

static void
write_again(struct sm *sm)
{
        for (uint64_t count = sm->acknowledged + 1; count <= sm->sent; count++) {
                struct sm_sent_record record;
                journal_read_sent(queue_at(sm, count), &record);
                sm->session->edge->send(sm->session->edge_owner, record.wire, record.len);
        }
        ask_now(sm);
}

static void
attach(struct sm *sm)
{
        struct session *session = sm->session;
        char id[SM_ID_TEXT], answer[128];

        session_attach(session, sm->next.edge, sm->next.owner);
        sm->ends = 0;
        sm->asked = false;
        if (sm->place == IN_STORE)
                hibernate_leave(sm);
        take_acknowledgement(sm, sm->next.h);
        /* What was received and not handled when the server was killed, the client sends again. */
        sm->received = sm->promised = sm->handled;
        journal_note_change(sm);
        sm_describe(session, id);
        snprintf(answer, sizeof(answer), "<resumed xmlns=\"" NS_SM "\" previd=\"%s\" h=\"%u\"/>", id, (uint32_t)sm->handled);
        sm_write_text(sm, answer);
        write_again(sm);
}

/* Before a session can be resumed or hibernated, what its client has sent must have been handled, and no batch may be on its way. */
static bool
is_quiet(const struct sm *sm)
{
        return sm->open_pledges == 0 && sm->pledge == NULL && sm->place != LEAVING && sm->puts == 0;
}

static void
tell_ready(struct sm *sm, struct session *session)
{
        void (*ready)(void *, struct session *) = sm->next.ready;
        void *owner = sm->next.owner;

        sm->next.ready = NULL;
        ready(owner, session);
}

void
sm_refuse_next(struct sm *sm)
{
        if (sm->next.ready != NULL)
                tell_ready(sm, NULL);
}

void
sm_go_on(struct sm *sm)
{
        struct session *session = sm->session;

        if (session == NULL || sm_is_connected(sm) || !is_quiet(sm))
                return;
        if (sm->next.ready == NULL) {
                hibernate_begin(sm);
                return;
        }
        attach(sm);
        tell_ready(sm, session);
        session_catch_up(session, sm->missed);
        sm->missed = false;
}

bool
sm_resume(struct session *session, uint32_t h, const struct session_edge *edge, void *edge_owner,
        void (*ready)(void *edge_owner, struct session *session))
{
        struct sm *sm = session->sm;
        uint64_t up_to = widen(sm, h);

        if (up_to > sm->sent)
                return false;
        if (sm_is_connected(sm)) {
                const struct session_edge *its = session->edge;
                void *owner = session->edge_owner;
                session_lose_edge(session);
                ask_forget(sm);
                its->lose(owner);
        }
        sm_refuse_next(sm);
        sm->next.edge = edge;
        sm->next.owner = edge_owner;
        sm->next.h = up_to;
        sm->next.ready = ready;
        if (sm->pledge != NULL)
                close_pledge(sm, TO_GO_ON);
        sm_go_on(sm);
        return true;
}

void
sm_forget_wait(const struct jid *account, void *edge_owner)
{
        struct user *user = user_loaded(account);

        if (user == NULL)
                return;
        for (LIST_EACH(session, &user->sessions, struct session, in_user)) {
                struct sm *sm = session->sm;
                if (sm == NULL || sm->next.ready == NULL || sm->next.owner != edge_owner)
                        continue;
                sm->next.ready = NULL;
                sm_go_on(sm);
                return;
        }
}

bool
sm_lose_stream(struct session *session)
{
        struct sm *sm = session->sm;

        if (sm == NULL || sm->seconds == 0 || session->user == NULL)
                return false;
        session_lose_edge(session);
        sm->ends = clock_wall_ms() + (int64_t)sm->seconds * 1000;
        sm->asked = false;
        ask_forget(sm);
        if (sm->pledge != NULL)
                close_pledge(sm, TO_GO_ON);
        journal_note_change(sm);
        sm_go_on(sm);
        return true;
}

void
session_note_change(struct session *session)
{
        if (session->sm != NULL)
                journal_note_change(session->sm);
}
