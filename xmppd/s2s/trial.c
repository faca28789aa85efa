/*
 * trial.c - a stream for the administrator: the whole way to a domain, up to a ping, beside the streams that are there
 *
 * It goes the way of every outgoing stream, with no remote domain behind it: nothing waits for it, and nobody hears when it fails but the one who
 * asked. The answer to the ping comes on the same stream where that goes both ways (XEP-0288), else on one that the other side opens to us, which
 * is half of what is to be found out.
 */
#include "shared/base/mem.h"
#include "shared/base/random.h"
#include "shared/base/text.h"
#include "shared/loop/timer.h"
#include "shared/xml/writer.h"
#include "shared/xmpp/ns.h"
#include "xmppd/route/home.h"
#include "xmppd/s2s/s2s_private.h"

#include <stdio.h>
#include <string.h>

enum { ALL_MS = 30 * 1000, PING_MS = 10 * 1000, ID_BYTES = 8 };

#define ID_PREFIX "trial-"

struct trial {
        struct link in_all;
        char id[sizeof(ID_PREFIX) + 2 * ID_BYTES]; /* of the ping */
        char *domain;
        struct reach *reach; /* NULL: it has become a stream */
        uint64_t serial;     /* of that */
        struct attempt *attempt;
        struct timer timer; /* until all must be over, from then on the ping */
        const struct s2s_trial_events *events;
        void *arg;
};

static _Thread_local struct list trials;

static void
end(struct trial *trial)
{
        struct s2s *s2s = trial->reach != NULL ? trial->reach->s2s : trial->serial != 0 ? s2s_find(trial->serial) : NULL;

        timer_stop(&trial->timer);
        list_remove(&trials, &trial->in_all);
        reach_free(&trial->reach);
        if (s2s != NULL)
                s2s_close(s2s);
        attempt_end(trial->attempt, trial->attempt->cause == CAUSE_NONE);
        trial->events->done(trial->arg, trial->attempt);
        attempt_free(&trial->attempt);
        mem_free(trial->domain);
        mem_free(trial);
}

/* How far it has come says what it is that takes so long. */
static void
give_up(struct timer *timer)
{
        struct trial *trial = container_of(timer, struct trial, timer);
        const struct reach *reach = trial->reach;
        int last = trial->attempt->count - 1;

        if (reach == NULL)
                attempt_fail(trial->attempt, CAUSE_NO_PONG, "no answer within %d s", PING_MS / 1000);
        else if (reach->s2s != NULL)
                attempt_fail(trial->attempt, CAUSE_NO_ANSWER, "%s, for %d s altogether", out_state(reach->s2s), ALL_MS / 1000);
        else
                attempt_fail(trial->attempt,
                        last > 0 && trial->attempt->steps[last].step > STEP_POLICY ? CAUSE_SILENT : CAUSE_DNS_FAILED,
                        "nothing within %d s", ALL_MS / 1000);
        end(trial);
}

void
s2s_try(const char *local, const char *remote, const struct s2s_trial_events *events, void *arg)
{
        struct trial *trial = MEM_NEW(trial);
        char first[JID_PART_MAX + 1];

        if (local == NULL) {
                jid_prepare_domain(first, section_title(section_next(config_top(snapshot_now()->config), "domain", NULL)));
                local = first;
        }
        snprintf(trial->id, sizeof(trial->id), ID_PREFIX);
        random_hex(trial->id + strlen(ID_PREFIX), ID_BYTES);
        trial->domain = mem_strdup(remote);
        trial->events = events;
        trial->arg = arg;
        trial->attempt = attempt_new(false, local);
        trial->attempt->noted = events->noted;
        trial->attempt->arg = arg;
        list_append(&trials, &trial->in_all);
        timer_start(&trial->timer, ALL_MS, give_up);
        trial->reach = reach_try(trial, trial->attempt, local, remote);
}

void
trial_failed(struct trial *trial)
{
        trial->reach = NULL;
        end(trial);
}

static void
send_ping(struct trial *trial, struct s2s *s2s)
{
        struct buf text = { 0 };

        buf_printf(&text, "<iq type=\"get\" id=\"%s\" from=\"", trial->id);
        xml_write_attribute_value(&text, s2s->local);
        buf_puts(&text, "\" to=\"");
        xml_write_attribute_value(&text, trial->domain);
        buf_puts(&text, "\"><ping xmlns=\"" NS_PING "\"/></iq>");
        stream_send_text(s2s->stream, buf_text(&text));
        buf_free(&text);
}

void
trial_reached(struct trial *trial, struct s2s *s2s)
{
        struct remote *remote = remote_find(trial->domain);

        trial->reach = NULL;
        trial->serial = s2s->serial;
        attempt_end(trial->attempt, true);
        attempt_note(trial->attempt, STEP_AUTHENTICATION, "the stream is open");
        timer_start(&trial->timer, PING_MS, give_up);
        send_ping(trial, s2s);
        /* What waits need not wait for its next attempt. */
        if (remote != NULL)
                remote_has_come(remote);
}

void
trial_lost(const struct s2s *s2s, enum cause cause, const char *why)
{
        for (LIST_EACH(trial, &trials, struct trial, in_all)) {
                if (trial->serial != s2s->serial)
                        continue;
                trial->serial = 0;
                attempt_fail(trial->attempt, cause, "%s", why);
                end(trial);
        }
}

/* ---- the answer, on whichever stream it comes ---- */

struct pong {
        struct letter letter;
        char id[sizeof(ID_PREFIX) + 2 * ID_BYTES];
        char *domain;
        char way[ADDRESS_TEXT + 40];
};

static void
take_pong(struct letter *letter)
{
        struct pong *pong = container_of(letter, struct pong, letter);

        for (LIST_EACH(trial, &trials, struct trial, in_all)) {
                if (trial->serial == 0 || strcmp(trial->id, pong->id) != 0 || strcmp(trial->domain, pong->domain) != 0)
                        continue;
                attempt_note(trial->attempt, STEP_PING, "answered on %s", pong->way);
                end(trial);
        }
        mem_free(pong->domain);
        mem_free(pong);
}

bool
trial_takes(const struct s2s *s2s, const struct stanza *stanza)
{
        bool is_answer = stanza->kind == STANZA_IQ && (stanza->type == IQ_RESULT || stanza->type == IQ_ERROR);
        char peer[ADDRESS_TEXT];

        if (!is_answer || stanza->to.local != NULL || stanza->from.local != NULL || !text_starts(stanza->id, ID_PREFIX) ||
                strlen(stanza->id) >= sizeof(((struct pong *)0)->id))
                return false;
        struct pong *pong = MEM_NEW(pong);
        snprintf(pong->id, sizeof(pong->id), "%s", stanza->id);
        pong->domain = mem_strdup(stanza->from.domain);
        snprintf(pong->way, sizeof(pong->way), "%s, %s", s2s->is_incoming ? "a stream that it has opened" : "the same stream",
                address_format(peer, conn_peer_address(stream_conn(s2s->stream))));
        pong->letter.open = take_pong;
        worker_post(home_of_domain(stanza->from.domain), &pong->letter);
        return true;
}

void
trial_stop(void)
{
        for (LIST_EACH(trial, &trials, struct trial, in_all)) {
                attempt_fail(trial->attempt, CAUSE_CLOSED, "this server stops");
                end(trial);
        }
}
