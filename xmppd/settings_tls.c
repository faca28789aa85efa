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

/* One certificate serves both ways: a domain shows it to who connects, and where it connects itself. */
static struct tls_context *
load_for_servers(
        const struct section *s2s, const struct section *domain, enum tls_side side, struct tls_context *trust, struct buf *errors)
{
        static const char *const alpn[] = { "xmpp-server", NULL };
        const char *own = domain == NULL ? "" : config_text(domain, "s2s-certificate");
        const char *setting = own[0] != '\0' ? "s2s-certificate" : "certificate";
        struct tls_options options = {
                .certificate = domain == NULL ? NULL : config_text(domain, setting),
                .key = domain == NULL || own[0] != '\0' ? NULL : or_null(config_text(domain, "key")),
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

/* By SNI, the first one for peers that send none. */
static void
add_server(struct snapshot *snapshot, const char *name, struct tls_context *context)
{
        char ascii[256];

        if (snapshot->s2s_server == NULL)
                snapshot->s2s_server = tls_context_ref(context);
        else if (jid_domain_to_ascii(ascii, name))
                tls_context_add_name(snapshot->s2s_server, ascii, context);
}

/* Components and mail domains have no certificate of their own: that of a domain may name them. */
static void
share_certificates(struct snapshot *snapshot, struct tls_context *server, struct tls_context *client)
{
        char ascii[256];
        size_t at = 0;

        for (struct domain *domain; (domain = map_next(snapshot->domains, &at)) != NULL;) {
                if (domain->kind == DOMAIN_LOCAL || domain->sip || domain->s2s_client != NULL ||
                        !jid_domain_to_ascii(ascii, domain->name) || !tls_context_covers(client, ascii))
                        continue;
                domain->s2s_client = tls_context_ref(client);
                add_server(snapshot, domain->name, server);
        }
}

static void
add_for_servers(struct snapshot *snapshot, struct buf *errors, struct buf *warnings)
{
        const struct section *all = config_top(snapshot->config), *s2s = section_of(all, "s2s"), *section = NULL;
        char ascii[256];

        if (!config_bool(section_of(all, "xmpp-federation"), "enabled"))
                return;
        snapshot->s2s_client = load_for_servers(s2s, NULL, TLS_CLIENT, NULL, errors);
        while (snapshot->s2s_client != NULL && (section = section_next(all, "domain", section)) != NULL) {
                struct domain *domain = map_get_str(snapshot->domains, section_title(section));
                if (!has_certificate(section) || domain == NULL)
                        continue;
                struct tls_context *server = load_for_servers(s2s, section, TLS_SERVER, snapshot->s2s_client, errors);
                domain->s2s_client = load_for_servers(s2s, section, TLS_CLIENT, snapshot->s2s_client, errors);
                if (server != NULL && domain->s2s_client != NULL) {
                        add_server(snapshot, domain->name, server);
                        if (jid_domain_to_ascii(ascii, domain->name) && !tls_context_covers(server, ascii))
                                buf_printf(warnings, "%s: the certificate does not name \"%s\": other servers will refuse it\n",
                                        section_place(section, NULL), ascii);
                        share_certificates(snapshot, server, domain->s2s_client);
                }
                tls_context_unref(&server);
        }
}

void
settings_add_tls(struct snapshot *snapshot, struct buf *errors, struct buf *warnings)
{
        add_certificates(snapshot, errors, warnings);
        add_for_servers(snapshot, errors, warnings);
}
