/*
 * listen.c - the listening sockets; one that the old and the new configuration both name stays open through a reload, with all that waits in
 * its queue
 */
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "sipcomp/sip/transport_private.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void
hear_accepted(void *owner, int fd, const struct address *peer)
{
        struct sip_listener *listener = owner;

        if (!transport_make_room(listener->transport, NULL)) {
                log_debug(&listener->transport->log, "too many connections");
                close(fd);
                return;
        }
        flow_accept(listener, fd, peer);
}

static bool
is_same_place(const struct address *a, const struct address *b)
{
        return address_port(a) == address_port(b) && address_same_host(a, b);
}

/* Any port will do where 0 is asked, so there the name tells which one it is. */
static struct sip_listener *
find_open(const struct sip_transport *transport, const struct sip_listen *wanted)
{
        for (LIST_EACH(listener, &transport->listeners, struct sip_listener, link))
                if (listener->wanted == NULL && is_same_place(&listener->address, &wanted->address) &&
                        (address_port(&wanted->address) != 0 || strcmp(listener->name, wanted->name) == 0))
                        return listener;
        return NULL;
}

static int
open_socket(struct sip_listener *listener, struct err *err)
{
        listener->socket = listener_open(&listener->address, hear_accepted, listener, err);
        return listener->socket != NULL ? 0 : -1;
}

static void
free_listener(struct sip_listener *listener)
{
        list_remove(&listener->transport->listeners, &listener->link);
        listener_close(&listener->socket);
        tls_context_unref(&listener->tls);
        mem_free(listener);
}

/* "[::]:5061" and "192.0.2.7:5061" exclude each other: what moves from one to the other has to be closed first. */
static bool
give_way(struct sip_transport *transport, const struct address *to)
{
        bool any = false;
        for (LIST_EACH(listener, &transport->listeners, struct sip_listener, link)) {
                if (listener->wanted != NULL || listener->socket == NULL || address_port(&listener->address) != address_port(to))
                        continue;
                listener_close(&listener->socket);
                any = true;
        }
        return any;
}

static int
open_listener(struct sip_transport *transport, const struct sip_listen *wanted, struct err *err)
{
        struct sip_listener *listener = MEM_NEW(listener);

        must(wanted->wire == SIP_TCP || wanted->tls != NULL);
        listener->transport = transport;
        listener->address = wanted->address;
        listener->wanted = wanted;
        listener->is_new = true;
        list_append(&transport->listeners, &listener->link);
        if (open_socket(listener, err) == 0 || (give_way(transport, &wanted->address) && open_socket(listener, err) == 0))
                return 0;
        free_listener(listener);
        return -1;
}

/* All is as it was before. */
static void
take_back(struct sip_transport *transport)
{
        struct err why;
        for (LIST_EACH(listener, &transport->listeners, struct sip_listener, link))
                if (listener->is_new)
                        free_listener(listener);
        for (LIST_EACH(listener, &transport->listeners, struct sip_listener, link))
                if (listener->socket == NULL && open_socket(listener, &why) != 0) {
                        log_error(&transport->log, "a listener is lost: %s", why.text);
                        free_listener(listener);
                }
}

static void
change_listener(struct sip_listener *listener, const struct sip_listen *wanted)
{
        struct tls_context *old = listener->tls;

        listener->tls = wanted->tls != NULL ? tls_context_ref(wanted->tls) : NULL;
        listener->wire = wanted->wire;
        listener->ask = wanted->ask;
        listener->advertise = wanted->advertise;
        snprintf(listener->name, sizeof listener->name, "%s", wanted->name);
        tls_context_unref(&old);
}

/* In the order of the configuration: what we advertise is the first of each wire. */
static void
settle(struct sip_transport *transport, const struct sip_listen *wanted, size_t count)
{
        char text[ADDRESS_TEXT];

        for (LIST_EACH(listener, &transport->listeners, struct sip_listener, link))
                if (listener->wanted == NULL) {
                        log_info(&transport->log, "closed listener=%s address=%s", listener->name,
                                address_format(text, &listener->address));
                        free_listener(listener);
                }
        memset(transport->port, 0, sizeof transport->port);
        for (size_t i = 0; i < count; i++)
                for (LIST_EACH(listener, &transport->listeners, struct sip_listener, link)) {
                        if (listener->wanted != &wanted[i])
                                continue;
                        uint16_t bound = address_port(listener_address(listener->socket));
                        change_listener(listener, &wanted[i]);
                        if (transport->port[listener->wire] == 0)
                                transport->port[listener->wire] = listener->advertise != 0 ? listener->advertise : bound;
                        if (listener->is_new)
                                log_info(&transport->log, "open listener=%s address=%s transport=%s", listener->name,
                                        address_format(text, listener_address(listener->socket)), sip_wire_name(listener->wire));
                }
        for (LIST_EACH(listener, &transport->listeners, struct sip_listener, link)) {
                listener->wanted = NULL;
                listener->is_new = false;
        }
}

int
sip_transport_listen(struct sip_transport *transport, const struct sip_listen *wanted, size_t count, struct err *err)
{
        for (size_t i = 0; i < count; i++) {
                struct sip_listener *listener = find_open(transport, &wanted[i]);
                if (listener != NULL)
                        listener->wanted = &wanted[i];
        }
        for (size_t i = 0; i < count; i++) {
                bool is_open = false;
                for (LIST_EACH(listener, &transport->listeners, struct sip_listener, link))
                        is_open |= listener->wanted == &wanted[i];
                if (is_open || open_listener(transport, &wanted[i], err) == 0)
                        continue;
                take_back(transport);
                for (LIST_EACH(listener, &transport->listeners, struct sip_listener, link))
                        listener->wanted = NULL;
                return -1;
        }
        settle(transport, wanted, count);
        return 0;
}

void
sip_transport_close_listeners(struct sip_transport *transport)
{
        for (LIST_EACH(listener, &transport->listeners, struct sip_listener, link))
                free_listener(listener);
}
