/*
 * component.c - one stream to the XMPP server, kept alive (XEP-0114)
 */
#include "sipcomp/component/component.h"

#include "shared/base/digest.h"
#include "shared/base/list.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/random.h"
#include "shared/base/text.h"
#include "shared/loop/timer.h"
#include "shared/xmpp/ns.h"
#include "shared/xmpp/stream.h"

#include <stdio.h>
#include <string.h>

enum {
        WAITING_MAX = 1000,
        PATIENT_MAX = 1024 * 1024,    /* bytes the server has not read: what can wait does */
        QUEUE_MAX = 16 * 1024 * 1024, /* bytes the server has not read: texts are refused beyond */
        FIRST_WAIT_MS = 100,          /* a restart of the server is over soon */
        LONGEST_WAIT_MS = 5000,
        HANDSHAKE_MS = 30000,
};

static const struct xml_limits limits = { .stanza_bytes = 1024 * 1024, .depth = 64, .attributes = 64 };

enum state { DOWN, RESOLVING, CONNECTING, OPENING, PROVING, UP, CLOSED, ANY };
enum event { TIME, FOUND, NOT_FOUND, CONNECTED, OPENED, PROVEN, LOST, WANTED_ELSEWHERE, UNWANTED, ANY_EVENT };

struct waiting {
        struct link link;
        struct stanza *stanza;
};

struct component {
        char *domain, *host, *secret;
        uint16_t port;
        struct dns *dns;
        const struct component_events *events;
        void *owner;
        struct log_scope log;
        enum state state;
        struct stream *stream; /* from CONNECTING on */
        struct dns_query *query;
        struct timer timer; /* the next try; the end of patience with a handshake */
        unsigned tries;
        struct address address;
        char proof[2 * DIGEST_MAX + 1];
        struct list waiting;
        bool was_up;                   /* the owner heard `up` and not `down` */
        bool said_down;                /* the log knows that the server is away */
        char trouble[200];             /* how the last try ended */
        enum stream_condition refusal; /* the server's, in that try */
};

static void apply(struct component *component, enum event event, const char *why);

/* --- Events from below. */

static void
fire(struct timer *timer)
{
        apply(container_of(timer, struct component, timer), TIME, "no answer in time");
}

static void
found(void *owner, enum dns_outcome outcome, const struct address *addresses, size_t count)
{
        struct component *component = owner;
        component->query = NULL;
        if (outcome == DNS_FOUND && count > 0)
                component->address = addresses[random_below((uint32_t)count)];
        apply(component, outcome == DNS_FOUND && count > 0 ? FOUND : NOT_FOUND, "its name has no address");
}

static void
connected(void *owner)
{
        apply(owner, CONNECTED, NULL);
}

/* handshake: SHA-1 of the stream's id and the secret, in hex. */
static void
opened(void *owner, struct element *header)
{
        struct component *component = owner;
        const char *id = element_attribute(header, "id");
        unsigned char digest[DIGEST_MAX];
        struct buf text = { 0 };
        buf_puts(&text, id == NULL ? "" : id);
        buf_puts(&text, component->secret);
        digest_of(DIGEST_SHA1, buf_data(&text), text.len, digest);
        text_hex(component->proof, digest, digest_size(DIGEST_SHA1));
        mem_wipe(buf_data(&text), text.len);
        buf_free(&text);
        apply(component, OPENED, NULL);
}

static void
trace(const struct component *component, const char *way, struct stanza *stanza)
{
        struct buf text = { 0 };
        if (!log_wants(&component->log, LOG_TRACE))
                return;
        stanza_write(&text, stanza);
        log_trace(&component->log, "%s %.*s", way, (int)text.len, buf_data(&text));
        buf_free(&text);
}

static void
receive(struct component *component, struct arena *arena, struct element *element, const struct xml_source *source)
{
        enum stanza_problem problem;
        struct stanza *stanza = stanza_new_parsed(arena, element, source, &problem);
        if (stanza == NULL) {
                log_info(&component->log, "a stanza that cannot be read was dropped");
                arena_free(&arena);
        } else if (stanza->from.full == NULL || stanza->to.full == NULL) {
                log_info(&component->log, "a stanza without addresses was dropped");
                stanza_unref(&stanza);
        } else {
                trace(component, "received", stanza);
                component->events->stanza(component->owner, component, stanza);
        }
}

