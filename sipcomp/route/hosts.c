/*
 * hosts.c - the addresses of hops: whose may speak for a domain over TCP, and who is met with a TLS floor of its own
 *
 * The answer is wanted at once, so names are looked up ahead, and again in the background when somebody asks and the last look is a minute old. What
 * was known stays in force until the new answer is there; DNS itself keeps answers by their TTL.
 */
#include "sipcomp/route/federation_private.h"

#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/loop/worker.h"

#include <stdio.h>
#include <string.h>

enum { ADDRESSES_MAX = 16, TARGETS_MAX = 8, FRESH_MS = 60 * 1000, UNKNOWN_MS = 2000 };

/* A name, and its addresses; or a service, and its targets. */
struct host {
        struct federation *federation;
        char *name;
        bool is_service;
        struct dns_query *query;
        uint64_t asked; /* 0: never */
        bool known;
        struct address addresses[ADDRESSES_MAX];
        char *targets[TARGETS_MAX];
        size_t count;
};

static const struct log_scope scope = { .room = "route" };

static struct host *host_of(struct federation *federation, const char *name, bool is_service);

static void
forget_targets(struct host *host)
{
        for (size_t i = 0; host->is_service && i < host->count; i++)
                mem_free(host->targets[i]);
        host->count = 0;
}

static void
found_addresses(void *owner, enum dns_outcome outcome, const struct address *addresses, size_t count)
{
        struct host *host = owner;
        host->query = NULL;
        if (outcome == DNS_FAILED || outcome == DNS_CANCELLED) {
                if (!host->known)
                        log_warn(&scope,
                                "the address of the hop %s could not be looked up: what comes from it over TCP is refused until it is known",
                                host->name);
                return;
        }
        if (outcome == DNS_NONE)
                log_warn(&scope, "the hop %s has no address: what comes from it over TCP is refused", host->name);
        host->known = true;
        host->count = count < ADDRESSES_MAX ? count : ADDRESSES_MAX;
        if (host->count > 0)
                memcpy(host->addresses, addresses, host->count * sizeof(addresses[0]));
}

static void look_up(struct host *host);

static void
found_targets(void *owner, enum dns_outcome outcome, const struct dns_target *targets, size_t count)
{
        struct host *host = owner;
        host->query = NULL;
        if (outcome == DNS_FAILED || outcome == DNS_CANCELLED)
                return;
        forget_targets(host);
        host->known = true;
        for (size_t i = 0; i < count && host->count < TARGETS_MAX; i++) {
                host->targets[host->count++] = mem_strdup(targets[i].host);
                look_up(host_of(host->federation, targets[i].host, false));
        }
}

static void
look_up(struct host *host)
{
        uint64_t now = worker_now();
        if (host->federation->dns == NULL || host->query != NULL ||
                (host->asked != 0 && now - host->asked < (host->known ? FRESH_MS : UNKNOWN_MS)))
                return;
        host->asked = now;
        struct dns_query *query = host->is_service ? dns_lookup_srv(host->federation->dns, host->name, found_targets, host)
                                                   : dns_lookup(host->federation->dns, host->name, 0, found_addresses, host);
        if (query != NULL)
                host->query = query;
}

static struct host *
host_of(struct federation *federation, const char *name, bool is_service)
{
        struct host *host = map_get_str(federation->hosts, name);
        if (host == NULL) {
                host = MEM_NEW(host);
                host->federation = federation;
                host->name = mem_strdup(name);
                host->is_service = is_service;
                map_put_str(federation->hosts, name, host);
        }
        return host;
}

static bool
has_address(struct federation *federation, const char *name, const struct address *address)
{
        struct address literal;
        if (address_from_host(&literal, name, 0))
                return address_same_host(&literal, address);
        struct host *host = host_of(federation, name, false);
        look_up(host);
        for (size_t i = 0; i < host->count; i++)
                if (address_same_host(&host->addresses[i], address))
                        return true;
        return false;
}

typedef bool visit_host(struct federation *federation, const char *name, const struct address *address);

/* Calls for each host of the domain's route that is reached this way, until one says yes. */
static bool
any_host(struct federation *federation, const char *name, enum sip_wire wire, visit_host *visit, const struct address *address)
{
        const struct foreign_domain *domain = federation_domain(federation, name);
        const struct static_route *route = domain != NULL ? federation_way(federation, name)->route : NULL;
        char service[300];
        if (domain == NULL || (wire == SIP_TCP && !federation_allows_tcp(domain)))
                return false;
        if (route != NULL) {
                for (size_t i = 0; i < route->hop_count; i++)
                        if (route->hops[i].hop.wire == wire && visit(federation, route->hops[i].hop.host, address))
                                return true;
                return false;
        }
        snprintf(service, sizeof(service), "%s.%s", wire == SIP_TCP ? "_sip._tcp" : "_sipfederationtls._tcp", name);
        struct host *host = host_of(federation, service, true);
        look_up(host);
        for (size_t i = 0; i < host->count; i++)
                if (visit(federation, host->targets[i], address))
                        return true;
        return false;
}

bool
hosts_may_speak(struct federation *federation, const char *domain, const struct address *address)
{
        return any_host(federation, domain, SIP_TCP, has_address, address);
}

bool
hosts_hold_hop(struct federation *federation, const char *domain, const struct address *address)
{
        return any_host(federation, domain, SIP_TLS, has_address, address);
}

static bool
look_ahead(struct federation *federation, const char *name, const struct address *unused)
{
        struct address literal;
        if (!address_from_host(&literal, name, 0))
                look_up(host_of(federation, name, false));
        return false;
}

void
hosts_look_up(struct federation *federation)
{
        if (federation->dns == NULL)
                return;
        for (size_t i = 0; i < federation->domain_count; i++)
                any_host(federation, federation->domains[i].name, SIP_TCP, look_ahead, NULL);
        for (size_t i = 0; i < federation->peer_count; i++) {
                const struct peer *peer = &federation->peers[i];
                for (size_t d = 0; peer->tls != NULL && d < peer->domain_count; d++)
                        any_host(federation, peer->domains[d], SIP_TLS, look_ahead, NULL);
        }
}

static void
take_over(struct host *host, const struct federation *before)
{
        const struct host *old = map_get_str(before->hosts, host->name);
        if (host->known || old == NULL || !old->known || old->is_service != host->is_service)
                return;
        host->known = true;
        host->count = old->count;
        memcpy(host->addresses, old->addresses, sizeof(host->addresses));
        for (size_t i = 0; host->is_service && i < host->count; i++) {
                host->targets[i] = mem_strdup(old->targets[i]);
                take_over(host_of(host->federation, host->targets[i], false), before);
        }
}

void
federation_inherit(struct federation *federation, const struct federation *before)
{
        struct host *old;
        for (size_t at = 0; (old = map_next(before->hosts, &at)) != NULL;) {
                struct host *host = map_get_str(federation->hosts, old->name);
                if (host != NULL)
                        take_over(host, before);
        }
}

void
hosts_free(struct federation *federation)
{
        struct host *host;
        for (size_t at = 0; (host = map_next(federation->hosts, &at)) != NULL;) {
                map_remove_str(federation->hosts, host->name);
                if (host->query != NULL)
                        dns_cancel(&host->query);
                forget_targets(host);
                mem_free(host->name);
                mem_free(host);
        }
        map_free(&federation->hosts);
}
