/*
 * throttle.c - how long whoever guesses passwords waits for each answer
 *
 * The tables are counters and nothing else, so all workers share them without a lock: each place is two atomic numbers. A count that is lost when
 * two workers write at the same moment costs nothing.
 */
#include "xmppd/sasl/throttle.h"

#include "shared/base/bucket.h"
#include "shared/base/map.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>

enum {
        SETS = 4096, /* a power of 2 */
        WAYS = 4,
        FREE = 3, /* a wrong key or two happens to everybody */
        COUNT_MAX = 255,
        HALVINGS_MAX = 8,
        HOUR_MS = 3600 * 1000,
};

/* tally: 32 bits of the name's hash, 8 bits how many, 24 bits when (seconds, modulo 2^24); 0: nobody's. */
struct place {
        atomic_uint_least64_t tally;
        atomic_uint_least64_t until; /* ms: answers to this address wait for it */
};

static struct place addresses[SETS][WAYS], accounts[SETS][WAYS], registrations[SETS][WAYS];
static atomic_uint_least64_t refused, delayed, longest_ms;

void
throttle_start(void)
{
        for (size_t i = 0; i < SETS * WAYS; i++) {
                atomic_store(&addresses[i / WAYS][i % WAYS].tally, 0);
                atomic_store(&addresses[i / WAYS][i % WAYS].until, 0);
                atomic_store(&accounts[i / WAYS][i % WAYS].tally, 0);
                atomic_store(&registrations[i / WAYS][i % WAYS].tally, 0);
                atomic_store(&registrations[i / WAYS][i % WAYS].until, 0);
        }
        atomic_store(&refused, 0);
        atomic_store(&delayed, 0);
        atomic_store(&longest_ms, 0);
}

/* The hash has a key of this process, so nobody can choose names that meet in one set. */
static uint64_t
hash_of_address(const struct address *from)
{
        if (from->len != 0 && from->u.any.sa_family == AF_INET)
                return map_hash(&from->u.v4.sin_addr, 4);
        if (from->len == 0 || from->u.any.sa_family != AF_INET6)
                return map_hash("", 0);
        const unsigned char *bytes = from->u.v6.sin6_addr.s6_addr;
        return IN6_IS_ADDR_V4MAPPED(&from->u.v6.sin6_addr) ? map_hash(bytes + 12, 4) : map_hash(bytes, 8);
}

/* How many are left of what was counted, after the time that has passed. */
static unsigned
count_of(uint64_t tally, uint64_t forget_ms, uint64_t now)
{
        uint64_t seconds = (now / 1000 - (tally & 0xffffff)) & 0xffffff,
                 halvings = seconds * 1000 / (forget_ms > 0 ? forget_ms : 1);

        return tally == 0 || halvings >= HALVINGS_MAX ? 0 : (unsigned)(tally >> 24 & 0xff) >> halvings;
}

static struct place *
find(struct place table[SETS][WAYS], uint64_t hash)
{
        struct place *set = table[hash & (SETS - 1)];

        for (int i = 0; i < WAYS; i++)
                if (atomic_load_explicit(&set[i].tally, memory_order_relaxed) >> 32 == hash >> 32)
                        return &set[i];
        return NULL;
}

/* Its own place, or that of the one who matters least. */
static struct place *
find_or_take(struct place table[SETS][WAYS], uint64_t hash, uint64_t forget_ms, uint64_t now)
{
        struct place *set = table[hash & (SETS - 1)], *place = find(table, hash), *least = set;

        if (place != NULL)
                return place;
        for (int i = 1; i < WAYS; i++)
                if (count_of(atomic_load_explicit(&set[i].tally, memory_order_relaxed), forget_ms, now) <
                        count_of(atomic_load_explicit(&least->tally, memory_order_relaxed), forget_ms, now))
                        least = &set[i];
        atomic_store_explicit(&least->tally, 0, memory_order_relaxed);
        atomic_store_explicit(&least->until, 0, memory_order_relaxed);
        return least;
}

