/*
 * settings.c - what xmppd.conf may hold, and what is derived from it
 */
#include "xmppd/settings.h"

#include "shared/base/err.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/config/federation.h"
#include "shared/xmpp/jid.h"
#include "xmppd/directory/directory.h"
#include "xmppd/extend/extension.h"

#include <stdio.h>
#include <string.h>

enum { SECTIONS_MAX = 64 };

#define TLS_VERSIONS "1.0|1.1|1.2|1.3"

static const struct setting top[] = {
        { "state-dir", SETTING_PATH, "/var/lib/xmppd", AT_START, "Where accounts, rosters and offline messages are kept.", NULL },
        { "control", SETTING_PATH, "/run/xmppd/control.sock", AT_START, "Socket on which xmppctl reaches the server.", NULL },
        { "sipcomp-control", SETTING_PATH, "/run/sipcomp/control.sock", LIVE, "Socket of sipcomp, for xmppctl sip and reload.",
                NULL },
        { "hostname", SETTING_DOMAIN, "", LIVE,
                "Name of this machine in public DNS, to which `xmppctl dns-records` lets SRV records lead; empty: the machine's own.",
                NULL },
        { "workers", SETTING_NUMBER, "0", AT_START, "Threads that serve connections; 0: one for each processor.", "0..64" },
        { 0 },
};

static const struct setting domain_settings[] = {
        { "certificate", SETTING_PATH, "", LIVE, "PEM file with the certificate and its chain, and the key unless `key` names it.",
                NULL },
        { "key", SETTING_PATH, "", LIVE, "PEM file with the key.", NULL },
        { "s2s-certificate", SETTING_PATH, "", LIVE, "Another certificate for server-to-server streams.", NULL },
        { 0 },
};

static const struct setting store_settings[] = {
        { "map-size", SETTING_NUMBER, "65536", AT_START, "MiB of address space for the store; the file grows only as needed.",
                "16..16777216" },
        { "journal-segment", SETTING_NUMBER, "16777216", AT_START,
                "Bytes by which a worker's journal (XEP-0198) grows before what is still needed of it is written anew and the rest goes.",
                "16384..1073741824" },
        { 0 },
};

static const struct setting c2s_settings[] = {
        { "listen", SETTING_ADDRESSES, "{ \"[::]:5222\" }", LIVE, "Addresses for clients that use STARTTLS.", NULL },
        { "listen-tls", SETTING_ADDRESSES, "{ \"[::]:5223\" }", LIVE,
                "Addresses for clients that use TLS from the first byte (XEP-0368).", NULL },
        { "tls", SETTING_CHOICE, "required", LIVE, "STARTTLS: required before login, optional, or none (not offered).",
                "required|optional|none" },
        { "tls-min", SETTING_CHOICE, "1.2", LIVE, "Oldest TLS version accepted.", TLS_VERSIONS },
        { "tls-max", SETTING_CHOICE, "1.3", LIVE, "Newest TLS version offered.", TLS_VERSIONS },
        { "tls-resumption", SETTING_BOOL, "true", LIVE,
                "A client that comes back may resume its TLS session, which saves both sides work.", NULL },
        { "resource-conflict", SETTING_CHOICE, "replace", LIVE,
                "A client asks for a resource that is connected: replace ends the older session, rename gives the newer one another resource, "
                "refuse keeps it out.",
                "replace|rename|refuse" },
        { "client-ca", SETTING_PATH, "", LIVE,
                "PEM file with the authorities whose client certificates prove an account (SASL EXTERNAL); empty: no certificate is asked for.",
                NULL },
        { "max-stanza", SETTING_NUMBER, "262144", LIVE, "Bytes of one stanza; a larger one ends the stream with policy-violation.",
                "10000..16777216" },
        { 0 },
};

static const struct setting login_settings[] = {
        { "delay", SETTING_NUMBER, "400", LIVE,
                "Milliseconds that the answer to a wrong login waits; from the fourth of one address (or IPv6 /64) on it doubles each time.",
                "0..60000" },
        { "max-delay", SETTING_SECONDS, "10", LIVE,
                "It grows up to this. An address that has guessed nothing wrong never waits, whatever others try with the same account.",
                "1..60" },
        { "forget", SETTING_SECONDS, "120", LIVE, "So long after the last wrong login, half of those counted are forgotten.",
                "1..86400" },
        { 0 },
};

