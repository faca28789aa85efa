/*
 * listen.c - the listening sockets of clients, on the main thread
 *
 * Each connection is handed to the worker with the fewest in negotiation.
 */
#include "shared/base/log.h"
#include "shared/base/map.h"
#include "shared/base/mem.h"
#include "shared/loop/ports.h"
#include "xmppd/c2s/c2s.h"
#include "xmppd/c2s/c2s_private.h"
#include "xmppd/route/home.h"
#include "xmppd/route/limits.h"

#include <stdatomic.h>
#include <unistd.h>

enum { WORKERS_MAX = 64, RATES = 4096, SECOND_US = 1000 * 1000 };

struct arrival {
        struct letter letter;
        struct link in_line; /* of those who came too fast */
        struct timer turn;
        int fd, worker;
        bool direct;
        uint64_t crowd;
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

        client_new(arrival->fd, arrival->direct, arrival->worker, arrival->crowd);
        mem_free(arrival);
}

/* ---- connections of one address ---- */

/* Hash of an address -> how many connections it has. The main thread's; a departure comes as a letter. */
static struct map *crowds;
static struct worker *doorkeeper;
static struct list line; /* connections that wait for their turn: their address has sent too many at once */

struct departure {
        struct letter letter;
        uint64_t crowd;
};

/* Whoever has an IPv6 address has a whole /64 of them. */
static uint64_t
crowd_of(const struct address *peer)
{
        if (peer->u.any.sa_family == AF_INET6)
                return map_hash(&peer->u.v6.sin6_addr, IN6_IS_ADDR_V4MAPPED(&peer->u.v6.sin6_addr) ? 16 : 8);
        return map_hash(&peer->u.v4.sin_addr, sizeof(peer->u.v4.sin_addr));
}

static void
count_crowd(uint64_t crowd, uintptr_t count)
{
        if (crowds == NULL)
                crowds = map_new();
        if (count > 0)
                map_put(crowds, &crowd, sizeof(crowd), (void *)count);
        else
                map_remove(crowds, &crowd, sizeof(crowd));
        if (map_count(crowds) == 0)
                map_free(&crowds);
}

static uintptr_t
size_of_crowd(uint64_t crowd)
{
        return crowds == NULL ? 0 : (uintptr_t)map_get(crowds, &crowd, sizeof(crowd));
}

static void
count_departure(struct letter *letter)
{
        struct departure *departure = container_of(letter, struct departure, letter);

        count_crowd(departure->crowd, size_of_crowd(departure->crowd) - 1);
        mem_free(departure);
}

void
listen_leave_crowd(uint64_t crowd)
{
        struct departure *departure = MEM_NEW(departure);

        departure->letter.open = count_departure;
        departure->crowd = crowd;
        worker_post(doorkeeper, &departure->letter);
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
        int64_t all = (int64_t)line.count;

        for (int i = 0; i < home_count() && i < WORKERS_MAX; i++)
                all += atomic_load_explicit(&negotiating[i], memory_order_relaxed);
        return all >= limit_value(LIMIT_NEGOTIATING);
}

/* ---- how fast those of one address come ---- */

/* The moments, in microseconds, at which all that came is paid for (as in pace.c), by a hash of the address. Who meets another there shares its
 * rate. */
static uint64_t paid[RATES];
/* Milliseconds until the next one of this crowd is served. */
static uint64_t
wait_of(uint64_t crowd)
{
        uint64_t now = worker_now() * 1000, burst = (uint64_t)limit_value(LIMIT_BURST) * SECOND_US, *moment = &paid[crowd % RATES];

        if (*moment < now)
                *moment = now;
        *moment += SECOND_US / (uint64_t)limit_value(LIMIT_CONNECTION_RATE);
        return *moment > now + burst ? (*moment - now - burst + 999) / 1000 : 0;
}

static void
serve(struct arrival *arrival)
{
        arrival->worker = choose_worker();
        atomic_fetch_add_explicit(&negotiating[arrival->worker], 1, memory_order_relaxed);
        worker_post(home_worker(arrival->worker), &arrival->letter);
}

static void
take_turn(struct timer *turn)
{
        struct arrival *arrival = container_of(turn, struct arrival, turn);

        list_remove(&line, &arrival->in_line);
        serve(arrival);
}

static void
send_line_away(void)
{
        for (LIST_EACH(arrival, &line, struct arrival, in_line)) {
                timer_stop(&arrival->turn);
                list_remove(&line, &arrival->in_line);
                close(arrival->fd);
                mem_free(arrival);
        }
}

static void
refuse(int fd, enum limit limit)
{
        limit_note(limit);
        log_debug(&scope, "closed at once: limits.%s is reached", limit_row(limit)->setting.name);
        close(fd);
}

static void
hand_over(void *owner, int fd, const struct address *peer)
{
        uint64_t crowd = crowd_of(peer);
        uintptr_t others = size_of_crowd(crowd);

        if (others >= (uintptr_t)limit_value(LIMIT_CONNECTIONS)) {
                refuse(fd, LIMIT_CONNECTIONS);
                return;
        }
        if (is_crowded()) {
                refuse(fd, LIMIT_NEGOTIATING);
                return;
        }
        struct arrival *arrival = MEM_NEW(arrival);

        arrival->fd = fd;
        arrival->crowd = crowd;
        count_crowd(crowd, others + 1);
        arrival->direct = *(const bool *)owner;
        arrival->letter.open = receive;
        uint64_t wait = wait_of(crowd);
        if (wait == 0) {
                serve(arrival);
                return;
        }
        limit_note(LIMIT_CONNECTION_RATE);
        list_append(&line, &arrival->in_line);
        timer_start(&arrival->turn, wait, take_turn);
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

        doorkeeper = worker_here();
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
        send_line_away();
}
