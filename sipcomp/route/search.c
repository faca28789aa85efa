/*
 * search.c - static route, SRV, default domain: the steps of a search, one after the other
 */
#include "sipcomp/route/search.h"

#include "shared/base/mem.h"
#include "shared/base/random.h"
#include "sipcomp/route/federation_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { SIPS_PORT = 5061, STEPS_MAX = 8 };

#define SRV_FEDERATION "_sipfederationtls._tcp" /* what Microsoft and AOL publish */
#define SRV_SIPS       "_sips._tcp"             /* RFC 3263 4.1 */
#define SRV_SIP        "_sip._tcp"

/* Where to look next. Without a service: the static route. */
struct step {
        const char *domain, *service;
        enum sip_wire wire;
        bool is_name; /* the domain's own name is the only hop */
};

struct sip_search {
        struct link link;
        struct federation *federation;
        const struct foreign_domain *domain;
        struct sip_place wanted;
        struct step steps[STEPS_MAX];
        size_t step_count, at;
        struct dns_query *query;
        bool over; /* found() was called */
        bool held; /* by route_search */
        char why[200];
        sip_hops_found *found;
        route_noted *noted;
        void *arg;
};

static void
add_step(struct sip_search *search, struct step step)
{
        search->steps[search->step_count++] = step;
}

static void
add_ways(struct sip_search *search, const char *domain)
{
        add_step(search, (struct step){ .domain = domain });
        add_step(search, (struct step){ .domain = domain, .service = SRV_FEDERATION, .wire = SIP_TLS });
}

static void
plan(struct sip_search *search)
{
        const struct foreign_domain *domain = search->domain;
        const char *general = search->federation->default_domain;

        add_ways(search, domain->name);
        if (domain->dialect->default_domain) {
                if (strcasecmp(general, domain->name) != 0)
                        add_ways(search, general);
                return;
        }
        if (!domain->dialect->tls_only)
                add_step(search, (struct step){ .domain = domain->name, .service = SRV_SIPS, .wire = SIP_TLS });
        if (federation_allows_tcp(domain))
                add_step(search, (struct step){ .domain = domain->name, .service = SRV_SIP, .wire = SIP_TCP });
        add_step(search, (struct step){ .domain = domain->name, .wire = SIP_TLS, .is_name = true });
}

static void __attribute__((format(printf, 3, 4))) note(struct sip_search *search, bool is_found, const char *format, ...)
{
        char text[500];
        va_list args;
        if (search->noted == NULL)
                return;
        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        search->noted(search->arg, is_found, text);
}

static void
free_search(struct sip_search *search)
{
        if (search->query != NULL)
                dns_cancel(&search->query);
        list_remove(&search->federation->searches, &search->link);
        mem_free(search);
}

/* Frees the search, unless route_search still holds it. hops has room for one more than count. */
static void
finish(struct sip_search *search, struct sip_hop *hops, size_t count)
{
        const char *subjects[FEDERATION_SUBJECTS];
        sip_hops_found *found = search->found;
        void *arg = search->arg;
        char why[sizeof(search->why)];

        for (size_t i = 0; i < count; i++)
                hops[i].tls = federation_context(search->federation, search->domain->name, hops[i].host);
        if (count > 0 && search->wanted.host[0] != '\0') {
                size_t subject_count = federation_subjects(search->federation, search->domain->name, subjects);
                count = sip_hops_prefer(hops, count, &search->wanted, subjects, subject_count);
        }
        search->over = true;
        strcpy(why, search->why);
        if (!search->held)
                free_search(search);
        found(arg, hops, count, why);
}

/* --- the steps */

static void go_on(struct sip_search *search);

static bool
try_static(struct sip_search *search, const char *name)
{
        const struct federation *federation = search->federation;
        const struct static_route *route = route_match(federation->routes, federation->route_count, name);
        struct sip_hop hops[FEDERATION_HOPS + 1];
        if (route == NULL || route->hop_count == 0) {
                note(search, false, "no sip-route covers %s", name);
                return false;
        }
        size_t count = route_order(route->hops, route->hop_count, hops, FEDERATION_HOPS, random_below);
        note(search, true, "sip-route for %s: %zu hop%s", route->domain, count, count == 1 ? "" : "s");
        finish(search, hops, count);
        return true;
}

static bool
is_within(const char *host, const char *domain)
{
        size_t host_len = strlen(host), len = strlen(domain);
        return host_len >= len && strcasecmp(host + host_len - len, domain) == 0 &&
                (host_len == len || host[host_len - len - 1] == '.');
}

