/*
 * ledger.c - stream management between servers (XEP-0198): a cut connection loses nothing and doubles nothing
 *
 * What is sent is kept until the other side has acknowledged it, with the pledge of whoever has sent it: a client's own acknowledgement waits for
 * that of the other server. What comes is acknowledged when it is handled, and on disk where it has to be. A stream that is cut leaves its ledger at
 * the remote domain; the next stream in the same direction takes it up, and then both sides know what the other has got.
 */
#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "shared/xmpp/ns.h"
#include "xmppd/s2s/ledger_private.h"

#include <inttypes.h>
#include <stdio.h>

enum { ASK_STANZAS = 10, ASK_MS = 100, ANSWER_MS = 15 * 1000, LAST_WORD_MS = 2000 };

static void note_handled(void *owner, void *cookie);

struct ledger *
ledger_new(struct s2s *s2s)
{
        struct ledger *ledger = MEM_NEW(ledger);

        ledger->s2s = s2s;
        ledger->remote = s2s->of;
        ledger->is_incoming = s2s->is_incoming;
        ledger->local = mem_strdup(s2s->local != NULL ? s2s->local : "");
        ledger->pledge = pledge_new(note_handled, ledger);
        s2s->ledger = ledger;
        return ledger;
}

static void
drop(struct ledger *ledger, struct held *held, bool keep_row)
{
        list_remove(&ledger->unacknowledged, &held->in_list);
        held_drop(held, keep_row);
}

void
ledger_free(struct ledger *ledger)
{
        timer_stop(&ledger->timer);
        pledge_forget(&ledger->pledge);
        if (ledger->s2s != NULL)
                ledger->s2s->ledger = NULL;
        else
                list_remove(&ledger->remote->ledgers, &ledger->in_remote);
        for (LIST_EACH(held, &ledger->unacknowledged, struct held, in_list))
                drop(ledger, held, true);
        s2s_free_pairs(&ledger->pairs);
        mem_free(ledger->local);
        mem_free(ledger);
}

void
ledger_settle(struct ledger *ledger)
{
        for (LIST_EACH(held, &ledger->unacknowledged, struct held, in_list))
                drop(ledger, held, false);
}

/* What the other side may never have got: to be sent again on a stream that knows nothing of it, oldest first. */
void
ledger_give_up(struct ledger *ledger)
{
        struct remote *remote = ledger->remote;

        while (ledger->unacknowledged.last != NULL) {
                struct held *held = container_of(ledger->unacknowledged.last, struct held, in_list);
                list_remove(&ledger->unacknowledged, &held->in_list);
                remote_let_wait_first(remote, held);
        }
        ledger_free(ledger);
}

/* ---- what is sent ---- */

static void
send_text(const struct ledger *ledger, const char *text)
{
        stream_send_text(ledger->s2s->stream, text);
}

static void
lose_patience(struct timer *timer)
{
        struct ledger *ledger = container_of(timer, struct ledger, timer);

        s2s_fail(ledger->s2s, STREAM_CONNECTION_TIMEOUT, CAUSE_NONE, "no acknowledgement came");
}

void
ledger_ask(struct ledger *ledger)
{
        if (ledger->is_asked || list_is_empty(&ledger->unacknowledged))
                return;
        ledger->is_asked = true;
        send_text(ledger, "<r xmlns=\"" NS_SM "\"/>");
        timer_start(&ledger->timer, ANSWER_MS, lose_patience);
}

static void
ask_in_time(struct timer *timer)
{
        ledger_ask(container_of(timer, struct ledger, timer));
}

void
ledger_send(struct s2s *s2s, struct held *held)
{
        struct ledger *ledger = s2s->ledger;

        stream_send(s2s->stream, held->stanza);
        if (ledger == NULL) {
                held_drop(held, false);
                return;
        }
        list_append(&ledger->unacknowledged, &held->in_list);
        if (held->stanza->pledge != NULL)
                spool_in_time(ledger->remote);
        ledger->sent++;
        if (!ledger->is_up || ledger->is_asked)
                return;
        if (ledger->unacknowledged.count % ASK_STANZAS == 0)
                ledger_ask(ledger);
        else if (!timer_is_running(&ledger->timer))
                timer_start(&ledger->timer, ASK_MS, ask_in_time);
}

bool
ledger_may_send(const struct s2s *s2s)
{
        const struct ledger *ledger = s2s->ledger;

        return ledger == NULL || (!ledger->is_resuming && (int64_t)ledger->unacknowledged.count < limit_value(LIMIT_S2S_UNACKED));
}

