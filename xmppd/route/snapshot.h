/* snapshot.h - what is in force: the configuration and all that was derived from it; immutable, counted, one pointer per worker
 *
 * A reload builds a new one aside and each worker swaps its pointer when the letter comes. Hold no pointer into it across a turn without a
 * reference of your own.
 */
#ifndef XMPPD_ROUTE_SNAPSHOT_H
#define XMPPD_ROUTE_SNAPSHOT_H

#include "shared/base/map.h"
#include "shared/config/config.h"
#include "shared/config/policies.h"
#include "shared/tls/context.h"
#include "xmppd/route/limits.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum domain_kind {
        DOMAIN_LOCAL,     /* has accounts */
        DOMAIN_COMPONENT, /* answered by a component stream; a SIP domain of federation.conf or a `component` section */
};

struct domain {
        const char *name; /* prepared */
        enum domain_kind kind;
        const char *secret;             /* of a component */
        bool sip;                       /* a component that is a sip-domain */
        struct tls_context *s2s_client; /* in its name to other servers; NULL: it has no certificate */
        const char *description;
};

struct snapshot {
        atomic_uint refs;
        uint64_t number; /* no two have the same */
        struct arena *arena;
        struct config *config;
        struct map *domains;            /* name -> struct domain */
        struct policies *policies;      /* see policy.h */
        struct tls_context *c2s_tls;    /* NULL where TLS is none */
        struct tls_context *s2s_server; /* NULL: no domain has a certificate */
        struct tls_context *s2s_client; /* in the name of whom no certificate covers */
        int64_t limits[LIMITS];
};

/* Empty, one reference; the maker fills it before anyone else sees it. Takes config. */
struct snapshot *snapshot_new(struct config *config);
struct domain *snapshot_add_domain(struct snapshot *snapshot, enum domain_kind kind, const char *name);
struct snapshot *snapshot_ref(struct snapshot *snapshot);
void snapshot_unref(struct snapshot **snapshot);

/* Puts it in force on all workers; takes a reference for each. Before workers run, or on the main thread. changed(arg) (may be NULL) runs on the
 * calling worker when all have swapped. */
void snapshot_put_in_force(struct snapshot *snapshot, void (*changed)(void *arg), void *arg);
/* This thread ends: gives its reference back. */
void snapshot_leave(void);
/* This worker's; never NULL after start. */
const struct snapshot *snapshot_now(void);
/* Of this worker's snapshot; NULL: a foreign domain. */
const struct domain *snapshot_domain(const char *name);
/* With the certificate of this domain of ours, for streams to other servers. Borrowed; lives as long as the snapshot. */
struct tls_context *snapshot_s2s_client(const char *local);
/* config_top of this worker's snapshot, section by name: snapshot_section("c2s"). */
const struct section *snapshot_section(const char *name);

#endif
