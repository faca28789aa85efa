/*
 * client.c - a client's stream on its worker: made, fed to negotiation or session, counted, closed
 */
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/loop/handler.h"
#include "shared/xmpp/ns.h"
#include "xmppd/c2s/c2s.h"
#include "xmppd/c2s/c2s_private.h"
#include "xmppd/route/limits.h"
#include "xmppd/route/snapshot.h"

#include <stdatomic.h>
#include <string.h>

enum {
        HELLO_BYTES = 4096,
        RECORD_OVERHEAD = 512,
        RECORD_MAX = 16384 + RECORD_OVERHEAD,
        BRAKE_LETTERS = 50000, /* clients are many: one alone has little to do with it */
};

/* One of these per worker; nobody else looks. */
static _Thread_local struct list clients;
static _Thread_local uint64_t negotiating;
static _Thread_local bool stopping;

static atomic_uint last_number;

bool
client_is_stopping(void)
{
        return stopping;
}

void
client_join_worker(struct client *client)
{
        list_append(&clients, &client->in_worker);
        negotiating += client->login != NULL;
}

void
client_leave_worker(struct client *client)
{
        list_remove(&clients, &client->in_worker);
        negotiating -= client->login != NULL;
}

void
client_stop_negotiating(struct client *client)
{
        ticket_settle(&client->ticket);
        if (client->login == NULL)
                return;
        negotiating--;
        login_free(client);
}

struct xml_limits
client_limits(const struct client *client)
{
        bool is_early = client->account == NULL;

        return (struct xml_limits){
                .stanza_bytes = (size_t)limit_value(is_early ? LIMIT_EARLY_BYTES : LIMIT_STANZA_BYTES),
                .depth = (int)limit_value(is_early ? LIMIT_EARLY_DEPTH : LIMIT_DEPTH),
                .attributes = (int)limit_value(LIMIT_ATTRIBUTES),
                .name_bytes = (size_t)limit_value(LIMIT_NAME),
        };
}

static enum event
event_of(const struct client *client, const struct element *element)
{
        static const struct {
                const char *name, *ns;
                enum event event;
        } known[] = {
                { "starttls", NS_TLS, STARTTLS },
                { "auth", NS_SASL, AUTH },
                { "response", NS_SASL, RESPONSE },
                { "abort", NS_SASL, ABORT },
                { "resume", NS_SM, RESUME },
                { "enable", NS_SM, ENABLE },
                { "message", XML_CONTENT_NS, STANZA },
                { "presence", XML_CONTENT_NS, STANZA },
        };

        if (element_is(element, "iq", XML_CONTENT_NS) && register_takes(client, element))
                return REGISTER;
        if (element_is(element, "iq", XML_CONTENT_NS))
                return client->account != NULL && element_child(element, "bind", NS_BIND) != NULL ? BIND : STANZA;
        for (size_t i = 0; i < array_len(known); i++)
                if (element_is(element, known[i].name, known[i].ns))
                        return known[i].event;
        return OTHER;
}

static void
see_header(void *owner, struct element *header)
{
        negotiate(owner, HEADER, header);
}

static void
see_secured(void *owner)
{
        negotiate(owner, SECURED, NULL);
}

static void
see_element(void *owner, struct arena *arena, struct element *element, const struct xml_source *source)
{
        struct client *client = owner;

        handler_note(client->session != NULL ? "stanza of a client" : "login");
        if (client->session != NULL) {
                bound_receive(client, arena, element, source);
                return;
        }
        negotiate(client, event_of(client, element), element);
        arena_free(&arena);
}

static void
see_excess(void *owner, bool at_once)
{
        struct client *client = owner;

        limit_note(at_once ? LIMIT_EARLY_BYTES : LIMIT_EARLY_TOTAL);
        stream_fail(client->stream, STREAM_POLICY_VIOLATION, "too much was sent before login");
}

/* The domain that the client has named, or any of ours. */
static const char *
see_name(void *owner)
{
        const struct client *client = owner;

        return client->domain != NULL ? client->domain
                                      : section_title(section_next(config_top(snapshot_now()->config), "domain", NULL));
}

