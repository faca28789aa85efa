/*
 * records.c - dns-records: what is to stand in the zones, so that others find us
 *
 * SRV records of RFC 6120 3.2.1 and XEP-0368 for clients and servers, of the SIP federation of Microsoft for what sipcomp serves; a comment says
 * what each is for and what is not published. Ports are those of the listen settings: where a firewall translates them, the administrator knows.
 */
#include "shared/base/map.h"
#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "shared/loop/address.h"
#include "shared/xmpp/jid.h"
#include "xmppd/ctl/ctl.h"
#include "xmppd/user/account.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { HOST_SIZE = 256, WEIGHT = 5 };

struct records {
        struct ctl *ctl;
        struct buf text; /* of the zone */
        struct json_writer json;
        char host[HOST_SIZE]; /* ASCII */
        struct map *seen;     /* domains that have records */
        struct map *mail;     /* mail domains: their names */
        size_t count;
};

/* One service: its record is for each port of the listen setting. */
struct service {
        const char *name, *section, *setting;
};

static const struct service client_services[] = {
        { "_xmpp-client._tcp", "c2s", "listen" },
        { "_xmpps-client._tcp", "c2s", "listen-tls" },
};
static const struct service server_services[] = {
        { "_xmpp-server._tcp", "s2s", "listen" },
        { "_xmpps-server._tcp", "s2s", "listen-tls" },
};

static void
note(struct records *records, const char *text)
{
        buf_printf(&records->text, "; %s\n", text);
}

static void
put_record(struct records *records, const char *service, const char *domain, int priority, uint16_t port, const char *target)
{
        char name[HOST_SIZE + 64];

        snprintf(name, sizeof(name), "%s.%s.", service, domain);
        buf_printf(&records->text, "%-48s IN SRV %d %d %u %s.\n", name, priority, WEIGHT, port, target);
        json_open_object(&records->json, NULL);
        json_put_text(&records->json, "name", name);
        json_put_text(&records->json, "type", "SRV");
        json_put_number(&records->json, "priority", priority);
        json_put_number(&records->json, "weight", WEIGHT);
        json_put_number(&records->json, "port", port);
        json_put_text(&records->json, "target", arena_printf(records->ctl->arena, "%s.", target));
        json_close_object(&records->json);
        records->count++;
}

static bool
is_loopback(const struct address *address)
{
        if (address->u.any.sa_family == AF_INET)
                return ntohl(address->u.v4.sin_addr.s_addr) >> 24 == 127;
        return IN6_IS_ADDR_LOOPBACK(&address->u.v6.sin6_addr);
}

/* Each port once, in the order of the setting, which is that of the priorities. */
static void
put_service(struct records *records, const struct service *service, const char *domain)
{
        const struct section *section = section_of(records->ctl->top, service->section);
        uint16_t ports[8];
        int count = 0;
        bool is_local = true;
        struct address address;
        struct err err;

        for (size_t i = 0; i < config_list_count(section, service->setting) && count < (int)array_len(ports); i++) {
                if (address_parse(&address, config_list_item(section, service->setting, i), &err) != 0)
                        continue;
                int k = 0;
                while (k < count && ports[k] != address_port(&address))
                        k++;
                if (k == count)
                        ports[count++] = address_port(&address);
                is_local = is_local && is_loopback(&address);
        }
        for (int i = 0; i < count; i++)
                put_record(records, service->name, domain, i, ports[i], records->host);
        if (count == 0)
                buf_printf(&records->text, "; no %s: %s.%s is empty\n", service->name, service->section, service->setting);
        else if (is_local)
                buf_printf(&records->text, "; %s.%s listens on this machine only: nobody else can connect\n", service->section,
                        service->setting);
}

/* Records of one domain, unless it has some. */
static void
put_domain(struct records *records, const char *domain, const char *what, bool has_clients)
{
        char ascii[HOST_SIZE];

        if (map_get_str(records->seen, domain) != NULL)
                return;
        map_put_str(records->seen, domain, records);
        if (!jid_domain_to_ascii(ascii, domain) || domain[0] == '[') {
                buf_printf(&records->text, "\n; %s has no name in DNS\n", domain);
                return;
        }
        buf_printf(&records->text, "\n; %s: %s\n", domain, what);
        for (size_t i = 0; has_clients && i < array_len(client_services); i++)
                put_service(records, &client_services[i], ascii);
        bool has_servers = config_bool(section_of(records->ctl->top, "xmpp-federation"), "enabled");
        for (size_t i = 0; has_servers && i < array_len(server_services); i++)
                put_service(records, &server_services[i], ascii);
        if (!has_servers)
                buf_puts(&records->text, "; nothing for other servers: xmpp-federation.enabled is false\n");
}

