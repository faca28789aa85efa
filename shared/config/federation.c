/*
 * federation.c - federation.conf: its tables and what has to hold between its sections
 *
 * A domain has one owner: a name that is a SIP domain cannot be an XMPP domain, a component, a chat node or allowed by an exact policy too. A
 * wildcard policy never conflicts, it only says what happens to domains nobody defined.
 */
#include "shared/config/federation.h"

#include "shared/base/clock.h"
#include "shared/base/map.h"
#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "shared/xmpp/jid.h"

#include <stdio.h>
#include <string.h>

#define TLS_VERSIONS "|1.0|1.1|1.2|1.3"

const struct setting federation_xmpp_settings[] = {
        { "enabled", SETTING_BOOL, "true", LIVE, "Whether this node federates by XMPP at all.", NULL },
        { "tls", SETTING_CHOICE, "optional", LIVE, "TLS with other servers; none: dialback alone tells who they are.",
                "none|optional|required" },
        { "require-valid-certificates", SETTING_BOOL, "true", LIVE,
                "Refuse servers whose certificate does not verify; off for Webex.", NULL },
        { "sasl-external-in", SETTING_BOOL, "true", LIVE, "Offer SASL EXTERNAL to servers that connect to us.", NULL },
        { "sasl-external-out", SETTING_BOOL, "true", LIVE, "Use SASL EXTERNAL where we connect.", NULL },
        { "dialback", SETTING_BOOL, "true", LIVE, "Allow server dialback (XEP-0220).", NULL },
        { "dialback-secret", SETTING_SECRET, "", LIVE, "Secret of the dialback keys (XEP-0185); empty: a new one at each start.",
                NULL },
        { "subject-cn", SETTING_BOOL, "false", LIVE,
                "A certificate without any subject alternative name counts for the domain in its common name (CN); for very old servers.",
                NULL },
        { "default-policy", SETTING_CHOICE, "allow", LIVE, "For domains that no xmpp-policy names.", "allow|deny" },
        { 0 },
};

const struct setting federation_policy_settings[] = {
        { "action", SETTING_CHOICE, NULL, LIVE, "allow or deny.", "allow|deny" },
        { "direction", SETTING_CHOICE, "both", LIVE, "Which way it applies.", "both|in|out" },
        { 0 },
};

const struct setting federation_peer_settings[] = {
        { "tls", SETTING_CHOICE, "", LIVE, "TLS with this domain; empty: as in xmpp-federation.", "|none|optional|required" },
        { "require-valid-certificates", SETTING_BOOL, "true", LIVE, "As in xmpp-federation, for this domain.", NULL },
        { "pin", SETTING_TEXT, "", LIVE, "SHA-256 of the certificate it must show; empty: any.", NULL },
        { 0 },
};

const struct setting federation_sip_domain_settings[] = {
        { "type", SETTING_CHOICE, NULL, LIVE, "What runs there: lync, ocs, aol or simple.", "lync|ocs|aol|simple" },
        { "description", SETTING_TEXT, "", LIVE, "Shown to users.", NULL },
        { "direct", SETTING_BOOL, "false", LIVE, "Inside one enterprise: talks to the front end itself, not to an edge.", NULL },
        { "shared-subscription", SETTING_BOOL, "false", LIVE,
                "One subscription for each contact instead of one for each watcher: the contact sees one watcher only, and refused for one means "
                "refused for all.",
                NULL },
        { 0 },
};

static const struct setting hop_settings[] = {
        { "port", SETTING_NUMBER, "5061", LIVE, "Port of the next hop.", "1..65535" },
        { "transport", SETTING_CHOICE, "tls", LIVE, "tls, or tcp where the type of the domain allows it.", "tls|tcp" },
        { "priority", SETTING_NUMBER, "1", LIVE, "The smallest is tried first, the others are backups.", "0..65535" },
        { "weight", SETTING_NUMBER, "1", LIVE, "Share of the load among hops of one priority.", "0..65535" },
        { 0 },
};

const struct section_rule federation_sip_route_inside[] = {
        { .name = "hop", .titled = true, .settings = hop_settings },
        { 0 },
};

