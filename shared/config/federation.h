/* federation.h - who we federate with: the sections of federation.conf, which both programs read, and what must hold between them
 *
 * The sections stand beside those of the program that includes the file; the checks see both.
 */
#ifndef SHARED_CONFIG_FEDERATION_H
#define SHARED_CONFIG_FEDERATION_H

#include "shared/base/buf.h"
#include "shared/config/config.h"

#include <stdbool.h>
#include <stddef.h>

extern const struct setting federation_xmpp_settings[], federation_policy_settings[], federation_peer_settings[],
        federation_sip_domain_settings[], federation_sip_peer_settings[], federation_aol_settings[], federation_email_settings[];
extern const struct section_rule federation_sip_route_inside[];

/* Rows for a program's table of sections. */
#define FEDERATION_SECTIONS                                                                                                    \
        { .name = "xmpp-federation", .settings = federation_xmpp_settings },                                                   \
                { .name = "xmpp-policy", .titled = true, .settings = federation_policy_settings },                             \
                { .name = "xmpp-peer", .titled = true, .title_is_domain = true, .settings = federation_peer_settings },        \
                { .name = "sip-domain", .titled = true, .title_is_domain = true, .settings = federation_sip_domain_settings }, \
                { .name = "sip-route", .titled = true, .inside = federation_sip_route_inside },                                \
                { .name = "sip-peer", .titled = true, .settings = federation_sip_peer_settings },                              \
                { .name = "aol", .settings = federation_aol_settings },                                                        \
        {                                                                                                                      \
                .name = "email", .settings = federation_email_settings                                                         \
        }

/* A pin, the SHA-256 of a certificate: 64 hexadecimal digits, with or without colons between them. False if text is no pin. */
bool federation_read_pin(unsigned char pin[32], const char *text);

/* Names that own a domain: `claim` each of the program's own (its domains, components, chat nodes with aliases), then check. */
struct federation_check;
struct federation_check *federation_check_new(struct buf *errors, struct buf *warnings);
/* what: "domain", "component", ... Complains, naming both places, when something else has the name. */
void federation_claim(struct federation_check *check, const char *what, const char *name, const char *place);
/* Claims the SIP domains and checks all the rest: policies against SIP domains, route patterns, transports, whom peers speak for. */
void federation_check_all(struct federation_check *check, const struct config *config);
void federation_check_free(struct federation_check **check);

#endif
