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

/* fd is the receiver's (CONNECT_DONE; else -1): non-blocking, close-on-exec, TCP_NODELAY. address: of the connection. why: the addresses with what each
 * one said, for CONNECT_DONE those that failed before. Valid during the call. */
typedef void connect_told(void *owner, enum connect_end end, int fd, const struct address *address, const char *why);
/* addresses are copied, at most 16 of them tried. told runs once, never from inside this call; the struct is freed when it returns. */
struct connect *connect_new(const struct address *addresses, size_t count, uint64_t timeout_ms, connect_told *told, void *owner);
/* told will not come. */
void connect_free(struct connect **connect);

#endif
