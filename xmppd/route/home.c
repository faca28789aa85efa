/*
 * home.c - homes of addresses
 */
#include "xmppd/route/home.h"

#include "shared/base/map.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"

static struct worker *const *workers;
static int worker_total;

void
home_set_workers(struct worker *const *all, int count)
{
        must(count > 0);
        workers = all;
        worker_total = count;
}

int
home_count(void)
{
        return worker_total;
}

struct worker *
home_worker(int index)
{
        must(index >= 0 && index < worker_total);
        return workers[index];
}

bool
home_is_behind(size_t letters)
{
        for (int i = 0; i < home_count(); i++)
                if (worker_waiting(home_worker(i)) > letters)
                        return true;
        return false;
}

static struct worker *
worker_for(const char *address, size_t len)
{
        return worker_total == 1 ? workers[0] : workers[map_hash(address, len) % (uint64_t)worker_total];
}

struct worker *
home_of(const struct jid *jid)
{
        return worker_for(jid->full, jid->bare_len);
}

struct worker *
home_of_domain(const char *domain)
{
        return worker_for(domain, strlen(domain));
}

/* One round trip: a letter to each worker, and each sends its own back. */
struct visit;

struct call {
        struct letter letter;
        struct visit *visit;
};

struct visit {
        void (*visit)(void *arg);
        void (*done)(void *arg);
        void *arg;
        struct worker *asker;
        int missing;
        struct call calls[];
};

static void
count_return(struct letter *letter)
{
        struct visit *visit = container_of(letter, struct call, letter)->visit;

        if (--visit->missing > 0)
                return;
        if (visit->done != NULL)
                visit->done(visit->arg);
        mem_free(visit);
}

static void
make_visit(struct letter *letter)
{
        struct visit *visit = container_of(letter, struct call, letter)->visit;

        visit->visit(visit->arg);
        letter->open = count_return;
        worker_post(visit->asker, letter);
}

void
home_visit_all(void (*visit_one)(void *arg), void (*done)(void *arg), void *arg)
{
        struct visit *visit = mem_new(sizeof(*visit) + (size_t)worker_total * sizeof(struct call));

        must(worker_here() != NULL);
        *visit = (struct visit){ .visit = visit_one, .done = done, .arg = arg, .asker = worker_here(), .missing = worker_total };
        for (int i = 0; i < worker_total; i++) {
                visit->calls[i] = (struct call){ .letter = { .open = make_visit }, .visit = visit };
                worker_post(workers[i], &visit->calls[i].letter);
        }
}
