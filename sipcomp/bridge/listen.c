/*
 * listen.c - what the configuration wants of the SIP transport: listeners, certificates, names
 */
#include "sipcomp/bridge/bridge_private.h"

#include "shared/base/mem.h"
#include "shared/base/panic.h"

#include <string.h>

static struct tls_context *
make_tls(const struct section *top, enum tls_side side, enum tls_ask ask, struct err *err)
{
        const struct section *tls = section_of(top, "tls");
        const char *key = config_text(tls, "key"), *max = config_text(tls, "max-version"), *ciphers = config_text(tls, "ciphers");
        struct tls_options options = {
                .certificate = config_text(tls, "certificate"),
                .key = key[0] == '\0' ? NULL : key,
                .trust = config_text(tls, "trust"),
                .min_version = config_text(tls, "min-version"),
                .max_version = max[0] == '\0' ? NULL : max,
                .ciphers = ciphers[0] == '\0' ? NULL : ciphers,
                .ask = ask,
                .empty_fragments = config_bool(tls, "empty-fragments"),
        };
        return tls_context_new(side, &options, err);
}

/* Without a certificate there is no TLS: *client is NULL then. */
static int
make_client_tls(const struct section *top, struct tls_context **client, struct err *err)
{
        *client = NULL;
        if (config_text(section_of(top, "tls"), "certificate")[0] == '\0')
                return 0;
        *client = make_tls(top, TLS_CLIENT, TLS_ASK_NONE, err);
        return *client != NULL ? 0 : -1;
}

static enum tls_ask
ask_of(const struct section *listen)
{
        const char *word = config_text(listen, "client-certificate");
        return strcmp(word, "required") == 0 ? TLS_ASK_REQUIRED : strcmp(word, "none") == 0 ? TLS_ASK_NONE : TLS_ASK_OPTIONAL;
}

static int
read_listener(const struct section *top, const struct section *at, struct sip_listen *listen, struct err *err)
{
        bool is_tls = strcmp(config_text(at, "transport"), "tls") == 0;

        listen->name = section_title(at);
        listen->wire = is_tls ? SIP_TLS : SIP_TCP;
        listen->ask = ask_of(at);
        listen->advertise = (uint16_t)config_number(at, "advertise-port");
        if (!address_from_host(&listen->address, config_text(at, "address"), (uint16_t)config_number(at, "port")))
                return err_set(err, "%s: not an IP address", section_place(at, "address"));
        if (is_tls && (listen->tls = make_tls(top, TLS_SERVER, listen->ask, err)) == NULL)
                return -1;
        return 0;
}

static int
listen_all(struct sip_transport *transport, const struct section *top, struct err *err)
{
        size_t count = 0, read = 0;
        int outcome = -1;

        for (const struct section *at = NULL; (at = section_next(top, "listen", at)) != NULL;)
                count++;
        struct sip_listen *wanted = mem_array(count + 1, sizeof *wanted);
        for (const struct section *at = NULL; (at = section_next(top, "listen", at)) != NULL;)
                if (read_listener(top, at, &wanted[read++], err) != 0)
                        goto out;
        outcome = sip_transport_listen(transport, wanted, count, err);
out:
        for (size_t i = 0; i < read; i++)
                tls_context_unref(&wanted[i].tls);
        mem_free(wanted);
        return outcome;
}

static void
set_balancers(struct sip_transport *transport, const struct section *top)
{
        size_t count = config_list_count(top, "proxy-from");
        struct network *networks = mem_array(count > 0 ? count : 1, sizeof(*networks));
        for (size_t i = 0; i < count; i++)
                must(network_parse(&networks[i], config_list_item(top, "proxy-from", i))); /* checked with the settings */
        sip_transport_set_balancers(transport, networks, count);
        mem_free(networks);
}

/* Without a port for TLS, or without TLS, there is none: *server is NULL then. */
static int
make_msrp_tls(const struct section *top, struct tls_context **server, struct err *err)
{
        *server = NULL;
        if (config_number(section_of(top, "msrp"), "tls-port") == 0)
                return 0;
        *server = make_tls(top, TLS_SERVER, TLS_ASK_NONE, err); /* who connects proves himself by the name of his session */
        return *server != NULL ? 0 : -1;
}

int
listen_msrp(struct gateway *gateway, const struct section *top, struct err *err)
{
        const struct section *section = section_of(top, "msrp");
        const char *host = config_text(section, "host");
        struct msrp_options options = {
                .address = config_text(section, "address"),
                .port = (uint16_t)config_number(section, "port"),
                .tls_port = (uint16_t)config_number(section, "tls-port"),
                .host = host[0] != '\0' ? host : config_text(top, "routing-fqdn"),
                .public_port = (uint16_t)config_number(section, "advertise-port"),
                .public_tls_port = (uint16_t)config_number(section, "advertise-tls-port"),
                .dns = gateway->dns,
        };
        if (options.port == 0 && options.tls_port == 0)
                return 0;
        if (make_client_tls(top, &options.client, err) == 0 && make_msrp_tls(top, &options.server, err) == 0)
                gateway->msrp = msrp_new(&options, err);
        tls_context_unref(&options.client);
        tls_context_unref(&options.server);
        return gateway->msrp != NULL ? 0 : -1;
}

int
listen_apply(struct gateway *gateway, const struct section *top, struct err *err)
{
        struct sip_transport *transport = sip_transactions_transport(gateway->transactions);
        struct tls_context *client, *msrp = NULL;
        int outcome = -1;

        if (make_client_tls(top, &client, err) == 0 && make_msrp_tls(top, &msrp, err) == 0)
                outcome = listen_all(transport, top, err);
        if (outcome == 0) {
                set_balancers(transport, top);
                sip_transport_set_tls(transport, client);
                sip_transport_set_name(transport, config_text(top, "routing-fqdn"), config_bool(top, "record-route-transport"));
                if (gateway->msrp != NULL)
                        msrp_set_tls(gateway->msrp, msrp, client);
        }
        tls_context_unref(&client);
        tls_context_unref(&msrp);
        return outcome;
}
