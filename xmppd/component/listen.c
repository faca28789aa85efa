/*
 * listen.c - the ports of components; the main thread accepts and hands out in turn
 */
#include "shared/base/mem.h"
#include "shared/loop/ports.h"
#include "xmppd/component/component.h"
#include "xmppd/component/component_private.h"
#include "xmppd/route/home.h"

struct arrival {
        struct letter letter;
        int fd;
};

static struct ports ports;
static int next_worker;

static void
open_arrival(struct letter *letter)
{
        struct arrival *arrival = container_of(letter, struct arrival, letter);

        component_accept(arrival->fd);
        mem_free(arrival);
}

static void
hand_out(void *owner, int fd, const struct address *peer)
{
        struct arrival *arrival = MEM_NEW(arrival);

        *arrival = (struct arrival){ .letter.open = open_arrival, .fd = fd };
        next_worker = (next_worker + 1) % home_count();
        worker_post(home_worker(next_worker), &arrival->letter);
}

int
component_listen(const struct snapshot *snapshot, struct err *err)
{
        const struct section *components = section_of(config_top(snapshot->config), "components");
        bool is_needed = false;
        size_t at = 0;

        /* A server without a component domain has nobody to wait for. */
        for (const struct domain *domain; (domain = map_next(snapshot->domains, &at)) != NULL;)
                is_needed |= domain->kind == DOMAIN_COMPONENT;
        ports_begin(&ports);
        for (size_t i = 0; is_needed && i < config_list_count(components, "listen"); i++)
                if (ports_name(&ports, config_list_item(components, "listen", i), hand_out, NULL, err) != 0)
                        return -1;
        return 0;
}

void
component_settle_ports(bool keep)
{
        ports_settle(&ports, keep);
}

void
component_stop_listening(void)
{
        ports_close(&ports);
}
