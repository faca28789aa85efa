/* policies.h - with which domains we talk by XMPP: default, exceptions and their direction, indexed by name
 *
 * An exception is looked for from the most exact name to the least: the domain itself, then `*.` before it, before its parent and so on up to
 * the top-level domain, then the default. One of the other direction is passed over, as if it were not written. A name has one section only, so
 * what a name shall do in both directions differs from what is less exact in one step: `direction = in` changes the one direction, the other one
 * goes on to the next name. Where both directions of one domain are to be turned round, `*.domain` (which covers the domain itself) takes the
 * second rule.
 */
#ifndef SHARED_CONFIG_POLICIES_H
#define SHARED_CONFIG_POLICIES_H

#include "shared/config/config.h"

#include <stdbool.h>

enum policy_direction { POLICY_IN, POLICY_OUT }; /* of a stream: a foreign server connects to us, we connect to it */

/* Texts live as long as the configuration. */
struct policy_verdict {
        bool is_allowed;
        const char *
                kind; /* what decided: "xmpp-policy", "default-policy", "xmpp-federation.enabled"; or who owns the name: "sip-domain", "domain" ... */
        const char *rule;  /* the title of an xmpp-policy; else the same as kind */
        const char *place; /* FILE:LINE */
};

struct policies;

/* Of the top level of a file that has the sections of federation.conf, checked. Borrows it. Names of our own are in it too, where the file has
 * such sections: they are never reached by s2s and nobody else speaks for them. */
struct policies *policies_new(const struct section *top);
void policies_free(struct policies **policies);
/* domain is prepared. Any thread; well under a microsecond for 100,000 exceptions. */
struct policy_verdict policies_decide(const struct policies *policies, const char *domain, enum policy_direction direction);

#endif
