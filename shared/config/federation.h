/* federation.h - who we federate with: the sections of federation.conf, which both programs read, and a typed view of them
 *
 * The sections stand beside those of the program that includes the file; the cross-checks see both.
 */
#ifndef SHARED_CONFIG_FEDERATION_H
#define SHARED_CONFIG_FEDERATION_H

#include "shared/base/arena.h"
#include "shared/base/buf.h"
#include "shared/config/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern const struct setting federation_xmpp_settings[], federation_policy_settings[], federation_peer_settings[],
        federation_sip_domain_settings[], federation_sip_peer_settings[], federation_aol_settings[], federation_email_settings[];
extern const struct section_rule federation_sip_route_inside[];

/* Rows for a program's table of sections. s2s_unbuilt and email_unbuilt as section_rule.unbuilt. */
#define FEDERATION_SECTIONS(s2s_unbuilt, email_unbuilt)                                                                        \
        { .name = "xmpp-federation", .settings = federation_xmpp_settings, .unbuilt = (s2s_unbuilt) },                         \
                { .name = "xmpp-policy", .titled = true, .settings = federation_policy_settings, .unbuilt = (s2s_unbuilt) },   \
                { .name = "xmpp-peer",                                                                                         \
                        .titled = true,                                                                                        \
                        .title_is_domain = true,                                                                               \
                        .settings = federation_peer_settings,                                                                  \
                        .unbuilt = (s2s_unbuilt) },                                                                            \
                { .name = "sip-domain", .titled = true, .title_is_domain = true, .settings = federation_sip_domain_settings }, \
                { .name = "sip-route", .titled = true, .inside = federation_sip_route_inside },                                \
                { .name = "sip-peer", .titled = true, .settings = federation_sip_peer_settings },                              \
                { .name = "aol", .settings = federation_aol_settings },                                                        \
        {                                                                                                                      \
                .name = "email", .settings = federation_email_settings, .unbuilt = (email_unbuilt)                             \
        }

enum sip_type { SIP_TYPE_LYNC, SIP_TYPE_OCS, SIP_TYPE_AOL, SIP_TYPE_SIMPLE };

struct sip_domain {
        const char *name; /* prepared */
        enum sip_type type;
        const char *description; /* "" if there is none */
        bool direct;             /* talks to the front end inside one enterprise, not to an edge */
        bool shared_subscription;
        const char *place; /* "FILE:LINE" */
};

struct sip_hop {
        const char *host; /* a name or an IP literal without brackets */
        uint16_t port;
        bool tls;
        int priority, weight;
};

struct sip_route {
        const char *domain;   /* the plain form of the pattern; covers the domain itself and all below it */
        struct sip_hop *hops; /* by priority, in file order within one */
        size_t hop_count;
        const char *place;
};

struct sip_peer {
        const char *subject;        /* CN or SAN of its certificate */
        const char *const *domains; /* prepared: whom it may speak for */
        size_t domain_count;
        const char *min_version, *ciphers; /* "" unless set */
        const char *place;
};

/* Read-only; lives as long as the snapshot and the arena it was made from. */
struct federation {
        struct sip_domain *domains;
        size_t domain_count;
        struct sip_route *routes; /* longest domain first */
        size_t route_count;
        struct sip_peer *peers;
        size_t peer_count;
        const char *aol_default_domain;
};

/* Of a configuration that has passed its checks; everything stands in the arena or in the snapshot. */
struct federation *federation_view(const struct config *config, struct arena *arena);
const struct sip_domain *federation_domain(const struct federation *federation, const char *name);
/* The static route for a domain: the longest pattern that covers it on whole labels; NULL: none. */
const struct sip_route *federation_route(const struct federation *federation, const char *domain);
const char *sip_type_name(enum sip_type type);

/* Names that own a domain: `claim` each of the program's own (its domains, components, chat nodes with aliases), then check. */
struct federation_check;
struct federation_check *federation_check_new(struct buf *errors, struct buf *warnings);
/* what: "domain", "component", ... Complains, naming both places, when something else has the name. */
void federation_claim(struct federation_check *check, const char *what, const char *name, const char *place);
/* Claims the SIP domains and checks all the rest: policies against SIP domains, route patterns, transports, whom peers speak for. */
void federation_check_all(struct federation_check *check, const struct config *config);
void federation_check_free(struct federation_check **check);

#endif
