/*
 * listen.c - the ports of components; the main thread accepts and hands out in turn
 */
#include "shared/base/list.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/loop/listener.h"
#include "xmppd/component/component.h"
#include "xmppd/component/component_private.h"
#include "xmppd/route/home.h"

#include <stdio.h>
#include <string.h>

/* One open port; named as the configuration names it. */
struct port {
        struct link in_ports;
        struct listener *listener;
        char name[ADDRESS_TEXT];
};

struct arrival {
        struct letter letter;
        int fd;
};

static const struct log_scope scope = { .room = "component" };
static struct list ports;
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

static void
close_port(struct port *port)
{
        list_remove(&ports, &port->in_ports);
        listener_close(&port->listener);
        mem_free(port);
}

static bool
is_open(const char *name)
{
        for (LIST_EACH(port, &ports, struct port, in_ports))
                if (strcmp(port->name, name) == 0)
                        return true;
        return false;
}

static int
open_port(const char *name, struct err *err)
{
        struct address address;
        char text[ADDRESS_TEXT];

        if (is_open(name))
                return 0;
        if (address_parse(&address, name, err) != 0)
                return -1;
        struct listener *listener = listener_open(&address, hand_out, NULL, err);
        if (listener == NULL)
                return -1;
        struct port *port = MEM_NEW(port);
        port->listener = listener;
        snprintf(port->name, sizeof(port->name), "%s", name);
        list_append(&ports, &port->in_ports);
        log_info(&scope, "listening address=%s", address_format(text, listener_address(listener)));
        return 0;
}

static bool
is_named(const struct section *components, const char *name)
{
        for (size_t i = 0; i < config_list_count(components, "listen"); i++)
                if (strcmp(config_list_item(components, "listen", i), name) == 0)
                        return true;
        return false;
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
        for (size_t i = 0; is_needed && i < config_list_count(components, "listen"); i++)
                if (open_port(config_list_item(components, "listen", i), err) != 0)
                        return -1;
        for (LIST_EACH(port, &ports, struct port, in_ports))
                if (!is_needed || !is_named(components, port->name))
                        close_port(port);
        return 0;
}

void
component_stop_listening(void)
{
        for (LIST_EACH(port, &ports, struct port, in_ports))
                close_port(port);
}
