/*
 * gateway.c - building, rebuilding and stopping what the bridge joins
 */
#include "sipcomp/bridge/bridge_private.h"

#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/base/text.h"
#include "shared/loop/worker.h"

#include <string.h>

enum { LISTENERS_MAX = 16, HIDE_MS = 60000, RETIRE_MS = 120000, LOOK_MS = 50 };

/* --- Edges: one for each SIP domain. */

struct edge *
edge_of(const struct gateway *gateway, const char *domain)
{
        return map_get_str(gateway->edges, domain);
}

static void
hide_users(struct timer *timer)
{
        struct edge *edge = container_of(timer, struct edge, hide);
        log_info(LOG_ABOUT("bridge", edge->domain), "the XMPP server has been away for a minute: watchers see our users offline");
        simple_hide(edge->gateway->simple, edge->domain);
}

static void
up(void *owner, struct component *component)
{
        struct edge *edge = owner;
        timer_stop(&edge->hide);
        simple_show(edge->gateway->simple, edge->domain);
}

static void
down(void *owner, struct component *component, const char *why)
{
        struct edge *edge = owner;
        barrier_break(edge);
        crowd_forget(edge->gateway, edge->domain);
        if (!edge->gateway->stopping)
                timer_start(&edge->hide, HIDE_MS, hide_users);
}

static void
take_stanza(void *owner, struct component *component, struct stanza *stanza)
{
        from_xmpp(owner, stanza);
}

static const struct component_events component_events = { .up = up, .down = down, .stanza = take_stanza };

static struct component_server
server_of(const struct gateway *gateway)
{
        const struct section *xmpp = section_of(config_top(gateway->config), "xmpp");
        return (struct component_server){ .host = config_text(xmpp, "host"),
                .port = (uint16_t)config_number(xmpp, "port"),
                .secret = config_text(xmpp, "secret"),
                .dns = gateway->dns };
}

static void
free_edge(struct edge *edge)
{
        map_remove_str(edge->gateway->edges, edge->domain);
        timer_stop(&edge->hide);
        barrier_free_all(edge);
        component_free(&edge->component);
        map_free(&edge->barriers);
        mem_free(edge->domain);
        mem_free(edge);
}

/* One stream for each domain that is configured, none for others. */
static void
match_edges(struct gateway *gateway)
{
        struct component_server server = server_of(gateway);
        struct edge *edge;
        for (size_t at = 0; (edge = map_next(gateway->edges, &at)) != NULL;) {
                if (federation_domain(gateway->federation, edge->domain) != NULL) {
                        component_set_server(edge->component, &server);
                        continue;
                }
                log_info(LOG_ABOUT("bridge", edge->domain), "is served no more");
                simple_drop(gateway->simple, edge->domain);
                free_edge(edge);
        }
        for (size_t i = 0; i < federation_count(gateway->federation); i++) {
                const char *domain = federation_at(gateway->federation, i)->name;
                if (edge_of(gateway, domain) != NULL)
                        continue;
                edge = MEM_NEW(edge);
                edge->gateway = gateway;
                edge->domain = mem_strdup(domain);
                edge->barriers = map_new();
                map_put_str(gateway->edges, edge->domain, edge);
                edge->component = component_new(domain, &server, &component_events, edge);
        }
}

/* --- SIP. */

static struct tls_context *
make_tls(const struct section *top, enum tls_side side, enum tls_ask ask, struct err *err)
{
        const struct section *tls = section_of(top, "tls");
        const char *key = config_text(tls, "key"), *max = config_text(tls, "max-version"), *ciphers = config_text(tls, "ciphers");
        struct tls_options options = {
                .certificate = config_text(tls, "certificate"),
                .key = key[0] == '\0' ? NULL : key,
                .trust = config_text(tls, "trust"),
                .min_version = config_text(tls, "min-version"),
                .max_version = max[0] == '\0' ? NULL : max,
                .ciphers = ciphers[0] == '\0' ? NULL : ciphers,
                .ask = ask,
                .empty_fragments = config_bool(tls, "empty-fragments"),
        };
        return tls_context_new(side, &options, err);
}

static enum tls_ask
ask_of(const struct section *listen)
{
        const char *word = config_text(listen, "client-certificate");
        return strcmp(word, "required") == 0 ? TLS_ASK_REQUIRED : strcmp(word, "none") == 0 ? TLS_ASK_NONE : TLS_ASK_OPTIONAL;
}

