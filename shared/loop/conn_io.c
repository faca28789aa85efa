/*
 * conn_io.c - the bytes of a connection
 *
 * In: one read into the worker's buffer, decrypted into its other one, offered to the owner; what the owner leaves is kept.
 * Out: what a turn has gathered is encrypted into the worker's wire buffer and written once; only what the kernel does not take is kept.
 * While something is kept, nothing more is encrypted, so a slow peer costs its queue once.
 */
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/loop/conn_private.h"
#include "shared/loop/proxy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
        KEPT_MAX = 1024 * 1024,  /* input an owner may leave; beyond, it is the owner's fault or the peer's attack */
        SEAL_MAX = 256 * 1024,   /* encrypted at once */
        WIRE_KEPT = 1024 * 1024, /* memory the worker's wire buffer keeps */
        LINGER_MS = 1000,        /* for the peer's FIN behind ours */
        JOINED_MAX = 16 * 1024,  /* records of libssl's own that leave together with the owner's output */
};

static int
interest_of(const struct conn *conn)
{
        int writable = conn->blocked ? UV_WRITABLE : 0;

        switch (conn->state) {
        case CONN_DIALLING:
                return UV_WRITABLE;
        case CONN_OPEN:
                return (conn->paused ? 0 : UV_READABLE) | writable;
        case CONN_GONE:
                return 0;
        default:
                return UV_READABLE | writable;
        }
}

void
conn_watch(struct conn *conn)
{
        int interest = interest_of(conn);

        if (interest == conn->interest || conn->state == CONN_GONE)
                return;
        conn->interest = interest;
        if (interest == 0)
                uv_poll_stop(&conn->poll);
        else
                must(uv_poll_start(&conn->poll, interest, conn_ready) == 0);
}

static void
fail_with_errno(struct conn *conn, int number)
{
        char why[160];

        snprintf(why, sizeof(why), "connection lost: %s", strerror(number));
        conn_fail(conn, number == ECONNRESET || number == EPIPE ? "reset by peer" : why);
}