/* Whoever forges an SRV answer can name a host of his own with a good certificate. So its certificate counts by its name only where the name lies in the
 * domain; elsewhere it must be that of a sip-peer of the domain. */
static void
take_targets(struct sip_search *search, const struct dns_target *targets, size_t count)
{
        const struct step *step = &search->steps[search->at];
        struct sip_hop hops[FEDERATION_HOPS + 1];
        if (count > FEDERATION_HOPS)
                count = FEDERATION_HOPS;
        for (size_t i = 0; i < count; i++) {
                hops[i] = (struct sip_hop){ .port = targets[i].port, .wire = step->wire };
                snprintf(hops[i].host, sizeof(hops[i].host), "%s", targets[i].host);
                hops[i].named_by_dns = !is_within(targets[i].host, step->domain);
                note(search, true, "%s.%s: %u %u %u %s", step->service, step->domain, targets[i].priority, targets[i].weight,
                        targets[i].port, targets[i].host);
        }
        finish(search, hops, count);
}

static void
hear_targets(void *owner, enum dns_outcome outcome, const struct dns_target *targets, size_t count)
{
        struct sip_search *search = owner;
        const struct step *step = &search->steps[search->at];

        search->query = NULL;
        if (outcome == DNS_FOUND && count > 0) {
                take_targets(search, targets, count);
        } else if (outcome == DNS_FOUND) {
                snprintf(search->why, sizeof(search->why), "%s.%.150s: the target is \".\": not offered", step->service,
                        step->domain);
                note(search, false, "%s", search->why);
                finish(search, NULL, 0);
        } else if (outcome == DNS_NONE) {
                note(search, false, "%s.%s: no record", step->service, step->domain);
                search->at++;
                go_on(search);
        } else {
                snprintf(search->why, sizeof(search->why), "%s.%.150s: the look-up failed", step->service, step->domain);
                note(search, false, "%s", search->why);
                finish(search, NULL, 0);
        }
}

static void
look_up(struct sip_search *search, const struct step *step)
{
        char name[300];
        if (search->federation->dns == NULL) {
                hear_targets(search, DNS_FAILED, NULL, 0);
                return;
        }
        snprintf(name, sizeof(name), "%s.%s", step->service, step->domain);
        /* The answer may come before the call returns, and free the search: then there is no query either. */
        struct dns_query *query = dns_lookup_srv(search->federation->dns, name, hear_targets, search);
        if (query != NULL)
                search->query = query;
}

static void
go_on(struct sip_search *search)
{
        struct sip_hop hops[2] = { 0 };
        while (search->at < search->step_count) {
                const struct step *step = &search->steps[search->at];
                if (step->is_name) {
                        snprintf(hops[0].host, sizeof(hops[0].host), "%s", step->domain);
                        hops[0].port = SIPS_PORT;
                        hops[0].wire = SIP_TLS;
                        note(search, true, "no SRV record: %s itself, port %d", step->domain, SIPS_PORT);
                        finish(search, hops, 1);
                        return;
                }
                if (step->service != NULL) {
                        look_up(search, step);
                        return;
                }
                if (try_static(search, step->domain))
                        return;
                search->at++;
        }
        snprintf(search->why, sizeof(search->why), "neither a sip-route nor an SRV record leads to %.100s", search->domain->name);
        finish(search, NULL, 0);
}

/* --- what others call */

struct sip_search *
route_search(struct federation *federation, const struct route_wish *wish, sip_hops_found *found, void *arg)
{
        const struct foreign_domain *domain = federation_domain(federation, wish->domain);
        if (domain == NULL) {
                found(arg, NULL, 0, "its domain is not configured");
                return NULL;
        }
        struct sip_search *search = MEM_NEW(search);
        search->federation = federation;
        search->domain = domain;
        if (wish->wanted != NULL)
                search->wanted = *wish->wanted;
        search->found = found;
        search->noted = wish->noted;
        search->arg = arg;
        list_append(&federation->searches, &search->link);
        plan(search);
        search->held = true;
        go_on(search);
        search->held = false;
        if (!search->over)
                return search;
        free_search(search);
        return NULL;
}

void
route_search_end(struct sip_search **where)
{
        struct sip_search *search = *where;
        if (search == NULL)
                return;
        *where = NULL;
        free_search(search);
}

void
searches_end(struct federation *federation)
{
        for (LIST_EACH(search, &federation->searches, struct sip_search, link)) {
                snprintf(search->why, sizeof(search->why), "the configuration has changed");
                finish(search, NULL, 0);
        }
}
