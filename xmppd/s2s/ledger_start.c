/*
 * ledger_start.c - how stream management begins on a stream between servers: anew, or where a stream that was cut has left off (XEP-0198 3, 5)
 */
#include "shared/base/random.h"
#include "shared/base/text.h"
#include "shared/xml/writer.h"
#include "xmppd/s2s/ledger_private.h"

#include <inttypes.h>
#include <stdio.h>

enum { ID_BYTES = 16 };

void
ledger_offer(struct buf *out)
{
        if (config_bool(snapshot_section("s2s"), "sm"))
                buf_puts(out, "<sm xmlns=\"" NS_SM "\"/>");
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
        ledger_new(s2s);
        stream_send_text(s2s->stream, "<enable xmlns=\"" NS_SM "\" resume=\"true\"/>");
}

void
ledger_ask_to_resume(struct ledger *ledger)
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
                ledger_ask_to_resume(left); /* else when all is handled: what is not acknowledged would come again */
}

static void
send_again(struct ledger *ledger)
{
        for (LIST_EACH(held, &ledger->unacknowledged, struct held, in_list))
                stream_send(ledger->s2s->stream, held->stanza);
        ledger_ask(ledger);
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
        ledger_ask(ledger);
}

static void
take_resumed(struct ledger *ledger, const struct element *resumed)
{
        if (!ledger->is_resuming || !ledger_take_h(ledger, element_attribute(resumed, "h"))) {
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
                ledger_take_h(ledger, element_attribute(failed, "h"));
        log_info(&s2s->log, "%s",
                was_resuming ? "could not be resumed: what was not acknowledged is sent again" : "no stream management");
        if (was_resuming) {
                ledger_give_up(ledger);
                enable(s2s);
                remote_flush(s2s->of);
        } else {
                ledger_settle(ledger);
                ledger_free(ledger);
        }
}

/* ---- the receiving side ---- */

static void
refuse(struct s2s *s2s, const char *condition)
{
        struct buf *out = conn_output(stream_conn(s2s->stream));

        buf_printf(out, "<failed xmlns=\"" NS_SM "\"><%s xmlns=\"" NS_STANZA_ERRORS "\"/></failed>", condition);
}

/* Who begins anew has nothing to resume: he has been killed since, and what he may never have got does not wait for him any longer. */
static void
give_up_left(struct s2s *s2s)
{
        bool any = false;

        for (LIST_EACH(left, &s2s->of->ledgers, struct ledger, in_remote))
                if (left->is_incoming && strcmp(left->local, s2s->ledger->local) == 0) {
                        ledger_give_up(left);
                        any = true;
                }
        if (any)
                remote_flush(s2s->of);
}

/* A ledger belongs to the domain at whose home the stream is. Who has claimed that in vain and proven another one has no part in it: he would take
 * over what was proven on the stream that he resumes. */
static bool
may_have_ledger(const struct s2s *s2s)
{
        return s2s->ledger == NULL && s2s->of != NULL && s2s_has_proven(s2s, s2s->of->domain);
}

static void
take_enable(struct s2s *s2s, const struct element *element)
{
        const char *resume = element_attribute(element, "resume");

        if (!may_have_ledger(s2s) || !config_bool(snapshot_section("s2s"), "sm")) {
                refuse(s2s, "unexpected-request");
                return;
        }
        struct ledger *ledger = ledger_new(s2s);
        struct buf *out = conn_output(stream_conn(s2s->stream));
        ledger->is_up = true;
        ledger->can_resume = resume != NULL && (strcmp(resume, "true") == 0 || strcmp(resume, "1") == 0);
        random_hex(ledger->id, ID_BYTES);
        if (ledger->can_resume)
                buf_printf(out, "<enabled xmlns=\"" NS_SM "\" id=\"%s\" resume=\"true\" max=\"%lld\"/>", ledger->id,
                        (long long)config_number(snapshot_section("s2s"), "max-wait"));
        else
                buf_puts(out, "<enabled xmlns=\"" NS_SM "\"/>");
        give_up_left(s2s);
}

static struct ledger *
find_by_id(const struct remote *remote, const char *id)
{
        for (LIST_EACH(ledger, &remote->ledgers, struct ledger, in_remote))
                if (ledger->is_incoming && strcmp(ledger->id, id) == 0)
                        return ledger;
        return NULL;
}

/* A stream that the other side knows to be dead may look alive from here: it leaves its ledger, if there is anything to resume. */
static void
end_stream_of(struct remote *remote, const char *id)
{
        for (LIST_EACH(s2s, &remote->ins, struct s2s, in_remote)) {
                if (s2s->ledger == NULL || !s2s->ledger->can_resume || strcmp(s2s->ledger->id, id) != 0)
                        continue;
                ledger_lost(s2s, false);
                s2s_fail(s2s, STREAM_CONFLICT, CAUSE_NONE, "resumed by another stream");
                return;
        }
}

static struct ledger *
find_for_resumption(struct remote *remote, const char *id)
{
        if (find_by_id(remote, id) == NULL)
                end_stream_of(remote, id);
        return find_by_id(remote, id);
}

void
ledger_finish_resumption(struct ledger *ledger)
{
        char h[16];

        if (ledger->handled != ledger->received)
                return;
        ledger->is_resuming = false;
        ledger->is_up = true;
        snprintf(h, sizeof(h), "%" PRIu32, (uint32_t)ledger->their_h);
        if (!ledger_take_h(ledger, h)) {
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
        struct ledger *ledger = !may_have_ledger(s2s) || id == NULL || number < 0 ? NULL : find_for_resumption(s2s->of, id);

        if (ledger == NULL) {
                refuse(s2s, "item-not-found");
                return;
        }
        attach(ledger, s2s);
        ledger->is_resuming = true;
        ledger->their_h = (uint64_t)number;
        ledger_finish_resumption(ledger); /* or when all is handled */
}

/* ---- both sides ---- */

bool
ledger_start_takes(struct s2s *s2s, const struct element *element)
{
        struct ledger *ledger = s2s->ledger;
        bool is_outgoing = !s2s->is_incoming && ledger != NULL;

        if (s2s->is_incoming && strcmp(element->name, "enable") == 0)
                take_enable(s2s, element);
        else if (s2s->is_incoming && strcmp(element->name, "resume") == 0)
                take_resume(s2s, element);
        else if (is_outgoing && strcmp(element->name, "enabled") == 0 && !ledger->is_up && !ledger->is_resuming)
                take_enabled(ledger, element);
        else if (is_outgoing && strcmp(element->name, "resumed") == 0)
                take_resumed(ledger, element);
        else if (is_outgoing && strcmp(element->name, "failed") == 0 && !ledger->is_up)
                take_failed(ledger, element);
        else
                return false;
        return true;
}