static const struct setting directory_settings[] = {
        { "servers", SETTING_LIST, NULL, LIVE,
                "Servers, asked in this order until one answers: ldap://HOST[:PORT] or ldaps://HOST[:PORT].", NULL },
        { "start-tls", SETTING_BOOL, "true", LIVE, "Change to TLS on ldap:// connections before anything is said.", NULL },
        { "trust", SETTING_PATH, "/etc/ssl/certs/ca-certificates.crt", LIVE,
                "PEM file with the authorities of the servers' certificates.", NULL },
        { "bind-dn", SETTING_TEXT, "", LIVE, "Name under which users are looked up; empty: none, where the directory allows it.",
                NULL },
        { "bind-password", SETTING_SECRET, "", LIVE, "Its password: file:PATH.", NULL },
        { "base", SETTING_TEXT, NULL, LIVE, "Entry below which users are looked up.", NULL },
        { "filter", SETTING_TEXT, "(uid=%u)", LIVE,
                "Finds the one entry of a user; %u is the part of the JID before the @. Active Directory: (sAMAccountName=%u).",
                NULL },
        { "mail-attribute", SETTING_TEXT, "mail", LIVE, "Attribute with the user's mail address.", NULL },
        { "name-attribute", SETTING_TEXT, "displayName", LIVE, "Attribute with the user's name as people read it.", NULL },
        { "timeout", SETTING_SECONDS, "5", LIVE, "Seconds for each step; then the next server is asked.", "1..60" },
        { "at-most", SETTING_NUMBER, "8", AT_START, "Logins that are checked at the same time; others wait in line.", "1..64" },
        { 0 },
};

static const struct setting s2s_settings[] = {
        { "listen", SETTING_ADDRESSES, "{ \"[::]:5269\" }", LIVE, "Addresses for other servers.", NULL },
        { "listen-tls", SETTING_ADDRESSES, "{ }", LIVE, "Addresses for other servers with TLS from the first byte.", NULL },
        { "trust", SETTING_PATH, "/etc/ssl/certs", LIVE, "File or directory of trusted roots.", NULL },
        { "tls-min", SETTING_CHOICE, "1.2", LIVE, "Oldest TLS version accepted.", TLS_VERSIONS },
        { "tls-max", SETTING_CHOICE, "1.3", LIVE, "Newest TLS version offered.", TLS_VERSIONS },
        { "max-wait", SETTING_SECONDS, "20", LIVE,
                "Seconds for which a stanza waits for a stream to its domain, and a stream that was cut may be resumed; then it comes back.",
                "1..600" },
        { "idle", SETTING_SECONDS, "600", LIVE, "Seconds after which a stream that carries nothing is closed.", "5..86400" },
        { "sm", SETTING_BOOL, "true", LIVE, "Stream management (XEP-0198) with servers that know it.", NULL },
        { 0 },
};

static const struct setting components_settings[] = {
        { "listen", SETTING_ADDRESSES, "{ \"127.0.0.1:5347\" }", LIVE, "Addresses for components (XEP-0114).", NULL },
        { "secret", SETTING_SECRET, "", LIVE, "Secret of the components that serve the SIP domains of federation.conf.", NULL },
        { 0 },
};

static const struct setting component_settings[] = {
        { "secret", SETTING_SECRET, NULL, LIVE, "Secret of this component.", NULL },
        { 0 },
};

static const struct setting chat_settings[] = {
        { "aliases", SETTING_DOMAINS, "{ }", LIVE, "Further domains under which the rooms can be joined.", NULL },
        { 0 },
};

static const struct setting http_settings[] = {
        { "listen", SETTING_ADDRESSES, "{ \"127.0.0.1:5280\" }", LIVE, "Addresses of console, metrics and HTTP bindings.", NULL },
        { 0 },
};

static const struct setting dns_settings[] = {
        { "servers", SETTING_ADDRESSES, "{ }", LIVE, "Name servers; empty: those of the system.", NULL },
        { 0 },
};

