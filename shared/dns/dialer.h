/* dialer.h - from a domain to a TCP connection: SRV, A and AAAA, target by target (RFC 6120 3.2, RFC 2782, XEP-0368)
 *
 * Both services are one list, in the order of RFC 2782. A connection is given to the owner, who negotiates on it; when that fails he asks for the
 * next: another address of the same target, then the next target. Without SRV records for the service the domain itself is the only target. A service
 * whose target is "." is not offered. Where the records could not be looked up the domain's own address is not tried instead: they may say otherwise.
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
        DIALER_NOT_OFFERED, /* SRV says so; there is no fall-back then */
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
        /* For diagnosis: what was found or failed, in words: "_xmpp-server._tcp.rome.example: 10 0 5269 xmpp.rome.example", "xmpp.rome.example:
         * 192.0.2.7, 2001:db8::7", "192.0.2.7:5269: refused". Good ones are DIALER_NO_NAME (DNS) and DIALER_EXHAUSTED (connected). The dialer
         * must not be freed in it. May be NULL. */
        void (*noted)(void *owner, enum dialer_end what, bool is_good, const char *text);
};

/* Callbacks never come from inside a call of the owner's. Strings of the rules are copied but for the names of the services. */
struct dialer *dialer_new(struct dns *dns, const struct dialer_rules *rules, const struct dialer_events *events, void *owner);
/* The last connection has come to nothing: the next address or target. */
void dialer_next(struct dialer *dialer);
/* The same address once more. */
void dialer_again(struct dialer *dialer);
void dialer_free(struct dialer **dialer);

#endif
