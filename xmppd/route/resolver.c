/*
 * resolver.c - one resolver for each worker that looks anything up
 */
#include "xmppd/route/resolver.h"

#include "shared/base/panic.h"
#include "xmppd/route/snapshot.h"

enum { SERVERS_MAX = 8 };

static _Thread_local struct {
        struct dns *dns;
        uint64_t snapshot; /* by whose settings it works */
} here;

static size_t
name_servers(const char *servers[SERVERS_MAX])
{
        const struct section *section = snapshot_section("dns");
        size_t count = config_list_count(section, "servers");

        if (count > SERVERS_MAX)
                count = SERVERS_MAX;
        for (size_t i = 0; i < count; i++)
                servers[i] = config_list_item(section, "servers", i);
        return count;
}

struct dns *
resolver_here(void)
{
        const char *servers[SERVERS_MAX];
        struct err err;

        if (here.dns != NULL && here.snapshot == snapshot_now()->number)
                return here.dns;
        here.snapshot = snapshot_now()->number;
        size_t count = name_servers(servers);
        if (here.dns != NULL) {
                dns_use(here.dns, servers, count);
                return here.dns;
        }
        here.dns = dns_new(servers, count, &err);
        must(here.dns != NULL); /* addresses were checked with the configuration */
        return here.dns;
}

void
resolver_stop(void)
{
        if (here.dns != NULL)
                dns_free(&here.dns);
}
