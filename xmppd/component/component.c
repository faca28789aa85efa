/*
 * component.c - streams of components (XEP-0114)
 *
 * A stream begins on the worker it was handed to, proves that it knows the secret of its domain there, and then moves to the home of that
 * domain, where it gets <handshake/> and serves. A worker knows the serving streams of the domains at home on it, so that a second one
 * for the same domain is refused where the first one lives.
 */
#include "xmppd/component/component.h"

#include "shared/base/clock.h"
#include "shared/base/digest.h"
#include "shared/base/map.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/base/random.h"
#include "shared/base/text.h"
#include "shared/loop/handler.h"
#include "shared/loop/worker.h"
#include "shared/xmpp/ns.h"
#include "shared/xmpp/pledge.h"
#include "shared/xmpp/stream.h"
#include "xmppd/component/component_private.h"
#include "xmppd/extend/extension.h"
#include "xmppd/route/home.h"
#include "xmppd/route/route.h"
#include "xmppd/user/brake.h"
#include "xmppd/user/mail.h"

#include <stdio.h>
#include <string.h>

enum {
        ID_BYTES = 16,
        PINGS_MAX = 1000, /* of one stream, waiting for the disk */
        DEADLINE_MS = 30 * 1000,
        KEEPALIVE_MS = 60 * 1000,
        BRAKE_LETTERS = 20000,
        BRAKE_EACH = 64, /* stanzas */
};

enum state { AWAITS_HEADER, AWAITS_HANDSHAKE, MOVES, SERVES, ENDS };

/* Owned by its worker's list; freed when its stream has closed. */
struct component {
        struct link in_all;
        struct ticket ticket; /* settled when it serves */
        struct letter letter; /* while it moves */
        struct chore leave;   /* at the end of the turn in which the handshake came */
        struct timer timer;   /* the deadline of the negotiation, later the keepalive */
        struct brake brake;
        enum state state;
        struct stream *stream;
        struct stream_parcel *parcel; /* while it moves */
        char *domain;                 /* prepared; NULL until the header came */
        char id[2 * ID_BYTES + 1];
        char peer[ADDRESS_TEXT];
        struct pledge *pledge;              /* of what came since the last ping */
        struct letter *first_ping, **pings; /* stanzas, oldest first: each waits for the pledge closed when it came */
        size_t ping_count;
        uint64_t in, out;
        int64_t opened;
        struct log_scope log;
};

static _Thread_local struct {
        struct list all;
        struct map *serving; /* domain -> component */
        bool is_stopping;
} here;

static const struct stream_events events;

static struct component *
serving(const char *domain)
{
        return here.serving == NULL ? NULL : map_get_str(here.serving, domain);
}

/* ---- the end ---- */

/* It speaks for its domain no longer; what comes for the domain from now on goes back. */
static void
stop_serving(struct component *component)
{
        if (component->state != SERVES)
                return;
        map_remove_str(here.serving, component->domain);
        if (map_count(here.serving) == 0)
                map_free(&here.serving);
        component->state = ENDS;
}

static void
end(struct component *component, enum stream_condition condition, const char *text)
{
        stop_serving(component);
        component->state = ENDS;
        timer_stop(&component->timer);
        stream_fail(component->stream, condition, text);
}

static void
drop_pings(struct component *component)
{
        pledge_forget(&component->pledge);
        for (struct letter *next; component->first_ping != NULL; component->first_ping = next) {
                struct stanza *ping = container_of(component->first_ping, struct stanza, letter);
                next = component->first_ping->next;
                stanza_unref(&ping);
        }
}

static void
free_component(struct component *component)
{
        timer_stop(&component->timer);
        brake_stop(&component->brake);
        worker_forget_chore(&component->leave);
        drop_pings(component);
        list_remove(&here.all, &component->in_all);
        ticket_return(&component->ticket);
        mem_free(component->domain);
        mem_free(component);
}

static void
see_closed(void *owner, const char *why)
{
        struct component *component = owner;

        stop_serving(component);
        limit_note_problem(stream_problem(component->stream), LIMIT_COMPONENT_STANZA, LIMIT_DEPTH);
        log_info(&component->log, "closed why=\"%s\" in=%llu out=%llu", why, (unsigned long long)component->in,
                (unsigned long long)component->out);
        free_component(component);
}

/* ---- negotiation ---- */