const struct setting federation_sip_peer_settings[] = {
        { "domains", SETTING_DOMAINS, NULL, LIVE, "SIP domains for which a certificate with this subject may speak.", NULL },
        { "min-version", SETTING_CHOICE, "", LIVE, "Lowest TLS version for this peer; empty: as in tls.", TLS_VERSIONS },
        { "ciphers", SETTING_TEXT, "", LIVE, "Cipher list for this peer; empty: as in tls.", NULL },
        { 0 },
};

const struct setting federation_aol_settings[] = {
        { "default-domain", SETTING_DOMAIN, "aol.com", LIVE, "Domain whose routes reach domains hosted at AOL.", NULL },
        { 0 },
};

const struct setting federation_email_settings[] = {
        { "enabled", SETTING_BOOL, "false", LIVE, "Show mail addresses instead of JIDs to foreign domains.", NULL },
        { "domains", SETTING_DOMAINS, "{ }", LIVE, "Mail domains besides those of the users' addresses.", NULL },
        { "change-over", SETTING_TEXT, "", LIVE,
                "A date, 2026-12-31: up to its end the JID works beside the mail address, and contacts from before go on seeing it.",
                NULL },
        { 0 },
};

static int
hex_digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        c |= 0x20;
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
federation_read_pin(unsigned char pin[32], const char *text)
{
        for (int i = 0; i < 32; i++) {
                if (i > 0 && *text == ':')
                        text++;
                int high = hex_digit(text[0]), low = high >= 0 ? hex_digit(text[1]) : -1;
                if (low < 0)
                        return false;
                pin[i] = (unsigned char)(high << 4 | low);
                text += 2;
        }
        return *text == '\0';
}

/* The plain domain that a route's title means: ".com.partner.*" is "partner.com". out has JID_PART_MAX + 1 bytes. */
static bool
plain_domain(char *out, const char *title)
{
        char plain[JID_PART_MAX + 1];
        size_t len = strlen(title), written = 0;

        if (title[0] != '.')
                return jid_prepare_domain(out, title);
        if (len < 4 || len > JID_PART_MAX || strcmp(title + len - 2, ".*") != 0)
                return false;
        /* Labels from the last to the first, without the ".*". */
        for (size_t end = len - 2, at = end; at > 0 && end > 0; at--) {
                if (title[at - 1] != '.')
                        continue;
                if (end == at)
                        return false;
                if (written > 0)
                        plain[written++] = '.';
                memcpy(plain + written, title + at, end - at);
                written += end - at;
                end = at - 1;
        }
        plain[written] = '\0';
        return jid_prepare_domain(out, plain);
}

/* Is name the domain itself or below it? */
static bool
covers(const char *domain, const char *name)
{
        size_t domain_len = strlen(domain), len = strlen(name);

        if (len < domain_len || strcmp(name + len - domain_len, domain) != 0)
                return false;
        return len == domain_len || name[len - domain_len - 1] == '.';
}

struct owner {
        char *what, *place;
};

struct federation_check {
        struct buf *errors, *warnings;
        struct map *owners; /* of names */
};

struct federation_check *
federation_check_new(struct buf *errors, struct buf *warnings)
{
        struct federation_check *check = MEM_NEW(check);

        check->errors = errors;
        check->warnings = warnings;
        check->owners = map_new();
        return check;
}

void
federation_check_free(struct federation_check **check)
{
        struct federation_check *old = *check;

        *check = NULL;
        if (old == NULL)
                return;
        size_t at = 0;
        for (struct owner *owner; (owner = map_next(old->owners, &at)) != NULL;) {
                mem_free(owner->what);
                mem_free(owner->place);
                mem_free(owner);
        }
        map_free(&old->owners);
        mem_free(old);
}

void
federation_claim(struct federation_check *check, const char *what, const char *name, const char *place)
{
        struct owner *first = map_get_str(check->owners, name);

        if (first != NULL) {
                buf_printf(check->errors,
                        "%s: %s \"%s\" is in conflict with %s \"%s\" at %s: a domain belongs to one of them only\n", place, what,
                        name, first->what, name, first->place);
                return;
        }
        struct owner *owner = MEM_NEW(owner);
        owner->what = mem_strdup(what);
        owner->place = mem_strdup(place);
        map_put_str(check->owners, name, owner);
}

