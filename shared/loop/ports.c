/*
 * ports.c - listening sockets by name
 */
#include "shared/loop/ports.h"

#include "shared/base/log.h"
#include "shared/base/mem.h"

#include <string.h>

static const struct log_scope scope = { .room = "listen" };

struct port {
        struct link in_open;
        struct listener *listener;
        char *address; /* as the configuration writes it */
        void *owner;
        bool is_named, is_new; /* since ports_begin */
};

void
ports_begin(struct ports *ports)
{
        for (LIST_EACH(port, &ports->open, struct port, in_open))
                port->is_named = port->is_new = false;
}

static struct port *
find(struct ports *ports, const char *address, const void *owner)
{
        for (LIST_EACH(port, &ports->open, struct port, in_open))
                if (port->owner == owner && strcmp(port->address, address) == 0)
                        return port;
        return NULL;
}

int
ports_name(struct ports *ports, const char *text, listener_accepted *accepted, void *owner, struct err *err)
{
        struct port *port = find(ports, text, owner);
        struct address address;
        char bound[ADDRESS_TEXT];

        if (port != NULL) {
                port->is_named = true;
                return 0;
        }
        if (address_parse(&address, text, err) != 0)
                return -1;
        struct listener *listener = listener_open(&address, accepted, owner, err);
        if (listener == NULL)
                return -1;
        port = MEM_NEW(port);
        *port = (struct port){
                .listener = listener, .address = mem_strdup(text), .owner = owner, .is_named = true, .is_new = true
        };
        list_append(&ports->open, &port->in_open);
        log_info(&scope, "open address=%s", address_format(bound, listener_address(listener)));
        return 0;
}

static void
close_port(struct ports *ports, struct port *port)
{
        list_remove(&ports->open, &port->in_open);
        listener_close(&port->listener);
        log_info(&scope, "closed address=%s", port->address);
        mem_free(port->address);
        mem_free(port);
}

void
ports_settle(struct ports *ports, bool keep)
{
        for (LIST_EACH(port, &ports->open, struct port, in_open))
                if (keep ? !port->is_named : port->is_new)
                        close_port(ports, port);
}

void
ports_close(struct ports *ports)
{
        for (LIST_EACH(port, &ports->open, struct port, in_open))
                close_port(ports, port);
}
