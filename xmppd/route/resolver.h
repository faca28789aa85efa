/* resolver.h - the DNS resolver of each worker, with the servers that the configuration in force names */
#ifndef XMPPD_ROUTE_RESOLVER_H
#define XMPPD_ROUTE_RESOLVER_H

#include "shared/dns/dns.h"

/* This worker's; made when it is first asked for. */
struct dns *resolver_here(void);
/* This worker ends. */
void resolver_stop(void);

#endif
