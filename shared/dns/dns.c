/*
 * dns.c - questions, and what c-ares hears
 *
 * The two families of addresses are asked for on their own, so that each is good without the other. What channel.c hears is read here, kept in
 * answers.c, and told.
 */
#include "shared/dns/dns_private.h"

#include "shared/base/map.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/loop/worker.h"

#include <arpa/nameser.h>
#include <pthread.h>
#include <resolv.h>
#include <stdio.h>
#include <string.h>

enum {
        RECORDS_MAX = 64,
        /* RFC 8305 3: addresses of one family need not wait for the other, which some name servers never answer for. */
        FAMILY_MS = 200,
};

/* ---- queries ---- */

static enum dns_outcome
outcome_of(int status)
{
        switch (status) {
        case ARES_SUCCESS:
                return DNS_FOUND;
        case ARES_ENOTFOUND:
        case ARES_ENODATA:
        case ARES_ENONAME:
        case ARES_EBADNAME:
                return DNS_NONE;
        case ARES_EDESTRUCTION:
        case ARES_ECANCELLED:
                return DNS_CANCELLED;
        default:
                return DNS_FAILED;
        }
}

static struct dns_query *
make_query(struct dns *dns, const char *key)
{
        struct dns_query *query = MEM_NEW(query);

        query->dns = dns;
        query->channel = dns->channel;
        query->channel->queries++;
        query->starting = true;
        snprintf(query->key, sizeof(query->key), "%s", key);
        list_append(&dns->queries, &query->link);
        return query;
}

/* The owner has been told. While the call that started the query has not returned, that call still holds it. */
static void
finish(struct dns_query *query)
{
        list_remove(&query->dns->queries, &query->link);
        query->channel->queries--;
        query->finished = true;
        if (!query->starting)
                mem_free(query);
}

static struct dns_query *
started(struct dns_query *query)
{
        struct dns *dns = query->dns;

        query->starting = false;
        if (query->finished) {
                mem_free(query);
                query = NULL;
        }
        if (!dns->inside)
                channels_set_timer(dns);
        return query;
}

/* What servers said that the configuration no longer names is told to who asked them, and not kept. */
static bool
is_of_use(const struct dns_query *query)
{
        return query->channel == query->dns->channel && !query->dns->has_new_servers;
}

static void
end_addresses(struct dns_query *query)
{
        struct answer *answer = query->answer;
        enum dns_outcome outcome = query->is_cancelled ? DNS_CANCELLED
                : answer != NULL                       ? DNS_FOUND
                : query->has_failed                    ? DNS_FAILED
                                                       : DNS_NONE;
        bool is_kept = (outcome == DNS_FOUND || outcome == DNS_NONE) && is_of_use(query);

        timer_stop(&query->patience);
        if (answer != NULL)
                answer->addresses = mem_resize(answer->addresses, answer->count, sizeof(*answer->addresses));
        if (is_kept)
                answer_keep(query, answer, query->ttl);
        if (query->found_addresses != NULL) {
                if (outcome == DNS_FOUND)
                        answer_tell_addresses(answer, query->port, query->found_addresses, query->owner);
                else
                        query->found_addresses(query->owner, outcome, NULL, 0);
        }
        if (!is_kept)
                answer_free(answer);
        finish(query);
}

/* The owner gets what there is; the rest is for the next who asks. */
static void
lose_patience(struct timer *timer)
{
        struct dns_query *query = container_of(timer, struct dns_query, patience);
        dns_addresses *found = query->found_addresses;

        query->found_addresses = NULL;
        if (found != NULL)
                answer_tell_addresses(query->answer, query->port, found, query->owner);
}

static void
gather_addresses(struct dns_query *query, const struct ares_addrinfo *result)
{
        struct answer *answer = query->answer;

        if (answer == NULL) {
                answer = MEM_NEW(answer);
                answer->addresses = mem_array(RECORDS_MAX, sizeof(*answer->addresses));
                query->ttl = TTL_MAX;
        }
        /* Half of the room for each family. */
        size_t max = answer->count + RECORDS_MAX / 2;
        for (const struct ares_addrinfo_node *node = result->nodes; node != NULL && answer->count < max; node = node->ai_next) {
                if (address_from_sockaddr(&answer->addresses[answer->count], node->ai_addr))
                        answer->count++;
                if ((uint32_t)node->ai_ttl < query->ttl)
                        query->ttl = (uint32_t)node->ai_ttl;
        }
        query->answer = answer;
        if (answer->count == 0) {
                answer_free(answer);
                query->answer = NULL;
        }
}