static void
got_element(void *owner, struct arena *arena, struct element *element, const struct xml_source *source)
{
        struct component *component = owner;
        if (component->state == UP) {
                receive(component, arena, element, source);
                return;
        }
        bool proven = component->state == PROVING && text_equal(element->name, "handshake");
        arena_free(&arena);
        if (proven)
                apply(component, PROVEN, NULL);
}

static void
closed(void *owner, const char *why)
{
        struct component *component = owner;
        component->refusal = stream_error_of_peer(component->stream);
        component->stream = NULL;
        apply(component, LOST, why);
}

static const struct stream_events stream_events = {
        .connected = connected, .opened = opened, .element = got_element, .closed = closed
};

/* --- Steps. */

static void
let_go(struct component *component)
{
        if (component->query != NULL)
                dns_cancel(&component->query);
        stream_free(&component->stream);
        timer_stop(&component->timer);
}

static void
look_up(struct component *component, const char *why)
{
        component->refusal = STREAM_CONDITIONS;
        component->query = dns_lookup(component->dns, component->host, component->port, found, component);
}

static void
dial(struct component *component, const char *why)
{
        component->stream = stream_dial(&component->address, NS_COMPONENT, &limits, &stream_events, component);
        timer_start(&component->timer, HANDSHAKE_MS, fire);
}

static void
open_stream(struct component *component, const char *why)
{
        stream_open(component->stream, NULL, component->domain, NULL, NULL, NULL);
}

static void
prove(struct component *component, const char *why)
{
        char text[128];
        snprintf(text, sizeof(text), "<handshake>%s</handshake>", component->proof);
        stream_send_text(component->stream, text);
}

static void
send_waiting(struct component *component, const char *why)
{
        timer_stop(&component->timer);
        log_info(&component->log, "attached to %s waiting=%zu", component->host, component->waiting.count);
        component->tries = 0;
        component->said_down = false;
        component->was_up = true;
        for (LIST_EACH(waiting, &component->waiting, struct waiting, link)) {
                list_remove(&component->waiting, &waiting->link);
                stream_send(component->stream, waiting->stanza);
                stanza_unref(&waiting->stanza);
                mem_free(waiting);
        }
        component->events->up(component->owner, component);
}

static void
wait(struct component *component, const char *why)
{
        uint64_t ms = FIRST_WAIT_MS;
        let_go(component);
        snprintf(component->trouble, sizeof(component->trouble), "%s", why);
        for (unsigned i = 0; i < component->tries && ms < LONGEST_WAIT_MS; i++)
                ms *= 2;
        if (ms > LONGEST_WAIT_MS)
                ms = LONGEST_WAIT_MS;
        component->tries++;
        if (!component->said_down)
                log_warn(&component->log, "not attached to %s port=%u: %s", component->host, component->port, why);
        component->said_down = true;
        timer_start(&component->timer, ms / 2 + random_below((uint32_t)ms / 2 + 1), fire);
}

static void
tell_down(struct component *component, const char *why)
{
        bool was_up = component->was_up;
        component->was_up = false;
        if (was_up)
                component->events->down(component->owner, component, why);
}

static void
lose(struct component *component, const char *why)
{
        wait(component, why);
        tell_down(component, why);
}

static void
move(struct component *component, const char *why)
{
        let_go(component);
        component->tries = 0;
        timer_start(&component->timer, 0, fire);
        tell_down(component, "another server");
}

static void
close_stream(struct component *component, const char *why)
{
        timer_stop(&component->timer);
        if (component->query != NULL)
                dns_cancel(&component->query);
        if (component->stream != NULL)
                stream_close(component->stream);
        tell_down(component, "closed");
}

static void
do_nothing(struct component *component, const char *why)
{
}

