/* policy.h - which domains we federate with by XMPP, and how: what federation.conf says of one of them
 *
 * A decision is asked when a stream is set up and for each stanza: it is cheap. Texts live as long as the snapshot.
 */
#ifndef XMPPD_ROUTE_POLICY_H
#define XMPPD_ROUTE_POLICY_H

#include "shared/config/policies.h"
#include "xmppd/route/snapshot.h"

#include <stdbool.h>

/* domain is prepared. Names of our own (local domains, components, chat nodes, SIP domains) are refused: they are not reached by s2s, and no
 * other server speaks for them. */
struct policy_verdict policy_decide(const struct snapshot *snapshot, const char *domain, enum policy_direction direction);

enum peer_tls { PEER_TLS_NONE, PEER_TLS_OPTIONAL, PEER_TLS_REQUIRED };

/* How to talk to one domain: xmpp-federation, with what its xmpp-peer section sets in place of that. */
struct peer_rules {
        enum peer_tls tls;
        bool requires_valid; /* a certificate that does not verify is refused, also where dialback would do */
        bool external_in, external_out, dialback;
        bool allows_cn; /* the subject's common name counts where the certificate has no SAN */
        bool is_pinned; /* it must show exactly the certificate of this SHA-256, which then needs no authority */
        unsigned char pin[32];
        const char *place; /* FILE:LINE of the xmpp-peer section, else of xmpp-federation */
};
struct peer_rules policy_peer(const struct snapshot *snapshot, const char *domain);

#endif