static const struct setting log_settings[] = {
        { "level", SETTING_CHOICE, "info", LIVE, "Least important level that is written.", "error|warn|info|debug|trace" },
        { "format", SETTING_CHOICE, "text", LIVE, "Lines of text, or one JSON object each.", "text|json" },
        { "target", SETTING_TEXT, "stderr", LIVE, "stderr, or the path of a file.", NULL },
        { 0 },
};

static const struct section_rule own_sections[] = {
        { .name = "domain", .titled = true, .settings = domain_settings, .title_is_domain = true },
        { .name = "store", .settings = store_settings },
        { .name = "c2s", .settings = c2s_settings },
        { .name = "login", .settings = login_settings },
        { .name = "directory", .titled = true, .settings = directory_settings, .title_is_domain = true },
        { .name = "s2s", .settings = s2s_settings },
        { .name = "components", .settings = components_settings },
        { .name = "component", .titled = true, .settings = component_settings, .title_is_domain = true },
        { .name = "chat",
                .titled = true,
                .settings = chat_settings,
                .title_is_domain = true,
                .unbuilt = "chat rooms are not part of this version" },
        { .name = "http", .settings = http_settings, .unbuilt = "the HTTP console is not part of this version: no port is opened" },
        { .name = "dns", .settings = dns_settings },
        { .name = "log", .settings = log_settings },
        FEDERATION_SECTIONS,
};

const struct section_rule *
settings_rules(void)
{
        static struct section_rule sections[SECTIONS_MAX + 1];
        static const struct section_rule file = { .name = "", .settings = top, .inside = sections };
        size_t count = 0;

        if (sections[0].name != NULL)
                return &file;
        for (size_t i = 0; i < array_len(own_sections); i++)
                sections[count++] = own_sections[i];
        sections[count++] = (struct section_rule){ .name = "limits", .settings = limit_settings() };
        for (const struct extension *const *extension = extend_all(); *extension != NULL; extension++) {
                if ((*extension)->settings == NULL)
                        continue;
                must(count < SECTIONS_MAX);
                sections[count++] = (struct section_rule){ .name = (*extension)->name, .settings = (*extension)->settings };
        }
        return &file;
}

/* Appends "FILE:LINE: message" to the errors. */
static void
complain(struct buf *errors, const struct section *section, const char *setting, const char *message)
{
        buf_printf(errors, "%s: %s\n", section_place(section, setting), message);
}

/* Names that own a domain are each claimed once, whichever section they stand in. */
static void
claim_domains(const struct section *all, struct federation_check *check)
{
        static const char *const kinds[] = { "domain", "component", "chat" };

        for (size_t i = 0; i < array_len(kinds); i++) {
                const struct section *section = NULL;
                while ((section = section_next(all, kinds[i], section)) != NULL) {
                        federation_claim(check, kinds[i], section_title(section), section_place(section, NULL));
                        if (strcmp(kinds[i], "chat") != 0)
                                continue;
                        for (size_t k = 0; k < config_list_count(section, "aliases"); k++)
                                federation_claim(check, "chat alias", config_list_item(section, "aliases", k),
                                        section_place(section, "aliases"));
                }
        }
}

static const char *
or_null(const char *text)
{
        return text[0] != '\0' ? text : NULL;
}

static bool
needs_tls(const struct section *all)
{
        const struct section *c2s = section_of(all, "c2s");

        return strcmp(config_text(c2s, "tls"), "none") != 0 || config_list_count(c2s, "listen-tls") > 0;
}

static void
check_certificates(const struct section *all, struct buf *errors)
{
        const struct section *domain = NULL;
        struct err err;

        while ((domain = section_next(all, "domain", domain)) != NULL) {
                const char *certificate = config_text(domain, "certificate"), *s2s = config_text(domain, "s2s-certificate");
                if (certificate[0] == '\0' && needs_tls(all))
                        complain(errors, domain, NULL,
                                "a certificate is needed: certificate = \"FILE\", or c2s { tls = none  listen-tls = { } }");
                if (certificate[0] != '\0' && tls_check_certificate(certificate, or_null(config_text(domain, "key")), &err) != 0)
                        complain(errors, domain, "certificate", err.text);
                if (s2s[0] != '\0' && tls_check_certificate(s2s, NULL, &err) != 0)
                        complain(errors, domain, "s2s-certificate", err.text);
        }
}

