/*
 * dns.c - c-ares on the loop of a worker
 *
 * c-ares says which descriptors to watch and when it wants to look at its time-outs; the answers are kept by their TTL, between a second and an
 * hour, and all thrown away when there are too many: a server that talks to thousands of domains asks again now and then. That there is nothing
 * is kept for seconds only, so that a burst of stanzas asks once, and who has just published a record need not wait (RFC 2308 lets us keep it
 * longer). That there was no answer is not kept at all.
 *
 * A c-ares channel cannot change its servers while it waits for them, and a busy server always waits for some, longest for those that are dead,
 * which is when an administrator names others. So new servers get a new channel, and the old one goes when its last query has ended.
 */
#include "shared/dns/dns.h"

#include "shared/base/list.h"
#include "shared/base/map.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/loop/timer.h"
#include "shared/loop/watch.h"
#include "shared/loop/worker.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <pthread.h>
#include <resolv.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>

enum {
        TIMEOUT_MS = 1000,
        TRIES = 2,
        ANSWERS_MAX = 4096,
        RECORDS_MAX = 64,
        TTL_MAX = 3600,
        NONE_TTL = 5,
        /* RFC 8305 3: addresses of one family need not wait for the other, which some name servers never answer for. */
        FAMILY_MS = 200,
        SERVERS_TEXT = 512,
};

struct channel {
        struct link link;
        struct dns *dns;
        ares_channel ares;
        struct list sockets;
        size_t queries; /* under way */
};

struct dns {
        struct worker *worker;
        struct list channels;    /* the last one is asked, the others end */
        struct channel *channel; /* that one */
        struct list queries;
        struct timer timer;
        struct map *answers;        /* "a host" or "s name" -> struct answer */
        char servers[SERVERS_TEXT]; /* empty: those of resolv.conf */
        struct timespec resolv_conf;
        bool has_new_servers;
        bool inside; /* c-ares is running a callback of ours */
};

struct socket_watch {
        struct link link;
        struct channel *channel;
        struct watch *watch;
        ares_socket_t fd;
};

struct answer {
        uint64_t expires;
        bool is_none;
        size_t count;
        struct address *addresses; /* or */
        struct dns_target *targets;
};

struct dns_query {
        struct link link;
        struct dns *dns;
        struct channel *channel;
        dns_addresses *found_addresses; /* one of these; both NULL: cancelled */
        dns_targets *found_targets;
        void *owner;
        uint16_t port;
        bool starting, finished;
        /* of addresses, whose families are asked for on their own */
        int pending;
        bool has_failed, is_cancelled;
        struct answer *answer; /* so far */
        uint32_t ttl;
        struct timer patience;
        char key[260];
};

/* ---- c-ares and the loop ---- */

static void look_at_time(struct timer *timer);

static void
set_timer(struct dns *dns)
{
        uint64_t soonest = TIMEOUT_MS;

        if (list_is_empty(&dns->queries)) {
                timer_stop(&dns->timer);
                return;
        }
        for (LIST_EACH(channel, &dns->channels, struct channel, link)) {
                struct timeval room, *next = ares_timeout(channel->ares, NULL, &room);
                if (next != NULL && (uint64_t)next->tv_sec * 1000 + (uint64_t)next->tv_usec / 1000 + 1 < soonest)
                        soonest = (uint64_t)next->tv_sec * 1000 + (uint64_t)next->tv_usec / 1000 + 1;
        }
        timer_start(&dns->timer, soonest, look_at_time);
}

static void
free_channel(struct channel *channel)
{
        struct dns *dns = channel->dns;

        if (channel->ares != NULL)
                ares_destroy(channel->ares);
        must(list_is_empty(&channel->sockets) && channel->queries == 0);
        if (dns->channel == channel)
                dns->channel = NULL;
        list_remove(&dns->channels, &channel->link);
        mem_free(channel);
}

static void
process(struct channel *channel, ares_socket_t readable, ares_socket_t writable)
{
        struct dns *dns = channel->dns;

        dns->inside = true;
        ares_process_fd(channel->ares, readable, writable);
        dns->inside = false;
        if (channel != dns->channel && channel->queries == 0)
                free_channel(channel);
        set_timer(dns);
}