/* Bytes the kernel took, 0 when it wants us to wait, -1 when the connection is gone (the owner has been told). */
static ssize_t
write_some(struct conn *conn, const char *bytes, size_t len)
{
        ssize_t n;

        do
                n = send(conn->fd, bytes, len, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        if (n < 0 && errno != EAGAIN) {
                fail_with_errno(conn, errno);
                return -1;
        }
        if (n < 0)
                n = 0;
        conn->blocked = (size_t)n < len;
        return n;
}

static bool
flush_buf(struct conn *conn, struct buf *buf)
{
        while (buf->len > 0) {
                ssize_t n = write_some(conn, buf_data(buf), buf->len);
                if (n < 0)
                        return false;
                buf_drop(buf, (size_t)n);
                if (conn->blocked)
                        return false;
        }
        buf_free(buf);
        return true;
}

/* Libssl's own records (a session ticket) stand in front of what is sealed now: one system call for both. */
static bool
flush_sealed(struct conn *conn)
{
        struct buf *wire = &conn->worker->wire;

        if (conn->wire.len > 0) {
                buf_put(wire, buf_data(&conn->wire), conn->wire.len);
                buf_free(&conn->wire);
        }
        while (conn->out.len > 0) {
                size_t len = conn->out.len < SEAL_MAX ? conn->out.len : SEAL_MAX;
                if (!tls_session_write(conn->tls, buf_data(&conn->out), len, wire)) {
                        wire->len = 0;
                        conn_fail(conn, tls_session_problem(conn->tls));
                        return false;
                }
                buf_drop(&conn->out, len);
                ssize_t n = write_some(conn, buf_data(wire), wire->len);
                if (n > 0 && (size_t)n < wire->len)
                        buf_put(&conn->wire, buf_data(wire) + n, wire->len - (size_t)n);
                else if (n == 0)
                        buf_put(&conn->wire, buf_data(wire), wire->len);
                wire->start = wire->len = 0;
                if (n < 0 || conn->blocked)
                        return false;
        }
        if (wire->room > WIRE_KEPT)
                buf_free(wire);
        buf_free(&conn->out);
        return true;
}

static void
finish_closing(struct conn *conn)
{
        if (conn->tls != NULL) {
                tls_session_close(conn->tls, &conn->wire);
                if (!flush_buf(conn, &conn->wire))
                        return;
        }
        shutdown(conn->fd, SHUT_WR);
        conn->state = CONN_LINGERING;
        timer_start(&conn->timer, LINGER_MS, conn->timer.fire);
}

/* Sends what it can. The connection may be gone afterwards. */
static void
flush(struct conn *conn)
{
        if (conn->state == CONN_DIALLING || conn->state >= CONN_LINGERING)
                return;
        bool is_sealed = conn->tls != NULL && tls_session_is_established(conn->tls);
        bool is_joined = is_sealed && conn->out.len > 0 && conn->wire.len <= JOINED_MAX;
        if (!is_joined && !flush_buf(conn, &conn->wire))
                return;
        if (conn->tls == NULL) {
                if (!flush_buf(conn, &conn->out))
                        return;
        } else if (is_sealed) {
                if (!flush_sealed(conn))
                        return;
        }
        if (conn->state == CONN_CLOSING)
                finish_closing(conn);
}

static void
tell_drained(struct conn *conn)
{
        size_t queued = conn_queued(conn);

        if (conn->state != CONN_OPEN || conn->mark == 0)
                return;
        if (queued > conn->mark) {
                conn->above = true;
        } else if (conn->above && queued < conn->mark / 4 + 1) {
                conn->above = false;
                if (conn->events->drained != NULL)
                        conn->events->drained(conn->owner);
        }
}

/* Offers bytes to the owner, behind those it left. */
static void
deliver(struct conn *conn, const char *bytes, size_t len)
{
        bool from_kept = conn->kept.len > 0;

        if (from_kept) {
                buf_put(&conn->kept, bytes, len);
                bytes = buf_data(&conn->kept);
                len = conn->kept.len;
        }
        if (len == 0)
                return;
        conn->delivering = true;
        conn->dropped = false;
        size_t taken = conn->events->data(conn->owner, bytes, len);
        conn->delivering = false;
        must(taken <= len);
        if (conn->state == CONN_GONE || conn->dropped) {
                buf_free(&conn->kept);
                return;
        }
        if (from_kept)
                buf_drop(&conn->kept, taken);
        else if (taken < len)
                buf_put(&conn->kept, bytes + taken, len - taken);
        if (conn->kept.len == 0)
                buf_free(&conn->kept);
        if (conn->kept.len > KEPT_MAX)
                conn_fail(conn, "more input than is taken");
}

static void
end_excess(struct conn *conn, bool at_once)
{
        if (conn->events->excess != NULL)
                conn->events->excess(conn->owner, at_once);
        conn_close(conn);
}

static void
fail_with_tls(struct conn *conn)
{
        if (tls_session_is_beyond(conn->tls)) {
                end_excess(conn, true);
                return;
        }
        flush_buf(conn, &conn->wire);
        if (conn->state != CONN_GONE)
                conn_fail(conn, tls_session_problem(conn->tls));
}

/* Goes on with TLS as far as the input reaches. */
static void
pump(struct conn *conn)
{
        while (conn->state == CONN_OPEN && !conn->paused) {
                if (!tls_session_is_established(conn->tls)) {
                        handler_note("TLS handshake");
                        enum tls_progress progress = tls_session_handshake(conn->tls, &conn->wire);
                        if (progress == TLS_MORE)
                                break;
                        if (progress == TLS_FAILED) {
                                fail_with_tls(conn);
                                return;
                        }
                }
                if (!conn->secure_told) {
                        conn->secure_told = true;
                        worker_at_turn_end(&conn->chore); /* output may have waited for this */
                        if (conn->events->secured != NULL)
                                conn->events->secured(conn->owner);
                        continue;
                }
                ssize_t n = tls_session_read(conn->tls, conn->worker->clear, CLEAR_ROOM, &conn->wire);
                if (n < 0) {
                        fail_with_tls(conn);
                        return;
                }
                if (n == 0)
                        break;
                deliver(conn, conn->worker->clear, (size_t)n);
                if (conn->state == CONN_GONE || tls_session_is_drained(conn->tls))
                        break;
        }
        if (conn->state == CONN_GONE)
                return;
        tls_session_settle(conn->tls);
        if (conn->wire.len > 0)
                worker_at_turn_end(&conn->chore);
}

static void take_input(struct conn *conn, const char *bytes, size_t len);

static void
take_proxy_head(struct conn *conn, const char *bytes, size_t len)
{
        struct buf all = conn->kept;
        struct proxy_head head;

        conn->kept = (struct buf){ 0 };
        buf_put(&all, bytes, len);
        enum proxy_outcome outcome = proxy_read(&head, buf_data(&all), all.len);
        if (outcome == PROXY_MORE) {
                conn->kept = all; /* never more than a head may have */
                return;
        }
        if (outcome == PROXY_BROKEN) {
                buf_free(&all);
                conn_fail(conn, "no PROXY head where a balancer must send one");
                return;
        }
        conn->awaits_proxy = false;
        if (head.has_source)
                conn->peer = head.source;
        if (conn->events->proxied != NULL)
                conn->events->proxied(conn->owner);
        if (all.len > head.len)
                take_input(conn, buf_data(&all) + head.len, all.len - head.len);
        buf_free(&all);
}

static void
take_input(struct conn *conn, const char *bytes, size_t len)
{
        if (conn->state != CONN_OPEN)
                return;
        if (conn->awaits_proxy) {
                take_proxy_head(conn, bytes, len);
                return;
        }
        if (conn->tls == NULL) {
                deliver(conn, bytes, len);
                return;
        }
        tls_session_feed(conn->tls, bytes, len);
        pump(conn);
}

/* Takes n bytes off what the peer may send; true: that was more. */
static bool
exceeds_allowance(struct conn *conn, size_t n)
{
        if (conn->allowance == 0 || conn->state != CONN_OPEN)
                return false;
        if (n < conn->allowance) {
                conn->allowance -= n;
                return false;
        }
        conn->allowance = 0;
        return true;
}

static void
read_some(struct conn *conn)
{
        ssize_t n = recv(conn->fd, conn->worker->input, INPUT_ROOM, 0);

        if (n > 0) {
                conn->last_heard = worker_now();
                if (exceeds_allowance(conn, (size_t)n))
                        end_excess(conn, false);
                else
                        take_input(conn, conn->worker->input, (size_t)n);
        } else if (n == 0) {
                conn_fail(conn, conn->state == CONN_OPEN ? "closed by peer" : "closed");
        } else if (errno != EAGAIN && errno != EINTR) {
                if (conn->state == CONN_LINGERING)
                        conn_fail(conn, "closed");
                else
                        fail_with_errno(conn, errno);
        }
}

static void
finish_dialling(struct conn *conn)
{
        struct sockaddr_storage name;
        socklen_t len = sizeof(int);
        int number = 0;
        char why[160];

        getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &number, &len);
        if (number != 0) {
                snprintf(why, sizeof(why), "cannot connect: %s", strerror(number));
                conn_fail(conn, why);
                return;
        }
        timer_stop(&conn->timer);
        conn->state = CONN_OPEN;
        conn->last_heard = worker_now();
        len = sizeof(name);
        if (getsockname(conn->fd, (struct sockaddr *)&name, &len) == 0)
                address_from_sockaddr(&conn->local, (struct sockaddr *)&name);
        worker_at_turn_end(&conn->chore);
        if (conn->events->connected != NULL)
                conn->events->connected(conn->owner);
}

