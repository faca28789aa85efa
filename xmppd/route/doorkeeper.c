/*
 * doorkeeper.c - accepting on the main thread, handing over to a worker
 *
 * A crowd is what one address has here. The main thread makes it with the first connection and frees it with the last, of which it hears by letter; in
 * between any worker may say that one of its tickets is settled, so that number is atomic.
 */
#include "xmppd/route/doorkeeper.h"

#include "shared/base/map.h"
#include "shared/base/mem.h"
#include "shared/loop/timer.h"
#include "xmppd/route/home.h"

#include <unistd.h>

struct crowd {
        struct doorkeeper *keeper;
        uint64_t address; /* its hash */
        int64_t connections;
        atomic_int negotiating; /* or in line */
};

struct arrival {
        struct letter letter;
        struct link in_line;
        struct timer turn;
        int fd;
        bool is_direct;
        struct ticket ticket;
};

struct departure {
        struct letter letter;
        struct crowd *crowd;
};

/* ---- tickets ---- */

void
ticket_settle(struct ticket *ticket)
{
        if (!ticket->is_unsettled)
                return;
        ticket->is_unsettled = false;
        atomic_fetch_sub_explicit(&ticket->crowd->negotiating, 1, memory_order_relaxed);
        atomic_fetch_sub_explicit(&ticket->crowd->keeper->negotiating[ticket->worker], 1, memory_order_relaxed);
}

static void
leave_crowd(struct crowd *crowd)
{
        struct doorkeeper *keeper = crowd->keeper;

        if (--crowd->connections > 0)
                return;
        map_remove(keeper->crowds, &crowd->address, sizeof(crowd->address));
        mem_free(crowd);
        if (map_count(keeper->crowds) == 0)
                map_free(&keeper->crowds);
}

static void
see_departure(struct letter *letter)
{
        struct departure *departure = container_of(letter, struct departure, letter);

        leave_crowd(departure->crowd);
        mem_free(departure);
}

void
ticket_return(struct ticket *ticket)
{
        struct departure *departure = MEM_NEW(departure);

        ticket_settle(ticket);
        departure->letter.open = see_departure;
        departure->crowd = ticket->crowd;
        worker_post(ticket->crowd->keeper->worker, &departure->letter);
}

uint64_t
ticket_address(const struct ticket *ticket)
{
        return ticket->crowd->address;
}

/* ---- what one address has ---- */

/* Whoever has an IPv6 address has a whole /64 of them. */
static uint64_t
hash_of(const struct address *peer)
{
        if (peer->u.any.sa_family == AF_INET6)
                return map_hash(&peer->u.v6.sin6_addr, IN6_IS_ADDR_V4MAPPED(&peer->u.v6.sin6_addr) ? 16 : 8);
        return map_hash(&peer->u.v4.sin_addr, sizeof(peer->u.v4.sin_addr));
}

static struct crowd *
find_crowd(const struct doorkeeper *keeper, uint64_t address)
{
        return keeper->crowds == NULL ? NULL : map_get(keeper->crowds, &address, sizeof(address));
}

static struct crowd *
join_crowd(struct doorkeeper *keeper, uint64_t address)
{
        struct crowd *crowd = find_crowd(keeper, address);

        if (crowd == NULL) {
                crowd = MEM_NEW(crowd);
                crowd->keeper = keeper;
                crowd->address = address;
                if (keeper->crowds == NULL)
                        keeper->crowds = map_new();
                map_put(keeper->crowds, &address, sizeof(address), crowd);
        }
        crowd->connections++;
        atomic_fetch_add_explicit(&crowd->negotiating, 1, memory_order_relaxed);
        return crowd;
}

static bool
is_reached(enum limit limit, int64_t count)
{
        return limit != LIMITS && count >= limit_value(limit);
}

static int
worker_count(void)
{
        return home_count() < DOORKEEPER_WORKERS ? home_count() : DOORKEEPER_WORKERS;
}

/* The limit that lets no more in; LIMITS: none. */
static enum limit
limit_against(struct doorkeeper *keeper, const struct crowd *crowd)
{
        const struct doorkeeper_rules *rules = keeper->rules;
        int64_t all = (int64_t)keeper->line.count;

        for (int i = 0; i < worker_count(); i++)
                all += atomic_load_explicit(&keeper->negotiating[i], memory_order_relaxed);
        if (crowd != NULL && is_reached(rules->connections, crowd->connections))
                return rules->connections;
        if (crowd != NULL && is_reached(rules->share, atomic_load_explicit(&crowd->negotiating, memory_order_relaxed)))
                return rules->share;
        return is_reached(rules->negotiating, all) ? rules->negotiating : LIMITS;
}