static void
look_at_time(struct timer *timer)
{
        struct dns *dns = container_of(timer, struct dns, timer);

        for (LIST_EACH(channel, &dns->channels, struct channel, link))
                process(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void
look_at_socket(void *owner, bool readable, bool writable)
{
        struct socket_watch *watch = owner;

        process(watch->channel, readable ? watch->fd : ARES_SOCKET_BAD, writable ? watch->fd : ARES_SOCKET_BAD);
}

static void
watch_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
        struct channel *channel = arg;
        struct socket_watch *watch = NULL;

        for (LIST_EACH(each, &channel->sockets, struct socket_watch, link))
                if (each->fd == fd)
                        watch = each;
        if (!readable && !writable) {
                if (watch != NULL) {
                        list_remove(&channel->sockets, &watch->link);
                        watch_free(&watch->watch);
                        mem_free(watch);
                }
                return;
        }
        if (watch == NULL) {
                watch = MEM_NEW(watch);
                watch->channel = channel;
                watch->fd = fd;
                watch->watch = watch_new(fd, look_at_socket, watch);
                list_append(&channel->sockets, &watch->link);
        }
        watch_set(watch->watch, readable != 0, writable != 0);
}

/* On success this is the one that is asked from now on. */
static int
open_channel(struct dns *dns, struct err *err)
{
        struct channel *channel = MEM_NEW(channel);
        /* Names are taken as they are: with a search list a foreign domain that does not exist could become a host of ours. */
        struct ares_options options = { .timeout = TIMEOUT_MS,
                .tries = TRIES,
                .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
                .sock_state_cb = watch_socket,
                .sock_state_cb_data = channel };
        struct stat st;

        channel->dns = dns;
        list_append(&dns->channels, &channel->link);
        int status = ares_init_options(
                &channel->ares, &options, ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
        if (status != ARES_SUCCESS) {
                channel->ares = NULL;
                free_channel(channel);
                return err_set(err, "the resolver cannot start: %s", ares_strerror(status));
        }
        if (dns->servers[0] != '\0' && (status = ares_set_servers_ports_csv(channel->ares, dns->servers)) != ARES_SUCCESS) {
                free_channel(channel);
                return err_set(err, "%s: cannot be used as DNS servers: %s", dns->servers, ares_strerror(status));
        }
        if (stat("/etc/resolv.conf", &st) == 0)
                dns->resolv_conf = st.st_mtim;
        dns->channel = channel;
        return 0;
}

static bool
resolv_conf_has_changed(const struct dns *dns)
{
        struct stat st;

        return dns->servers[0] == '\0' && stat("/etc/resolv.conf", &st) == 0 &&
                (st.st_mtim.tv_sec != dns->resolv_conf.tv_sec || st.st_mtim.tv_nsec != dns->resolv_conf.tv_nsec);
}

/* Whoever asks after a change asks the new servers. */
static void
follow_servers(struct dns *dns)
{
        struct channel *before = dns->channel;

        if (!dns->has_new_servers && !resolv_conf_has_changed(dns))
                return;
        dns->has_new_servers = false;
        if (open_channel(dns, NULL) == 0 && before->queries == 0 && !dns->inside)
                free_channel(before);
}

/* ---- answers that are kept ---- */

static void
free_answer(struct answer *answer)
{
        if (answer == NULL)
                return;
        mem_free(answer->addresses);
        mem_free(answer->targets);
        mem_free(answer);
}

static void
forget_answers(struct dns *dns)
{
        size_t at = 0;

        for (struct answer *answer; (answer = map_next(dns->answers, &at)) != NULL;)
                free_answer(answer);
        map_free(&dns->answers);
        dns->answers = map_new();
}

/* answer NULL: there is none. */
static void
keep_answer(struct dns_query *query, struct answer *answer, uint32_t ttl)
{
        struct dns *dns = query->dns;

        if (answer == NULL) {
                answer = MEM_NEW(answer);
                answer->is_none = true;
                ttl = NONE_TTL;
        }
        if (map_count(dns->answers) >= ANSWERS_MAX)
                forget_answers(dns);
        answer->expires = worker_now() + (uint64_t)(ttl > TTL_MAX ? TTL_MAX : ttl < 1 ? 1 : ttl) * 1000;
        free_answer(map_put_str(dns->answers, query->key, answer));
}

static void
tell_addresses(const struct answer *answer, uint16_t port, dns_addresses *found, void *owner)
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

static void
tell_targets(const struct answer *answer, dns_targets *found, void *owner)
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
                set_timer(dns);
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
                keep_answer(query, answer, query->ttl);
        if (query->found_addresses != NULL) {
                if (outcome == DNS_FOUND)
                        tell_addresses(answer, query->port, query->found_addresses, query->owner);
                else
                        query->found_addresses(query->owner, outcome, NULL, 0);
        }
        if (!is_kept)
                free_answer(answer);
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
                tell_addresses(query->answer, query->port, found, query->owner);
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
                free_answer(answer);
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
                free_answer(answer);
                return NULL;
        }
        if (answer->count == 1 && is_root(&answer->targets[0]))
                answer->count = 0;
        answer->targets = mem_resize(answer->targets, answer->count + 1, sizeof(*answer->targets));
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
                keep_answer(query, answer, ttl);
        if (query->found_targets != NULL) {
                if (answer != NULL)
                        tell_targets(answer, query->found_targets, query->owner);
                else
                        query->found_targets(query->owner, outcome, NULL, 0);
        }
        if (!is_kept)
                free_answer(answer);
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
        forget_answers(dns);
}

struct dns *
dns_new(const char *const *servers, size_t count, struct err *err)
{
        struct dns *dns = MEM_NEW(dns);

        pthread_once(&library, start_library);
        dns->worker = worker_here();
        must(dns->worker != NULL);
        dns->answers = map_new();
        if (name_servers(dns->servers, servers, count, err) == 0 && open_channel(dns, err) == 0)
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
                free_channel(channel);
        }
        timer_stop(&dns->timer);
        must(list_is_empty(&dns->queries));
        forget_answers(dns);
        map_free(&dns->answers);
        mem_free(dns);
        *where = NULL;
}

/* The answer still good under this key. key is built from prefix and name; false: the name is too long to exist. */
static bool
find_answer(struct dns *dns, char *key, size_t room, char prefix, const char *name, struct answer **answer)
{
        size_t len = strlen(name);

        *answer = NULL;
        if (len == 0 || len > 254)
                return false;
        snprintf(key, room, "%c %s", prefix, name);
        *answer = map_get_str(dns->answers, key);
        if (*answer != NULL && (*answer)->expires <= worker_now()) {
                free_answer(map_remove_str(dns->answers, key));
                *answer = NULL;
        }
        return true;
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
        if (!find_answer(dns, key, sizeof(key), 'a', host, &answer)) {
                found(owner, DNS_NONE, NULL, 0);
                return NULL;
        }
        if (answer != NULL) {
                tell_addresses(answer, port, found, owner);
                return NULL;
        }
        follow_servers(dns);
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
        if (!find_answer(dns, key, sizeof(key), 's', name, &answer)) {
                found(owner, DNS_NONE, NULL, 0);
                return NULL;
        }
        if (answer != NULL) {
                tell_targets(answer, found, owner);
                return NULL;
        }
        follow_servers(dns);
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