static unsigned
count_up(struct place *place, uint64_t hash, uint64_t forget_ms, uint64_t now)
{
        unsigned count = count_of(atomic_load_explicit(&place->tally, memory_order_relaxed), forget_ms, now);

        if (count < COUNT_MAX)
                count++;
        atomic_store_explicit(
                &place->tally, (hash >> 32) << 32 | (uint64_t)count << 24 | (now / 1000 & 0xffffff), memory_order_relaxed);
        return count;
}

static uint64_t
delay_of(unsigned count, const struct throttle_rules *rules)
{
        uint64_t delay = rules->delay_ms;

        for (unsigned i = FREE; i < count && delay < rules->max_delay_ms; i++)
                delay *= 2;
        return delay < rules->max_delay_ms ? delay : rules->max_delay_ms;
}

static uint64_t
count_wrong(uint64_t hash, const char *account, const struct throttle_rules *rules, uint64_t now)
{
        struct place *address = find_or_take(addresses, hash, rules->forget_ms, now);
        unsigned count = count_up(address, hash, rules->forget_ms, now);

        if (account != NULL) {
                uint64_t name = map_hash(account, strlen(account));
                unsigned others = count_up(find_or_take(accounts, name, rules->forget_ms, now), name, rules->forget_ms, now);
                if (count > FREE && others > count)
                        count = others;
        }
        /* Guesses at the same time stand in line, up to the bound. */
        uint64_t until = atomic_load_explicit(&address->until, memory_order_relaxed);
        until = (until > now ? until : now) + delay_of(count, rules);
        if (until > now + rules->max_delay_ms)
                until = now + rules->max_delay_ms;
        atomic_store_explicit(&address->until, until, memory_order_relaxed);
        return until - now;
}

uint64_t
throttle_wait(const struct address *from, const char *account, bool is_wrong, const struct throttle_rules *rules, uint64_t now)
{
        uint64_t hash = hash_of_address(from), wait = 0;

        if (is_wrong) {
                atomic_fetch_add_explicit(&refused, 1, memory_order_relaxed);
                wait = count_wrong(hash, account, rules, now);
        } else {
                /* A right one waits as long as a wrong one would: who hears nothing at once has learned nothing. */
                struct place *place = find(addresses, hash);
                uint64_t until = place == NULL ? 0 : atomic_load_explicit(&place->until, memory_order_relaxed);
                wait = until <= now ? 0 : until - now < rules->max_delay_ms ? until - now : rules->max_delay_ms;
        }
        if (wait > rules->delay_ms) {
                atomic_fetch_add_explicit(&delayed, 1, memory_order_relaxed);
                if (wait > atomic_load_explicit(&longest_ms, memory_order_relaxed))
                        atomic_store_explicit(&longest_ms, wait, memory_order_relaxed);
        }
        return wait;
}

/* until is what a bucket of an hour remembers, each account costing its part of it. */
bool
throttle_may_register(const struct address *from, uint64_t per_hour, uint64_t now)
{
        uint64_t hash = hash_of_address(from), cost = HOUR_MS / (per_hour > 0 ? per_hour : 1);
        struct place *place = find_or_take(registrations, hash, HOUR_MS, now);
        struct bucket bucket = { atomic_load_explicit(&place->until, memory_order_relaxed) };

        if (!bucket_take_if(&bucket, now, cost, HOUR_MS))
                return false;
        count_up(place, hash, HOUR_MS, now);
        atomic_store_explicit(&place->until, bucket.paid, memory_order_relaxed);
        return true;
}

void
throttle_counters(struct throttle_counters *counters)
{
        counters->refused = atomic_load_explicit(&refused, memory_order_relaxed);
        counters->delayed = atomic_load_explicit(&delayed, memory_order_relaxed);
        counters->longest_ms = atomic_load_explicit(&longest_ms, memory_order_relaxed);
}