/* Where an exact name has an owner: one that is reached otherwise cannot be allowed by XMPP too, and our own needs no policy. */
static void
check_policy_owner(struct federation_check *check, const struct section *policy, const char *name)
{
        const struct owner *owner = map_get_str(check->owners, name);
        bool allows = strcmp(config_text(policy, "action"), "allow") == 0;

        if (owner == NULL)
                return;
        bool is_elsewhere = strcmp(owner->what, "sip-domain") == 0 || strcmp(owner->what, "component") == 0;
        if (is_elsewhere && allows)
                buf_printf(check->errors, "%s: xmpp-policy \"%s\" allows a domain that is a %s at %s: %s\n",
                        section_place(policy, NULL), name, owner->what, owner->place,
                        strcmp(owner->what, "component") == 0 ? "it is reached by that component or by XMPP federation, not by both"
                                                              : "it is reached by XMPP or by SIP, not by both");
        else if (!is_elsewhere)
                buf_printf(check->warnings, "%s: xmpp-policy \"%s\" has no effect: the name is ours, %s at %s\n",
                        section_place(policy, NULL), name, owner->what, owner->place);
}

static void
check_policies(struct federation_check *check, const struct section *top)
{
        char prepared[JID_PART_MAX + 3] = "*.";
        struct map *seen = map_new();
        const struct section *policy = NULL;

        while ((policy = section_next(top, "xmpp-policy", policy)) != NULL) {
                const char *title = section_title(policy);
                bool is_wildcard = text_starts(title, "*.");
                if (!jid_prepare_domain(prepared + 2, is_wildcard ? title + 2 : title)) {
                        buf_printf(check->errors, "%s: xmpp-policy \"%.60s\": expected a domain name or *.DOMAIN%s\n",
                                section_place(policy, NULL), title,
                                strcmp(title, "*") == 0 ? "; xmpp-federation { default-policy } is for all others" : "");
                        continue;
                }
                /* Titles are compared as they are written; names that differ in case or form are still one. */
                const struct section *first = map_get_str(seen, is_wildcard ? prepared : prepared + 2);
                if (first != NULL)
                        buf_printf(check->errors, "%s: xmpp-policy \"%.60s\" is for the same name as xmpp-policy \"%.60s\" at %s\n",
                                section_place(policy, NULL), title, section_title(first), section_place(first, NULL));
                else
                        map_put_str(seen, is_wildcard ? prepared : prepared + 2, (void *)policy);
                if (!is_wildcard)
                        check_policy_owner(check, policy, prepared + 2);
        }
        map_free(&seen);
}

/* Some way must be left to prove a domain: a certificate (which needs TLS) or dialback. */
static void
check_proofs(struct federation_check *check, const struct section *top)
{
        const struct section *all = section_of(top, "xmpp-federation");
        bool in = config_bool(all, "sasl-external-in"), out = config_bool(all, "sasl-external-out");

        if (!config_bool(all, "enabled") || config_bool(all, "dialback"))
                return;
        const char *place = section_place(all, "dialback");
        if (!in && !out)
                buf_printf(check->errors,
                        "%s: dialback = false, sasl-external-in = false (%s) and sasl-external-out = false (%s): no server could prove its domain: allow one of them\n",
                        place, section_place(all, "sasl-external-in"), section_place(all, "sasl-external-out"));
        else if (strcmp(config_text(all, "tls"), "none") == 0)
                buf_printf(check->errors,
                        "%s: dialback = false and tls = none (%s): certificates need TLS, so no server could prove its domain: allow dialback or TLS\n",
                        place, section_place(all, "tls"));
        else if (!in || !out)
                buf_printf(check->warnings, "%s: dialback = false and %s = false (%s): %s\n", place,
                        in ? "sasl-external-out" : "sasl-external-in",
                        section_place(all, in ? "sasl-external-out" : "sasl-external-in"),
                        in ? "we can prove our domains to no other server" : "no other server can prove its domain to us");
}

