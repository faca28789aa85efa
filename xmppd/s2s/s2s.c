/*
 * s2s.c - a stream between servers on its worker, whoever opened it: made, fed to negotiation or to the router, counted, ended
 */
#include "shared/base/clock.h"
#include "shared/base/map.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/loop/handler.h"
#include "shared/xmpp/ns.h"
#include "xmppd/route/home.h"
#include "xmppd/s2s/s2s_private.h"
#include "xmppd/user/mail.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

enum { BRAKE_LETTERS = 20000 };

static _Thread_local struct {
        struct list streams;
        struct map *by_serial;
        uint64_t negotiating;
        bool is_stopping;
} here;

static atomic_uint_least64_t last_serial;

static struct xml_limits
limits_of(const struct s2s *s2s)
{
        return (struct xml_limits){
                .stanza_bytes = (size_t)limit_value(s2s->is_open ? LIMIT_S2S_STANZA : LIMIT_S2S_EARLY_BYTES),
                .depth = (int)limit_value(s2s->is_open ? LIMIT_DEPTH : LIMIT_EARLY_DEPTH),
                .attributes = (int)limit_value(LIMIT_ATTRIBUTES),
                .name_bytes = (size_t)limit_value(LIMIT_NAME),
        };
}

void
s2s_join(struct s2s *s2s)
{
        if (here.by_serial == NULL)
                here.by_serial = map_new();
        list_append(&here.streams, &s2s->in_worker);
        map_put(here.by_serial, &s2s->serial, sizeof(s2s->serial), s2s);
        here.negotiating += !s2s->was_open;
}

void
s2s_leave(struct s2s *s2s)
{
        list_remove(&here.streams, &s2s->in_worker);
        map_remove(here.by_serial, &s2s->serial, sizeof(s2s->serial));
        here.negotiating -= !s2s->was_open;
        if (map_count(here.by_serial) == 0)
                map_free(&here.by_serial);
}

struct s2s *
s2s_find(uint64_t serial)
{
        return here.by_serial == NULL ? NULL : map_get(here.by_serial, &serial, sizeof(serial));
}

/* ---- the end ---- */

void
s2s_fail(struct s2s *s2s, enum stream_condition condition, enum cause cause, const char *format, ...)
{
        char text[300];
        va_list args;

        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        if (s2s->is_incoming && cause != CAUSE_NONE)
                attempt_fail(s2s->attempt, cause, "%s", text);
        else if (s2s->gave_up == CAUSE_NONE)
                s2s->gave_up = (char)cause; /* told when it has closed */
        if (s2s->stream != NULL)
                stream_fail(s2s->stream, condition, text[0] != '\0' ? text : NULL);
}

void
s2s_close(struct s2s *s2s)
{
        if (s2s->stream != NULL)
                stream_close(s2s->stream);
}

void
s2s_free_pairs(struct list *pairs)
{
        for (LIST_EACH(pair, pairs, struct pair, in_stream)) {
                list_remove(pairs, &pair->in_stream);
                mem_free(pair->local);
                mem_free(pair->remote);
                mem_free(pair);
        }
}

static void
log_end(const struct s2s *s2s, const char *why)
{
        char text[800];

        if (s2s->was_open) {
                log_info(&s2s->log, "closed why=\"%s\" in=%llu out=%llu", why, (unsigned long long)s2s->in,
                        (unsigned long long)s2s->out);
        } else if (s2s->is_incoming && s2s->attempt != NULL && s2s->attempt->cause != CAUSE_NONE) {
                attempt_sentence(
                        text, sizeof(text), s2s->remote != NULL ? s2s->remote : "?", s2s->attempt->cause, s2s->attempt->detail);
                log_info(&s2s->log, "refused: %s", text);
        } else {
                log_debug(&s2s->log, "closed before it was open: %s", why);
        }
}

