/* listener.h - a listening socket */
#ifndef SHARED_LOOP_LISTENER_H
#define SHARED_LOOP_LISTENER_H

#include "shared/loop/address.h"

struct listener;

/* accepted(owner, fd, peer) runs on this worker for each connection; fd is non-blocking, has TCP_NODELAY, and is the receiver's to close.
 * The listener may be closed from inside. */
typedef void listener_accepted(void *owner, int fd, const struct address *peer);

/* Listens at once, on the worker's thread that calls. NULL with "127.0.0.1:5222: port taken by PID 123 (prosody)" or the like: the sentence
 * names who holds the port where /proc tells. "[::]" takes IPv4 too; where the machine has no IPv6 it falls back to 0.0.0.0. */
struct listener *listener_open(const struct address *address, listener_accepted *accepted, void *owner, struct err *err);
/* A unix socket, mode 0600; one that nobody listens on any more is replaced, and listener_close removes it. peer is empty (len 0). */
struct listener *listener_open_unix(const char *path, listener_accepted *accepted, void *owner, struct err *err);
/* Stops accepting and frees; no event comes after the call. */
void listener_close(struct listener **listener);
/* The bound address; the port is real where 0 was asked. Empty for unix sockets. */
const struct address *listener_address(const struct listener *listener);

#endif