void
conn_ready(uv_poll_t *poll, int status, int events)
{
        struct conn *conn = container_of(poll, struct conn, poll);
        struct worker *worker = handler_begin((uv_handle_t *)poll, "input");

        if (status < 0) {
                /* libuv has stopped watching; the next system call tells why. */
                conn->interest = 0;
                events = UV_READABLE;
        }
        if (conn->state == CONN_DIALLING) {
                finish_dialling(conn);
        } else {
                if ((events & UV_WRITABLE) != 0) {
                        conn->blocked = false;
                        worker_at_turn_end(&conn->chore);
                }
                if ((events & UV_READABLE) != 0 && (!conn->paused || conn->state > CONN_OPEN || status < 0))
                        read_some(conn);
        }
        if (conn->state != CONN_GONE && conn->interest != interest_of(conn))
                worker_at_turn_end(&conn->chore);
        handler_end(worker);
}

void
conn_turn_end(struct chore *chore)
{
        struct conn *conn = container_of(chore, struct conn, chore);

        if (conn->look_again && conn->state == CONN_OPEN && !conn->paused) {
                conn->look_again = false;
                deliver(conn, "", 0);
                if (conn->state == CONN_OPEN && conn->tls != NULL && !conn->paused)
                        pump(conn);
        }
        if (conn->state == CONN_GONE)
                return;
        if (!conn->blocked)
                flush(conn);
        if (conn->state != CONN_GONE)
                tell_drained(conn);
        if (conn->state != CONN_GONE)
                conn_watch(conn);
}
