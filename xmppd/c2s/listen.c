/*
 * listen.c - the listening sockets of clients, on the main thread
 *
 * Each connection is handed to the worker with the fewest in negotiation. A socket that both the old and the new configuration name stays open
 * through a reload, with all that waits in its queue.
 */
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/loop/listener.h"
#include "xmppd/c2s/c2s.h"
#include "xmppd/c2s/c2s_private.h"
#include "xmppd/route/home.h"

#include <stdatomic.h>
#include <string.h>

enum { WORKERS_MAX = 64 };

struct port {
        struct link link;
        struct listener *listener;
        char *address; /* as the configuration writes it */
        bool direct;   /* TLS from the first byte */
        bool wanted;
};

struct arrival {
        struct letter letter;
        int fd, worker;
        bool direct;
};

static struct list ports;
static atomic_int negotiating[WORKERS_MAX]; /* by worker; handed over and not logged in yet */
static struct log_scope scope = { .room = "c2s.listen" };

void
listen_count_out(int first)
{
        atomic_fetch_sub_explicit(&negotiating[first], 1, memory_order_relaxed);
}

static void
receive(struct letter *letter)
{
        struct arrival *arrival = container_of(letter, struct arrival, letter);

        client_new(arrival->fd, arrival->direct, arrival->worker);
        mem_free(arrival);
}

static int
choose_worker(void)
{
        static int last;
        int best = -1, fewest = 0, count = home_count() < WORKERS_MAX ? home_count() : WORKERS_MAX;

        /* Starting behind the last one spreads them when all are equal. */
        last = (last + 1) % count;
        for (int i = 0; i < count; i++) {
                int at = (last + i) % count;
                int n = atomic_load_explicit(&negotiating[at], memory_order_relaxed);
                if (best < 0 || n < fewest) {
                        best = at;
                        fewest = n;
                }
        }
        return best;
}

static void
hand_over(void *owner, int fd, const struct address *peer)
{
        struct port *port = owner;
        struct arrival *arrival = MEM_NEW(arrival);

        arrival->fd = fd;
        arrival->direct = port->direct;
        arrival->worker = choose_worker();
        arrival->letter.open = receive;
        atomic_fetch_add_explicit(&negotiating[arrival->worker], 1, memory_order_relaxed);
        worker_post(home_worker(arrival->worker), &arrival->letter);
}

static void
close_port(struct port *port)
{
        list_remove(&ports, &port->link);
        listener_close(&port->listener);
        mem_free(port->address);
        mem_free(port);
}

static struct port *
find_port(const char *address, bool direct)
{
        for (LIST_EACH(port, &ports, struct port, link))
                if (port->direct == direct && strcmp(port->address, address) == 0)
                        return port;
        return NULL;
}

static int
open_port(const char *text, bool direct, struct err *err)
{
        struct port *port = find_port(text, direct);
        struct address address;
        char bound[ADDRESS_TEXT];

        if (port != NULL) {
                port->wanted = true;
                return 0;
        }
        if (address_parse(&address, text, err) < 0)
                return -1;
        port = MEM_NEW(port);
        port->listener = listener_open(&address, hand_over, port, err);
        if (port->listener == NULL) {
                mem_free(port);
                return -1;
        }
        port->address = mem_strdup(text);
        port->direct = direct;
        port->wanted = true;
        list_append(&ports, &port->link);
        log_info(&scope, "listening on %s%s", address_format(bound, listener_address(port->listener)), direct ? " tls=direct" : "");
        return 0;
}

int
c2s_listen(const struct snapshot *snapshot, struct err *err)
{
        const struct section *c2s = section_of(config_top(snapshot->config), "c2s");

        for (LIST_EACH(port, &ports, struct port, link))
                port->wanted = false;
        for (size_t i = 0; i < config_list_count(c2s, "listen"); i++)
                if (open_port(config_list_item(c2s, "listen", i), false, err) < 0)
                        return -1;
        for (size_t i = 0; i < config_list_count(c2s, "listen-tls"); i++)
                if (open_port(config_list_item(c2s, "listen-tls", i), true, err) < 0)
                        return -1;
        for (LIST_EACH(port, &ports, struct port, link))
                if (!port->wanted)
                        close_port(port);
        return 0;
}

void
c2s_stop_listening(void)
{
        for (LIST_EACH(port, &ports, struct port, link))
                close_port(port);
}
