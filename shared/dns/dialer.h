/* dialer.h - from a domain to a TCP connection: SRV, A and AAAA, target by target (RFC 6120 3.2, RFC 2782, XEP-0368)
 *
 * A connection is given to the owner, who negotiates on it; when that fails he asks for the next. Without SRV records the domain itself is the only
 * target. A service whose target is "." is not offered.
 */
#ifndef SHARED_DNS_DIALER_H
#define SHARED_DNS_DIALER_H

#include "shared/dns/dns.h"

struct dialer;

struct dialer_rules {
        const char *domain;         /* in its A-label form, or an IP literal */
        const char *service;        /* "_xmpp-server._tcp" */
        const char *direct_service; /* the same with TLS from the first byte: "_xmpps-server._tcp"; NULL: not wanted */
        uint16_t port;              /* where there are no SRV records */
};

struct dialer_target {
        char host[256];
        uint16_t port;
        bool is_direct; /* TLS from the first byte */
        bool from_srv;
};

enum dialer_end {
        DIALER_NO_NAME,     /* neither SRV nor address records */
        DIALER_NOT_OFFERED, /* SRV says so */
        DIALER_DNS_FAILED,  /* for now */
        DIALER_REFUSED,     /* the last target tried */
        DIALER_SILENT,
        DIALER_UNREACHABLE, /* no route leads there */
        DIALER_EXHAUSTED,   /* all that answered were given to the owner */
};

struct dialer_events {
        /* fd is the receiver's. */
        void (*connected)(void *owner, int fd, const struct dialer_target *target, const struct address *address);
        /* Nothing is left. why names what failed last. The owner frees the dialer, here or later. */
        void (*exhausted)(void *owner, enum dialer_end end, const char *why);
        /* For diagnosis: what was found or failed, in words. */
        void (*noted)(void *owner, enum dialer_end what, bool is_good, const char *text);
};

/* Callbacks never come from inside a call. */
struct dialer *dialer_new(struct dns *dns, const struct dialer_rules *rules, const struct dialer_events *events, void *owner);
/* The last connection has come to nothing: the next target. */
void dialer_next(struct dialer *dialer);
/* The same target once more. */
void dialer_again(struct dialer *dialer);
void dialer_free(struct dialer **dialer);

#endif