static void
check_pin(struct federation_check *check, const struct section *peer, bool is_clear, const char *clear_place)
{
        const char *pin = config_text(peer, "pin");
        unsigned char bytes[32];

        if (pin[0] == '\0')
                return;
        if (!federation_read_pin(bytes, pin))
                buf_printf(check->errors,
                        "%s: pin: expected the SHA-256 of a certificate, 64 hexadecimal digits as `openssl x509 -noout -fingerprint -sha256` prints them\n",
                        section_place(peer, "pin"));
        else if (is_clear)
                buf_printf(check->errors, "%s: pin: with tls = none (%s) no certificate is ever seen\n", section_place(peer, "pin"),
                        clear_place);
}

static void
check_xmpp_peers(struct federation_check *check, const struct section *top)
{
        const struct section *all = section_of(top, "xmpp-federation"), *peer = NULL;
        bool can_prove = !config_bool(all, "enabled") || config_bool(all, "dialback");

        while ((peer = section_next(top, "xmpp-peer", peer)) != NULL) {
                const struct owner *owner = map_get_str(check->owners, section_title(peer));
                const struct section *tls = config_text(peer, "tls")[0] != '\0' ? peer : all;
                bool is_clear = strcmp(config_text(tls, "tls"), "none") == 0;
                if (owner != NULL)
                        buf_printf(check->errors,
                                "%s: xmpp-peer \"%s\" is in conflict with %s \"%s\" at %s: a peer is a domain of others, reached by XMPP federation\n",
                                section_place(peer, NULL), section_title(peer), owner->what, section_title(peer), owner->place);
                if (is_clear && tls == peer && !can_prove)
                        buf_printf(check->errors,
                                "%s: tls = none, but dialback = false (%s): certificates need TLS, so \"%s\" could not prove its domain\n",
                                section_place(peer, "tls"), section_place(all, "dialback"), section_title(peer));
                check_pin(check, peer, is_clear, section_place(tls, "tls"));
        }
}

static void
check_sip_peers(struct federation_check *check, const struct section *top)
{
        const struct section *peer = NULL;

        while ((peer = section_next(top, "sip-peer", peer)) != NULL) {
                for (size_t i = 0; i < config_list_count(peer, "domains"); i++) {
                        const char *name = config_list_item(peer, "domains", i);
                        if (section_titled(top, "sip-domain", name) == NULL)
                                buf_printf(check->errors,
                                        "%s: sip-peer \"%.60s\" is to speak for \"%s\", which is no sip-domain: define it or leave it out\n",
                                        section_place(peer, "domains"), section_title(peer), name);
                }
        }
}

/* The route section whose pattern is the longest that covers this domain. */
static const struct section *
find_route(const struct section *top, const char *domain)
{
        char plain[JID_PART_MAX + 1];
        const struct section *route = NULL, *best = NULL;
        size_t best_len = 0;

        while ((route = section_next(top, "sip-route", route)) != NULL) {
                if (plain_domain(plain, section_title(route)) && covers(plain, domain) && strlen(plain) > best_len) {
                        best = route;
                        best_len = strlen(plain);
                }
        }
        return best;
}

static void
refuse_tcp(struct federation_check *check, const struct section *top, const char *domain, const char *why, const char *defined)
{
        const struct section *route = find_route(top, domain), *hop = NULL;

        if (route == NULL)
                return;
        while ((hop = section_next(route, "hop", hop)) != NULL)
                if (strcmp(config_text(hop, "transport"), "tcp") == 0)
                        buf_printf(check->errors, "%s: hop \"%.60s\" is tcp, but \"%s\" %s (%s): expected transport = tls\n",
                                section_place(hop, "transport"), section_title(hop), domain, why, defined);
}

