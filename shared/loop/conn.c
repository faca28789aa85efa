/*
 * conn.c - the life of a connection: accepted, dialled, secured, moved, closed
 *
 * The struct is freed in libuv's close callback, never earlier, so whoever called the owner may still look at conn->state afterwards.
 */
#include "shared/loop/conn.h"

#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/loop/conn_private.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

enum { CLOSE_MS = 5000 };

struct parcel {
        struct tls_session *tls;
        struct buf out, wire, kept;
        struct address peer, local;
        uint64_t last_heard;
        size_t mark;
        int fd;
        bool above, secure_told;
};

static struct conn *
make_conn(int fd, int state, const struct conn_events *events, void *owner)
{
        struct conn *conn = MEM_NEW(conn);

        conn->worker = worker_here();
        must(conn->worker != NULL && events->data != NULL && events->closed != NULL);
        conn->events = events;
        conn->owner = owner;
        conn->fd = fd;
        conn->state = (char)state;
        conn->chore.run = conn_turn_end;
        conn->last_heard = worker_now();
        must(uv_poll_init(&conn->worker->loop, &conn->poll, fd) == 0);
        return conn;
}

static void
free_closed(uv_handle_t *handle)
{
        mem_free(container_of((uv_poll_t *)handle, struct conn, poll));
}

/* Takes it off the loop; what it owned has been freed or handed on. */
static void
let_go(struct conn *conn)
{
        conn->state = CONN_GONE;
        timer_stop(&conn->timer);
        worker_forget_chore(&conn->chore);
        uv_poll_stop(&conn->poll);
        uv_close((uv_handle_t *)&conn->poll, free_closed);
}

static void
destroy(struct conn *conn)
{
        let_go(conn);
        tls_session_free(&conn->tls);
        buf_free(&conn->out);
        buf_free(&conn->wire);
        if (!conn->delivering)
                buf_free(&conn->kept); /* else the owner may still be reading it; conn_io frees it */
        close(conn->fd);
        conn->fd = -1;
}

void
conn_fail(struct conn *conn, const char *why)
{
        must(conn->state != CONN_GONE && !conn->delivering);
        conn->state = CONN_GONE;
        conn->events->closed(conn->owner, why);
        destroy(conn);
}

struct conn *
conn_accept(int fd, const struct conn_events *events, void *owner)
{
        struct conn *conn = make_conn(fd, CONN_OPEN, events, owner);
        struct sockaddr_storage name;
        socklen_t len = sizeof(name);

        if (getpeername(fd, (struct sockaddr *)&name, &len) == 0)
                address_from_sockaddr(&conn->peer, (struct sockaddr *)&name);
        len = sizeof(name);
        if (getsockname(fd, (struct sockaddr *)&name, &len) == 0)
                address_from_sockaddr(&conn->local, (struct sockaddr *)&name);
        conn_watch(conn);
        return conn;
}

void
conn_expect_proxy(struct conn *conn)
{
        conn->awaits_proxy = true;
}

static void
give_up_dialling(struct timer *timer)
{
        conn_fail(container_of(timer, struct conn, timer), "connection timed out");
}

static void
report_failed_dial(struct timer *timer)
{
        struct conn *conn = container_of(timer, struct conn, timer);
        char why[160];

        snprintf(why, sizeof(why), "cannot connect: %s", strerror(conn->failure));
        conn_fail(conn, why);
}

static struct conn *
dial(int fd, const struct sockaddr *to, socklen_t len, uint64_t timeout_ms, const struct conn_events *events, void *owner)
{
        int failure = fd < 0 ? errno : 0;

        if (fd < 0) {
                /* Even this is told by closed(), so that callers have one path; any descriptor serves to hang the connection on. */
                fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
                must(fd >= 0);
        } else if (connect(fd, to, len) < 0 && errno != EINPROGRESS) {
                failure = errno;
        }
        struct conn *conn = make_conn(fd, CONN_DIALLING, events, owner);
        address_from_sockaddr(&conn->peer, to);
        if (failure != 0) {
                conn->failure = failure;
                timer_start(&conn->timer, 0, report_failed_dial);
                return conn;
        }
        timer_start(&conn->timer, timeout_ms, give_up_dialling);
        conn_watch(conn);
        return conn;
}