static void
put_mail_domain(struct records *records, const char *domain)
{
        put_domain(records, domain, "mail addresses", false);
        if (map_get_str(records->mail, domain) == NULL)
                map_put_str(records->mail, domain, arena_strdup(records->ctl->arena, domain));
}

static bool
note_mail_domain(void *arg, const struct account *account)
{
        struct records *records = arg;
        struct arena *arena = arena_new(512);
        struct jid mail;
        struct err err;

        if (account_read_mail(&mail, arena, account->mail) && !account_mail_is_elsewhere(records->ctl->top, account, &err))
                put_mail_domain(records, mail.domain);
        arena_free(&arena);
        return true;
}

static void
put_mail_domains(struct records *records)
{
        const struct section *email = section_of(records->ctl->top, "email");

        if (!config_bool(email, "enabled"))
                return;
        for (size_t i = 0; i < config_list_count(email, "domains"); i++)
                put_mail_domain(records, config_list_item(email, "domains", i));
        if (!ctl_store_exists(records->ctl))
                return;
        struct store *store = ctl_open_store(records->ctl, true);
        if (store == NULL)
                return;
        account_each(store, NULL, note_mail_domain, records);
        store_read_end(store);
        store_close(&store);
}

static void
put_titled(struct records *records, const char *kind, const char *what, bool has_clients)
{
        const struct section *section = NULL;

        while ((section = section_next(records->ctl->top, kind, section)) != NULL) {
                put_domain(records, section_title(section), what, has_clients);
                for (size_t i = 0; strcmp(kind, "chat") == 0 && i < config_list_count(section, "aliases"); i++)
                        put_domain(records, config_list_item(section, "aliases", i), "chat node alias", false);
        }
}

/* The name others find this machine by: the setting, else what the system says. False: it has none. */
static bool
find_host(struct records *records)
{
        const char *wanted = config_text(records->ctl->top, "hostname");
        char name[HOST_SIZE] = "", prepared[JID_PART_MAX + 1];
        struct addrinfo hints = { .ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM }, *found = NULL;
        const struct section *first = section_next(records->ctl->top, "domain", NULL);

        if (wanted[0] != '\0')
                return jid_domain_to_ascii(records->host, wanted);
        if (gethostname(name, sizeof(name) - 1) == 0 && strchr(name, '.') == NULL && getaddrinfo(name, NULL, &hints, &found) == 0) {
                if (found->ai_canonname != NULL)
                        snprintf(name, sizeof(name), "%s", found->ai_canonname);
                freeaddrinfo(found);
        }
        bool is_name = strchr(name, '.') != NULL && !text_starts(name, "localhost") && jid_prepare_domain(prepared, name);
        if (is_name && jid_domain_to_ascii(records->host, prepared))
                return true;
        return first != NULL && jid_domain_to_ascii(records->host, section_title(first));
}

/* sipcomp */

static const struct setting gateway_settings[] = {
        { "local-domains", SETTING_DOMAINS, "{ }", LIVE, "", NULL },
        { "routing-fqdn", SETTING_DOMAIN, "", LIVE, "", NULL },
        { 0 },
};
static const struct setting listen_settings[] = {
        { "port", SETTING_NUMBER, "0", LIVE, "", "0..65535" },
        { "transport", SETTING_CHOICE, "tls", LIVE, "", "tls|tcp" },
        { "advertise-port", SETTING_NUMBER, "0", LIVE, "", "0..65535" },
        { 0 },
};
static const struct section_rule gateway_sections[] = {
        { .name = "listen", .titled = true, .settings = listen_settings, .loose = true },
        { 0 },
};
static const struct section_rule gateway_file = {
        .name = "", .settings = gateway_settings, .inside = gateway_sections, .loose = true
};

/* The one that sipcomp names in Contact and Via: of its first TLS listener. 0: there is none. */
static uint16_t
find_sip_port(const struct section *top)
{
        const struct section *listen = NULL;

        while ((listen = section_next(top, "listen", listen)) != NULL)
                if (strcmp(config_text(listen, "transport"), "tls") == 0)
                        return (uint16_t)config_number(
                                listen, config_number(listen, "advertise-port") != 0 ? "advertise-port" : "port");
        return 0;
}