static void
see_closed(void *owner, const char *why)
{
        struct s2s *s2s = owner;

        limit_note_problem(stream_problem(s2s->stream), s2s->is_open ? LIMIT_S2S_STANZA : LIMIT_S2S_EARLY_BYTES,
                s2s->is_open ? LIMIT_DEPTH : LIMIT_EARLY_DEPTH);
        log_end(s2s, why);
        s2s->is_open = false;
        timer_stop(&s2s->timer);
        brake_stop(&s2s->brake);
        timer_stop(&s2s->settling);
        worker_forget_chore(&s2s->moving);
        s2s_leave(s2s);
        if (s2s->is_incoming)
                in_see_closed(s2s);
        else
                out_see_closed(s2s, why);
        question_free(&s2s->question);
        s2s_free_pairs(&s2s->pairs);
        mem_free(s2s->local);
        mem_free(s2s->remote);
        mem_free(s2s);
}

/* ---- events ---- */

static void
see_header(void *owner, struct element *header)
{
        struct s2s *s2s = owner;

        if (s2s->is_incoming)
                in_see_header(s2s, header);
        else
                out_see_header(s2s, header);
}

static void
see_secured(void *owner)
{
        struct s2s *s2s = owner;

        if (s2s->is_incoming)
                in_see_secured(s2s);
        else
                out_see_secured(s2s);
}

static bool
is_stanza(const struct element *element)
{
        return element_is(element, "message", XML_CONTENT_NS) || element_is(element, "presence", XML_CONTENT_NS) ||
                element_is(element, "iq", XML_CONTENT_NS);
}

/* Stanzas wait for the domain when the stream is full; answers to what it asks here (claims, keys, acknowledgements) are written at once. */
static bool
is_flooded(const struct s2s *s2s)
{
        bool is_one = conn_queued(stream_conn(s2s->stream)) >
                2 * (size_t)limit_value(LIMIT_S2S_QUEUE) + (size_t)limit_value(LIMIT_S2S_STANZA);

        if (is_one)
                limit_note(LIMIT_S2S_QUEUE);
        return is_one;
}

static void
see_element(void *owner, struct arena *arena, struct element *element, const struct xml_source *source)
{
        struct s2s *s2s = owner;

        if (s2s->is_open && is_stanza(element)) {
                handler_note("stanza of another server");
                receive_stanza(s2s, arena, element, source);
                return;
        }
        handler_note("negotiation with another server");
        if (is_flooded(s2s))
                s2s_fail(s2s, STREAM_RESOURCE_CONSTRAINT, CAUSE_LIMIT, "answers are asked for, and not read");
        else if (s2s->is_incoming)
                in_see_element(s2s, element, arena);
        else
                out_see_element(s2s, element, arena);
        arena_free(&arena);
}

static void
see_excess(void *owner, bool at_once)
{
        struct s2s *s2s = owner;

        limit_note(at_once ? LIMIT_S2S_EARLY_BYTES : LIMIT_S2S_EARLY_TOTAL);
        s2s_fail(s2s, STREAM_POLICY_VIOLATION, CAUSE_LIMIT, "too much was sent before a domain was proven");
}

static void
see_drained(void *owner)
{
        struct s2s *s2s = owner;

        if (s2s->of != NULL)
                remote_flush(s2s->of);
}

static const char *
see_name(void *owner)
{
        const struct s2s *s2s = owner;

        return s2s->local;
}

const struct stream_events s2s_events = {
        .opened = see_header,
        .secured = see_secured,
        .element = see_element,
        .drained = see_drained,
        .excess = see_excess,
        .closed = see_closed,
        .name = see_name,
};

/* ---- the life of a stream ---- */

static void
give_up(struct timer *timer)
{
        struct s2s *s2s = container_of(timer, struct s2s, timer);

        limit_note(LIMIT_S2S_TIME);
        s2s_fail(s2s, STREAM_CONNECTION_TIMEOUT, s2s->is_incoming ? CAUSE_NO_ANSWER : out_cause_of_silence(s2s),
                "nothing came for %lld s (%s)", (long long)limit_value(LIMIT_S2S_TIME),
                s2s->is_incoming ? in_state(s2s) : out_state(s2s));
}

void
s2s_restart_deadline(struct s2s *s2s)
{
        timer_start(&s2s->timer, (uint64_t)limit_value(LIMIT_S2S_TIME) * 1000, give_up);
}

