/*
 * link.c - MSRP connections: accepted or dialled, secured, and read frame by frame
 *
 * Who connects names a session in his first request. The name is a secret of 128 bits, so whoever knows it was told by a session description.
 */
#include "sipcomp/msrp/msrp_private.h"

#include "shared/base/mem.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DIAL_MS = 10000 };

static const struct log_scope scope = { .room = "msrp" };
static const struct conn_events link_events;

/* --- Beginnings. */

static struct msrp_link *
new_link(struct msrp *msrp, bool secure)
{
        struct msrp_link *link = MEM_NEW(link);
        link->msrp = msrp;
        link->secure = secure;
        list_append(&msrp->strangers, &link->link);
        return link;
}

static void
attach(struct msrp_link *link, struct msrp_session *session)
{
        timer_stop(&link->patience);
        list_remove(&link->msrp->strangers, &link->link);
        link->session = session;
        session->link = link;
}

static void
lose_patience(struct timer *timer)
{
        struct msrp_link *link = container_of(timer, struct msrp_link, patience);
        log_debug(&scope, "a connection that named no session is closed");
        msrp_link_end(link);
}

static struct msrp_link *
welcome(struct msrp *msrp, int fd, bool secure)
{
        if (msrp->strangers.count >= MSRP_STRANGERS_MAX) {
                close(fd);
                return NULL;
        }
        struct msrp_link *link = new_link(msrp, secure);
        link->conn = conn_accept(fd, &link_events, link);
        timer_start(&link->patience, MSRP_STRANGER_MS, lose_patience);
        return link;
}

void
msrp_link_accepted(void *owner, int fd, const struct address *peer)
{
        welcome(owner, fd, false);
}

void
msrp_link_accepted_tls(void *owner, int fd, const struct address *peer)
{
        struct msrp *msrp = owner;
        struct msrp_link *link = welcome(msrp, fd, true);
        if (link != NULL)
                conn_start_tls(link->conn, msrp->options.server, TLS_SERVER, NULL);
}

bool
msrp_link_dial(struct msrp_session *session)
{
        if (session->next_address == session->address_count)
                return false;
        struct msrp_link *link = new_link(session->msrp, session->secure);
        link->conn = conn_dial(&session->addresses[session->next_address++], DIAL_MS, &link_events, link);
        attach(link, session);
        return true;
}

/* --- Ends. */

void
msrp_link_end(struct msrp_link *link)
{
        if (link->session != NULL) {
                link->session->link = NULL;
                link->session = NULL;
                list_append(&link->msrp->strangers, &link->link);
        }
        if (link->ending)
                return;
        link->ending = true;
        timer_stop(&link->patience);
        conn_close(link->conn);
}

void
msrp_link_free(struct msrp_link *link)
{
        timer_stop(&link->patience);
        if (link->session == NULL)
                list_remove(&link->msrp->strangers, &link->link);
        if (link->conn != NULL)
                conn_free(&link->conn);
        mem_free(link);
}

/* What cannot be gone on with: the session hears why. */
static void
break_off(struct msrp_link *link, const char *why)
{
        struct msrp_session *session = link->session;
        msrp_link_end(link);
        if (session != NULL)
                msrp_session_lost(session, why);
}

/* --- What conn tells. */

static void
hear_connected(void *owner)
{
        struct msrp_link *link = owner;
        struct address literal;
        if (link->session == NULL)
                return;
        const char *host = link->session->them.host;
        if (!link->secure)
                msrp_session_greet(link->session);
        else
                conn_start_tls(
                        link->conn, link->msrp->options.client, TLS_CLIENT, address_from_host(&literal, host, 0) ? NULL : host);
}

/* RFC 4975 14.4: the certificate that was announced, or one that holds and names the host. */
static bool
is_theirs(const struct msrp_session *session, const struct tls_peer *peer)
{
        if (peer == NULL || !peer->has_certificate)
                return false;
        return session->has_digest ? tls_peer_has_pin(peer, session->digest) : tls_peer_is(peer, session->them.host);
}