/* Milliseconds until the next one of this address is served. */
static uint64_t
wait_of(struct doorkeeper *keeper, uint64_t address)
{
        if (keeper->rules->rate == LIMITS)
                return 0;
        uint64_t cost = BUCKET_SECOND_US / (uint64_t)limit_value(keeper->rules->rate);
        uint64_t burst = (uint64_t)limit_value(LIMIT_BURST) * BUCKET_SECOND_US;
        uint64_t wait = bucket_take(&keeper->rates[address % DOORKEEPER_RATES], worker_now() * 1000, cost, burst);

        return (wait + 999) / 1000;
}

/* ---- from the port to a worker ---- */

static void
receive(struct letter *letter)
{
        struct arrival *arrival = container_of(letter, struct arrival, letter);

        arrival->ticket.crowd->keeper->rules->let_in(arrival->fd, arrival->is_direct, &arrival->ticket);
        mem_free(arrival);
}

static int
choose_worker(struct doorkeeper *keeper)
{
        int best = -1, fewest = 0, count = worker_count();

        /* Starting behind the last one spreads them when all are equal. */
        keeper->last = (keeper->last + 1) % count;
        for (int i = 0; i < count; i++) {
                int at = (keeper->last + i) % count;
                int n = atomic_load_explicit(&keeper->negotiating[at], memory_order_relaxed);
                if (best < 0 || n < fewest) {
                        best = at;
                        fewest = n;
                }
        }
        return best;
}

static void
serve(struct doorkeeper *keeper, struct arrival *arrival)
{
        int worker = choose_worker(keeper);

        arrival->ticket.worker = (short)worker;
        atomic_fetch_add_explicit(&keeper->negotiating[worker], 1, memory_order_relaxed);
        arrival->letter.open = receive;
        worker_post(home_worker(worker), &arrival->letter);
}

static void
take_turn(struct timer *turn)
{
        struct arrival *arrival = container_of(turn, struct arrival, turn);
        struct doorkeeper *keeper = arrival->ticket.crowd->keeper;

        list_remove(&keeper->line, &arrival->in_line);
        serve(keeper, arrival);
}

static void
send_line_away(struct doorkeeper *keeper)
{
        for (LIST_EACH(arrival, &keeper->line, struct arrival, in_line)) {
                timer_stop(&arrival->turn);
                list_remove(&keeper->line, &arrival->in_line);
                atomic_fetch_sub_explicit(&arrival->ticket.crowd->negotiating, 1, memory_order_relaxed);
                leave_crowd(arrival->ticket.crowd);
                close(arrival->fd);
                mem_free(arrival);
        }
}

static void
refuse(struct doorkeeper *keeper, int fd, enum limit limit)
{
        limit_note(limit);
        log_debug(&keeper->scope, "closed at once: %s.%s is reached", limit_row(limit)->section, limit_row(limit)->setting.name);
        close(fd);
}

static void
see_arrival(void *owner, int fd, const struct address *peer)
{
        const struct door *door = owner;
        struct doorkeeper *keeper = door->keeper;
        uint64_t address = hash_of(peer);
        enum limit limit = limit_against(keeper, find_crowd(keeper, address));

        if (limit != LIMITS) {
                refuse(keeper, fd, limit);
                return;
        }
        struct arrival *arrival = MEM_NEW(arrival);
        arrival->fd = fd;
        arrival->is_direct = door->is_direct;
        arrival->ticket = (struct ticket){ .crowd = join_crowd(keeper, address), .is_unsettled = true };
        uint64_t wait = wait_of(keeper, address);
        if (wait == 0) {
                serve(keeper, arrival);
                return;
        }
        limit_note(keeper->rules->rate);
        list_append(&keeper->line, &arrival->in_line);
        timer_start(&arrival->turn, wait, take_turn);
}

static int
name_ports(struct doorkeeper *keeper, const struct section *section, bool is_direct, struct err *err)
{
        const char *setting = is_direct ? keeper->rules->listen_tls : keeper->rules->listen;
        struct door *door = &keeper->doors[is_direct];

        *door = (struct door){ .keeper = keeper, .is_direct = is_direct };
        for (size_t i = 0; setting != NULL && i < config_list_count(section, setting); i++)
                if (ports_name(&keeper->ports, config_list_item(section, setting, i), see_arrival, door, err) != 0)
                        return -1;
        return 0;
}

int
doorkeeper_listen(struct doorkeeper *keeper, const struct section *section, struct err *err)
{
        keeper->worker = worker_here();
        ports_begin(&keeper->ports);
        if (section == NULL)
                return 0;
        return name_ports(keeper, section, false, err) != 0 || name_ports(keeper, section, true, err) != 0 ? -1 : 0;
}

void
doorkeeper_settle(struct doorkeeper *keeper, bool keep)
{
        ports_settle(&keeper->ports, keep);
}

void
doorkeeper_stop(struct doorkeeper *keeper)
{
        ports_close(&keeper->ports);
        send_line_away(keeper);
}
