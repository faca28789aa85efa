/* connect.h - one TCP connection to whichever of a host's addresses answers first (RFC 8305, Happy Eyeballs)
 *
 * The families take turns, IPv6 first. An attempt that has not succeeded after a quarter of a second is joined by the next one, one that has failed
 * is followed at once. The first connection wins, the others are dropped.
 */
#ifndef SHARED_LOOP_CONNECT_H
#define SHARED_LOOP_CONNECT_H

#include "shared/loop/address.h"

#include <stddef.h>
#include <stdint.h>

struct connect;

/* SILENT: at least one address has not answered at all; UNREACHABLE: no route leads to any of them. */
enum connect_end { CONNECT_DONE, CONNECT_REFUSED, CONNECT_SILENT, CONNECT_UNREACHABLE };

struct connect_result {
        enum connect_end end;
        int fd;                        /* CONNECT_DONE: the receiver's, non-blocking, close-on-exec, TCP_NODELAY; else -1 */
        const struct address *address; /* of the connection; else NULL */
        const char *why;               /* the addresses that failed, with what each one said: "192.0.2.7:5269: refused, ..." */
        const struct address *left;    /* CONNECT_DONE: those that were not tried, in their order */
        size_t left_count;
};

/* The result is valid during the call, in which connect_free must not be called for it. */
typedef void connect_told(void *owner, const struct connect_result *result);
/* addresses are copied, at most 16 of them tried. told runs once, never from inside this call; the struct is freed when it returns. */
struct connect *connect_new(const struct address *addresses, size_t count, uint64_t timeout_ms, connect_told *told, void *owner);
/* told will not come. */
void connect_free(struct connect **connect);

#endif