static bool
is_below(const char *name, const char *domain)
{
        size_t len = strlen(name), domain_len = strlen(domain);

        return len >= domain_len && strcmp(name + len - domain_len, domain) == 0 &&
                (len == domain_len || name[len - domain_len - 1] == '.');
}

static bool
is_listed(const struct section *section, const char *setting, const char *text)
{
        for (size_t i = 0; i < config_list_count(section, setting); i++)
                if (strcmp(config_list_item(section, setting, i), text) == 0)
                        return true;
        return false;
}

/* A Microsoft edge takes one answer, and by default trusts it only if the target is in the domain itself. */
static void
put_gateway(struct records *records, const struct section *top)
{
        char ascii[HOST_SIZE], target[HOST_SIZE];
        uint16_t port = find_sip_port(top);

        buf_puts(&records->text, "\n; SIP federation: one name for the gateway, that of routing-fqdn\n");
        if (port == 0) {
                note(records, "nothing to publish: sipcomp has no TLS listener");
                return;
        }
        if (!jid_domain_to_ascii(target, config_text(top, "routing-fqdn"))) {
                note(records, "nothing to publish: sipcomp has no routing-fqdn");
                return;
        }
        for (size_t i = 0; i < config_list_count(top, "local-domains"); i++) {
                if (!jid_domain_to_ascii(ascii, config_list_item(top, "local-domains", i)))
                        continue;
                put_record(records, "_sipfederationtls._tcp", ascii, 0, port, target);
                if (!is_below(target, ascii))
                        buf_printf(&records->text, "; %s is not in %s: Microsoft edges that have not been told of it refuse that\n",
                                target, ascii);
                if (port != 5061)
                        buf_printf(&records->text, "; port %u: Lync takes 5061 only; translate it, and set advertise-port\n", port);
        }
        size_t at = 0;
        for (const char *mail; (mail = map_next(records->mail, &at)) != NULL;)
                if (!is_listed(top, "local-domains", mail))
                        buf_printf(&records->text,
                                "; no _sipfederationtls._tcp.%s: add it to local-domains, for users appear in it\n", mail);
        buf_printf(&records->text, "; %s. needs an A or AAAA record\n", target);
}

static int
add_gateway(struct records *records, const char *path)
{
        struct buf errors = { 0 }, warnings = { 0 };

        if (path == NULL)
                return DONE;
        struct config *config = config_read(path, &gateway_file, NULL, &errors, &warnings);
        if (config != NULL)
                put_gateway(records, config_top(config));
        else
                fputs(buf_text(&errors), stderr);
        int status = config != NULL ? DONE : REFUSED;
        config_unref(&config);
        buf_free(&errors);
        buf_free(&warnings);
        return status;
}

int
show_records(struct ctl *ctl, const struct line *line)
{
        struct buf out = { 0 };
        struct records records = { .ctl = ctl, .json = { .out = &out } };

        if (!ctl_read_federation(ctl))
                return REFUSED;
        if (!find_host(&records))
                return refuse("this machine has no name: set hostname = \"xmpp.example.com\" in %s", ctl->file);
        records.seen = map_new();
        records.mail = map_new();
        json_open_object(&records.json, NULL);
        json_put_text(&records.json, "host", records.host);
        json_open_array(&records.json, "records");
        note(&records,
                arena_printf(ctl->arena, "%s. is this machine%s; it needs an A or AAAA record with its public address",
                        records.host, config_text(ctl->top, "hostname")[0] != '\0' ? "" : " (no hostname is set)"));
        put_titled(&records, "domain", "accounts", true);
        put_titled(&records, "component", "component", false);
        put_titled(&records, "chat", "chat rooms", false);
        put_mail_domains(&records);
        int status = add_gateway(&records, line->sipcomp != NULL ? line->sipcomp : ctl_sipcomp_file(ctl));
        json_close_array(&records.json);
        json_close_object(&records.json);
        if (status == DONE)
                puts(buf_text(ctl->json ? &out : &records.text));
        map_free(&records.seen);
        map_free(&records.mail);
        buf_free(&records.text);
        buf_free(&out);
        return status;
}
