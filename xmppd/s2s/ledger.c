/*
 * ledger.c - stream management between servers (XEP-0198): a cut connection loses nothing and doubles nothing
 *
 * What is sent is kept until the other side has acknowledged it, with the pledge of whoever has sent it: a client's own acknowledgement waits for
 * that of the other server. What comes is acknowledged when it is handled, and on disk where it has to be. A stream that is cut leaves its ledger at
 * the remote domain; the next stream in the same direction takes it up, and then both sides know what the other has got.
 */
#include "shared/base/mem.h"
#include "shared/base/random.h"
#include "shared/base/text.h"
#include "shared/xml/writer.h"
#include "shared/xmpp/ns.h"
#include "shared/xmpp/pledge.h"
#include "xmppd/s2s/s2s_private.h"

#include <inttypes.h>
#include <stdio.h>

enum { ID_BYTES = 16, ASK_STANZAS = 10, ASK_MS = 100, ANSWER_MS = 15 * 1000, LAST_WORD_MS = 2000 };

/* Owned by its stream, or after a cut by the remote domain. Counters only grow; on the wire they are their low 32 bits (XEP-0198 4). */
struct ledger {
        struct link in_remote;
        struct remote *remote;
        struct s2s *s2s; /* NULL: cut */
        bool is_incoming;
        bool is_up;       /* <enabled/> or <resumed/> has been exchanged */
        bool is_resuming; /* <resume/> was sent, or came and waits for what came before to be handled */
        bool can_resume;
        bool has_bidi; /* while cut: stanzas went both ways */
        char id[64];   /* under which it may be resumed; the receiving side has made it */
        char *local;
        struct list pairs; /* while cut */
        /* to them */
        uint64_t sent, acknowledged;
        struct list unacknowledged; /* struct held, oldest first */
        bool is_asked;
        struct timer timer; /* up: to ask, then for the answer; cut: until it is given up */
        /* from them */
        uint64_t received, handled;
        struct pledge *pledge;
        uint64_t their_h; /* of a <resume/> that waits */
};

static void note_handled(void *owner, void *cookie);

static struct ledger *
make(struct s2s *s2s)
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

static void
free_ledger(struct ledger *ledger)
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