static void
give_up(struct timer *timer)
{
        end(container_of(timer, struct component, timer), STREAM_CONNECTION_TIMEOUT, "no handshake");
}

static struct component *
add_component(const struct ticket *ticket)
{
        struct component *component = MEM_NEW(component);

        component->ticket = *ticket;
        component->brake.letters = BRAKE_LETTERS;
        component->pings = &component->first_ping;
        list_append(&here.all, &component->in_all);
        return component;
}

static struct xml_limits
stream_limits(void)
{
        return (struct xml_limits){
                .stanza_bytes = (size_t)limit_value(LIMIT_COMPONENT_STANZA),
                .depth = (int)limit_value(LIMIT_DEPTH),
                .attributes = (int)limit_value(LIMIT_ATTRIBUTES),
                .name_bytes = (size_t)limit_value(LIMIT_NAME),
        };
}

void
component_accept(int fd, bool is_direct, const struct ticket *ticket)
{
        struct component *component = add_component(ticket);
        struct xml_limits limits = stream_limits();
        component->stream = stream_accept(fd, NS_COMPONENT, &limits, &events, component);
        address_format(component->peer, conn_peer_address(stream_conn(component->stream)));
        log_scope_set(&component->log, "component", "%s", component->peer);
        random_hex(component->id, ID_BYTES);
        timer_start(&component->timer, DEADLINE_MS, give_up);
        if (here.is_stopping)
                end(component, STREAM_SYSTEM_SHUTDOWN, NULL);
}

/* The domain that the header names, if components may serve it. */
static const struct domain *
wanted_domain(const struct element *header)
{
        const char *to = element_attribute(header, "to");
        char name[JID_PART_MAX + 1];

        if (to == NULL || !jid_prepare_domain(name, to))
                return NULL;
        const struct domain *domain = snapshot_domain(name);
        return domain != NULL && domain->kind == DOMAIN_COMPONENT ? domain : NULL;
}

static void
see_opened(void *owner, struct element *header)
{
        struct component *component = owner;
        const struct domain *domain = wanted_domain(header);

        if (domain == NULL) {
                log_warn(&component->log, "refused: no component domain to=%s",
                        element_attribute(header, "to") == NULL ? "" : element_attribute(header, "to"));
                end(component, STREAM_HOST_UNKNOWN, NULL);
                return;
        }
        component->domain = mem_strdup(domain->name);
        log_scope_set(&component->log, "component", "%s", component->domain);
        /* XEP-0114 has no version, and a header that claims 1.0 promises stream features. */
        stream_open(component->stream, component->domain, NULL, component->id, NULL, NULL);
        component->state = AWAITS_HANDSHAKE;
}

/* XEP-0114 3: lower-case hexadecimal SHA-1 of stream id and secret. */
static bool
knows_secret(const struct component *component, const struct domain *domain, const char *proof)
{
        struct buf text = { 0 };
        unsigned char digest[DIGEST_MAX];
        char expected[2 * DIGEST_MAX + 1];

        if (domain->secret == NULL || domain->secret[0] == '\0')
                return false;
        buf_puts(&text, component->id);
        buf_puts(&text, domain->secret);
        digest_of(DIGEST_SHA1, buf_data(&text), text.len, digest);
        mem_wipe(buf_data(&text), text.len);
        buf_free(&text);
        text_hex(expected, digest, digest_size(DIGEST_SHA1));
        bool is_equal = strlen(proof) == strlen(expected) && mem_equal_secret(proof, expected, strlen(expected));
        mem_wipe(expected, sizeof(expected));
        return is_equal;
}

static void move_home(struct chore *chore);

static void
check_handshake(struct component *component, struct arena *arena, const struct element *element)
{
        const struct domain *domain = snapshot_domain(component->domain);

        if (!element_is(element, "handshake", XML_CONTENT_NS)) {
                log_warn(&component->log, "refused: <%s/> before the handshake from=%s", element->name, component->peer);
                end(component, STREAM_NOT_AUTHORIZED, NULL);
        } else if (domain == NULL || domain->kind != DOMAIN_COMPONENT) {
                end(component, STREAM_HOST_UNKNOWN, NULL);
        } else if (!knows_secret(component, domain, element_text(element, arena))) {
                log_warn(&component->log, "refused: wrong secret from=%s", component->peer);
                end(component, STREAM_NOT_AUTHORIZED, NULL);
        } else {
                component->state = MOVES;
                stream_pause(component->stream);
                component->leave.run = move_home;
                worker_at_turn_end(&component->leave);
        }
}