static void
check_servers(const struct section *directory, struct buf *errors, struct buf *warnings)
{
        bool is_clear = false;

        if (config_list_count(directory, "servers") == 0)
                complain(errors, directory, "servers", "servers: at least one is needed");
        for (size_t i = 0; i < config_list_count(directory, "servers"); i++) {
                const char *server = config_list_item(directory, "servers", i);
                if (strncmp(server, "ldap://", 7) != 0 && strncmp(server, "ldaps://", 8) != 0)
                        complain(errors, directory, "servers", "servers: expected ldap://HOST[:PORT] or ldaps://HOST[:PORT]");
                is_clear = is_clear || strncmp(server, "ldap://", 7) == 0;
        }
        if (is_clear && !config_bool(directory, "start-tls"))
                complain(warnings, directory, "start-tls", "passwords of users go to the directory in clear text");
}

static void
check_directories(const struct section *all, struct buf *errors, struct buf *warnings)
{
        const struct section *directory = NULL;
        struct err err;

        while ((directory = section_next(all, "directory", directory)) != NULL) {
                if (section_titled(all, "domain", section_title(directory)) == NULL)
                        complain(errors, directory, NULL, "there is no section domain of this name");
                check_servers(directory, errors, warnings);
                if (directory_check_filter(config_text(directory, "filter"), &err) != 0)
                        complain(errors, directory, "filter", err.text);
        }
}

static void
check_sections(const struct config *config, struct buf *errors, struct buf *warnings)
{
        const struct section *all = config_top(config), *components = section_of(all, "components"), *log = section_of(all, "log");
        const struct section *component = NULL;
        struct federation_check *check = federation_check_new(errors, warnings);

        claim_domains(all, check);
        federation_check_all(check, config);
        federation_check_free(&check);
        if (section_next(all, "domain", NULL) == NULL)
                complain(errors, all, NULL,
                        "no domain: at least one section domain \"example.com\" { certificate = \"FILE\" } is needed");
        if (section_next(all, "sip-domain", NULL) != NULL && config_text(components, "secret")[0] == '\0')
                complain(errors, components, "secret", "the components of the SIP domains need a secret: secret = \"file:PATH\"");
        while ((component = section_next(all, "component", component)) != NULL)
                if (section_is_set(component, "secret") && config_text(component, "secret")[0] == '\0')
                        complain(errors, component, "secret", "the secret is empty");
        check_certificates(all, errors);
        check_directories(all, errors, warnings);
        const char *target = config_text(log, "target");
        if (strcmp(target, "stderr") != 0 && target[0] != '/')
                complain(errors, log, "target", "target: expected stderr or the whole path of a file");
}

/* Domains of all kinds in one table; a name that is taken has been complained of by federation_check. */
static void
add_domains(struct snapshot *snapshot)
{
        const struct section *all = config_top(snapshot->config), *section = NULL;

        while ((section = section_next(all, "domain", section)) != NULL)
                snapshot_add_domain(snapshot, DOMAIN_LOCAL, section_title(section));
        while ((section = section_next(all, "component", section)) != NULL) {
                struct domain *domain = snapshot_add_domain(snapshot, DOMAIN_COMPONENT, section_title(section));
                domain->secret = config_text(section, "secret");
        }
        while ((section = section_next(all, "sip-domain", section)) != NULL) {
                struct domain *domain = snapshot_add_domain(snapshot, DOMAIN_COMPONENT, section_title(section));
                domain->secret = config_text(section_of(all, "components"), "secret");
                domain->sip = true;
                domain->description = config_text(section, "description");
        }
}

struct snapshot *
settings_load(const char *path, struct buf *errors, struct buf *warnings)
{
        struct config *config = config_read(path, settings_rules(), check_sections, errors, warnings);
        if (config == NULL)
                return NULL;

        struct snapshot *snapshot = snapshot_new(config);
        limit_read(config_top(config), snapshot->limits);
        add_domains(snapshot);
        snapshot->policies = policies_new(config_top(config));
        settings_add_tls(snapshot, errors, warnings);
        if (errors->len > 0)
                snapshot_unref(&snapshot);
        return snapshot;
}