static void
hear_secured(void *owner)
{
        struct msrp_link *link = owner;
        if (link->session == NULL)
                return;
        if (is_theirs(link->session, conn_peer(link->conn)))
                msrp_session_greet(link->session);
        else
                break_off(link, "the certificate is not that of the other side");
}

/* The first request of a connection that they have made. */
static bool
take_stranger(struct msrp_link *link, struct arena *arena, const struct msrp_frame *frame)
{
        struct msrp_uri to;
        const char *first = msrp_path_first(arena, frame->to_path);
        struct msrp_session *session =
                first != NULL && msrp_uri_parse(&to, arena, first) ? msrp_session_find(link->msrp, &to) : NULL;
        int status = session == NULL || frame->method == NULL || session->secure != link->secure ? 481
                : session->link != NULL || session->active                                       ? 506
                                                           : msrp_session_judge(session, arena, frame);
        if (status != 0) {
                log_debug(&scope, "a connection was refused: %d", status);
                msrp_link_respond(link, frame, status);
                msrp_link_end(link);
                return false;
        }
        attach(link, session);
        msrp_session_bound(session);
        return link->session != NULL;
}

static void
take_frame(struct msrp_link *link, struct arena *arena, const struct msrp_frame *frame)
{
        if (link->session != NULL || take_stranger(link, arena, frame))
                msrp_session_take(link->session, arena, frame);
}

static size_t
hear_data(void *owner, const char *bytes, size_t len)
{
        struct msrp_link *link = owner;
        size_t taken = 0;
        for (enum msrp_framing found = MSRP_FRAME_WHOLE; found == MSRP_FRAME_WHOLE && taken < len && !link->ending;) {
                struct msrp_frame frame;
                if (conn_queued(link->conn) > MSRP_QUEUE_MAX) {
                        break_off(link, "it does not read its answers");
                        break;
                }
                if (link->session != NULL && msrp_inbox_is_full(link->session)) {
                        conn_pause(link->conn);
                        break;
                }
                struct arena *arena = arena_new(1024);
                found = msrp_frame_next(&link->framer, arena, bytes + taken, len - taken, &frame);
                if (found == MSRP_FRAME_WHOLE) {
                        taken += frame.used;
                        take_frame(link, arena, &frame);
                } else if (found == MSRP_FRAME_BROKEN) {
                        break_off(link, frame.why);
                }
                arena_free(&arena);
        }
        return link->ending ? len : taken;
}

static void
hear_closed(void *owner, const char *why)
{
        struct msrp_link *link = owner;
        struct msrp_session *session = link->session;
        link->conn = NULL;
        if (session != NULL) {
                session->link = NULL;
                link->session = NULL;
                list_append(&link->msrp->strangers, &link->link);
        }
        msrp_link_free(link);
        if (session != NULL && (session->hello_id[0] != '\0' || !msrp_link_dial(session)))
                msrp_session_lost(session, why);
}

static const struct conn_events link_events = {
        .connected = hear_connected,
        .secured = hear_secured,
        .data = hear_data,
        .closed = hear_closed,
};

/* --- Answers. */

void
msrp_link_respond(struct msrp_link *link, const struct msrp_frame *frame, int status)
{
        bool unwanted =
                frame->failure_report == MSRP_FAILURE_NO || (frame->failure_report == MSRP_FAILURE_PARTIAL && status == 200);
        if (frame->method == NULL || strcmp(frame->method, "REPORT") == 0 || unwanted) /* 7.2: a REPORT is never answered */
                return;
        struct arena *arena = arena_new(1024);
        bool one_hop = strcmp(frame->method, "SEND") == 0;
        const char *to = one_hop ? msrp_path_first(arena, frame->from_path) : frame->from_path;
        const char *from = link->session != NULL ? link->session->path : msrp_path_first(arena, frame->to_path);
        if (to != NULL && from != NULL)
                msrp_write_response(conn_output(link->conn), frame->id, status, to, from);
        arena_free(&arena);
}