/* The low 32 bits of a counter that is at most `sent`, and not below what was acknowledged before. */
bool
ledger_take_h(struct ledger *ledger, const char *text)
{
        int64_t h = text == NULL ? -1 : text_number(text, UINT32_MAX);

        if (h < 0)
                return false;
        uint32_t more = (uint32_t)h - (uint32_t)ledger->acknowledged;
        if (more > ledger->unacknowledged.count)
                return false;
        if (more > 0)
                ledger->remote->vain = 0;
        for (; more > 0; more--) {
                drop(ledger, container_of(ledger->unacknowledged.first, struct held, in_list), false);
                ledger->acknowledged++;
        }
        return true;
}

/* At stop: each side knows what the other has got. */
static bool
end_if_settled(struct ledger *ledger)
{
        if (!s2s_is_stopping() || !list_is_empty(&ledger->unacknowledged) || ledger->handled != ledger->received)
                return false;
        s2s_fail(ledger->s2s, STREAM_SYSTEM_SHUTDOWN, CAUSE_NONE, "%s", "");
        return true;
}

static void
take_acknowledgement(struct ledger *ledger, const struct element *a)
{
        bool was_full = !ledger_may_send(ledger->s2s);

        if (!ledger_take_h(ledger, element_attribute(a, "h"))) {
                s2s_fail(ledger->s2s, STREAM_UNDEFINED_CONDITION, CAUSE_NONE, "more is acknowledged than was sent");
                return;
        }
        ledger->is_asked = false;
        timer_stop(&ledger->timer);
        if (end_if_settled(ledger))
                return;
        if (ledger->unacknowledged.count >= ASK_STANZAS)
                ledger_ask(ledger);
        else if (!list_is_empty(&ledger->unacknowledged))
                timer_start(&ledger->timer, ASK_MS, ask_in_time);
        if (was_full)
                remote_flush(ledger->remote);
}

/* ---- what comes ---- */

void
ledger_receive(struct s2s *s2s, struct stanza *stanza)
{
        struct ledger *ledger = s2s->ledger;

        /* What comes before <enabled/> or <resumed/> is counted by nobody (XEP-0198 3). */
        if (ledger == NULL || !ledger->is_up)
                return;
        ledger->received++;
        if (stanza != NULL)
                pledge_take(ledger->pledge, stanza);
}

static void
send_a(const struct ledger *ledger)
{
        char text[80];

        snprintf(text, sizeof(text), "<a xmlns=\"" NS_SM "\" h=\"%" PRIu32 "\"/>", (uint32_t)ledger->handled);
        send_text(ledger, text);
}

static void
note_handled(void *owner, void *cookie)
{
        struct ledger *ledger = owner;

        ledger->handled = (uint64_t)(uintptr_t)cookie;
        if (ledger->s2s == NULL)
                return;
        if (!ledger->is_resuming) {
                send_a(ledger);
                end_if_settled(ledger);
        } else if (ledger->is_incoming) {
                ledger_finish_resumption(ledger);
        } else if (ledger->handled == ledger->received) {
                ledger_ask_to_resume(ledger);
        }
}

/* All that has come by now is to be known as handled. */
static void
close_pledge(struct ledger *ledger)
{
        struct pledge *closed = ledger->pledge;

        ledger->pledge = pledge_new(note_handled, ledger);
        pledge_await(closed);
        pledge_close(closed, (void *)(uintptr_t)ledger->received);
}

/* ---- the life of a ledger ---- */

void
ledger_take(struct s2s *s2s, const struct element *element)
{
        if (!s2s->is_open)
                s2s_fail(s2s, STREAM_NOT_AUTHORIZED, CAUSE_NONE, "no domain was proven yet");
        else if (ledger_start_takes(s2s, element))
                return;
        else if (s2s->ledger == NULL)
                s2s_fail(s2s, STREAM_POLICY_VIOLATION, CAUSE_NONE, "stream management is not in use");
        else if (strcmp(element->name, "r") == 0)
                close_pledge(s2s->ledger);
        else if (strcmp(element->name, "a") == 0)
                take_acknowledgement(s2s->ledger, element);
        else
                s2s_fail(s2s, STREAM_UNSUPPORTED_STANZA_TYPE, CAUSE_NONE, "%s", "");
}

static void
expire(struct timer *timer)
{
        struct ledger *ledger = container_of(timer, struct ledger, timer);
        struct remote *remote = ledger->remote;

        log_info(LOG_ABOUT("s2s", remote->domain), "%s not resumed in time; not acknowledged=%zu", ledger->id,
                ledger->unacknowledged.count);
        ledger_give_up(ledger);
        remote_flush(remote);
}

void
ledger_bar(struct s2s *s2s)
{
        if (s2s->ledger != NULL)
                s2s->ledger->can_resume = false;
}