/* ---- serving ---- */

static void
answer_ping(void *owner, void *cookie)
{
        struct component *component = owner;
        struct stanza *ping = container_of(component->first_ping, struct stanza, letter);

        must(ping == cookie);
        component->first_ping = ping->letter.next;
        if (component->first_ping == NULL)
                component->pings = &component->first_ping;
        component->ping_count--;
        route(ping);
}

/* The answer vouches for everything that came before the ping: it waits until that is handled and on disk. */
static void
hold_ping(struct component *component, struct stanza *ping)
{
        if (component->ping_count >= PINGS_MAX) {
                stanza_unref(&ping);
                end(component, STREAM_POLICY_VIOLATION, "too many pings at once");
                return;
        }
        ping->letter.next = NULL;
        *component->pings = &ping->letter;
        component->pings = &ping->letter.next;
        component->ping_count++;
        struct pledge *closed = component->pledge;
        component->pledge = pledge_new(answer_ping, component);
        pledge_await(closed);
        pledge_close(closed, ping);
}

static bool
is_ping_to_server(const struct stanza *stanza)
{
        const struct element *payload = stanza_payload(stanza);
        const struct domain *domain = snapshot_domain(stanza->to.domain);

        return stanza->kind == STANZA_IQ && stanza->type == IQ_GET && payload != NULL && element_is(payload, "ping", NS_PING) &&
                stanza->to.local == NULL && domain != NULL && domain->kind == DOMAIN_LOCAL;
}

/* Behind it are foreign domains: what crosses to them carries mail addresses where these are switched on. */
static bool
is_sip(const struct component *component)
{
        const struct domain *domain = snapshot_domain(component->domain);

        return domain != NULL && domain->sip;
}

static void
handle(struct component *component, struct stanza *stanza)
{
        if (stanza->from.full == NULL || stanza->to.full == NULL) {
                end(component, STREAM_IMPROPER_ADDRESSING, "from and to are needed");
                stanza_unref(&stanza);
                return;
        }
        if (strcmp(stanza->from.domain, component->domain) != 0) {
                log_warn(&component->log, "refused: a stanza from=%s", stanza->from.domain);
                end(component, STREAM_INVALID_FROM, NULL);
                stanza_unref(&stanza);
                return;
        }
        if (++component->in % BRAKE_EACH == 0)
                brake_use(&component->brake, &component->stream, 0);
        if (is_sip(component) && (stanza = mail_enter(stanza)) == NULL)
                return;
        if (stanza_is_request(stanza) && !stanza_has_one_payload(stanza)) {
                route_error(stanza, BAD_REQUEST, "A request has exactly one child.");
                stanza_unref(&stanza);
        } else if (is_ping_to_server(stanza)) {
                hold_ping(component, stanza);
        } else if (extend_run(HOOK_FROM_OUTSIDE, NULL, stanza) == STOP) {
                stanza_unref(&stanza);
        } else {
                pledge_take(component->pledge, stanza);
                route(stanza);
        }
}

