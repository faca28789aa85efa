/*
 * order.c - the order in which the targets of an SRV record are tried (RFC 2782, "Usage rules")
 */
#include "shared/base/random.h"
#include "shared/dns/dns.h"

#include <stdlib.h>

/* By priority; within one, those of weight 0 first, so that they have a small chance to be drawn. */
static int
compare(const void *left, const void *right)
{
        const struct dns_target *a = left, *b = right;

        if (a->priority != b->priority)
                return a->priority < b->priority ? -1 : 1;
        return (a->weight != 0) - (b->weight != 0);
}

static size_t
draw(const struct dns_target *targets, size_t count)
{
        uint32_t sum = 0, running = 0;

        for (size_t i = 0; i < count; i++)
                sum += targets[i].weight;
        uint32_t drawn = random_below(sum + 1);
        for (size_t i = 0; i < count; i++) {
                running += targets[i].weight;
                if (running >= drawn)
                        return i;
        }
        return count - 1;
}

void
dns_order_targets(struct dns_target *targets, size_t count)
{
        if (count < 2)
                return;
        qsort(targets, count, sizeof(*targets), compare);
        for (size_t first = 0, end; first < count; first = end) {
                for (end = first + 1; end < count && targets[end].priority == targets[first].priority;)
                        end++;
                for (size_t at = first; at + 1 < end; at++) {
                        size_t chosen = at + draw(targets + at, end - at);
                        struct dns_target target = targets[chosen];
                        /* The others keep their order: weight 0 stays in front. */
                        for (size_t i = chosen; i > at; i--)
                                targets[i] = targets[i - 1];
                        targets[at] = target;
                }
        }
}