struct s2s *
s2s_new(bool is_incoming, int fd, const char *local, const char *remote)
{
        struct s2s *s2s = MEM_NEW(s2s);
        struct xml_limits early = limits_of(s2s);

        s2s->is_incoming = is_incoming;
        s2s->brake.letters = BRAKE_LETTERS;
        s2s->serial = atomic_fetch_add(&last_serial, 1) + 1;
        s2s->local = mem_strdup(local);
        s2s->remote = mem_strdup(remote);
        s2s->stream = stream_accept(fd, NS_SERVER, &early, &s2s_events, s2s);
        s2s_join(s2s);
        conn_allow(stream_conn(s2s->stream), (size_t)limit_value(LIMIT_S2S_EARLY_TOTAL), 0);
        stream_gather(s2s->stream, true);
        s2s_restart_deadline(s2s);
        if (here.is_stopping)
                s2s_fail(s2s, STREAM_SYSTEM_SHUTDOWN, CAUSE_NONE, "%s", "");
        return s2s;
}

static void close_if_idle(struct timer *timer);

static void
look_again(struct s2s *s2s, uint64_t idle_in)
{
        uint64_t expiry_in = review_next(s2s);

        timer_start(&s2s->timer, expiry_in < idle_in ? expiry_in : idle_in, close_if_idle);
}

/* One that nothing is sent on costs both sides memory: it is closed, and opened again when it is wanted. */
static void
close_if_idle(struct timer *timer)
{
        struct s2s *s2s = container_of(timer, struct s2s, timer);
        uint64_t most = (uint64_t)config_number(snapshot_section("s2s"), "idle") * 1000, silent = worker_now() - s2s->last_used;

        if (review_dates(s2s))
                return;
        if (silent < most) {
                look_again(s2s, most - silent);
                return;
        }
        log_debug(&s2s->log, "idle");
        s2s_close(s2s);
}

void
s2s_rest(struct s2s *s2s)
{
        s2s->last_used = worker_now();
        look_again(s2s, (uint64_t)config_number(snapshot_section("s2s"), "idle") * 1000);
}

void
s2s_open(struct s2s *s2s)
{
        struct xml_limits limits;

        if (s2s->is_open)
                return;
        here.negotiating -= !s2s->was_open;
        s2s->is_open = s2s->was_open = true;
        limits = limits_of(s2s);
        stream_set_limits(s2s->stream, &limits);
        stream_gather(s2s->stream, false);
        conn_allow(stream_conn(s2s->stream), 0, 0);
        s2s->opened = clock_wall_ms();
        s2s_rest(s2s);
}

struct pair *
s2s_pair(const struct s2s *s2s, const char *local, const char *remote)
{
        for (LIST_EACH(pair, &s2s->pairs, struct pair, in_stream))
                if (strcmp(pair->local, local) == 0 && strcmp(pair->remote, remote) == 0)
                        return pair;
        return NULL;
}

bool
s2s_has_proven(const struct s2s *s2s, const char *remote)
{
        for (LIST_EACH(pair, &s2s->pairs, struct pair, in_stream))
                if (proof_holds(pair->theirs) && strcmp(pair->remote, remote) == 0)
                        return true;
        return false;
}

struct pair *
s2s_add_pair(struct s2s *s2s, const char *local, const char *remote)
{
        struct pair *pair = s2s_pair(s2s, local, remote);

        if (pair != NULL)
                return pair;
        if ((int64_t)s2s->pairs.count >= limit_value(LIMIT_S2S_PAIRS)) {
                limit_note(LIMIT_S2S_PAIRS);
                return NULL;
        }
        pair = MEM_NEW(pair);
        pair->local = mem_strdup(local);
        pair->remote = mem_strdup(remote);
        list_append(&s2s->pairs, &pair->in_stream);
        return pair;
}

bool
s2s_is_secure(const struct s2s *s2s)
{
        return s2s->stream != NULL && conn_is_secure(stream_conn(s2s->stream));
}

bool
s2s_is_ours(const char *name)
{
        const struct domain *domain = snapshot_domain(name);

        return domain != NULL ? !domain->sip : mail_is_domain(name);
}

