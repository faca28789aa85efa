/*
 * answers.c - what name servers have said
 *
 * Answers are kept by their TTL, between a second and an hour, and all thrown away when there are too many: a server that talks to thousands of
 * domains asks again now and then. That there is nothing is kept for seconds only, so that a burst of stanzas asks once, and who has just published
 * a record need not wait (RFC 2308 lets us keep it longer). That there was no answer is not kept at all.
 */
#include "shared/base/map.h"
#include "shared/dns/dns_private.h"
#include "shared/loop/worker.h"

#include <stdio.h>
#include <string.h>

enum { ANSWERS_MAX = 4096, NONE_TTL = 5 };

void
answer_free(struct answer *answer)
{
        if (answer == NULL)
                return;
        mem_free(answer->addresses);
        mem_free(answer->targets);
        mem_free(answer);
}

void
answers_forget(struct dns *dns)
{
        size_t at = 0;

        for (struct answer *answer; (answer = map_next(dns->answers, &at)) != NULL;)
                answer_free(answer);
        map_free(&dns->answers);
        dns->answers = map_new();
}

void
answer_keep(struct dns_query *query, struct answer *answer, uint32_t ttl)
{
        struct dns *dns = query->dns;

        if (answer == NULL) {
                answer = MEM_NEW(answer);
                answer->is_none = true;
                ttl = NONE_TTL;
        }
        if (map_count(dns->answers) >= ANSWERS_MAX)
                answers_forget(dns);
        answer->expires = worker_now() + (uint64_t)(ttl > TTL_MAX ? TTL_MAX : ttl < 1 ? 1 : ttl) * 1000;
        answer_free(map_put_str(dns->answers, query->key, answer));
}

void
answer_tell_addresses(const struct answer *answer, uint16_t port, dns_addresses *found, void *owner)
{
        if (answer->is_none) {
                found(owner, DNS_NONE, NULL, 0);
                return;
        }
        struct address *copy = mem_array(answer->count + 1, sizeof(*copy));

        for (size_t i = 0; i < answer->count; i++) {
                copy[i] = answer->addresses[i];
                if (copy[i].u.any.sa_family == AF_INET)
                        copy[i].u.v4.sin_port = htons(port);
                else
                        copy[i].u.v6.sin6_port = htons(port);
        }
        found(owner, DNS_FOUND, copy, answer->count);
        mem_free(copy);
}

void
answer_tell_targets(const struct answer *answer, dns_targets *found, void *owner)
{
        if (answer->is_none) {
                found(owner, DNS_NONE, NULL, 0);
                return;
        }
        struct dns_target *copy = mem_array(answer->count + 1, sizeof(*copy));

        if (answer->count > 0)
                memcpy(copy, answer->targets, answer->count * sizeof(*copy));
        dns_order_targets(copy, answer->count); /* drawn anew each time */
        found(owner, DNS_FOUND, copy, answer->count);
        mem_free(copy);
}

bool
answer_find(struct dns *dns, char *key, size_t room, char prefix, const char *name, struct answer **answer)
{
        size_t len = strlen(name);

        *answer = NULL;
        if (len == 0 || len > 254)
                return false;
        snprintf(key, room, "%c %s", prefix, name);
        *answer = map_get_str(dns->answers, key);
        if (*answer != NULL && (*answer)->expires <= worker_now()) {
                answer_free(map_remove_str(dns->answers, key));
                *answer = NULL;
        }
        return true;
}