/* What the other side may never have got: to be sent again on a stream that knows nothing of it, oldest first. */
static void
give_up(struct ledger *ledger)
{
        struct remote *remote = ledger->remote;

        while (ledger->unacknowledged.last != NULL) {
                struct held *held = container_of(ledger->unacknowledged.last, struct held, in_list);
                list_remove(&ledger->unacknowledged, &held->in_list);
                remote_let_wait_first(remote, held);
        }
        free_ledger(ledger);
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

static void
ask(struct ledger *ledger)
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
        ask(container_of(timer, struct ledger, timer));
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
                ask(ledger);
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
static bool
take_h(struct ledger *ledger, const char *text)
{
        int64_t h = text == NULL ? -1 : text_number(text, UINT32_MAX);

        if (h < 0)
                return false;
        uint32_t more = (uint32_t)h - (uint32_t)ledger->acknowledged;
        if (more > ledger->unacknowledged.count)
                return false;
        for (; more > 0; more--) {
                drop(ledger, container_of(ledger->unacknowledged.first, struct held, in_list), false);
                ledger->acknowledged++;
        }
        return true;
}

static void
take_acknowledgement(struct ledger *ledger, const struct element *a)
{
        bool was_full = !ledger_may_send(ledger->s2s);

        if (!take_h(ledger, element_attribute(a, "h"))) {
                s2s_fail(ledger->s2s, STREAM_UNDEFINED_CONDITION, CAUSE_NONE, "more is acknowledged than was sent");
                return;
        }
        ledger->is_asked = false;
        timer_stop(&ledger->timer);
        if (s2s_is_stopping() && list_is_empty(&ledger->unacknowledged))
                s2s_fail(ledger->s2s, STREAM_SYSTEM_SHUTDOWN, CAUSE_NONE, "%s", "");
        else if (ledger->unacknowledged.count >= ASK_STANZAS)
                ask(ledger);
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

static void ask_to_resume(struct ledger *ledger);
static void finish_resumption(struct ledger *ledger);

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
        if (!ledger->is_resuming)
                send_a(ledger);
        else if (ledger->is_incoming)
                finish_resumption(ledger);
        else if (ledger->handled == ledger->received)
                ask_to_resume(ledger);
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

/* ---- the initiating side ---- */

static struct ledger *
find_left(const struct remote *remote, const char *local)
{
        for (LIST_EACH(ledger, &remote->ledgers, struct ledger, in_remote))
                if (!ledger->is_incoming && strcmp(ledger->local, local) == 0)
                        return ledger;
        return NULL;
}

/* The stream takes the ledger up; what was proven on the one before still is, for the same remote domain. */
static void
attach(struct ledger *ledger, struct s2s *s2s)
{
        log_debug(&s2s->log, "ledger %s taken up", ledger->id);
        list_remove(&ledger->remote->ledgers, &ledger->in_remote);
        timer_stop(&ledger->timer);
        ledger->s2s = s2s;
        ledger->is_asked = false;
        s2s->ledger = ledger;
}

static void
take_pairs(struct ledger *ledger)
{
        for (LIST_EACH(pair, &ledger->pairs, struct pair, in_stream)) {
                struct pair *mine = s2s_add_pair(ledger->s2s, pair->local, pair->remote);
                if (mine == NULL || strcmp(pair->remote, ledger->s2s->remote) != 0)
                        continue;
                bool is_both = ledger->s2s->has_bidi;
                if ((ledger->is_incoming || is_both) && !proof_holds(mine->theirs) && proof_holds(pair->theirs))
                        mine->theirs = pair->theirs;
                if ((!ledger->is_incoming || is_both) && !proof_holds(mine->ours) && proof_holds(pair->ours))
                        mine->ours = pair->ours;
                if (pair->last_used > mine->last_used)
                        mine->last_used = pair->last_used;
        }
        s2s_free_pairs(&ledger->pairs);
}

static void
enable(struct s2s *s2s)
{
        make(s2s);
        stream_send_text(s2s->stream, "<enable xmlns=\"" NS_SM "\" resume=\"true\"/>");
}

static void
ask_to_resume(struct ledger *ledger)
{
        struct buf *out = conn_output(stream_conn(ledger->s2s->stream));

        buf_printf(out, "<resume xmlns=\"" NS_SM "\" h=\"%" PRIu32 "\" previd=\"", (uint32_t)ledger->handled);
        xml_write_attribute_value(out, ledger->id);
        buf_puts(out, "\"/>");
}

void
ledger_begin(struct s2s *s2s)
{
        struct ledger *left;

        if (s2s->of == NULL || !config_bool(snapshot_section("s2s"), "sm"))
                return;
        left = find_left(s2s->of, s2s->local);
        if (left == NULL) {
                enable(s2s);
                return;
        }
        attach(left, s2s);
        left->is_resuming = true;
        left->is_up = false;
        if (left->handled == left->received)
                ask_to_resume(left); /* else when all is handled: what is not acknowledged would come again */
}

static void
send_again(struct ledger *ledger)
{
        for (LIST_EACH(held, &ledger->unacknowledged, struct held, in_list))
                stream_send(ledger->s2s->stream, held->stanza);
        ask(ledger);
}

static void
take_enabled(struct ledger *ledger, const struct element *enabled)
{
        const char *id = element_attribute(enabled, "id"), *resume = element_attribute(enabled, "resume");

        ledger->is_up = true;
        ledger->can_resume = id != NULL && strlen(id) < sizeof(ledger->id) && resume != NULL &&
                (strcmp(resume, "true") == 0 || strcmp(resume, "1") == 0);
        if (ledger->can_resume)
                snprintf(ledger->id, sizeof(ledger->id), "%s", id);
        ask(ledger);
}

static void
take_resumed(struct ledger *ledger, const struct element *resumed)
{
        if (!ledger->is_resuming || !take_h(ledger, element_attribute(resumed, "h"))) {
                s2s_fail(ledger->s2s, STREAM_UNDEFINED_CONDITION, CAUSE_NONE,
                        "this resumption was not asked for, or counts wrongly");
                return;
        }
        ledger->is_resuming = false;
        ledger->is_up = true;
        take_pairs(ledger);
        log_info(&ledger->s2s->log, "resumed again=%zu", ledger->unacknowledged.count);
        send_again(ledger);
        remote_flush(ledger->remote);
        remote_want_all(ledger->remote); /* another one may be left */
}

static void
take_failed(struct ledger *ledger, const struct element *failed)
{
        struct s2s *s2s = ledger->s2s;
        bool was_resuming = ledger->is_resuming;

        if (was_resuming)
                take_h(ledger, element_attribute(failed, "h"));
        log_info(&s2s->log, "%s",
                was_resuming ? "could not be resumed: what was not acknowledged is sent again" : "no stream management");
        if (was_resuming) {
                give_up(ledger);
                enable(s2s);
                remote_flush(s2s->of);
        } else {
                free_ledger(ledger);
        }
}

/* ---- the receiving side ---- */

static void
refuse(struct s2s *s2s, const char *condition)
{
        struct buf *out = conn_output(stream_conn(s2s->stream));

        buf_printf(out, "<failed xmlns=\"" NS_SM "\"><%s xmlns=\"" NS_STANZA_ERRORS "\"/></failed>", condition);
}

static void
take_enable(struct s2s *s2s, const struct element *element)
{
        const char *resume = element_attribute(element, "resume");

        if (s2s->ledger != NULL || s2s->of == NULL || !config_bool(snapshot_section("s2s"), "sm")) {
                refuse(s2s, "unexpected-request");
                return;
        }
        struct ledger *ledger = make(s2s);
        struct buf *out = conn_output(stream_conn(s2s->stream));
        ledger->is_up = true;
        ledger->can_resume = resume != NULL && (strcmp(resume, "true") == 0 || strcmp(resume, "1") == 0);
        random_hex(ledger->id, ID_BYTES);
        if (ledger->can_resume)
                buf_printf(out, "<enabled xmlns=\"" NS_SM "\" id=\"%s\" resume=\"true\" max=\"%lld\"/>", ledger->id,
                        (long long)config_number(snapshot_section("s2s"), "max-wait"));
        else
                buf_puts(out, "<enabled xmlns=\"" NS_SM "\"/>");
}

/* A stream that the other side knows to be dead may look alive from here. */
static struct ledger *
wrest_from_stream(struct remote *remote, const char *id)
{
        for (LIST_EACH(s2s, &remote->ins, struct s2s, in_remote)) {
                struct ledger *ledger = s2s->ledger;
                if (ledger == NULL || !ledger->can_resume || strcmp(ledger->id, id) != 0)
                        continue;
                ledger_lost(s2s, false);
                s2s_fail(s2s, STREAM_CONFLICT, CAUSE_NONE, "resumed by another stream");
                return ledger;
        }
        return NULL;
}

static struct ledger *
find_for_resumption(struct remote *remote, const char *id)
{
        for (LIST_EACH(ledger, &remote->ledgers, struct ledger, in_remote))
                if (ledger->is_incoming && strcmp(ledger->id, id) == 0)
                        return ledger;
        return wrest_from_stream(remote, id);
}

static void
finish_resumption(struct ledger *ledger)
{
        char h[16];

        if (ledger->handled != ledger->received)
                return;
        ledger->is_resuming = false;
        ledger->is_up = true;
        snprintf(h, sizeof(h), "%" PRIu32, (uint32_t)ledger->their_h);
        if (!take_h(ledger, h)) {
                s2s_fail(ledger->s2s, STREAM_UNDEFINED_CONDITION, CAUSE_NONE, "more is acknowledged than was sent");
                return;
        }
        take_pairs(ledger);
        struct buf *out = conn_output(stream_conn(ledger->s2s->stream));
        buf_printf(out, "<resumed xmlns=\"" NS_SM "\" h=\"%" PRIu32 "\" previd=\"%s\"/>", (uint32_t)ledger->handled, ledger->id);
        log_info(&ledger->s2s->log, "resumed again=%zu", ledger->unacknowledged.count);
        send_again(ledger);
        remote_flush(ledger->remote);
}

static void
take_resume(struct s2s *s2s, const struct element *resume)
{
        const char *id = element_attribute(resume, "previd"), *h = element_attribute(resume, "h");
        int64_t number = h == NULL ? -1 : text_number(h, UINT32_MAX);
        struct ledger *ledger = s2s->ledger != NULL || id == NULL || number < 0 ? NULL : find_for_resumption(s2s->of, id);

        if (ledger == NULL) {
                refuse(s2s, "item-not-found");
                return;
        }
        attach(ledger, s2s);
        ledger->is_resuming = true;
        ledger->their_h = (uint64_t)number;
        finish_resumption(ledger); /* or when all is handled */
}

/* ---- both sides ---- */

void
ledger_offer(struct buf *out)
{
        if (config_bool(snapshot_section("s2s"), "sm"))
                buf_puts(out, "<sm xmlns=\"" NS_SM "\"/>");
}

void
ledger_take(struct s2s *s2s, const struct element *element)
{
        struct ledger *ledger = s2s->ledger;

        if (!s2s->is_open)
                s2s_fail(s2s, STREAM_NOT_AUTHORIZED, CAUSE_NONE, "no domain was proven yet");
        else if (s2s->is_incoming && strcmp(element->name, "enable") == 0)
                take_enable(s2s, element);
        else if (s2s->is_incoming && strcmp(element->name, "resume") == 0)
                take_resume(s2s, element);
        else if (ledger == NULL)
                s2s_fail(s2s, STREAM_POLICY_VIOLATION, CAUSE_NONE, "stream management is not in use");
        else if (!s2s->is_incoming && strcmp(element->name, "enabled") == 0 && !ledger->is_up && !ledger->is_resuming)
                take_enabled(ledger, element);
        else if (!s2s->is_incoming && strcmp(element->name, "resumed") == 0)
                take_resumed(ledger, element);
        else if (!s2s->is_incoming && strcmp(element->name, "failed") == 0 && !ledger->is_up)
                take_failed(ledger, element);
        else if (strcmp(element->name, "r") == 0)
                close_pledge(ledger);
        else if (strcmp(element->name, "a") == 0)
                take_acknowledgement(ledger, element);
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
        give_up(ledger);
        remote_flush(remote);
}

void
ledger_bar(struct s2s *s2s)
{
        if (s2s->ledger != NULL)
                s2s->ledger->can_resume = false;
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
        if (!ledger->can_resume || s2s_is_stopping() || (list_is_empty(&ledger->unacknowledged) && stream_was_ended(s2s->stream))) {
                if (list_is_empty(&ledger->unacknowledged))
                        free_ledger(ledger);
                else
                        give_up(ledger);
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
}

bool
ledger_owes(const struct remote *remote)
{
        for (LIST_EACH(ledger, &remote->ledgers, struct ledger, in_remote))
                if (!list_is_empty(&ledger->unacknowledged))
                        return true;
        return false;
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

        if (ledger == NULL || !ledger->is_up || list_is_empty(&ledger->unacknowledged))
                return true;
        ask(ledger);
        timer_start(&ledger->timer, LAST_WORD_MS, end_anyway);
        return false;
}

void
ledger_forget_all(struct remote *remote)
{
        for (LIST_EACH(ledger, &remote->ledgers, struct ledger, in_remote))
                free_ledger(ledger);
}