/* clang-format off */
static const struct step {
        enum state in;
        enum event when;
        void (*act)(struct component *component, const char *why);
        enum state then;
} steps[] = {
        /* in         when              act           then       */
        { DOWN,       TIME,             look_up,      RESOLVING  },
        { RESOLVING,  FOUND,            dial,         CONNECTING },
        { RESOLVING,  NOT_FOUND,        wait,         DOWN       },
        { CONNECTING, CONNECTED,        open_stream,  OPENING    },
        { OPENING,    OPENED,           prove,        PROVING    },
        { PROVING,    PROVEN,           send_waiting, UP         },
        { UP,         LOST,             lose,         DOWN       },
        { CLOSED,     ANY_EVENT,        do_nothing,   CLOSED     },
        { ANY,        WANTED_ELSEWHERE, move,         DOWN       },
        { ANY,        UNWANTED,         close_stream, CLOSED     },
        { ANY,        ANY_EVENT,        wait,         DOWN       },
};
/* clang-format on */

static const char *const state_names[] = { "down", "resolving", "connecting", "opening", "proving", "up", "closed", "any" };

static void
apply(struct component *component, enum event event, const char *why)
{
        const struct step *step = steps;
        while ((step->in != component->state && step->in != ANY) || (step->when != event && step->when != ANY_EVENT))
                step++;
        log_debug(&component->log, "%s --> %s", state_names[component->state], state_names[step->then]);
        component->state = step->then;
        step->act(component, why == NULL ? "unexpected" : why);
}

/* --- For the room above. */

static void
keep_server(struct component *component, const struct component_server *server)
{
        mem_free(component->host);
        if (component->secret != NULL)
                mem_wipe(component->secret, strlen(component->secret));
        mem_free(component->secret);
        component->host = mem_strdup(server->host);
        component->secret = mem_strdup(server->secret);
        component->port = server->port;
        component->dns = server->dns;
}

struct component *
component_new(const char *domain, const struct component_server *server, const struct component_events *events, void *owner)
{
        struct component *component = MEM_NEW(component);
        component->domain = mem_strdup(domain);
        component->refusal = STREAM_CONDITIONS;
        component->events = events;
        component->owner = owner;
        log_scope_set(&component->log, "component", "%s", domain);
        keep_server(component, server);
        timer_start(&component->timer, 0, fire);
        return component;
}

void
component_free(struct component **where)
{
        struct component *component = *where;
        if (component == NULL)
                return;
        *where = NULL;
        let_go(component);
        for (LIST_EACH(waiting, &component->waiting, struct waiting, link)) {
                list_remove(&component->waiting, &waiting->link);
                stanza_unref(&waiting->stanza);
                mem_free(waiting);
        }
        mem_wipe(component->secret, strlen(component->secret));
        mem_free(component->secret);
        mem_free(component->host);
        mem_free(component->domain);
        mem_free(component);
}

void
component_close(struct component *component)
{
        apply(component, UNWANTED, NULL);
}

void
component_set_server(struct component *component, const struct component_server *server)
{
        bool same = text_equal(component->host, server->host) && text_equal(component->secret, server->secret) &&
                component->port == server->port;
        keep_server(component, server);
        if (!same)
                apply(component, WANTED_ELSEWHERE, NULL);
}

bool
component_is_up(const struct component *component)
{
        return component->state == UP;
}

const char *
component_trouble(const struct component *component, enum stream_condition *refusal)
{
        *refusal = component->refusal;
        return component->trouble;
}

bool
component_may_take(const struct component *component)
{
        return component->state == UP && conn_queued(stream_conn(component->stream)) < PATIENT_MAX;
}

bool
component_send(struct component *component, struct stanza *stanza, bool keep)
{
        if (component->state == UP && !keep && conn_queued(stream_conn(component->stream)) > QUEUE_MAX) {
                stanza_unref(&stanza);
                return false;
        }
        if (component->state == UP) {
                trace(component, "sent", stanza);
                stream_send(component->stream, stanza);
                stanza_unref(&stanza);
                return true;
        }
        if (!keep || component->state == CLOSED) {
                stanza_unref(&stanza);
                return false;
        }
        if (component->waiting.count >= WAITING_MAX) {
                struct waiting *oldest = LIST_ITEM(component->waiting.first, struct waiting, link);
                list_remove(&component->waiting, &oldest->link);
                stanza_unref(&oldest->stanza);
                mem_free(oldest);
        }
        struct waiting *waiting = MEM_NEW(waiting);
        waiting->stanza = stanza;
        list_append(&component->waiting, &waiting->link);
        return true;
}
