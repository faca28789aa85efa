/*
 * domain.c - what concerns all people of a foreign domain
 *
 * A domain may have tens of thousands of dialogs, so nothing here visits all of them in one turn of the loop. Renewing takes one turn of
 * subscribe-rate after the other and reserves none ahead: a refresh that is due meanwhile is not put behind thousands of others.
 */
#include "sipcomp/simple/domain_private.h"

#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "shared/loop/worker.h"

enum {
        PIECE = 100,      /* visited in one turn */
        REST_MS = 10,     /* until the next: between the two the loop reads and writes, which a timer of 0 would not let it */
        TICK_US = 20000,  /* how exact the timers are */
        LAG_US = 50000,   /* turns that may be made up for */
        STATES_MS = 1000, /* after a start the users' states are known by then */
        MEMORY_MS = 24 * 3600 * 1000,
};

struct domain *
domain_of(struct simple *simple, const char *name)
{
        struct domain *domain = map_get_str(simple->domains, name);
        if (domain == NULL) {
                domain = MEM_NEW(domain);
                domain->simple = simple;
                domain->name = mem_strdup(name);
                map_put_str(simple->domains, name, domain);
        }
        return domain;
}

static void
end_walk(struct walk *walk)
{
        timer_stop(&walk->timer);
        walk->next = NULL;
}

void
domain_free_all(struct simple *simple)
{
        struct domain *domain;
        for (size_t at = 0; (domain = map_next(simple->domains, &at)) != NULL;) {
                map_remove_str(simple->domains, domain->name);
                end_walk(&domain->telling);
                end_walk(&domain->renewing);
                end_walk(&domain->visiting);
                end_walk(&domain->resending);
                mem_free(domain->name);
                mem_free(domain);
        }
}

/* --- Walks. */

static void
begin_walk(struct walk *walk, const struct list *list, void (*fire)(struct timer *timer))
{
        walk->next = list->first;
        if (walk->next != NULL)
                timer_start(&walk->timer, 0, fire);
        else
                timer_stop(&walk->timer);
}

static struct link *
take_step(struct walk *walk)
{
        struct link *link = walk->next;
        walk->next = link->next;
        return link;
}

static void
leave(struct walk *walk, const struct link *link)
{
        if (walk->next == link)
                walk->next = link->next;
}

void
domain_add_watch(struct domain *domain, struct link *link)
{
        list_append(&domain->watches, link);
}

void
domain_remove_watch(struct domain *domain, struct link *link)
{
        leave(&domain->telling, link);
        leave(&domain->renewing, link);
        list_remove(&domain->watches, link);
}

void
domain_add_relation(struct domain *domain, struct link *link)
{
        list_append(&domain->relations, link);
}

void
domain_remove_relation(struct domain *domain, struct link *link)
{
        leave(&domain->visiting, link);
        leave(&domain->resending, link);
        list_remove(&domain->relations, link);
}

/* --- The XMPP side comes and goes. */

static bool
may_tell(const struct domain *domain)
{
        return domain->simple->events->may_tell(domain->simple->owner, domain->name);
}

static void
tell_piece(struct timer *timer)
{
        struct domain *domain = container_of(timer, struct domain, telling.timer);
        for (int i = 0; i < PIECE && domain->telling.next != NULL && may_tell(domain); i++)
                watch_tell(take_step(&domain->telling));
        if (domain->telling.next != NULL)
                timer_start(timer, REST_MS, tell_piece);
}

static void
visit_piece(struct timer *timer)
{
        struct domain *domain = container_of(timer, struct domain, visiting.timer);
        for (int i = 0; i < PIECE && domain->visiting.next != NULL && (domain->hiding || may_tell(domain)); i++)
                relation_visit(take_step(&domain->visiting), domain->hiding);
        if (domain->visiting.next != NULL)
                timer_start(timer, REST_MS, visit_piece);
}

void
simple_hide(struct simple *simple, const char *name)
{
        struct domain *domain = domain_of(simple, name);
        end_walk(&domain->telling);
        domain->hiding = true;
        begin_walk(&domain->visiting, &domain->relations, visit_piece);
}

void
simple_show(struct simple *simple, const char *name)
{
        struct domain *domain = domain_of(simple, name);
        chat_return_orphans(simple, name);
        domain->hiding = false;
        begin_walk(&domain->telling, &domain->watches, tell_piece);
        begin_walk(&domain->visiting, &domain->relations, visit_piece);
}

