/* proxy.h - the head a balancer puts in front of a connection to say where it comes from (PROXY protocol versions 1 and 2, haproxy.org) */
#ifndef SHARED_LOOP_PROXY_H
#define SHARED_LOOP_PROXY_H

#include "shared/loop/address.h"

#include <stdbool.h>
#include <stddef.h>

enum { PROXY_HEAD_MAX = 4096 }; /* with all that version 2 may append; balancers send a few hundred bytes at most */

enum proxy_outcome { PROXY_MORE, PROXY_DONE, PROXY_BROKEN };

struct proxy_head {
        size_t len;
        bool has_source; /* false: the balancer speaks for itself (LOCAL, UNKNOWN, UNSPEC), or the source is no TCP address */
        struct address source;
};

/* Reads the head at the start of bytes; nothing is kept between two calls. BROKEN: these bytes can never become one. */
enum proxy_outcome proxy_read(struct proxy_head *head, const char *bytes, size_t len);

#endif