struct conn *
conn_dial(const struct address *to, uint64_t timeout_ms, const struct conn_events *events, void *owner)
{
        int fd = socket(to->u.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        if (fd >= 0)
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
        return dial(fd, &to->u.any, to->len, timeout_ms, events, owner);
}

struct conn *
conn_dial_unix(const char *path, uint64_t timeout_ms, const struct conn_events *events, void *owner)
{
        struct sockaddr_un name = { .sun_family = AF_UNIX };
        int fd = -1;

        if (strlen(path) < sizeof(name.sun_path)) {
                memcpy(name.sun_path, path, strlen(path) + 1);
                fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        } else {
                errno = ENAMETOOLONG;
        }
        return dial(fd, (struct sockaddr *)&name, sizeof(name), timeout_ms, events, owner);
}

void
conn_start_tls(struct conn *conn, struct tls_context *context, enum tls_side side, const char *name)
{
        must(on_home(conn->worker) && conn->tls == NULL);
        if (conn->state != CONN_OPEN)
                return;
        /* What stands before TLS leaves in clear text, in front of the first record. */
        buf_put(&conn->wire, buf_data(&conn->out), conn->out.len);
        buf_free(&conn->out);
        if (conn->delivering)
                conn->dropped = true;
        else
                buf_free(&conn->kept);
        conn->tls = tls_session_new(context, side, name);
        tls_session_bound(conn->tls, conn->record);
        conn->look_again = true; /* a client speaks first */
        worker_at_turn_end(&conn->chore);
}

bool
conn_is_secure(const struct conn *conn)
{
        return conn->tls != NULL && tls_session_is_established(conn->tls);
}

const struct tls_peer *
conn_peer(const struct conn *conn)
{
        return conn->tls == NULL ? NULL : tls_session_peer(conn->tls);
}

void
conn_forget_peer(struct conn *conn)
{
        if (conn->tls != NULL)
                tls_session_forget_peer(conn->tls);
}

struct tls_session *
conn_tls(const struct conn *conn)
{
        return conn->tls;
}

void
conn_send(struct conn *conn, const void *bytes, size_t len)
{
        must(on_home(conn->worker));
        if (conn->state > CONN_OPEN || len == 0)
                return;
        buf_put(&conn->out, bytes, len);
        worker_at_turn_end(&conn->chore);
}

struct buf *
conn_output(struct conn *conn)
{
        must(on_home(conn->worker));
        if (conn->state <= CONN_OPEN)
                worker_at_turn_end(&conn->chore);
        return &conn->out;
}

size_t
conn_queued(const struct conn *conn)
{
        return conn->out.len + conn->wire.len;
}

void
conn_tell_drained(struct conn *conn, size_t mark)
{
        conn->mark = mark;
        conn->above = conn_queued(conn) > mark;
}

void
conn_allow(struct conn *conn, size_t bytes, size_t record)
{
        conn->allowance = bytes;
        conn->record = (unsigned short)record;
        if (conn->tls != NULL && record == 0)
                tls_session_bound(conn->tls, 0);
}

void
conn_pause(struct conn *conn)
{
        must(on_home(conn->worker));
        conn->paused = true;
        if (conn->state == CONN_OPEN)
                worker_at_turn_end(&conn->chore);
}

void
conn_resume(struct conn *conn)
{
        must(on_home(conn->worker));
        if (!conn->paused || conn->state > CONN_OPEN)
                return;
        conn->paused = false;
        conn->look_again = true;
        worker_at_turn_end(&conn->chore);
}

static void
give_up_closing(struct timer *timer)
{
        conn_fail(container_of(timer, struct conn, timer), "closed");
}

void
conn_close(struct conn *conn)
{
        must(on_home(conn->worker));
        if (conn->state >= CONN_CLOSING)
                return;
        conn->state = conn->state == CONN_DIALLING ? CONN_LINGERING : CONN_CLOSING;
        timer_start(&conn->timer, conn->state == CONN_LINGERING ? 0 : CLOSE_MS, give_up_closing);
        worker_at_turn_end(&conn->chore);
}

void
conn_free(struct conn **where)
{
        struct conn *conn = *where;

        *where = NULL;
        if (conn == NULL || conn->state == CONN_GONE)
                return;
        must(on_home(conn->worker));
        destroy(conn);
}

struct parcel *
conn_pack(struct conn **where)
{
        struct conn *conn = *where;
        struct parcel *parcel = MEM_NEW(parcel);

        must(on_home(conn->worker) && conn->state == CONN_OPEN && !conn->delivering);
        parcel->tls = conn->tls;
        parcel->out = conn->out;
        parcel->wire = conn->wire;
        parcel->kept = conn->kept;
        parcel->peer = conn->peer;
        parcel->local = conn->local;
        parcel->last_heard = conn->last_heard;
        parcel->mark = conn->mark;
        parcel->above = conn->above;
        parcel->secure_told = conn->secure_told;
        parcel->fd = conn->fd;
        conn->tls = NULL;
        conn->out = conn->wire = conn->kept = (struct buf){ 0 };
        let_go(conn);
        *where = NULL;
        return parcel;
}

struct conn *
conn_unpack(struct parcel **where, const struct conn_events *events, void *owner)
{
        struct parcel *parcel = *where;
        struct conn *conn = make_conn(parcel->fd, CONN_OPEN, events, owner);

        conn->tls = parcel->tls;
        conn->out = parcel->out;
        conn->wire = parcel->wire;
        conn->kept = parcel->kept;
        conn->peer = parcel->peer;
        conn->local = parcel->local;
        conn->last_heard = parcel->last_heard;
        conn->mark = parcel->mark;
        conn->above = parcel->above;
        conn->secure_told = parcel->secure_told;
        conn->look_again = true;
        worker_at_turn_end(&conn->chore);
        mem_free(parcel);
        *where = NULL;
        return conn;
}

void
parcel_free(struct parcel **where)
{
        struct parcel *parcel = *where;

        if (parcel == NULL)
                return;
        tls_session_free(&parcel->tls);
        buf_free(&parcel->out);
        buf_free(&parcel->wire);
        buf_free(&parcel->kept);
        close(parcel->fd);
        mem_free(parcel);
        *where = NULL;
}

const struct address *
conn_peer_address(const struct conn *conn)
{
        return &conn->peer;
}

const struct address *
conn_local_address(const struct conn *conn)
{
        return &conn->local;
}

void
conn_limit_unheard(struct conn *conn, unsigned ms)
{
        must(on_home(conn->worker));
        setsockopt(conn->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
}

uint64_t
conn_last_heard(const struct conn *conn)
{
        return conn->last_heard;
}
