/* search.h - from a foreign domain to the hops of its next request (product 3.3 to 3.5, RFC 3263, RFC 2782)
 *
 * Static route first, then SRV; a domain behind AOL then goes the same two ways of the default domain. A domain without any of these is dialled under
 * its own name, port 5061, except at AOL. Where a look-up fails for now nothing weaker is tried instead: it may say otherwise.
 */
#ifndef SIPCOMP_ROUTE_SEARCH_H
#define SIPCOMP_ROUTE_SEARCH_H

#include "sipcomp/route/federation.h"
#include "sipcomp/sip/transaction.h"

/* What each step of a search found, for diagnosis: "sip-route .com.partner.*: 2 hops", "_sipfederationtls._tcp.partner.com: no record". */
typedef void route_noted(void *arg, bool is_found, const char *text);

struct route_wish {
        const char *domain;             /* need not be a sip-domain: then nothing is found */
        const struct sip_place *wanted; /* the place a dialog names, put first where the hop rule allows it; NULL: none */
        route_noted *noted;             /* or NULL */
};
/* found is called exactly once: before this returns, which is NULL then, or later. At most FEDERATION_HOPS + 1 hops, in the order to try. */
struct sip_search *route_search(struct federation *federation, const struct route_wish *wish, sip_hops_found *found, void *arg);
/* found will not be called. */
void route_search_end(struct sip_search **search);

#endif
