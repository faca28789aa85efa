/*
 * settings.c - the tables of sipcomp.conf and what must hold between them
 */
#include "sipcomp/settings.h"

#include "shared/base/err.h"
#include "shared/base/mem.h"
#include "shared/config/federation.h"
#include "shared/loop/address.h"
#include "shared/tls/context.h"
#include "shared/xmpp/jid.h"

#include <stdio.h>
#include <string.h>

#define TLS_VERSIONS "|1.0|1.1|1.2|1.3"

static const struct setting top_settings[] = {
        { "local-domains", SETTING_DOMAINS, "{ }", LIVE, "Domains of our own users.", NULL },
        { "routing-fqdn", SETTING_DOMAIN, "", LIVE,
                "Our public name in Via, Contact and Record-Route, in SRV and in the certificate.", NULL },
        { "state-dir", SETTING_PATH, "/var/lib/sipcomp", AT_START, "Directory of the store.", NULL },
        { "control", SETTING_PATH, "/run/sipcomp/control.sock", AT_START, "Socket for xmppctl.", NULL },
        { "record-route-transport", SETTING_BOOL, "false", LIVE, "Name the transport in Record-Route (OCS over TCP).", NULL },
        { "session-idle", SETTING_SECONDS, "600", LIVE, "Close an IM session that was idle this long.", NULL },
        { "notify-interval", SETTING_SECONDS, "5", LIVE, "At least this long between two NOTIFY of one dialog.", NULL },
        { "subscribe-rate", SETTING_NUMBER, "20", LIVE, "SUBSCRIBE requests a second and peer after an outage.", "1..100000" },
        { "proxy-from", SETTING_LIST, "{ }", LIVE,
                "Balancers, as addresses or networks (192.0.2.0/24): their connections must begin with a PROXY protocol header.",
                NULL },
        { 0 },
};

static const struct setting xmpp_settings[] = {
        { "host", SETTING_TEXT, "127.0.0.1", LIVE, "Where the XMPP server accepts components.", NULL },
        { "port", SETTING_NUMBER, "5347", LIVE, "Its port for components.", "1..65535" },
        { "secret", SETTING_SECRET, NULL, LIVE, "Secret of our component streams.", NULL },
        { 0 },
};

static const struct setting store_settings[] = {
        { "map-size", SETTING_NUMBER, "65536", AT_START, "MiB of address space: the most the store can ever hold.",
                "16..16777216" },
        { 0 },
};

static const struct setting listen_settings[] = {
        { "address", SETTING_TEXT, "[::]", LIVE, "Address to listen on.", NULL },
        { "port", SETTING_NUMBER, NULL, LIVE, "Port to listen on.", "0..65535" },
        { "transport", SETTING_CHOICE, "tls", LIVE, "tls or tcp.", "tls|tcp" },
        { "client-certificate", SETTING_CHOICE, "optional", LIVE, "Whether peers must show a certificate (TLS).",
                "required|optional|none" },
        { "advertise-port", SETTING_NUMBER, "0", LIVE, "Port that peers reach it at, behind a firewall; 0: the same.", "0..65535" },
        { 0 },
};

static const struct setting msrp_settings[] = {
        { "address", SETTING_TEXT, "[::]", AT_START, "Address to listen on for MSRP.", NULL },
        { "port", SETTING_NUMBER, "0", AT_START, "Port for MSRP over TCP; 0: it is not spoken.", "0..65535" },
        { "tls-port", SETTING_NUMBER, "0", AT_START, "Port for MSRP over TLS; 0: it is not spoken.", "0..65535" },
        { "host", SETTING_TEXT, "", AT_START, "Name or address in our paths; empty: routing-fqdn.", NULL },
        { "advertise-port", SETTING_NUMBER, "0", AT_START, "Port that peers reach the TCP one at, behind a firewall; 0: the same.",
                "0..65535" },
        { "advertise-tls-port", SETTING_NUMBER, "0", AT_START, "The same for the TLS one.", "0..65535" },
        { 0 },
};

static const struct setting tls_settings[] = {
        { "certificate", SETTING_PATH, "", LIVE, "PEM file with the chain, and the key unless key names another file.", NULL },
        { "key", SETTING_PATH, "", LIVE, "PEM file with the private key.", NULL },
        { "trust", SETTING_PATH, "/etc/ssl/certs", LIVE, "File or directory of trusted roots.", NULL },
        { "min-version", SETTING_CHOICE, "1.2", LIVE, "The oldest TLS version accepted.", TLS_VERSIONS },
        { "max-version", SETTING_CHOICE, "", LIVE, "The newest TLS version accepted; empty: the newest there is.", TLS_VERSIONS },
        { "ciphers", SETTING_TEXT, "", LIVE, "OpenSSL cipher list for TLS up to 1.2; empty: OpenSSL's choice.", NULL },
        { "empty-fragments", SETTING_BOOL, "false", LIVE, "Send empty TLS fragments; OCS delays messages then.", NULL },
        { 0 },
};

static const struct setting dns_settings[] = {
        { "servers", SETTING_ADDRESSES, "{ }", LIVE, "Resolvers; none: those of the system.", NULL },
        { 0 },
};

static const struct setting log_settings[] = {
        { "level", SETTING_CHOICE, "info", LIVE, "What is written.", "error|warn|info|debug|trace" },
        { "format", SETTING_CHOICE, "text", LIVE, "Lines of text, or one JSON object for each.", "text|json" },
        { "target", SETTING_TEXT, "stderr", LIVE, "stderr, or a file by its whole path.", NULL },
        { 0 },
};

