/* federation.h - who we federate with over SIP: domains, their dialects, routes, and who may speak for them; built anew by each reload */
#ifndef SIPCOMP_ROUTE_FEDERATION_H
#define SIPCOMP_ROUTE_FEDERATION_H

#include "shared/base/err.h"
#include "shared/config/config.h"
#include "shared/dns/dns.h"
#include "shared/tls/context.h"
#include "shared/tls/peer.h"
#include "sipcomp/dialect/dialect.h"
#include "sipcomp/sip/transport.h"

#include <stdbool.h>
#include <stddef.h>

struct federation;

struct foreign_domain {
        const char *name, *description;
        const struct dialect *dialect;
        bool direct;
        bool shared; /* one subscription for all who watch a contact there */
};

enum { FEDERATION_HOPS = 16, FEDERATION_SUBJECTS = 64 };

/* From the sections sip-domain, sip-route, sip-peer, aol and the list local-domains. Texts are copied. NULL with "FILE:LINE: ..." for what the
 * tables alone cannot check. dns may be NULL: then only literal addresses count for TCP (as with `sipcomp -t`). */
struct federation *federation_new(struct config *config, struct dns *dns, struct err *err);
/* The hops handed out name its TLS contexts: let it live until requests that were started with it are over. Searches that are still under way find
 * nothing. */
void federation_free(struct federation **federation);

/* A reload: what the one before knows of the addresses of hosts is known to this one too, so that a look-up under way keeps nobody out. */
void federation_inherit(struct federation *federation, const struct federation *before);

const struct foreign_domain *federation_domain(const struct federation *federation, const char *name);
size_t federation_count(const struct federation *federation);
const struct foreign_domain *federation_at(const struct federation *federation, size_t i);
bool federation_is_local(const struct federation *federation, const char *domain);

/* May requests for this domain go to this hop, as far as the tables tell? False where its static route names it no more and no sip-peer of the domain
 * has that name; what SRV records name is not known here. */
bool federation_leads_to(const struct federation *federation, const char *domain, const struct sip_hop *hop);

/* The sip-peer subjects that may speak for it. */
size_t federation_subjects(const struct federation *federation, const char *domain, const char *subjects[FEDERATION_SUBJECTS]);

/* May this connection speak for the domain (2.4)? peer: what a TLS certificate proved; NULL over TCP or without one, tcp tells which.
 * Where it may not, why names the setting that is missing, for the log. */
bool federation_may_speak(struct federation *federation, const char *domain, const struct tls_peer *peer, bool tcp,
        const struct address *address, struct err *why);

/* How TLS is spoken with who connects from this address: the floor and ciphers of the sip-peer one of whose domains has a hop there; NULL: as with
 * everybody. */
struct tls_context *federation_serving_context(struct federation *federation, const struct address *address, enum tls_ask ask);

/* The domains it may speak for, at most room of them; returns how many. For people: where it could take long, over TCP with very many domains, none
 * is named. */
size_t federation_spoken_for(struct federation *federation, const struct tls_peer *peer, bool tcp, const struct address *address,
        const char **domains, size_t room);

/* Does this connection belong to anybody we federate with? For OPTIONS that an edge sends in its own name. */
bool federation_is_peer(struct federation *federation, const struct tls_peer *peer, bool tcp, const struct address *address);

#endif