static void
see_closed(void *owner, const char *why)
{
        struct client *client = owner;

        bool for_good = stream_was_ended(client->stream), is_early = client->account == NULL;
        enum xml_problem problem = stream_problem(client->stream);

        limit_note_problem(problem, is_early ? LIMIT_EARLY_BYTES : LIMIT_STANZA_BYTES, is_early ? LIMIT_EARLY_DEPTH : LIMIT_DEPTH);

        client->stream = NULL;
        if (client->session != NULL)
                log_info(&client->log, "closed: %s", why);
        else
                log_debug(&client->log, "closed before binding: %s", why);
        brake_stop(&client->brake);
        resume_abandon(client);
        session_close(&client->session, for_good);
        client_stop_negotiating(client);
        client_leave_worker(client);
        ticket_return(&client->ticket);
        mem_free(client->domain);
        mem_free(client->lang);
        mem_free(client->account);
        mem_free(client);
}

const struct stream_events client_events = {
        .secured = see_secured,
        .opened = see_header,
        .element = see_element,
        .excess = see_excess,
        .closed = see_closed,
        .name = see_name,
};

static void
give_up(struct timer *timer)
{
        struct client *client = container_of(timer, struct login, deadline)->client;

        if (client->stream == NULL)
                return;
        limit_note(LIMIT_LOGIN_TIME);
        stream_fail(client->stream, STREAM_CONNECTION_TIMEOUT, "login took too long");
}

/* Of TLS before login: what an element needs, and a ClientHello; all that TLS allows where clients may show certificates. */
static size_t
longest_record(void)
{
        size_t element = (size_t)limit_value(LIMIT_EARLY_BYTES);

        if (config_text(snapshot_section("c2s"), "client-ca")[0] != '\0')
                return RECORD_MAX;
        return (element > HELLO_BYTES ? element : HELLO_BYTES) + RECORD_OVERHEAD;
}

void
client_new(int fd, bool direct, const struct ticket *ticket)
{
        struct client *client = MEM_NEW(client);
        struct xml_limits early = client_limits(client);
        struct login *login = MEM_NEW(login);
        char peer[ADDRESS_TEXT];

        client->login = login;
        login->client = client;
        client->ticket = *ticket;
        client->brake.letters = BRAKE_LETTERS;
        client->stream = stream_accept(fd, NS_CLIENT, &early, &client_events, client);
        struct conn *conn = stream_conn(client->stream);
        log_scope_set(
                &client->log, "c2s", "%s#%u", address_format(peer, conn_peer_address(conn)), atomic_fetch_add(&last_number, 1) + 1);
        client_join_worker(client);
        conn_allow(conn, (size_t)limit_value(LIMIT_EARLY_TOTAL), longest_record());
        stream_gather(client->stream, true);
        timer_start(&login->deadline, (uint64_t)limit_value(LIMIT_LOGIN_TIME) * 1000, give_up);
        if (direct)
                conn_start_tls(conn, snapshot_now()->c2s_tls, TLS_SERVER, NULL);
        if (stopping)
                stream_fail(client->stream, STREAM_SYSTEM_SHUTDOWN, NULL);
}

void
c2s_stop_streams(void)
{
        stopping = true;
        for (LIST_EACH(client, &clients, struct client, in_worker))
                stream_fail(client->stream, STREAM_SYSTEM_SHUTDOWN, NULL);
}

void
c2s_take_settings(void)
{
        for (LIST_EACH(client, &clients, struct client, in_worker)) {
                if (client->stream == NULL)
                        continue;
                const struct domain *domain = client->account == NULL ? NULL : snapshot_domain(client->domain);
                if (client->account != NULL && (domain == NULL || domain->kind != DOMAIN_LOCAL)) {
                        stream_fail(client->stream, STREAM_HOST_GONE, NULL);
                        continue;
                }
                struct xml_limits limits = client_limits(client);
                stream_set_limits(client->stream, &limits);
        }
}

void
c2s_forget(const struct jid *account)
{
        for (LIST_EACH(client, &clients, struct client, in_worker))
                if (client->session == NULL && client->stream != NULL && client->account != NULL &&
                        jid_has_bare(account, client->account, strlen(client->account)))
                        stream_fail(client->stream, STREAM_NOT_AUTHORIZED, "The account was deleted or its password changed.");
}

void
c2s_count(uint64_t *streams, uint64_t *in_negotiation)
{
        *streams = clients.count;
        *in_negotiation = negotiating;
}
