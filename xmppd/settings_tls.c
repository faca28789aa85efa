/*
 * settings_tls.c - the TLS contexts that the configuration asks for
 */
#include "shared/base/err.h"
#include "shared/xmpp/jid.h"
#include "xmppd/settings.h"

#include <string.h>

static const char *
or_null(const char *text)
{
        return text[0] != '\0' ? text : NULL;
}

/* ---- clients ---- */

static struct tls_context *
load_certificate(const struct section *c2s, const struct section *domain, struct buf *errors)
{
        static const char *const alpn[] = { "xmpp-client", NULL };
        /* RFC 7525, 4: keys that nobody can derive later from the certificate's, and ciphers that authenticate what they seal come first. */
        static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:ECDHE+AES";
        struct tls_options options = {
                .certificate = config_text(domain, "certificate"),
                .key = or_null(config_text(domain, "key")),
                .min_version = config_text(c2s, "tls-min"),
                .max_version = config_text(c2s, "tls-max"),
                .ciphers = strcmp(config_text(c2s, "tls-min"), "1.2") >= 0 ? ciphers : NULL,
                .trust = or_null(config_text(c2s, "client-ca")),
                .ask = config_text(c2s, "client-ca")[0] != '\0' ? TLS_ASK_OPTIONAL : TLS_ASK_NONE,
                .tickets = config_bool(c2s, "tls-resumption"),
                .alpn = alpn,
        };
        struct err err;
        struct tls_context *context = tls_context_new(TLS_SERVER, &options, &err);

        if (context == NULL)
                buf_printf(errors, "%s: %s\n", section_place(domain, "certificate"), err.text);
        return context;
}

/* The first domain's context stands for clients that name no other, by SNI or in the stream before STARTTLS. */
static void
add_certificates(struct snapshot *snapshot, struct buf *errors, struct buf *warnings)
{
        const struct section *all = config_top(snapshot->config), *c2s = section_of(all, "c2s"), *domain = NULL;
        char name[256];

        while ((domain = section_next(all, "domain", domain)) != NULL) {
                if (config_text(domain, "certificate")[0] == '\0')
                        continue;
                struct tls_context *context = load_certificate(c2s, domain, errors);
                if (context == NULL)
                        continue;
                bool has_name = jid_domain_to_ascii(name, section_title(domain));
                if (has_name && !tls_context_covers(context, name))
                        buf_printf(warnings, "%s: the certificate does not name \"%s\": clients will refuse it\n",
                                section_place(domain, "certificate"), name);
                if (snapshot->c2s_tls == NULL) {
                        snapshot->c2s_tls = context;
                        continue;
                }
                if (has_name)
                        tls_context_add_name(snapshot->c2s_tls, name, context);
                tls_context_unref(&context);
        }
}

/* ---- other servers ---- */

static const char *
setting_for_servers(const struct section *domain)
{
        return config_text(domain, "s2s-certificate")[0] != '\0' ? "s2s-certificate" : "certificate";
}

/* One certificate serves both ways: a domain shows it to who connects, and where it connects itself. */
static struct tls_context *
load_for_servers(
        const struct section *s2s, const struct section *domain, enum tls_side side, struct tls_context *trust, struct buf *errors)
{
        static const char *const alpn[] = { "xmpp-server", NULL };
        const char *setting = domain == NULL ? NULL : setting_for_servers(domain);
        struct tls_options options = {
                .certificate = domain == NULL ? NULL : config_text(domain, setting),
                .key = domain == NULL || strcmp(setting, "certificate") != 0 ? NULL : or_null(config_text(domain, "key")),
                .min_version = config_text(s2s, "tls-min"),
                .max_version = config_text(s2s, "tls-max"),
                .trust = trust == NULL ? config_text(s2s, "trust") : NULL,
                .trust_of = trust,
                .ask = TLS_ASK_OPTIONAL,
                .alpn = alpn,
        };
        struct err err;
        struct tls_context *context = tls_context_new(side, &options, &err);

        if (context == NULL && domain == NULL)
                buf_printf(errors, "%s: %s\n", section_place(s2s, "trust"), err.text);
        else if (context == NULL)
                buf_printf(errors, "%s: %s\n", section_place(domain, setting), err.text);
        return context;
}

static bool
has_certificate(const struct section *domain)
{
        return config_text(domain, "certificate")[0] != '\0' || config_text(domain, "s2s-certificate")[0] != '\0';
}

#define UNCOVERED "%s: no certificate names \"%s\": other servers will refuse it, or ask by dialback\n"

/* By SNI, the first one for peers that send none. */
static void
add_server(struct snapshot *snapshot, const char *ascii, struct tls_context *context)
{
        if (snapshot->s2s_server == NULL)
                snapshot->s2s_server = tls_context_ref(context);
        else if (ascii[0] != '\0')
                tls_context_add_name(snapshot->s2s_server, ascii, context);
}

