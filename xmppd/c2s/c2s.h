/* c2s.h - the edge to clients: listening, negotiation, and the stream of a session
 *
 * The main thread listens and hands each connection to the worker with the fewest in negotiation; after the last SASL response it moves to the
 * home of its account.
 */
#ifndef XMPPD_C2S_C2S_H
#define XMPPD_C2S_C2S_H

#include "shared/base/err.h"
#include "xmppd/route/snapshot.h"

#include <stdint.h>

/* On the main thread, with workers running. Opens the addresses of c2s.listen and c2s.listen-tls that are not open yet and closes those that
 * are no longer named, so that sockets survive a reload. -1 with a sentence if one cannot be opened; what is open stays so. */
int c2s_listen(const struct snapshot *snapshot, struct err *err);
/* Main thread: stops accepting. */
void c2s_stop_listening(void);
/* On each worker, at stop: every stream ends with system-shutdown. */
void c2s_stop_streams(void);
/* On each worker, after a reload: limits change for the clients that are there. */
void c2s_take_settings(void);
/* On a worker: streams of this worker, those still in negotiation among them. */
void c2s_count(uint64_t *streams, uint64_t *negotiating);

#endif
