/* conn.h - one TCP connection with or without TLS, on one worker
 *
 * Output is corked: everything sent in one loop turn leaves at its end, in one run of TLS records and one system call.
 * TLS runs over memory buffers, so a connection can move to another worker between two messages (conn_pack, conn_unpack).
 */
#ifndef SHARED_LOOP_CONN_H
#define SHARED_LOOP_CONN_H

#include "shared/loop/address.h"
#include "shared/tls/context.h"
#include "shared/tls/peer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conn;

struct conn_events {
        /* Dialled: TCP is up. Not called for accepted connections. May be NULL. */
        void (*connected)(void *owner);
        /* The TLS handshake is done; conn_peer tells what the other side showed. May be NULL. */
        void (*secured)(void *owner);
        /* The head that conn_expect_proxy waits for has come; conn_peer_address is what it says. May be NULL. */
        void (*proxied)(void *owner);
        /* Bytes came. Returns how many were taken; the rest is kept (at most 1 MiB) and given again with what follows, or after conn_resume. */
        size_t (*data)(void *owner, const char *bytes, size_t len);
        /* The queue was above the mark given to conn_tell_drained and has fallen below a quarter of it. May be NULL. */
        void (*drained)(void *owner);
        /* The peer has sent more than conn_allow allowed, or (at_once) a longer record. The owner may send a last word; the connection closes when
         * this returns, and drops what else comes. May be NULL. */
        void (*excess)(void *owner, bool at_once);
        /* The last event, exactly once, never from inside a call of the owner's; why is a sentence ("closed by peer", "TLS: ...").
         * The conn is freed when it returns. Not called after conn_free or conn_pack. */
        void (*closed)(void *owner, const char *why);
};

/* Takes fd. Reading starts at once. */
struct conn *conn_accept(int fd, const struct conn_events *events, void *owner);
/* Right after conn_accept: the connection comes from a balancer and begins with a PROXY head (proxy.h); without one it is closed. TLS is started in
 * proxied(). How long the head may take is the owner's to watch. */
void conn_expect_proxy(struct conn *conn);
/* Connects; closed(why) comes if that fails or takes longer than timeout_ms. */
struct conn *conn_dial(const struct address *to, uint64_t timeout_ms, const struct conn_events *events, void *owner);

/* The same over a unix socket; its addresses are empty. */
struct conn *conn_dial_unix(const char *path, uint64_t timeout_ms, const struct conn_events *events, void *owner);

/* Bytes that came in clear text and were not taken yet are dropped (they were not protected). As client, name is sent as SNI; as server it
 * chooses the certificate for a client that sends none; NULL: none. * The context is referenced. What was sent before leaves in clear text first. */
void conn_start_tls(struct conn *conn, struct tls_context *context, enum tls_side side, const char *name);
bool conn_is_secure(const struct conn *conn); /* the handshake is done */
/* What the other side proved in the handshake; NULL before. Lives as long as the connection, or until conn_forget_peer. */
const struct tls_peer *conn_peer(const struct conn *conn);
void conn_forget_peer(struct conn *conn);              /* see tls_session_forget_peer */
struct tls_session *conn_tls(const struct conn *conn); /* NULL without TLS; for channel bindings */

/* Copies the bytes to the output. Ignored once closing. */
void conn_send(struct conn *conn, const void *bytes, size_t len);
/* The output itself, to write into without a copy (buf_put and the like); it leaves at the end of this turn. */
struct buf *conn_output(struct conn *conn);
/* Bytes that have not gone to the kernel yet: the owner keeps the bound. */
size_t conn_queued(const struct conn *conn);
void conn_tell_drained(struct conn *conn, size_t mark);

/* The peer may send so many bytes more, TLS counted; then excess() comes. Its TLS records, if TLS has not begun yet, may be as long as `record`.
 * 0: as many as it likes, as long as TLS lets them be. */
void conn_allow(struct conn *conn, size_t bytes, size_t record);

/* Stop and go on reading; bytes left untaken are delivered again on the next turn. */
void conn_pause(struct conn *conn);
void conn_resume(struct conn *conn);

/* Sends what is queued (at most 5 s), TLS close_notify, then FIN and waits briefly for the peer's; then closed(). */
void conn_close(struct conn *conn);
/* At once, without closed(): for owners that go away. Clears the pointer. */
void conn_free(struct conn **conn);

/* Moving: takes the connection off this worker with its TLS state and untaken input; conn is gone afterwards. Output must be flushed into
 * TLS by then or travels along. Never from inside data(): the bytes it was given have no place yet. The parcel may be carried in a letter. */
struct parcel;
struct parcel *conn_pack(struct conn **conn);
/* On the new worker. Reading starts on its next turn. */
struct conn *conn_unpack(struct parcel **parcel, const struct conn_events *events, void *owner);
void parcel_free(struct parcel **parcel); /* closes it */

const struct address *conn_peer_address(const struct conn *conn); /* through a balancer: of who is behind it */
const struct address *conn_local_address(const struct conn *conn);
/* When bytes that were sent are not acknowledged by the other machine for so long, the connection counts as broken (TCP_USER_TIMEOUT); else the
 * kernel goes on trying for a quarter of an hour. */
void conn_limit_unheard(struct conn *conn, unsigned ms);
/* Monotonic ms of the last byte received. */
uint64_t conn_last_heard(const struct conn *conn);

#endif