/* The peer's mistake in one stanza: the answer goes back on this very stream, for there may be no address to route it to. */
static void
refuse(struct component *component, struct arena *arena, const struct element *element, enum stanza_problem problem)
{
        const char *from = element_attribute(element, "from");
        struct jid sender;

        if (problem == STANZA_NOT_A_STANZA) {
                end(component, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
        } else if (from == NULL || !jid_parse(&sender, arena, from)) {
                end(component, STREAM_IMPROPER_ADDRESSING, "from and to are needed");
        } else if (strcmp(sender.domain, component->domain) != 0) {
                end(component, STREAM_INVALID_FROM, NULL);
        } else {
                struct stanza *answer = stanza_refusal(element, problem, &sender);
                if (answer != NULL)
                        stream_send(component->stream, answer);
                stanza_unref(&answer);
        }
        arena_free(&arena);
}

static void
see_element(void *owner, struct arena *arena, struct element *element, const struct xml_source *source)
{
        struct component *component = owner;
        enum stanza_problem problem;

        handler_note("stanza of a component");
        if (component->state == AWAITS_HANDSHAKE)
                check_handshake(component, arena, element);
        if (component->state != SERVES) {
                arena_free(&arena);
                return;
        }
        struct stanza *stanza = stanza_new_parsed(arena, element, source, &problem);
        if (stanza == NULL)
                refuse(component, arena, element, problem);
        else
                handle(component, stanza);
}

static const struct stream_events events = { .opened = see_opened, .element = see_element, .closed = see_closed };

/* ---- moving ---- */

/* White space between stanzas costs nothing and finds out about machines that are gone. */
static void
keep_alive(struct timer *timer)
{
        struct component *component = container_of(timer, struct component, timer);

        stream_send_text(component->stream, " ");
        timer_start(&component->timer, KEEPALIVE_MS, keep_alive);
}

static void
serve(struct component *component)
{
        const struct domain *domain = snapshot_domain(component->domain);

        if (here.is_stopping) {
                end(component, STREAM_SYSTEM_SHUTDOWN, NULL);
        } else if (domain == NULL || domain->kind != DOMAIN_COMPONENT) {
                end(component, STREAM_HOST_GONE, NULL);
        } else if (serving(component->domain) != NULL) {
                log_warn(&component->log, "refused: connected already from=%s", component->peer);
                end(component, STREAM_CONFLICT, NULL);
        } else {
                component->state = SERVES;
                component->opened = clock_wall_ms();
                component->pledge = pledge_new(answer_ping, component);
                if (here.serving == NULL)
                        here.serving = map_new();
                map_put_str(here.serving, component->domain, component);
                ticket_settle(&component->ticket);
                stream_send_text(component->stream, "<handshake/>");
                timer_start(&component->timer, KEEPALIVE_MS, keep_alive);
                log_info(&component->log, "open from=%s", component->peer);
        }
}

static void
arrive(struct letter *letter)
{
        struct component *component = container_of(letter, struct component, letter);

        list_append(&here.all, &component->in_all);
        component->stream = stream_unpack(&component->parcel, &events, component);
        serve(component);
}

/* Between two loop turns nothing is in flight: the component waits for our <handshake/>. */
static void
move_home(struct chore *chore)
{
        struct component *component = container_of(chore, struct component, leave);
        struct worker *home = home_of_domain(component->domain);

        if (component->state != MOVES)
                return;
        timer_stop(&component->timer);
        if (on_home(home)) {
                serve(component);
                stream_resume(component->stream);
                return;
        }
        list_remove(&here.all, &component->in_all);
        component->parcel = stream_pack(&component->stream);
        component->letter.open = arrive;
        worker_post(home, &component->letter);
}

/* ---- what others ask ---- */

void
component_receive(struct stanza *stanza)
{
        struct component *component = serving(stanza->to.domain);

        must(on_home(home_of_domain(stanza->to.domain)));
        if (component == NULL || stream_is_closing(component->stream)) {
                route_error(stanza, REMOTE_SERVER_NOT_FOUND, "The component of this domain is not connected.");
        } else {
                if (is_sip(component))
                        stanza = mail_leave(stanza);
                stream_send(component->stream, stanza);
                component->out++;
                if (conn_queued(stream_conn(component->stream)) > (size_t)limit_value(LIMIT_COMPONENT_QUEUE)) {
                        limit_note(LIMIT_COMPONENT_QUEUE);
                        log_error(&component->log, "does not read what it is sent: limits.max-component-queue is reached");
                        end(component, STREAM_POLICY_VIOLATION, "too much is waiting to be read");
                }
        }
        stanza_unref(&stanza);
}

void
component_check_streams(void)
{
        struct xml_limits limits = stream_limits();

        for (LIST_EACH(component, &here.all, struct component, in_all)) {
                const struct domain *domain = component->state == SERVES ? snapshot_domain(component->domain) : NULL;
                if (component->state == SERVES && (domain == NULL || domain->kind != DOMAIN_COMPONENT))
                        end(component, STREAM_HOST_GONE, NULL);
                else
                        stream_set_limits(component->stream, &limits);
        }
}

void
component_stop_streams(void)
{
        here.is_stopping = true;
        for (LIST_EACH(component, &here.all, struct component, in_all))
                if (component->state != ENDS)
                        end(component, STREAM_SYSTEM_SHUTDOWN, NULL);
}

void
component_each(void (*each)(void *arg, const char *domain, const char *peer, uint64_t in, uint64_t out, int64_t opened), void *arg)
{
        for (LIST_EACH(component, &here.all, struct component, in_all))
                if (component->state == SERVES)
                        each(arg, component->domain, component->peer, component->in, component->out, component->opened);
}