const char *
s2s_domain(struct arena *arena, const struct element *element, const char *attribute)
{
        const char *text = element_attribute(element, attribute);
        char domain[JID_PART_MAX + 1];

        return text != NULL && jid_prepare_domain(domain, text) ? arena_strdup(arena, domain) : NULL;
}

bool
steps_apply(const struct steps *steps, struct s2s *s2s, int event, const struct element *element, struct arena *arena)
{
        for (size_t i = 0; i < steps->count; i++) {
                const struct step_row *row = &steps->rows[i];
                if (row->in != s2s->state || row->when != event)
                        continue;
                log_trace(&s2s->log, "%s --%s--> %s", steps->states[row->in], steps->events[event], steps->states[row->then]);
                s2s->state = (char)row->then;
                row->act(s2s, element, arena);
                return true;
        }
        log_debug(&s2s->log, "%s --%s--> refused", steps->states[(int)s2s->state], steps->events[event]);
        return false;
}

/* ---- what the main thread asks of all streams ---- */

void
s2s_stop_streams(void)
{
        here.is_stopping = true;
        for (LIST_EACH(s2s, &here.streams, struct s2s, in_worker))
                if (s2s->stream != NULL && ledger_is_settled(s2s))
                        stream_fail(s2s->stream, STREAM_SYSTEM_SHUTDOWN, NULL);
}

void
s2s_count(uint64_t *streams, uint64_t *in_negotiation)
{
        *streams = here.streams.count;
        *in_negotiation = here.negotiating;
}

bool
s2s_is_stopping(void)
{
        return here.is_stopping;
}

void
s2s_take_settings(void)
{
        for (LIST_EACH(s2s, &here.streams, struct s2s, in_worker)) {
                if (s2s->stream == NULL)
                        continue;
                struct xml_limits limits = limits_of(s2s);
                stream_set_limits(s2s->stream, &limits);
                review_settings(s2s);
        }
        remote_check_policy();
}

/* ---- the administrator's view ---- */

const char *
s2s_proof_name(enum proof proof)
{
        switch (proof) {
        case PROOF_DIALBACK:
                return "dialback";
        case PROOF_EXTERNAL:
                return "external";
        case PROOF_CERTIFICATE:
                return "certificate";
        default:
                return NULL;
        }
}

static void
show(const struct s2s *s2s, const struct pair *pair, void (*each)(void *arg, const struct s2s_view *view), void *arg)
{
        struct conn *conn = s2s->stream == NULL ? NULL : stream_conn(s2s->stream);
        char peer[ADDRESS_TEXT];
        struct s2s_view view = {
                .remote = pair != NULL ? pair->remote : s2s->remote,
                .local = pair != NULL ? pair->local : s2s->local,
                .is_incoming = s2s->is_incoming,
                .is_bidirectional = s2s->has_bidi,
                .has_sm = s2s->ledger != NULL,
                .state = conn == NULL                    ? "moving"
                        : stream_is_closing(s2s->stream) ? "closing"
                        : s2s->is_open                   ? "open"
                        : s2s->is_incoming               ? in_state(s2s)
                                                         : out_state(s2s),
                .tls = s2s_is_secure(s2s) ? tls_session_version(conn_tls(conn)) : NULL,
                .proof = pair == NULL ? NULL : s2s_proof_name(s2s->is_incoming ? pair->theirs : pair->ours),
                .peer = conn == NULL ? "" : address_format(peer, conn_peer_address(conn)),
                .in = s2s->in,
                .out = s2s->out,
                .opened = s2s->opened,
                .silent_ms = conn == NULL ? 0 : worker_now() - conn_last_heard(conn),
        };

        each(arg, &view);
}

void
s2s_each(void (*each)(void *arg, const struct s2s_view *view), void *arg)
{
        for (LIST_EACH(s2s, &here.streams, struct s2s, in_worker)) {
                if (list_is_empty(&s2s->pairs))
                        show(s2s, NULL, each, arg);
                for (LIST_EACH(pair, &s2s->pairs, struct pair, in_stream))
                        show(s2s, pair, each, arg);
        }
}