static int
listen_all(struct gateway *gateway, const struct section *top, struct err *err)
{
        struct sip_transport *transport = sip_transactions_transport(gateway->transactions);
        for (const struct section *at = section_next(top, "listen", NULL); at != NULL; at = section_next(top, "listen", at)) {
                bool is_tls = strcmp(config_text(at, "transport"), "tls") == 0;
                struct tls_context *tls = NULL;
                struct address address;
                if (!address_from_host(&address, config_text(at, "address"), (uint16_t)config_number(at, "port")))
                        return err_set(err, "%s: not an IP address", section_place(at, "address"));
                if (is_tls && (tls = make_tls(top, TLS_SERVER, ask_of(at), err)) == NULL)
                        return -1;
                int outcome = sip_transport_listen(transport, section_title(at), &address, is_tls ? SIP_TLS : SIP_TCP, tls,
                        ask_of(at), (uint16_t)config_number(at, "advertise-port"), err);
                if (tls != NULL)
                        tls_context_unref(&tls);
                if (outcome != 0)
                        return -1;
        }
        return 0;
}

static struct simple_options
simple_options_of(const struct gateway *gateway, const struct section *top)
{
        return (struct simple_options){
                .transactions = gateway->transactions,
                .store = gateway->store,
                .sdp_address = "0.0.0.0", /* nobody dials it: the session runs in the dialog itself */
                .session_idle = (uint32_t)config_number(top, "session-idle"),
                .notify_interval = (uint32_t)config_number(top, "notify-interval"),
                .subscribe_rate = (uint32_t)config_number(top, "subscribe-rate"),
        };
}

static struct dns *
make_dns(const struct section *top, struct err *err)
{
        const struct section *section = section_of(top, "dns");
        const char *servers[8];
        size_t count = config_list_count(section, "servers");
        if (count > array_len(servers))
                count = array_len(servers);
        for (size_t i = 0; i < count; i++)
                servers[i] = config_list_item(section, "servers", i);
        return dns_new(servers, count, err);
}

static void
set_balancers(struct gateway *gateway, const struct section *top)
{
        size_t count = config_list_count(top, "proxy-from");
        struct network *networks = mem_array(count > 0 ? count : 1, sizeof(*networks));
        for (size_t i = 0; i < count; i++)
                must(network_parse(&networks[i], config_list_item(top, "proxy-from", i))); /* checked with the settings */
        sip_transport_set_balancers(sip_transactions_transport(gateway->transactions), networks, count);
        mem_free(networks);
}

static int
start_sip(struct gateway *gateway, const struct section *top, struct err *err)
{
        const struct section *tls = section_of(top, "tls");
        struct tls_context *client = NULL;
        if (config_text(tls, "certificate")[0] != '\0' && (client = make_tls(top, TLS_CLIENT, TLS_ASK_NONE, err)) == NULL)
                return -1;
        struct sip_transport_options options = {
                .fqdn = config_text(top, "routing-fqdn"),
                .tls = client,
                .dns = gateway->dns,
                .record_route = config_bool(top, "record-route-transport"),
        };
        gateway->transactions = sip_transactions_new(&options, &front_user, gateway);
        set_balancers(gateway, top);
        tls_context_unref(&client);
        return 0;
}

/* --- The whole. */

struct gateway *
gateway_new(struct config *config, struct store *store, struct err *err)
{
        const struct section *top = config_top(config);
        struct gateway *gateway = MEM_NEW(gateway);
        gateway->config = config_ref(config);
        gateway->store = store;
        gateway->edges = map_new();
        gateway->crowds = map_new();
        gateway->aliases = map_new();
        gateway->names = map_new();
        gateway->dns = make_dns(top, err);
        if (gateway->dns == NULL || (gateway->federation = federation_new(config, gateway->dns, err)) == NULL ||
                start_sip(gateway, top, err) != 0)
                goto out;
        struct simple_options options = simple_options_of(gateway, top);
        gateway->simple = simple_new(&options, &to_xmpp_events, gateway);
        simple_set_federation(gateway->simple, gateway->federation);
        if (listen_all(gateway, top, err) != 0)
                goto out;
        match_edges(gateway);
        simple_resume(gateway->simple);
        return gateway;
out:
        gateway_free(&gateway);
        return NULL;
}

static void
retire(struct timer *timer)
{
        struct gateway *gateway = container_of(timer, struct gateway, retire);
        federation_free(&gateway->retired);
}

/* New contexts for the TLS listeners, in the order of their sections; all or none. */
static int
make_listener_tls(const struct section *top, struct tls_context *contexts[LISTENERS_MAX], size_t *count, struct err *err)
{
        *count = 0;
        for (const struct section *at = section_next(top, "listen", NULL); at != NULL && *count < LISTENERS_MAX;
                at = section_next(top, "listen", at)) {
                contexts[*count] = NULL;
                bool is_tls = strcmp(config_text(at, "transport"), "tls") == 0;
                if (is_tls && (contexts[*count] = make_tls(top, TLS_SERVER, ask_of(at), err)) == NULL)
                        return -1;
                (*count)++;
        }
        return 0;
}

