/*
 * channel.c - c-ares on the loop of a worker
 *
 * c-ares says which descriptors to watch and when it wants to look at its time-outs.
 *
 * A channel of c-ares cannot change its servers while it waits for them, and a busy server always waits for some, longest for those that are dead,
 * which is when an administrator names others. So new servers get a new channel, and the old one goes when its last query has ended.
 */
#include "shared/base/panic.h"
#include "shared/dns/dns_private.h"
#include "shared/loop/watch.h"

#include <sys/stat.h>
#include <sys/time.h>

enum { TIMEOUT_MS = 1000, TRIES = 2 };

struct socket_watch {
        struct link link;
        struct channel *channel;
        struct watch *watch;
        ares_socket_t fd;
};

static void look_at_time(struct timer *timer);

void
channels_set_timer(struct dns *dns)
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

void
channel_free(struct channel *channel)
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
                channel_free(channel);
        channels_set_timer(dns);
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

int
channel_open(struct dns *dns, struct err *err)
{
        struct channel *channel = MEM_NEW(channel);
        /* Names are taken as they are: with a search list a foreign domain that does not exist could become a host of ours. No
         * domains, since ares_getaddrinfo does not know ARES_FLAG_NOSEARCH. */
        struct ares_options options = { .timeout = TIMEOUT_MS,
                .tries = TRIES,
                .flags = ARES_FLAG_NOALIASES,
                .sock_state_cb = watch_socket,
                .sock_state_cb_data = channel };
        struct stat st;

        channel->dns = dns;
        list_append(&dns->channels, &channel->link);
        int status = ares_init_options(&channel->ares, &options,
                ARES_OPT_FLAGS | ARES_OPT_DOMAINS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
        if (status != ARES_SUCCESS) {
                channel->ares = NULL;
                channel_free(channel);
                return err_set(err, "the resolver cannot start: %s", ares_strerror(status));
        }
        if (dns->servers[0] != '\0' && (status = ares_set_servers_ports_csv(channel->ares, dns->servers)) != ARES_SUCCESS) {
                channel_free(channel);
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

void
channels_follow_servers(struct dns *dns)
{
        struct channel *before = dns->channel;

        if (!dns->has_new_servers && !resolv_conf_has_changed(dns))
                return;
        dns->has_new_servers = false;
        if (channel_open(dns, NULL) == 0 && before->queries == 0 && !dns->inside)
                channel_free(before);
}
