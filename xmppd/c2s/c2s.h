/* c2s.h - the edge to clients: listening, negotiation, and the stream of a session
 *
 * The main thread listens and hands each connection to the worker with the fewest in negotiation; after the last SASL response it moves to the
 * home of its account.
 */
#ifndef XMPPD_C2S_C2S_H
#define XMPPD_C2S_C2S_H

#include "shared/base/err.h"
#include "shared/xmpp/jid.h"
#include "xmppd/route/snapshot.h"

#include <stdint.h>

/* On the main thread, with workers running. Opens the addresses of c2s.listen and c2s.listen-tls that are not open yet; -1 with a sentence if one
 * cannot be opened. Then settle: keep closes the ones that are no longer named, otherwise what was opened is closed again. Ports that stay
 * survive a reload. */
int c2s_listen(const struct snapshot *snapshot, struct err *err);
void c2s_settle_ports(bool keep);
/* Main thread: stops accepting. */
void c2s_stop_listening(void);
/* On each worker, at stop: every stream ends with system-shutdown. */
void c2s_stop_streams(void);
/* On each worker, after a reload: limits change for the clients that are there; those of a domain that is gone hear host-gone. */
void c2s_take_settings(void);
/* At the home of an account that was deleted or has a new password: clients that have proven the old one and are not bound yet end. */
void c2s_forget(const struct jid *account);
/* On a worker: streams of this worker, those still in negotiation among them. */
void c2s_count(uint64_t *streams, uint64_t *negotiating);

#endif