/* --- The turns of SUBSCRIBE. */

static uint64_t
turn_length(const struct domain *domain)
{
        return 1000000 / domain->simple->options.subscribe_rate;
}

/* How many milliseconds the next one must wait; takes the turn. */
static uint64_t
take_turn(const struct domain *domain, uint64_t *next)
{
        uint64_t now = worker_now() * 1000;
        if (*next + LAG_US < now)
                *next = now;
        uint64_t wait = *next > now ? *next - now : 0;
        *next += turn_length(domain);
        return wait / 1000;
}

uint64_t
domain_take_turn(struct domain *domain)
{
        return take_turn(domain, &domain->next_turn);
}

/* Is it somebody's turn before the timers come again? */
static bool
is_turn(uint64_t next)
{
        return next < worker_now() * 1000 + TICK_US;
}

static uint64_t
rest(uint64_t next)
{
        return is_turn(next) ? REST_MS : next / 1000 - worker_now();
}

/* --- The SIP side comes and goes. */

static void
renew_piece(struct timer *timer)
{
        struct domain *domain = container_of(timer, struct domain, renewing.timer);
        for (int i = 0; i < PIECE && domain->renewing.next != NULL && is_turn(domain->next_turn); i++)
                if (watch_renew(take_step(&domain->renewing)))
                        domain_take_turn(domain);
        if (domain->renewing.next != NULL)
                timer_start(timer, rest(domain->next_turn), renew_piece);
}

static void
resend_piece(struct timer *timer)
{
        struct domain *domain = container_of(timer, struct domain, resending.timer);
        for (int i = 0; i < PIECE && domain->resending.next != NULL && is_turn(domain->next_notify); i++)
                if (relation_resend(take_step(&domain->resending)))
                        take_turn(domain, &domain->next_notify);
        if (domain->resending.next != NULL)
                timer_start(timer, rest(domain->next_notify), resend_piece);
}

void
domain_go_over(struct domain *domain)
{
        begin_walk(&domain->renewing, &domain->watches, renew_piece);
}

void
domain_renew(struct domain *domain)
{
        domain->back_at = worker_now();
        domain_go_over(domain);
}

void
domain_resend_all(struct simple *simple)
{
        struct domain *domain;
        for (size_t at = 0; (domain = map_next(simple->domains, &at)) != NULL;) {
                begin_walk(&domain->resending, &domain->relations, resend_piece);
                if (domain->resending.next != NULL)
                        timer_start(&domain->resending.timer, STATES_MS, resend_piece);
        }
}

void
simple_domain_back(struct simple *simple, const char *name)
{
        struct domain *domain = map_get_str(simple->domains, name);
        if (domain == NULL)
                return;
        log_info(LOG_ABOUT("simple.domain", name), "is back: subscriptions=%zu will be renewed", domain->watches.count);
        domain_renew(domain);
        begin_walk(&domain->resending, &domain->relations, resend_piece);
}

/* --- What is remembered. */

static void
count_people(const struct domain *domain, struct simple_counters *counters)
{
        counters->watches += domain->watches.count;
        counters->watchers += domain->watcher_count;
}

void
domain_count(const struct simple *simple, const char *name, struct simple_counters *counters)
{
        struct domain *domain = name == NULL ? NULL : map_get_str(simple->domains, name);
        if (domain != NULL)
                count_people(domain, counters);
        for (size_t at = 0; name == NULL && (domain = map_next(simple->domains, &at)) != NULL;)
                count_people(domain, counters);
}

bool
pager_remembered(struct simple *simple, const char *name)
{
        return domain_of(simple, name)->pager_until > worker_now();
}

void
pager_remember(struct simple *simple, const char *name)
{
        domain_of(simple, name)->pager_until = worker_now() + MEMORY_MS;
}

enum msrp_memory
msrp_remembered(struct simple *simple, const char *name)
{
        const struct domain *domain = domain_of(simple, name);
        return domain->msrp_until <= worker_now() ? MSRP_UNKNOWN : domain->msrp_secure ? MSRP_SECURE : MSRP_PLAIN;
}

void
msrp_remember(struct simple *simple, const char *name, bool secure)
{
        struct domain *domain = domain_of(simple, name);
        domain->msrp_until = worker_now() + MEMORY_MS;
        domain->msrp_secure = secure;
        domain->pager_until = 0; /* there is a session to be had after all */
}
