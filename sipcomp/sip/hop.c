/*
 * hop.c - which hops can be reached, as far as we know: one that is down is skipped, and probed until it is back
 *
 * A probe is a connection like any other (TCP, TLS, certificate), made for nobody. Who had requests there hears when the hop is back: after it could not
 * be reached, and after a connection to it broke, since whoever was at its other end may have lost our dialogs. A connection that is closed after
 * a while of silence says nothing of that kind: edges close idle ones every day.
 */
#include "shared/base/mem.h"
#include "sipcomp/sip/transport_private.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { HOPS_KEPT_MAX = 1024, DOMAINS_MAX = 256, PROBE_FIRST_MS = 500, PROBE_LAST_MS = 5 * 1000, WHY_MAX = 160 };

/* SRV records may have ceased to name it: no request was meant for it for a day. */
enum { FORGOTTEN_MS = 24 * 3600 * 1000 };

/* A domain whose requests went there. */
struct carried {
        struct link link;
        char name[];
};

/* Owned by transport->hops. */
struct hop_state {
        struct sip_transport *transport;
        struct sip_hop hop; /* its context is not kept: a probe finds it anew */
        enum sip_hop_state state;
        bool broken; /* a connection to it broke, and none was made since */
        uint64_t since, tried, used;
        unsigned failures;
        char why[WHY_MAX];
        struct list domains; /* the one used last first */
        struct timer probe;
};

static size_t
write_key(char *key, size_t room, const struct sip_hop *hop)
{
        int len = snprintf(key, room, "%s %u %d", hop->host, hop->port, hop->wire);
        return (size_t)len;
}

static struct hop_state *
find_hop(const struct sip_transport *transport, const struct sip_hop *hop)
{
        char key[300];
        return map_get(transport->hops, key, write_key(key, sizeof key, hop));
}

static bool
is_troubled(const struct hop_state *state)
{
        return state->broken || state->state == SIP_HOP_DOWN;
}

static void
free_hop(struct hop_state *state)
{
        char key[300];
        if (is_troubled(state))
                state->transport->troubled--;
        map_remove(state->transport->hops, key, write_key(key, sizeof key, &state->hop));
        for (LIST_EACH(carried, &state->domains, struct carried, link)) {
                list_remove(&state->domains, &carried->link);
                mem_free(carried);
        }
        timer_stop(&state->probe);
        tls_context_unref(&state->hop.tls);
        mem_free(state);
}

void
hops_free_all(struct sip_transport *transport)
{
        struct hop_state *state;
        for (size_t at = 0; (state = map_next(transport->hops, &at)) != NULL;)
                free_hop(state);
        map_free(&transport->hops);
}

/* There are as many as the configuration and SRV records name; a full table forgets one that gives no trouble. */
static bool
make_room(struct sip_transport *transport)
{
        struct hop_state *state;
        if (map_count(transport->hops) < HOPS_KEPT_MAX)
                return true;
        for (size_t at = 0; (state = map_next(transport->hops, &at)) != NULL;)
                if (!is_troubled(state)) {
                        free_hop(state);
                        return true;
                }
        return false;
}

static struct hop_state *
hop_of(struct sip_transport *transport, const struct sip_hop *hop)
{
        char key[300];
        size_t len = write_key(key, sizeof key, hop);
        struct hop_state *state = map_get(transport->hops, key, len);
        if (state == NULL && make_room(transport)) {
                state = MEM_NEW(state);
                state->transport = transport;
                state->hop = *hop;
                if (hop->tls != NULL)
                        state->hop.tls = tls_context_ref(hop->tls);
                state->since = state->used = worker_now();
                map_put(transport->hops, key, len, state);
        }
        return state;
}

static void
carry(struct hop_state *state, const char *domain)
{
        struct carried *first = LIST_ITEM(state->domains.first, struct carried, link);
        if (first != NULL && strcmp(first->name, domain) == 0)
                return;
        struct carried *found = NULL;
        for (LIST_EACH(carried, &state->domains, struct carried, link))
                if (strcmp(carried->name, domain) == 0)
                        found = carried;
        if (found != NULL) {
                list_remove(&state->domains, &found->link);
        } else if (state->domains.count < DOMAINS_MAX) {
                found = mem_new(sizeof *found + strlen(domain) + 1);
                strcpy(found->name, domain);
        } else {
                return;
        }
        list_prepend(&state->domains, &found->link);
}

void
hop_used(struct sip_transport *transport, const struct sip_hop *hop, const char *domain)
{
        struct hop_state *state = hop_of(transport, hop);
        if (state == NULL)
                return;
        if (state->hop.tls != hop->tls) { /* a reload may have changed what this peer is shown */
                tls_context_unref(&state->hop.tls);
                state->hop.tls = hop->tls != NULL ? tls_context_ref(hop->tls) : NULL;
        }
        state->used = worker_now();
        carry(state, domain);
}

/* --- probing */

