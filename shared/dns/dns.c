/*
 * dns.c - c-ares on the loop of a worker
 *
 * c-ares says which descriptors to watch and when it wants to look at its time-outs; the answers are kept by their TTL, between a second and an
 * hour, and all thrown away when there are too many: a server that talks to thousands of domains asks again now and then.
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

enum { TIMEOUT_MS = 1000, TRIES = 2, ANSWERS_MAX = 4096, RECORDS_MAX = 64, TTL_MAX = 3600, SERVERS_TEXT = 512 };

struct dns {
        struct worker *worker;
        ares_channel channel;
        struct list sockets;
        struct list queries;
        struct timer timer;
        struct map *answers; /* "a host" or "s name" -> struct answer */
        char servers[SERVERS_TEXT]; /* empty: those of resolv.conf */
        struct timespec resolv_conf;
        bool has_new_servers;
        bool inside; /* c-ares is running a callback of ours */
};

struct socket_watch {
        struct link link;
        struct dns *dns;
        struct watch *watch;
        ares_socket_t fd;
};

struct answer {
        uint64_t expires;
        size_t count;
        struct address *addresses; /* or */
        struct dns_target *targets;
};

struct dns_query {
        struct link link;
        struct dns *dns;
        dns_addresses *found_addresses; /* one of these; both NULL: cancelled */
        dns_targets *found_targets;
        void *owner;
        uint16_t port;
        bool starting, finished;
        char key[260];
};

/* ---- c-ares and the loop ---- */

static void look_at_time(struct timer *timer);

static void
set_timer(struct dns *dns)
{
        struct timeval room, *next;

        if (list_is_empty(&dns->queries)) {
                timer_stop(&dns->timer);
                return;
        }
        next = ares_timeout(dns->channel, NULL, &room);
        timer_start(&dns->timer, next == NULL ? TIMEOUT_MS : (uint64_t)next->tv_sec * 1000 + (uint64_t)next->tv_usec / 1000 + 1,
                look_at_time);
}

static void
process(struct dns *dns, ares_socket_t readable, ares_socket_t writable)
{
        dns->inside = true;
        ares_process_fd(dns->channel, readable, writable);
        dns->inside = false;
        set_timer(dns);
}

