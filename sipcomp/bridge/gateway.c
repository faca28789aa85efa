/*
 * gateway.c - building, rebuilding and stopping what the bridge joins
 */
#include "sipcomp/bridge/bridge_private.h"

#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "shared/loop/worker.h"

#include <string.h>

enum { HIDE_MS = 60000, RETIRE_MS = 120000, LOOK_MS = 50, SERVERS_MAX = 8 };

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
        crowd_forget_all(edge);
        if (!edge->gateway->stopping)
                timer_start(&edge->hide, HIDE_MS, hide_users);
}

static void
take_stanza(void *owner, struct component *component, struct stanza *stanza)
{
        const struct edge *taker = owner;
        struct edge *edge = edge_of(taker->gateway, stanza->to.domain);
        if (edge != NULL) {
                from_xmpp(edge, stanza);
                return;
        }
        log_info(LOG_ABOUT("bridge", taker->domain), "a stanza for %s, which is not served here, was dropped", stanza->to.domain);
        stanza_unref(&stanza);
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
        crowd_forget_all(edge);
        map_free(&edge->crowds);
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
                edge->crowds = map_new();
                map_put_str(gateway->edges, edge->domain, edge);
                edge->component = component_new(domain, &server, &component_events, edge);
        }
}

static struct simple_options
simple_options_of(const struct gateway *gateway, const struct section *top)
{
        return (struct simple_options){
                .transactions = gateway->transactions,
                .msrp = gateway->msrp,
                .store = gateway->store,
                .sdp_address = "0.0.0.0", /* nobody dials it: the session runs in the dialog itself */
                .session_idle = (uint32_t)config_number(top, "session-idle"),
                .notify_interval = (uint32_t)config_number(top, "notify-interval"),
                .subscribe_rate = (uint32_t)config_number(top, "subscribe-rate"),
        };
}

static size_t
name_servers(const struct section *section, const char *servers[SERVERS_MAX])
{
        size_t count = config_list_count(section, "servers");
        if (count > SERVERS_MAX)
                count = SERVERS_MAX;
        for (size_t i = 0; i < count; i++)
                servers[i] = config_list_item(section, "servers", i);
        return count;
}

static struct dns *
make_dns(const struct section *top, struct err *err)
{
        const char *servers[SERVERS_MAX];
        return dns_new(servers, name_servers(section_of(top, "dns"), servers), err);
}

/* Answers that were kept are dropped by a change, so there should be one. */
static void
change_dns(struct gateway *gateway, const struct section *before, const struct section *after)
{
        const struct section *dns = section_of(after, "dns");
        const char *servers[SERVERS_MAX];
        if (!section_same(section_of(before, "dns"), dns, "servers"))
                dns_use(gateway->dns, servers, name_servers(dns, servers));
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
        gateway->aliases = map_new();
        gateway->names = map_new();
        gateway->dns = make_dns(top, err);
        if (gateway->dns == NULL || (gateway->federation = federation_new(config, gateway->dns, err)) == NULL)
                goto out;
        gateway->transactions = sip_transactions_new(
                &(struct sip_transport_options){ .fqdn = config_text(top, "routing-fqdn"), .dns = gateway->dns }, &front_user,
                gateway);
        if (listen_msrp(gateway, top, err) != 0)
                goto out;
        struct simple_options options = simple_options_of(gateway, top);
        gateway->simple = simple_new(&options, &to_xmpp_events, gateway);
        simple_set_federation(gateway->simple, gateway->federation);
        if (listen_apply(gateway, top, err) != 0)
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

/* What was begun with the old one ends with it. */
static void
change_federation(struct gateway *gateway, struct federation *federation)
{
        federation_free(&gateway->retired);
        gateway->retired = gateway->federation;
        timer_start(&gateway->retire, RETIRE_MS, retire);
        gateway->federation = federation;
        simple_set_federation(gateway->simple, federation);
}

/* The new federation, for which names are looked up at once; NULL: all is as it was. */
static struct federation *
begin_reload(struct gateway *gateway, struct config *config, struct err *err)
{
        const struct section *before = config_top(gateway->config), *after = config_top(config);

        change_dns(gateway, before, after);
        struct federation *federation = federation_new(config, gateway->dns, err);
        if (federation != NULL && listen_apply(gateway, after, err) == 0)
                return federation;
        federation_free(&federation);
        change_dns(gateway, after, before);
        return NULL;
}

int
gateway_reload(struct gateway *gateway, struct config *config, struct err *err)
{
        struct federation *federation = begin_reload(gateway, config, err);
        if (federation == NULL)
                return -1;
        federation_inherit(federation, gateway->federation);
        change_federation(gateway, federation);
        config_ref(config);
        config_unref(&gateway->config);
        gateway->config = config;
        struct simple_options options = simple_options_of(gateway, config_top(config));
        simple_set_options(gateway->simple, &options);
        match_edges(gateway);
        sip_transport_review(sip_transactions_transport(gateway->transactions));
        return 0;
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
        people_free_all(gateway);
        simple_free(&gateway->simple);
        msrp_free(&gateway->msrp);
        if (gateway->transactions != NULL)
                sip_transactions_free(&gateway->transactions);
        federation_free(&gateway->federation);
        federation_free(&gateway->retired);
        if (gateway->dns != NULL)
                dns_free(&gateway->dns);
        map_free(&gateway->edges);
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

const char *
gateway_trouble(const struct gateway *gateway, const char *domain, enum stream_condition *refusal)
{
        const struct edge *edge = edge_of(gateway, domain);
        *refusal = STREAM_CONDITIONS;
        return edge != NULL ? component_trouble(edge->component, refusal) : "";
}

int64_t
gateway_granted(const struct gateway *gateway, const char *domain)
{
        const struct edge *edge = edge_of(gateway, domain);
        return edge != NULL ? edge->granted : 0;
}

const struct section *
gateway_settings(const struct gateway *gateway)
{
        return config_top(gateway->config);
}

struct dns *
gateway_dns(const struct gateway *gateway)
{
        return gateway->dns;
}

void
gateway_each(const struct gateway *gateway, const char *domain, simple_viewed *seen, void *arg)
{
        simple_each(gateway->simple, domain, seen, arg);
}

void
gateway_counters(const struct gateway *gateway, const char *domain, struct simple_counters *counters)
{
        simple_counters(gateway->simple, domain, counters);
}