static void
add_own_certificate(struct snapshot *snapshot, const struct section *section, struct buf *errors, struct buf *warnings)
{
        const struct section *s2s = section_of(config_top(snapshot->config), "s2s");
        struct domain *domain = map_get_str(snapshot->domains, section_title(section));
        struct tls_context *server = load_for_servers(s2s, section, TLS_SERVER, snapshot->s2s_client, errors);
        char ascii[256] = "";

        if (server == NULL)
                return;
        domain->s2s_client = load_for_servers(s2s, section, TLS_CLIENT, snapshot->s2s_client, errors);
        bool has_name = jid_domain_to_ascii(ascii, domain->name);
        add_server(snapshot, ascii, server);
        if (has_name && !tls_context_covers(server, ascii))
                buf_printf(warnings, "%s: the certificate does not name \"%s\": other servers will refuse it\n",
                        section_place(section, setting_for_servers(section)), ascii);
        tls_context_unref(&server);
}

/* Said once: it is alike for all that come from one authority. */
static void
warn_of_servers_only(const struct snapshot *snapshot, struct buf *warnings)
{
        const struct section *section = NULL;

        while ((section = section_next(config_top(snapshot->config), "domain", section)) != NULL) {
                const struct domain *domain = map_get_str(snapshot->domains, section_title(section));
                if (domain->s2s_client == NULL || !has_certificate(section) || tls_context_is_for_clients(domain->s2s_client))
                        continue;
                buf_printf(warnings,
                        "%s: the certificate is for servers only (extended key usage clientAuth is missing; public authorities no longer issue "
                        "it): IBM Sametime and others that look for it refuse it where we connect; most others accept it, or dialback\n",
                        section_place(section, setting_for_servers(section)));
                return;
        }
}

/* Whose certificate names this domain; for who connects to us the names of all certificates are looked through. */
static struct tls_context *
find_client(const struct snapshot *snapshot, const char *ascii)
{
        size_t at = 0;

        for (const struct domain *domain; (domain = map_next(snapshot->domains, &at)) != NULL;)
                if (domain->s2s_client != NULL && tls_context_covers(domain->s2s_client, ascii))
                        return domain->s2s_client;
        return NULL;
}

/* Domains without a certificate of their own, and components: that of another domain may name them. */
static void
share_certificates(struct snapshot *snapshot, const char *kind, struct buf *warnings)
{
        const struct section *all = config_top(snapshot->config), *section = NULL;
        char ascii[256];

        while ((section = section_next(all, kind, section)) != NULL) {
                struct domain *domain = map_get_str(snapshot->domains, section_title(section));
                if (domain->s2s_client != NULL || !jid_domain_to_ascii(ascii, domain->name))
                        continue;
                struct tls_context *client = find_client(snapshot, ascii);
                if (client != NULL)
                        domain->s2s_client = tls_context_ref(client);
                else if (snapshot->s2s_server != NULL)
                        buf_printf(warnings, UNCOVERED, section_place(section, NULL), ascii);
        }
}

static void
check_covered(const struct snapshot *snapshot, const char *name, const char *place, struct buf *warnings)
{
        char ascii[256];

        if (snapshot->s2s_server != NULL && map_get_str(snapshot->domains, name) == NULL && jid_domain_to_ascii(ascii, name) &&
                find_client(snapshot, ascii) == NULL)
                buf_printf(warnings, UNCOVERED, place, ascii);
}

/* Names that no `struct domain` is made for: of rooms, and of mail. */
static void
check_other_names(const struct snapshot *snapshot, struct buf *warnings)
{
        const struct section *all = config_top(snapshot->config), *email = section_of(all, "email"), *chat = NULL;

        while ((chat = section_next(all, "chat", chat)) != NULL) {
                check_covered(snapshot, section_title(chat), section_place(chat, NULL), warnings);
                for (size_t i = 0; i < config_list_count(chat, "aliases"); i++)
                        check_covered(snapshot, config_list_item(chat, "aliases", i), section_place(chat, "aliases"), warnings);
        }
        for (size_t i = 0; config_bool(email, "enabled") && i < config_list_count(email, "domains"); i++)
                check_covered(snapshot, config_list_item(email, "domains", i), section_place(email, "domains"), warnings);
}

static void
add_for_servers(struct snapshot *snapshot, struct buf *errors, struct buf *warnings)
{
        const struct section *all = config_top(snapshot->config), *section = NULL;

        if (!config_bool(section_of(all, "xmpp-federation"), "enabled"))
                return;
        snapshot->s2s_client = load_for_servers(section_of(all, "s2s"), NULL, TLS_CLIENT, NULL, errors);
        if (snapshot->s2s_client == NULL)
                return;
        while ((section = section_next(all, "domain", section)) != NULL)
                if (has_certificate(section))
                        add_own_certificate(snapshot, section, errors, warnings);
        warn_of_servers_only(snapshot, warnings);
        share_certificates(snapshot, "domain", warnings);
        share_certificates(snapshot, "component", warnings);
        check_other_names(snapshot, warnings);
}

void
settings_add_tls(struct snapshot *snapshot, struct buf *errors, struct buf *warnings)
{
        add_certificates(snapshot, errors, warnings);
        add_for_servers(snapshot, errors, warnings);
}