static void
check_transports(struct federation_check *check, const struct section *top)
{
        const struct section *domain = NULL, *aol = section_of(top, "aol");

        while ((domain = section_next(top, "sip-domain", domain)) != NULL) {
                const char *place = section_place(domain, NULL), *name = section_title(domain);
                const char *type = config_text(domain, "type");
                if (strcmp(type, "lync") == 0)
                        refuse_tcp(check, top, name, "is of type lync, which speaks TLS only", place);
                else if (strcmp(type, "aol") == 0)
                        refuse_tcp(check, top, name, "is of type aol, which speaks TLS only", place);
                else if (strcmp(type, "ocs") == 0 && !config_bool(domain, "direct"))
                        refuse_tcp(check, top, name, "is of type ocs without direct = true, so it speaks TLS only", place);
        }
        const char *name = config_text(aol, "default-domain");
        if (section_titled(top, "sip-domain", name) == NULL)
                refuse_tcp(check, top, name, "is the default domain of AOL, which speaks TLS only",
                        section_place(aol, "default-domain"));
}

static bool
leads_anywhere(const struct section *top, const char *plain)
{
        const struct section *domain = NULL;

        while ((domain = section_next(top, "sip-domain", domain)) != NULL)
                if (covers(plain, section_title(domain)))
                        return true;
        return covers(plain, config_text(section_of(top, "aol"), "default-domain"));
}

static void
check_routes(struct federation_check *check, const struct section *top)
{
        struct map *seen = map_new();
        const struct section *route = NULL;
        char plain[JID_PART_MAX + 1];

        while ((route = section_next(top, "sip-route", route)) != NULL) {
                const char *place = section_place(route, NULL), *title = section_title(route);
                if (!plain_domain(plain, title)) {
                        buf_printf(check->errors,
                                "%s: sip-route \"%.60s\": expected a reversed pattern like \".com.partner.*\" or a domain name like \"partner.com\"\n",
                                place, title);
                        continue;
                }
                const struct section *first = map_get_str(seen, plain);
                if (first != NULL)
                        buf_printf(check->errors,
                                "%s: sip-route \"%.60s\" is for the same domain as sip-route \"%.60s\" at %s: put all hops into one\n",
                                place, title, section_title(first), section_place(first, NULL));
                else
                        map_put_str(seen, plain, (void *)route);
                if (section_next(route, "hop", NULL) == NULL)
                        buf_printf(check->errors,
                                "%s: sip-route \"%.60s\" leads nowhere: expected hop \"HOST\" { port = 5061 } in it\n", place,
                                title);
                if (!leads_anywhere(top, plain))
                        buf_printf(check->warnings, "%s: sip-route \"%.60s\" is not used: no sip-domain is \"%s\" or below it\n",
                                place, title, plain);
        }
        map_free(&seen);
}

/* A mail domain may be a domain with accounts too; nothing else that has a domain shares it. */
static void
check_email(struct federation_check *check, const struct section *top)
{
        const struct section *email = section_of(top, "email");
        const char *date = config_text(email, "change-over");
        char text[40];
        int64_t when;

        snprintf(text, sizeof(text), "%.10sT00:00:00Z", date);
        if (date[0] != '\0' && (strlen(date) != 10 || !clock_parse(&when, text)))
                buf_printf(
                        check->errors, "%s: change-over: expected a date like 2026-12-31\n", section_place(email, "change-over"));
        for (size_t i = 0; config_bool(email, "enabled") && i < config_list_count(email, "domains"); i++) {
                const char *name = config_list_item(email, "domains", i);
                const struct owner *owner = map_get_str(check->owners, name);
                if (owner == NULL || (strcmp(owner->what, "domain") != 0 && strcmp(owner->what, "local domain") != 0))
                        federation_claim(check, "mail domain", name, section_place(email, "domains"));
        }
}

void
federation_check_all(struct federation_check *check, const struct config *config)
{
        const struct section *top = config_top(config), *domain = NULL;

        while ((domain = section_next(top, "sip-domain", domain)) != NULL)
                federation_claim(check, "sip-domain", section_title(domain), section_place(domain, NULL));
        check_email(check, top);
        check_policies(check, top);
        check_proofs(check, top);
        check_xmpp_peers(check, top);
        check_routes(check, top);
        check_transports(check, top);
        check_sip_peers(check, top);
}