static void
look_at_time(struct timer *timer)
{
        process(container_of(timer, struct dns, timer), ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void
look_at_socket(void *owner, bool readable, bool writable)
{
        struct socket_watch *watch = owner;

        process(watch->dns, readable ? watch->fd : ARES_SOCKET_BAD, writable ? watch->fd : ARES_SOCKET_BAD);
}

static void
watch_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
        struct dns *dns = arg;
        struct socket_watch *watch = NULL;

        for (LIST_EACH(each, &dns->sockets, struct socket_watch, link))
                if (each->fd == fd)
                        watch = each;
        if (!readable && !writable) {
                if (watch != NULL) {
                        list_remove(&dns->sockets, &watch->link);
                        watch_free(&watch->watch);
                        mem_free(watch);
                }
                return;
        }
        if (watch == NULL) {
                watch = MEM_NEW(watch);
                watch->dns = dns;
                watch->fd = fd;
                watch->watch = watch_new(fd, look_at_socket, watch);
                list_append(&dns->sockets, &watch->link);
        }
        watch_set(watch->watch, readable != 0, writable != 0);
}

static int
open_channel(struct dns *dns, struct err *err)
{
        struct ares_options options = {
                .timeout = TIMEOUT_MS, .tries = TRIES, .sock_state_cb = watch_socket, .sock_state_cb_data = dns
        };
        struct stat st;

        int status = ares_init_options(&dns->channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
        if (status != ARES_SUCCESS) {
                dns->channel = NULL;
                return err_set(err, "the resolver cannot start: %s", ares_strerror(status));
        }
        if (dns->servers[0] != '\0' && (status = ares_set_servers_ports_csv(dns->channel, dns->servers)) != ARES_SUCCESS)
                return err_set(err, "%s: cannot be used as DNS servers: %s", dns->servers, ares_strerror(status));
        if (stat("/etc/resolv.conf", &st) == 0)
                dns->resolv_conf = st.st_mtim;
        return 0;
}

static bool
resolv_conf_has_changed(const struct dns *dns)
{
        struct stat st;

        return dns->servers[0] == '\0' && stat("/etc/resolv.conf", &st) == 0 &&
                (st.st_mtim.tv_sec != dns->resolv_conf.tv_sec || st.st_mtim.tv_nsec != dns->resolv_conf.tv_nsec);
}

/* A channel keeps the servers it began with; others take force when nothing is under way. */
static void
follow_servers(struct dns *dns)
{
        if (dns->inside || !list_is_empty(&dns->queries) || (!dns->has_new_servers && !resolv_conf_has_changed(dns)))
                return;
        ares_channel before = dns->channel;
        if (open_channel(dns, NULL) == 0)
                ares_destroy(before);
        else
                dns->channel = before;
        dns->has_new_servers = false;
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

static void
keep_answer(struct dns *dns, const char *key, struct answer *answer, uint32_t ttl)
{
        if (map_count(dns->answers) >= ANSWERS_MAX)
                forget_answers(dns);
        answer->expires = worker_now() + (uint64_t)(ttl > TTL_MAX ? TTL_MAX : ttl < 1 ? 1 : ttl) * 1000;
        free_answer(map_put_str(dns->answers, key, answer));
}

static void
tell_addresses(const struct answer *answer, uint16_t port, dns_addresses *found, void *owner)
{
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

static void
take_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *result)
{
        struct dns_query *query = arg;
        enum dns_outcome outcome = outcome_of(status);
        struct answer *answer = NULL;
        uint32_t ttl = TTL_MAX;

        if (outcome == DNS_FOUND) {
                answer = MEM_NEW(answer);
                answer->addresses = mem_array(RECORDS_MAX, sizeof(*answer->addresses));
                for (struct ares_addrinfo_node *node = result->nodes; node != NULL && answer->count < RECORDS_MAX;
                        node = node->ai_next) {
                        if (address_from_sockaddr(&answer->addresses[answer->count], node->ai_addr))
                                answer->count++;
                        if ((uint32_t)node->ai_ttl < ttl)
                                ttl = (uint32_t)node->ai_ttl;
                }
                if (answer->count == 0) {
                        free_answer(answer);
                        answer = NULL;
                        outcome = DNS_NONE;
                }
        }
        if (result != NULL)
                ares_freeaddrinfo(result);
        if (answer != NULL)
                keep_answer(query->dns, query->key, answer, ttl);
        if (query->found_addresses != NULL) {
                if (answer != NULL)
                        tell_addresses(answer, query->port, query->found_addresses, query->owner);
                else
                        query->found_addresses(query->owner, outcome, NULL, 0);
        }
        finish(query);
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
        if (answer->count == 1 && (answer->targets[0].host[0] == '\0' || strcmp(answer->targets[0].host, ".") == 0))
                answer->count = 0;
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
        if (answer != NULL)
                keep_answer(query->dns, query->key, answer, ttl);
        if (query->found_targets != NULL) {
                if (answer != NULL)
                        tell_targets(answer, query->found_targets, query->owner);
                else
                        query->found_targets(query->owner, outcome, NULL, 0);
        }
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
        if (dns->channel != NULL)
                ares_destroy(dns->channel);
        timer_stop(&dns->timer);
        must(list_is_empty(&dns->queries) && list_is_empty(&dns->sockets));
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
        struct ares_addrinfo_hints hints = { .ai_flags = ARES_AI_NOSORT, .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
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
        ares_getaddrinfo(dns->channel, host, NULL, &hints, take_addresses, query);
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
        ares_query(dns->channel, name, ns_c_in, ns_t_srv, take_targets, query);
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