static const struct section_rule sections[] = {
        { .name = "xmpp", .settings = xmpp_settings },
        { .name = "store", .settings = store_settings },
        { .name = "listen", .titled = true, .settings = listen_settings },
        { .name = "msrp", .settings = msrp_settings },
        { .name = "tls", .settings = tls_settings },
        { .name = "dns", .settings = dns_settings },
        { .name = "log", .settings = log_settings },
        FEDERATION_SECTIONS,
        { 0 },
};

static const struct section_rule top = { .name = "", .settings = top_settings, .inside = sections };

const struct section_rule *
sipcomp_settings_rules(void)
{
        return &top;
}

/* Returns whether some listener needs a certificate. */
static bool
check_listeners(const struct section *in, struct buf *errors)
{
        const struct section *at = NULL;
        bool needs_certificate = false;
        struct address address;

        while ((at = section_next(in, "listen", at)) != NULL) {
                needs_certificate |= strcmp(config_text(at, "transport"), "tls") == 0;
                if (!address_from_host(&address, config_text(at, "address"), 0))
                        buf_printf(errors, "%s: address: expected an IP address like \"[::]\" or \"192.0.2.7\", found \"%.60s\"\n",
                                section_place(at, "address"), config_text(at, "address"));
                for (const struct section *next = section_next(in, "listen", at); next != NULL;
                        next = section_next(in, "listen", next)) {
                        bool same = section_same(at, next, "address") && section_same(at, next, "port");
                        if (same && config_number(at, "port") != 0)
                                buf_printf(errors, "%s: listen \"%.60s\" has the address and port of listen \"%.60s\" at %s\n",
                                        section_place(next, NULL), section_title(next), section_title(at), section_place(at, NULL));
                }
        }
        return needs_certificate;
}

/* Whether it needs a certificate. */
static bool
check_msrp(const struct section *in, struct buf *errors)
{
        const struct section *msrp = section_of(in, "msrp");
        struct address address;

        if (!address_from_host(&address, config_text(msrp, "address"), 0))
                buf_printf(errors, "%s: address: expected an IP address like \"[::]\" or \"192.0.2.7\", found \"%.60s\"\n",
                        section_place(msrp, "address"), config_text(msrp, "address"));
        if (config_number(msrp, "port") != 0 && config_number(msrp, "port") == config_number(msrp, "tls-port"))
                buf_printf(errors, "%s: tls-port: expected another one than port\n", section_place(msrp, "tls-port"));
        return config_number(msrp, "tls-port") != 0;
}

static void
check_networks(const struct section *in, const char *setting, struct buf *errors)
{
        struct network network;

        for (size_t i = 0; i < config_list_count(in, setting); i++)
                if (!network_parse(&network, config_list_item(in, setting, i)))
                        buf_printf(errors, "%s: %s: expected IP addresses or networks like 192.0.2.0/24, found \"%.60s\"\n",
                                section_place(in, setting), setting, config_list_item(in, setting, i));
}

static void
check_certificate(const struct section *in, bool needed, struct buf *errors)
{
        const struct section *tls = section_of(in, "tls");
        const char *certificate = config_text(tls, "certificate"), *key = config_text(tls, "key");
        struct err err;

        if (certificate[0] == '\0' && needed)
                buf_printf(errors,
                        "%s: tls: certificate is missing: a listener with transport = tls, or tls-port of msrp, needs one\n",
                        section_place(tls, "certificate"));
        if (certificate[0] != '\0' && tls_check_certificate(certificate, key[0] != '\0' ? key : NULL, &err) != 0)
                buf_printf(errors, "%s: certificate: %s\n", section_place(tls, "certificate"), err.text);
}

static void
check_all(const struct config *config, struct buf *errors, struct buf *warnings)
{
        const struct section *in = config_top(config), *xmpp = section_of(in, "xmpp"), *log = section_of(in, "log");
        struct federation_check *federation = federation_check_new(errors, warnings);

        for (size_t i = 0; i < config_list_count(in, "local-domains"); i++)
                federation_claim(
                        federation, "local domain", config_list_item(in, "local-domains", i), section_place(in, "local-domains"));
        federation_check_all(federation, config);
        federation_check_free(&federation);

        if (config_list_count(in, "local-domains") == 0)
                buf_printf(errors, "%s: local-domains is empty: expected the domains of our own users\n",
                        section_place(in, "local-domains"));
        if (config_text(in, "routing-fqdn")[0] == '\0')
                buf_printf(errors, "%s: routing-fqdn is missing: expected the public name of this gateway\n",
                        section_place(in, "routing-fqdn"));
        if (section_is_set(xmpp, "secret") && config_text(xmpp, "secret")[0] == '\0')
                buf_printf(errors, "%s: secret: expected one that is not empty\n", section_place(xmpp, "secret"));
        if (config_text(xmpp, "host")[0] == '\0')
                buf_printf(errors, "%s: host: expected the name or address of the XMPP server\n", section_place(xmpp, "host"));
        check_networks(in, "proxy-from", errors);
        bool listeners = check_listeners(in, errors), msrp = check_msrp(in, errors);
        check_certificate(in, listeners || msrp, errors);
        const char *target = config_text(log, "target");
        if (strcmp(target, "stderr") != 0 && target[0] != '/')
                buf_printf(errors, "%s: target: expected stderr or the whole path of a file, found \"%.100s\"\n",
                        section_place(log, "target"), target);
        if (section_next(in, "sip-domain", NULL) == NULL)
                buf_printf(warnings, "%s: there is no sip-domain: this gateway has nothing to do\n", section_place(in, NULL));
}

struct config *
sipcomp_settings_read(const char *path, struct buf *errors, struct buf *warnings)
{
        return config_read(path, &top, check_all, errors, warnings);
}
