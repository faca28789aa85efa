/* dns_private.h - what dns.c (questions), channel.c (c-ares) and answers.c (what is kept) share */
#ifndef SHARED_DNS_DNS_PRIVATE_H
#define SHARED_DNS_DNS_PRIVATE_H

#include "shared/base/list.h"
#include "shared/dns/dns.h"
#include "shared/loop/timer.h"

#include <ares.h>
#include <time.h>

struct map;
struct worker;

enum { TTL_MAX = 3600 /* seconds for which an answer is kept at most */, SERVERS_TEXT = 512 };

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

/* channel.c */
int channel_open(struct dns *dns, struct err *err); /* on success this is the one that is asked from now on */
void channel_free(struct channel *channel);
void channels_follow_servers(struct dns *dns); /* whoever asks after a change asks the new servers */
void channels_set_timer(struct dns *dns);      /* for what is under way now */
/* answers.c */
void answer_free(struct answer *answer);
void answers_forget(struct dns *dns);
void answer_keep(struct dns_query *query, struct answer *answer, uint32_t ttl); /* answer NULL: there is none */
void answer_tell_addresses(const struct answer *answer, uint16_t port, dns_addresses *found, void *owner);
void answer_tell_targets(const struct answer *answer, dns_targets *found, void *owner);
/* The answer still good under this key. key is built from prefix and name; false: the name is too long to exist. */
bool answer_find(struct dns *dns, char *key, size_t room, char prefix, const char *name, struct answer **answer);

#endif
