/* dns.h - from names to addresses on the loop (c-ares); one resolver per worker
 *
 * Answers are kept by their TTL (bounded), that there is none for a few seconds. A literal address is answered without a query. Names are complete:
 * there is no search list. Calls may complete before they return; what they
 * return is then NULL, so set your pointer to the query to NULL in the callback and assign it only `if ((q = dns_lookup(...)) != NULL)`.
 */
#ifndef SHARED_DNS_DNS_H
#define SHARED_DNS_DNS_H

#include "shared/base/err.h"
#include "shared/loop/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dns;
struct dns_query;

/* servers: "127.0.0.1:5353", count 0: the system's. On the worker that will use it. */
struct dns *dns_new(const char *const *servers, size_t count, struct err *err);
/* Other servers for all that is asked from now on; what is under way ends with the old ones, what was kept is forgotten. */
void dns_use(struct dns *dns, const char *const *servers, size_t count);
/* Pending queries end with DNS_CANCELLED first. Never from inside a callback of this room. */
void dns_free(struct dns **dns);

enum dns_outcome { DNS_FOUND, DNS_NONE, DNS_FAILED, DNS_CANCELLED }; /* NONE: no such name or no such record; FAILED: for now */

struct dns_target {
        char host[256];
        uint16_t port, priority, weight;
        bool is_direct; /* false here; for who puts the targets of two services in one order (XEP-0368) */
};

/* A and AAAA. found(owner, outcome, addresses, count): the array is valid during the call. */
typedef void dns_addresses(void *owner, enum dns_outcome outcome, const struct address *addresses, size_t count);
struct dns_query *dns_lookup(struct dns *dns, const char *host, uint16_t port, dns_addresses *found, void *owner);
/* SRV, in the order to try them (RFC 2782: priority, then drawn by weight). A target "." gives DNS_FOUND with count 0: not offered. */
typedef void dns_targets(void *owner, enum dns_outcome outcome, const struct dns_target *targets, size_t count);
struct dns_query *dns_lookup_srv(struct dns *dns, const char *name, dns_targets *found, void *owner);
/* The callback will not come. */
void dns_cancel(struct dns_query **query);
/* The RFC 2782 order alone, in place: also for static routes and tests. */
void dns_order_targets(struct dns_target *targets, size_t count);

#endif
