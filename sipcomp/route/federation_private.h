/* federation_private.h - the tables of the federation, for the files that find hops and addresses in them */
#ifndef SIPCOMP_ROUTE_FEDERATION_PRIVATE_H
#define SIPCOMP_ROUTE_FEDERATION_PRIVATE_H

#include "shared/base/arena.h"
#include "shared/base/list.h"
#include "shared/base/map.h"
#include "sipcomp/route/federation.h"
#include "sipcomp/route/order.h"

/* One sip-peer. */
struct peer {
        const char *subject;
        const char **domains;
        size_t domain_count;
        struct tls_context *tls;        /* for what we dial; NULL: the general one */
        struct tls_context *serving[3]; /* for what it dials, by enum tls_ask */
};

/* What the tables say of one domain, so that a request costs no walk through all of them. */
struct way {
        const struct static_route *route; /* NULL: none covers it */
        const struct peer **peers;        /* that may speak for it */
        size_t peer_count;
};

struct federation {
        struct arena *arena;
        struct dns *dns;     /* NULL: nothing is looked up */
        struct map *by_name; /* of foreign_domain */
        struct foreign_domain *domains;
        struct way *ways; /* of each of them */
        size_t domain_count;
        const char **locals;
        size_t local_count;
        struct static_route *routes;
        size_t route_count;
        struct peer *peers;
        size_t peer_count;
        const char *default_domain;
        struct list searches;
        struct map *hosts; /* struct host by name: the addresses of hops */
};

/* NULL: there is no such domain. */
const struct way *federation_way(const struct federation *federation, const char *domain);

/* Lync and AOL: TLS only; OCS too unless it is direct. */
bool federation_allows_tcp(const struct foreign_domain *domain);

/* What a hop of this domain is shown, and asked for at least; NULL: the general context. */
struct tls_context *federation_context(const struct federation *federation, const char *domain, const char *host);

/* search.c */
void searches_end(struct federation *federation);

/* hosts.c: where the source address speaks, before there is a certificate or because there will be none, the names of hops are looked up ahead. */
void hosts_look_up(struct federation *federation);
void hosts_free(struct federation *federation);
bool hosts_may_speak(struct federation *federation, const char *domain, const struct address *address); /* over TCP */
bool hosts_hold_hop(struct federation *federation, const char *domain, const struct address *address);  /* over TLS */

#endif