static void
take_family(void *arg, int status, int timeouts, struct ares_addrinfo *result)
{
        struct dns_query *query = arg;
        enum dns_outcome outcome = outcome_of(status);

        query->pending--;
        query->has_failed |= outcome == DNS_FAILED;
        query->is_cancelled |= outcome == DNS_CANCELLED;
        if (outcome == DNS_FOUND)
                gather_addresses(query, result);
        if (result != NULL)
                ares_freeaddrinfo(result);
        if (query->pending == 0)
                end_addresses(query);
        else if (query->answer != NULL)
                timer_start(&query->patience, FAMILY_MS, lose_patience);
}

static bool
read_target(struct dns_target *target, ns_msg *message, ns_rr *record)
{
        const unsigned char *data = ns_rr_rdata(*record);

        if (ns_rr_type(*record) != ns_t_srv || ns_rr_rdlen(*record) < 7)
                return false;
        target->priority = (uint16_t)ns_get16(data);
        target->weight = (uint16_t)ns_get16(data + 2);
        target->port = (uint16_t)ns_get16(data + 4);
        return dn_expand(ns_msg_base(*message), ns_msg_end(*message), data + 6, target->host, sizeof(target->host)) >= 0;
}

static bool
is_root(const struct dns_target *target)
{
        return target->host[0] == '\0' || strcmp(target->host, ".") == 0;
}

/* NULL: not an answer. A sole target "." means that the service is not offered: no targets. */
static struct answer *
read_targets(const unsigned char *bytes, int len, uint32_t *ttl)
{
        struct answer *answer;
        ns_msg message;
        ns_rr record;

        *ttl = TTL_MAX;
        if (ns_initparse(bytes, len, &message) < 0)
                return NULL;
        answer = MEM_NEW(answer);
        answer->targets = mem_array(RECORDS_MAX, sizeof(*answer->targets));
        for (int i = 0; i < ns_msg_count(message, ns_s_an) && answer->count < RECORDS_MAX; i++) {
                if (ns_parserr(&message, ns_s_an, i, &record) < 0)
                        break;
                if (ns_rr_ttl(record) < *ttl)
                        *ttl = ns_rr_ttl(record);
                if (read_target(&answer->targets[answer->count], &message, &record))
                        answer->count++;
        }
        if (answer->count == 0) {
                answer_free(answer);
                return NULL;
        }
        if (answer->count == 1 && is_root(&answer->targets[0]))
                answer->count = 0;
        answer->targets = mem_resize(answer->targets, answer->count > 0 ? answer->count : 1, sizeof(*answer->targets));
        return answer;
}

static void
take_targets(void *arg, int status, int timeouts, unsigned char *bytes, int len)
{
        struct dns_query *query = arg;
        enum dns_outcome outcome = outcome_of(status);
        struct answer *answer = NULL;
        uint32_t ttl = 0;

        if (outcome == DNS_FOUND && (answer = read_targets(bytes, len, &ttl)) == NULL)
                outcome = DNS_NONE;
        bool is_kept = (outcome == DNS_FOUND || outcome == DNS_NONE) && is_of_use(query);
        if (is_kept)
                answer_keep(query, answer, ttl);
        if (query->found_targets != NULL) {
                if (answer != NULL)
                        answer_tell_targets(answer, query->found_targets, query->owner);
                else
                        query->found_targets(query->owner, outcome, NULL, 0);
        }
        if (!is_kept)
                answer_free(answer);
        finish(query);
}

/* ---- the doors ---- */

static pthread_once_t library = PTHREAD_ONCE_INIT;

static void
start_library(void)
{
        must(ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS);
}