static bool
is_wanted_by(const struct hop_state *state, const struct carried *carried)
{
        const struct sip_transport *transport = state->transport;
        return transport->events->is_wanted == NULL || transport->events->is_wanted(transport->owner, carried->name, &state->hop);
}

static bool
is_wanted(const struct hop_state *state)
{
        if (worker_now() - state->used > FORGOTTEN_MS)
                return false;
        for (LIST_EACH(carried, &state->domains, struct carried, link))
                if (is_wanted_by(state, carried))
                        return true;
        return false;
}

bool
hop_is_used(const struct sip_flow *flow)
{
        const struct hop_state *state = find_hop(flow->transport, &flow->hop);
        if (state == NULL)
                return false;
        for (LIST_EACH(carried, &state->domains, struct carried, link))
                if (is_wanted_by(state, carried) && flow_fits(flow, &flow->hop, carried->name))
                        return true;
        return false;
}

static void
run_probe(struct timer *timer)
{
        struct hop_state *state = container_of(timer, struct hop_state, probe);
        if (!is_wanted(state)) {
                free_hop(state);
                return;
        }
        state->tried = worker_now();
        const struct sip_flow *flow = transport_outgoing(state->transport, &state->hop);
        if (flow == NULL)
                flow_dial(state->transport, &state->hop); /* how it ends is told by hop_up or hop_down */
        else if (flow->state == FLOW_READY)
                hop_up(state->transport, &state->hop);
}

/* 0.5, 1, 2, 4, 5 s between two tries. */
static void
plan_probe(struct hop_state *state)
{
        uint64_t wait = state->failures < 4 ? (uint64_t)PROBE_FIRST_MS << state->failures : PROBE_LAST_MS;
        timer_start(&state->probe, wait < PROBE_LAST_MS ? wait : PROBE_LAST_MS, run_probe);
}

void
hop_down(struct sip_transport *transport, const struct sip_hop *hop, const char *why)
{
        struct hop_state *state = hop_of(transport, hop);
        if (state == NULL)
                return;
        if (!is_troubled(state))
                transport->troubled++;
        if (state->state != SIP_HOP_DOWN)
                state->since = worker_now();
        state->state = SIP_HOP_DOWN;
        snprintf(state->why, sizeof state->why, "%s", why);
        if (timer_is_running(&state->probe))
                return; /* many requests that fail together are one failure, and put the next look off no further */
        state->failures++;
        plan_probe(state);
}

void
hop_broken(struct sip_transport *transport, const struct sip_hop *hop, const char *why)
{
        struct hop_state *state = find_hop(transport, hop);
        if (state == NULL)
                return;
        if (!is_troubled(state))
                transport->troubled++;
        state->broken = true;
        snprintf(state->why, sizeof state->why, "%s", why);
        if (!timer_is_running(&state->probe))
                plan_probe(state);
}

void
hop_up(struct sip_transport *transport, const struct sip_hop *hop)
{
        struct hop_state *state = find_hop(transport, hop);
        if (state == NULL)
                return;
        bool is_back = is_troubled(state);
        if (state->state != SIP_HOP_UP)
                state->since = worker_now();
        state->state = SIP_HOP_UP;
        state->broken = false;
        state->failures = 0;
        timer_stop(&state->probe);
        if (!is_back)
                return;
        transport->troubled--;
        if (transport->events->back != NULL)
                for (LIST_EACH(carried, &state->domains, struct carried, link))
                        transport->events->back(transport->owner, carried->name);
}

void
sip_transport_heard(struct sip_transport *transport, const char *domain)
{
        struct hop_state *state;
        if (transport->troubled == 0)
                return;
        for (size_t at = 0; (state = map_next(transport->hops, &at)) != NULL;) {
                if (!is_troubled(state) || worker_now() - state->tried < PROBE_FIRST_MS)
                        continue;
                for (LIST_EACH(carried, &state->domains, struct carried, link))
                        if (strcasecmp(carried->name, domain) == 0)
                                timer_start(&state->probe, 0, run_probe);
        }
}

bool
sip_transport_shuns(const struct sip_transport *transport, const struct sip_hop *hop)
{
        const struct hop_state *state = transport->troubled > 0 ? find_hop(transport, hop) : NULL;
        return state != NULL && state->state == SIP_HOP_DOWN;
}

void
sip_transport_report(const struct sip_transport *transport, const struct sip_hop *hop, struct sip_hop_report *report)
{
        const struct hop_state *state = find_hop(transport, hop);
        uint64_t now = worker_now();
        *report = (struct sip_hop_report){ .state = SIP_HOP_UNTRIED, .why = "" };
        if (state == NULL)
                return;
        report->state = state->state;
        report->since_ms = now - state->since;
        report->why = is_troubled(state) ? state->why : "";
        report->failures = state->failures;
        report->probe_in_ms = timer_is_running(&state->probe) && state->probe.due > now ? state->probe.due - now : 0;
}
