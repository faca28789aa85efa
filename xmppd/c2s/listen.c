/*
 * listen.c - the listening sockets of clients, on the main thread
 *
 * Each connection is handed to the worker with the fewest in negotiation.
 */
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/loop/ports.h"
#include "xmppd/c2s/c2s.h"
#include "xmppd/c2s/c2s_private.h"
#include "xmppd/route/home.h"

#include <stdatomic.h>
#include <unistd.h>

enum { WORKERS_MAX = 64 };

struct arrival {
        struct letter letter;
        int fd, worker;
        bool direct;
};

/* What a port's connections begin with; its address is the port's owner. */
static const bool starttls = false, direct = true;

static const struct log_scope scope = { .room = "c2s.listen" };
static struct ports ports;
static atomic_int negotiating[WORKERS_MAX]; /* by worker; handed over and not logged in yet */

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

static bool
is_crowded(void)
{
        int64_t all = 0;

        for (int i = 0; i < home_count() && i < WORKERS_MAX; i++)
                all += atomic_load_explicit(&negotiating[i], memory_order_relaxed);
        return all >= config_number(snapshot_section("c2s"), "max-negotiating");
}

static void
hand_over(void *owner, int fd, const struct address *peer)
{
        if (is_crowded()) {
                log_debug(&scope, "closed at once: c2s.max-negotiating is reached");
                close(fd);
                return;
        }
        struct arrival *arrival = MEM_NEW(arrival);

        arrival->fd = fd;
        arrival->direct = *(const bool *)owner;
        arrival->worker = choose_worker();
        arrival->letter.open = receive;
        atomic_fetch_add_explicit(&negotiating[arrival->worker], 1, memory_order_relaxed);
        worker_post(home_worker(arrival->worker), &arrival->letter);
}

static int
name_ports(const struct section *c2s, const char *setting, const bool *kind, struct err *err)
{
        for (size_t i = 0; i < config_list_count(c2s, setting); i++)
                if (ports_name(&ports, config_list_item(c2s, setting, i), hand_over, (void *)kind, err) != 0)
                        return -1;
        return 0;
}

int
c2s_listen(const struct snapshot *snapshot, struct err *err)
{
        const struct section *c2s = section_of(config_top(snapshot->config), "c2s");

        ports_begin(&ports);
        return name_ports(c2s, "listen", &starttls, err) != 0 || name_ports(c2s, "listen-tls", &direct, err) != 0 ? -1 : 0;
}

void
c2s_settle_ports(bool keep)
{
        ports_settle(&ports, keep);
}

void
c2s_stop_listening(void)
{
        ports_close(&ports);
}