static int
name_servers(char names[SERVERS_TEXT], const char *const *servers, size_t count, struct err *err)
{
        size_t len = 0;

        names[0] = '\0';
        for (size_t i = 0; i < count && len < SERVERS_TEXT; i++)
                len += (size_t)snprintf(names + len, SERVERS_TEXT - len, "%s%s", i > 0 ? "," : "", servers[i]);
        return len < SERVERS_TEXT ? 0 : err_set(err, "more DNS servers than fit");
}

void
dns_use(struct dns *dns, const char *const *servers, size_t count)
{
        char names[SERVERS_TEXT];

        if (name_servers(names, servers, count, NULL) != 0 || strcmp(names, dns->servers) == 0)
                return;
        memcpy(dns->servers, names, sizeof(names));
        dns->has_new_servers = true;
        answers_forget(dns);
}

struct dns *
dns_new(const char *const *servers, size_t count, struct err *err)
{
        struct dns *dns = MEM_NEW(dns);

        pthread_once(&library, start_library);
        dns->worker = worker_here();
        must(dns->worker != NULL);
        dns->answers = map_new();
        if (name_servers(dns->servers, servers, count, err) == 0 && channel_open(dns, err) == 0)
                return dns;
        dns_free(&dns);
        return NULL;
}

void
dns_free(struct dns **where)
{
        struct dns *dns = *where;

        if (dns == NULL)
                return;
        must(on_home(dns->worker) && !dns->inside);
        dns->inside = true;
        for (LIST_EACH(channel, &dns->channels, struct channel, link)) {
                ares_destroy(channel->ares);
                channel->ares = NULL;
                channel_free(channel);
        }
        timer_stop(&dns->timer);
        must(list_is_empty(&dns->queries));
        answers_forget(dns);
        map_free(&dns->answers);
        mem_free(dns);
        *where = NULL;
}

struct dns_query *
dns_lookup(struct dns *dns, const char *host, uint16_t port, dns_addresses *found, void *owner)
{
        static const int families[] = { AF_INET6, AF_INET };
        struct address address;
        struct answer *answer;
        char key[260];

        must(on_home(dns->worker));
        if (address_from_host(&address, host, port)) {
                found(owner, DNS_FOUND, &address, 1);
                return NULL;
        }
        if (!answer_find(dns, key, sizeof(key), 'a', host, &answer)) {
                found(owner, DNS_NONE, NULL, 0);
                return NULL;
        }
        if (answer != NULL) {
                answer_tell_addresses(answer, port, found, owner);
                return NULL;
        }
        channels_follow_servers(dns);
        struct dns_query *query = make_query(dns, key);
        query->found_addresses = found;
        query->owner = owner;
        query->port = port;
        query->pending = array_len(families);
        for (size_t i = 0; i < array_len(families); i++) {
                struct ares_addrinfo_hints hints = {
                        .ai_flags = ARES_AI_NOSORT, .ai_family = families[i], .ai_socktype = SOCK_STREAM
                };
                ares_getaddrinfo(query->channel->ares, host, NULL, &hints, take_family, query);
        }
        return started(query);
}

struct dns_query *
dns_lookup_srv(struct dns *dns, const char *name, dns_targets *found, void *owner)
{
        struct answer *answer;
        char key[260];

        must(on_home(dns->worker));
        if (!answer_find(dns, key, sizeof(key), 's', name, &answer)) {
                found(owner, DNS_NONE, NULL, 0);
                return NULL;
        }
        if (answer != NULL) {
                answer_tell_targets(answer, found, owner);
                return NULL;
        }
        channels_follow_servers(dns);
        struct dns_query *query = make_query(dns, key);
        query->found_targets = found;
        query->owner = owner;
        ares_query(dns->channel->ares, name, ns_c_in, ns_t_srv, take_targets, query);
        return started(query);
}

void
dns_cancel(struct dns_query **where)
{
        struct dns_query *query = *where;

        if (query == NULL)
                return;
        /* c-ares cannot cancel one query; its answer is kept for the next who asks. */
        query->found_addresses = NULL;
        query->found_targets = NULL;
        *where = NULL;
}