/* A listener that is new or has moved waits for the next start; the others show the new certificate from now on. */
static void
renew_listeners(struct gateway *gateway, const struct section *top, struct tls_context *contexts[LISTENERS_MAX], size_t count)
{
        size_t i = 0;
        struct sip_transport *transport = sip_transactions_transport(gateway->transactions);
        for (const struct section *at = section_next(top, "listen", NULL); at != NULL && i < count;
                at = section_next(top, "listen", at), i++)
                if (contexts[i] != NULL)
                        sip_transport_set_listener_tls(transport, section_title(at), contexts[i], ask_of(at));
}

int
gateway_reload(struct gateway *gateway, struct config *config, struct err *err)
{
        const struct section *top = config_top(config);
        struct tls_context *client = NULL, *listeners[LISTENERS_MAX];
        size_t listener_count = 0;
        int outcome = -1;

        struct federation *federation = federation_new(config, gateway->dns, err);
        if (federation == NULL)
                return -1;
        bool has_certificate = config_text(section_of(top, "tls"), "certificate")[0] != '\0';
        if ((has_certificate && (client = make_tls(top, TLS_CLIENT, TLS_ASK_NONE, err)) == NULL) ||
                make_listener_tls(top, listeners, &listener_count, err) != 0) {
                federation_free(&federation);
                goto out;
        }
        if (client != NULL)
                sip_transport_set_tls(sip_transactions_transport(gateway->transactions), client);
        renew_listeners(gateway, top, listeners, listener_count);
        set_balancers(gateway, top);
        federation_free(&gateway->retired);
        gateway->retired = gateway->federation;
        timer_start(&gateway->retire, RETIRE_MS, retire);
        gateway->federation = federation;
        simple_set_federation(gateway->simple, federation);
        config_ref(config);
        config_unref(&gateway->config);
        gateway->config = config;
        struct simple_options options = simple_options_of(gateway, top);
        simple_set_options(gateway->simple, &options);
        match_edges(gateway);
        outcome = 0;
out:
        tls_context_unref(&client);
        for (size_t i = 0; i < listener_count; i++)
                tls_context_unref(&listeners[i]);
        return outcome;
}

/* Sessions get their BYE, streams their end; what is still under way afterwards is on disk. */
static void
look_if_done(struct timer *timer)
{
        struct gateway *gateway = container_of(timer, struct gateway, patience);
        struct edge *edge;
        if (sip_client_count(gateway->transactions) > 0 && worker_now() < gateway->patience_ends) {
                timer_start(timer, LOOK_MS, look_if_done);
                return;
        }
        if (!gateway->closed_streams) {
                gateway->closed_streams = true;
                for (size_t at = 0; (edge = map_next(gateway->edges, &at)) != NULL;)
                        component_close(edge->component);
                timer_start(timer, LOOK_MS, look_if_done);
                return;
        }
        gateway->stopped(gateway->stopped_owner);
}

void
gateway_stop(struct gateway *gateway, uint64_t patience_ms, void (*done)(void *owner), void *owner)
{
        gateway->stopping = true;
        gateway->stopped = done;
        gateway->stopped_owner = owner;
        gateway->patience_ends = worker_now() + patience_ms;
        sip_transport_close_listeners(sip_transactions_transport(gateway->transactions));
        simple_end_sessions(gateway->simple);
        timer_start(&gateway->patience, 0, look_if_done);
}

void
gateway_free(struct gateway **where)
{
        struct gateway *gateway = *where;
        struct edge *edge;
        if (gateway == NULL)
                return;
        *where = NULL;
        timer_stop(&gateway->patience);
        timer_stop(&gateway->retire);
        for (size_t at = 0; (edge = map_next(gateway->edges, &at)) != NULL;)
                free_edge(edge);
        crowd_free_all(gateway);
        people_free_all(gateway);
        simple_free(&gateway->simple);
        if (gateway->transactions != NULL)
                sip_transactions_free(&gateway->transactions);
        federation_free(&gateway->federation);
        federation_free(&gateway->retired);
        if (gateway->dns != NULL)
                dns_free(&gateway->dns);
        map_free(&gateway->edges);
        map_free(&gateway->crowds);
        map_free(&gateway->aliases);
        map_free(&gateway->names);
        config_unref(&gateway->config);
        mem_free(gateway);
}

struct federation *
gateway_federation(const struct gateway *gateway)
{
        return gateway->federation;
}

struct sip_transactions *
gateway_transactions(const struct gateway *gateway)
{
        return gateway->transactions;
}

bool
gateway_is_attached(const struct gateway *gateway, const char *domain)
{
        const struct edge *edge = edge_of(gateway, domain);
        return edge != NULL && component_is_up(edge->component);
}

void
gateway_counters(const struct gateway *gateway, const char *domain, struct simple_counters *counters)
{
        simple_counters(gateway->simple, domain, counters);
}
