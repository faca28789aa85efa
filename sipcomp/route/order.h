/* order.h - static routes: which pattern fits a domain, and in which order its hops are tried (3.3, 3.5 of the product; RFC 2782) */
#ifndef SIPCOMP_ROUTE_ORDER_H
#define SIPCOMP_ROUTE_ORDER_H

#include "sipcomp/sip/transport.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct route_hop {
        struct sip_hop hop;
        uint16_t priority, weight; /* lower priorities first; within one, drawn by weight */
};

struct static_route {
        const char *domain; /* ".com.domaina.*" read as "domaina.com"; covers it and what lies below it */
        const struct route_hop *hops;
        size_t hop_count;
};

/* The domain a pattern stands for, into out (256 bytes, lower case): ".com.domaina.*" or a plain "domaina.com". False if it is neither. */
bool route_pattern_domain(char *out, const char *pattern);

/* The route with the longest domain that equals this one or is a parent of it, whole labels compared; NULL: none. */
const struct static_route *route_match(const struct static_route *routes, size_t count, const char *domain);

/* Copies the hops in the order to try them, at most room; returns how many. below(n): an even draw from 0..n-1 (random_below). */
size_t route_order(const struct route_hop *hops, size_t count, struct sip_hop *out, size_t room, uint32_t (*below)(uint32_t n));

#endif