/* Who comes, is cut and comes again leaves no more behind than it could have open. One to which we owe something stays. */
static void
limit_left(struct remote *remote)
{
        if ((int64_t)remote->ledgers.count <= limit_value(LIMIT_S2S_STREAMS))
                return;
        for (LIST_EACH(ledger, &remote->ledgers, struct ledger, in_remote)) {
                if (!ledger->is_incoming || !list_is_empty(&ledger->unacknowledged))
                        continue;
                limit_note(LIMIT_S2S_STREAMS);
                ledger_free(ledger);
                return;
        }
}

void
ledger_lost(struct s2s *s2s, bool by_peer)
{
        struct ledger *ledger = s2s->ledger;

        if (ledger == NULL)
                return;
        /* The other side has found something wrong with it: what is not acknowledged begins anew. */
        if (by_peer && ledger->is_resuming)
                ledger->can_resume = false;
        /* Nobody resumes a stream that he has ended (XEP-0198 5): what he has not acknowledged goes by the next one at once. */
        if (!ledger->can_resume || s2s_is_stopping() || stream_was_ended(s2s->stream)) {
                if (list_is_empty(&ledger->unacknowledged))
                        ledger_free(ledger);
                else
                        ledger_give_up(ledger);
                return;
        }
        log_debug(&s2s->log, "ledger %s left: not acknowledged=%zu received=%llu", ledger->id, ledger->unacknowledged.count,
                (unsigned long long)ledger->received);
        close_pledge(ledger);
        s2s->ledger = NULL;
        ledger->s2s = NULL;
        ledger->is_up = ledger->is_resuming = false;
        ledger->has_bidi = s2s->has_bidi;
        for (LIST_EACH(pair, &s2s->pairs, struct pair, in_stream)) {
                list_remove(&s2s->pairs, &pair->in_stream);
                list_append(&ledger->pairs, &pair->in_stream);
        }
        list_append(&ledger->remote->ledgers, &ledger->in_remote);
        timer_start(&ledger->timer, (uint64_t)config_number(snapshot_section("s2s"), "max-wait") * 1000, expire);
        limit_left(ledger->remote);
}

/* A stream that carries no more, or not yet, with stanzas of which nobody knows whether they have arrived. */
static bool
any_holds_back(const struct list *streams)
{
        for (LIST_EACH(s2s, streams, struct s2s, in_remote)) {
                const struct ledger *ledger = s2s->ledger;
                if (ledger != NULL && !list_is_empty(&ledger->unacknowledged) &&
                        (ledger->is_resuming || stream_is_closing(s2s->stream)))
                        return true;
        }
        return false;
}

bool
ledger_owes(const struct remote *remote)
{
        for (LIST_EACH(ledger, &remote->ledgers, struct ledger, in_remote))
                if (!list_is_empty(&ledger->unacknowledged))
                        return true;
        return any_holds_back(&remote->outs) || any_holds_back(&remote->ins);
}

/* Where stanzas went both ways the other side may have lost some too, and cannot resume a stream that is ours. */
const char *
ledger_wants(const struct remote *remote)
{
        for (LIST_EACH(ledger, &remote->ledgers, struct ledger, in_remote))
                if (!ledger->is_incoming && (ledger->has_bidi || !list_is_empty(&ledger->unacknowledged)))
                        return ledger->local;
        return NULL;
}

void
ledger_each_list(struct remote *remote, void (*each)(const struct list *list))
{
        for (LIST_EACH(ledger, &remote->ledgers, struct ledger, in_remote))
                each(&ledger->unacknowledged);
        for (LIST_EACH(s2s, &remote->outs, struct s2s, in_remote))
                if (s2s->ledger != NULL)
                        each(&s2s->ledger->unacknowledged);
        for (LIST_EACH(s2s, &remote->ins, struct s2s, in_remote))
                if (s2s->ledger != NULL)
                        each(&s2s->ledger->unacknowledged);
}

static void
end_anyway(struct timer *timer)
{
        struct ledger *ledger = container_of(timer, struct ledger, timer);

        s2s_fail(ledger->s2s, STREAM_SYSTEM_SHUTDOWN, CAUSE_NONE, "%s", "");
}

bool
ledger_is_settled(struct s2s *s2s)
{
        struct ledger *ledger = s2s->ledger;

        if (ledger == NULL || !ledger->is_up)
                return true;
        bool is_told = ledger->handled == ledger->received;
        if (!is_told)
                close_pledge(ledger); /* what came is acknowledged, or it would come again */
        if (is_told && list_is_empty(&ledger->unacknowledged))
                return true;
        ledger_ask(ledger);
        timer_start(&ledger->timer, LAST_WORD_MS, end_anyway);
        return false;
}

void
ledger_forget_all(struct remote *remote)
{
        for (LIST_EACH(ledger, &remote->ledgers, struct ledger, in_remote))
                ledger_free(ledger);
}
