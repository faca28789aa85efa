/*
 * session.c - MSRP sessions: how one comes to stand, our messages and what becomes of them
 */
#include "sipcomp/msrp/msrp_private.h"

#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/base/random.h"
#include "shared/base/text.h"

#include <stdio.h>
#include <string.h>

/* --- The room's one object. */

struct msrp *
msrp_new(const struct msrp_options *options, struct err *err)
{
        struct msrp *msrp = MEM_NEW(msrp);
        struct address address;
        msrp->options = *options;
        snprintf(msrp->host, sizeof(msrp->host), "%s", options->host);
        msrp->options.host = msrp->host;
        msrp->options.server = options->server == NULL ? NULL : tls_context_ref(options->server);
        msrp->options.client = options->client == NULL ? NULL : tls_context_ref(options->client);
        msrp->sessions = map_new();
        msrp->waiting = map_new();
        if (options->port != 0) {
                must(address_from_host(&address, options->address, options->port));
                if ((msrp->plain = listener_open(&address, msrp_link_accepted, msrp, err)) == NULL)
                        goto out;
        }
        if (options->tls_port != 0) {
                must(options->server != NULL && options->client != NULL);
                must(address_from_host(&address, options->address, options->tls_port));
                if ((msrp->secure = listener_open(&address, msrp_link_accepted_tls, msrp, err)) == NULL)
                        goto out;
        }
        return msrp;
out:
        msrp_free(&msrp);
        return NULL;
}

void
msrp_free(struct msrp **where)
{
        struct msrp *msrp = *where;
        if (msrp == NULL)
                return;
        *where = NULL;
        must(map_count(msrp->sessions) == 0);
        if (msrp->plain != NULL)
                listener_close(&msrp->plain);
        if (msrp->secure != NULL)
                listener_close(&msrp->secure);
        for (LIST_EACH(link, &msrp->strangers, struct msrp_link, link))
                msrp_link_free(link);
        tls_context_unref(&msrp->options.server);
        tls_context_unref(&msrp->options.client);
        map_free(&msrp->sessions);
        map_free(&msrp->waiting);
        mem_free(msrp);
}

void
msrp_set_tls(struct msrp *msrp, struct tls_context *server, struct tls_context *client)
{
        if (server == NULL || client == NULL)
                return;
        tls_context_unref(&msrp->options.server);
        tls_context_unref(&msrp->options.client);
        msrp->options.server = tls_context_ref(server);
        msrp->options.client = tls_context_ref(client);
}

bool
msrp_speaks(const struct msrp *msrp, bool secure)
{
        return msrp != NULL && (secure ? msrp->secure : msrp->plain) != NULL;
}

size_t
msrp_session_count(const struct msrp *msrp)
{
        return map_count(msrp->sessions);
}

/* --- Life of a session. */

static void
tell_end(struct chore *chore)
{
        struct msrp_session *session = container_of(chore, struct msrp_session, end);
        session->events->closed(session->owner, session->why);
}

struct msrp_session *
msrp_session_new(struct msrp *msrp, bool secure, const struct msrp_events *events, void *owner)
{
        struct msrp_session *session = MEM_NEW(session);
        bool v6 = strchr(msrp->host, ':') != NULL;
        struct buf path = { 0 };
        session->msrp = msrp;
        session->secure = secure;
        session->events = events;
        session->owner = owner;
        session->end.run = tell_end;
        session->arena = arena_new(512);
        do
                random_hex(session->handle, MSRP_HANDLE / 2);
        while (map_get_str(msrp->sessions, session->handle) != NULL);
        random_hex(session->secret, MSRP_SECRET / 2);
        map_put_str(msrp->sessions, session->handle, session);
        log_scope_set(&session->log, "msrp", "%s", session->handle);
        buf_printf(&path, "%s://%s%s%s:%u/%s%s;tcp", secure ? "msrps" : "msrp", v6 ? "[" : "", msrp->host, v6 ? "]" : "",
                msrp_session_port(session), session->handle, session->secret);
        session->path = mem_strdup(buf_text(&path));
        buf_free(&path);
        return session;
}

void
msrp_session_free(struct msrp_session **where)
{
        struct msrp_session *session = *where;
        if (session == NULL)
                return;
        *where = NULL;
        msrp_inbox_free(session);
        if (session->link != NULL)
                msrp_link_end(session->link);
        timer_stop(&session->timer);
        worker_forget_chore(&session->end);
        dns_cancel(&session->query);
        map_remove_str(session->msrp->sessions, session->handle);
        arena_free(&session->arena);
        mem_free(session->path);
        mem_free(session);
}

const char *
msrp_session_path(const struct msrp_session *session)
{
        return session->path;
}

uint16_t
msrp_session_port(const struct msrp_session *session)
{
        const struct msrp_options *options = &session->msrp->options;
        const struct listener *listener = session->secure ? session->msrp->secure : session->msrp->plain;
        uint16_t given = session->secure ? options->public_tls_port : options->public_port;
        return given != 0 || listener == NULL ? given : address_port(listener_address(listener));
}

bool
msrp_session_knows(const struct msrp_session *session, const char *path)
{
        return text_equal(session->their_path, path);
}

bool
msrp_session_is_up(const struct msrp_session *session)
{
        return session->up;
}

void
msrp_session_lost(struct msrp_session *session, const char *why)
{
        if (session->lost)
                return;
        session->lost = true;
        session->up = false;
        timer_stop(&session->timer);
        snprintf(session->why, sizeof(session->why), "%s", why);
        if (session->link != NULL)
                msrp_link_end(session->link);
        worker_at_turn_end(&session->end);
}

/* The secret part is compared so that time tells nothing about it. */
struct msrp_session *
msrp_session_find(const struct msrp *msrp, const struct msrp_uri *uri)
{
        char handle[MSRP_HANDLE + 1];
        if (strlen(uri->session) != MSRP_HANDLE + MSRP_SECRET)
                return NULL;
        memcpy(handle, uri->session, MSRP_HANDLE);
        handle[MSRP_HANDLE] = '\0';
        struct msrp_session *session = map_get_str(msrp->sessions, handle);
        if (session == NULL || session->lost || !mem_equal_secret(session->secret, uri->session + MSRP_HANDLE, MSRP_SECRET))
                return NULL;
        return session;
}

/* --- How it comes to stand. */

static void
give_up(struct timer *timer)
{
        msrp_session_lost(container_of(timer, struct msrp_session, timer), "no connection in time");
}

static void
hear_addresses(void *owner, enum dns_outcome outcome, const struct address *addresses, size_t count)
{
        struct msrp_session *session = owner;
        session->query = NULL;
        session->address_count = outcome != DNS_FOUND ? 0 : count < MSRP_ADDRESSES ? count : MSRP_ADDRESSES;
        memcpy(session->addresses, addresses, session->address_count * sizeof(*addresses));
        if (outcome != DNS_CANCELLED && !msrp_link_dial(session))
                msrp_session_lost(session, "its host has no address");
}

static void
dial(struct msrp_session *session, const struct msrp_uri *next)
{
        struct dns_query *query = dns_lookup(session->msrp->options.dns, next->host, next->port, hear_addresses, session);
        if (query != NULL)
                session->query = query;
}

bool
msrp_session_start(struct msrp_session *session, const char *path, bool active, const unsigned char digest[32])
{
        struct msrp_uri next;
        const char *first = msrp_path_first(session->arena, path), *last = msrp_path_last(session->arena, path);
        if (first == NULL || !msrp_uri_parse(&next, session->arena, first) ||
                !msrp_uri_parse(&session->them, session->arena, last) || next.secure != session->secure)
                return false;
        session->their_path = arena_strdup(session->arena, path);
        session->active = active;
        session->has_digest = digest != NULL;
        if (digest != NULL)
                memcpy(session->digest, digest, sizeof(session->digest));
        timer_start(&session->timer, MSRP_CONNECT_MS, give_up);
        if (active)
                dial(session, &next);
        return true;
}

static void
come_up(struct msrp_session *session)
{
        log_debug(&session->log, "up");
        timer_stop(&session->timer);
        session->up = true;
        session->events->up(session->owner);
}

/* 5.4: whoever connects sends a SEND at once, be it empty; the answer tells that the other side knows the session. */
void
msrp_session_greet(struct msrp_session *session)
{
        struct buf *out = conn_output(session->link->conn);
        random_hex(session->hello_id, 8);
        msrp_write_request(out, session->hello_id, "SEND", session->their_path, session->path);
        buf_printf(out, "Message-ID: %s\r\nByte-Range: 1-0/0\r\n", session->hello_id);
        msrp_write_end(out, session->hello_id, '$');
}

void
msrp_session_bound(struct msrp_session *session)
{
        random_hex(session->hello_id, 8); /* no other address is dialled any more */
        come_up(session);
}

/* --- What comes. */

int
msrp_session_judge(const struct msrp_session *session, struct arena *arena, const struct msrp_frame *frame)
{
        struct msrp_uri to, from;
        const char *first = msrp_path_first(arena, frame->to_path), *last = msrp_path_last(arena, frame->from_path);
        if (first == NULL || !msrp_uri_parse(&to, arena, first) || msrp_session_find(session->msrp, &to) != session)
                return 481;
        bool known = session->their_path != NULL && last != NULL && msrp_uri_parse(&from, arena, last);
        return known && msrp_uri_same(&from, &session->them) ? 0 : 403;
}

static void
finish_send(struct msrp_session *session, int status)
{
        session->unsure = 0;
        session->send_id[0] = '\0';
        timer_stop(&session->timer);
        session->events->sent(session->owner, status);
}

static void
run_out(struct timer *timer)
{
        finish_send(container_of(timer, struct msrp_session, timer), 408);
}

static void
take_response(struct msrp_session *session, const struct msrp_frame *frame)
{
        size_t len = strlen(session->send_id);
        if (!session->up && strcmp(frame->id, session->hello_id) == 0) {
                if (frame->status == 200)
                        come_up(session);
                else
                        msrp_session_lost(session, "the other side does not know the session");
                return;
        }
        if (len == 0 || strncmp(frame->id, session->send_id, len) != 0 || strlen(frame->id) != len + 2)
                return;
        int64_t chunk = text_number(frame->id + len, 63);
        uint64_t bit = chunk < 0 ? 0 : (uint64_t)1 << chunk;
        if ((session->unsure & bit) == 0)
                return;
        session->unsure &= ~bit;
        if (frame->status != 200 || session->unsure == 0)
                finish_send(session, frame->status);
}

static void
take_report(struct msrp_session *session, const struct msrp_frame *frame)
{
        if (frame->report >= 400 && session->send_id[0] != '\0' && text_equal(frame->message_id, session->send_id))
                finish_send(session, frame->report);
}

void
msrp_session_take(struct msrp_session *session, struct arena *arena, const struct msrp_frame *frame)
{
        int status = frame->method == NULL ? 0 : msrp_session_judge(session, arena, frame);
        if (status != 0)
                msrp_link_respond(session->link, frame, status);
        else if (frame->method == NULL)
                take_response(session, frame);
        else if (strcmp(frame->method, "REPORT") == 0)
                take_report(session, frame);
        else if (strcmp(frame->method, "SEND") == 0)
                msrp_inbox_take(session, frame);
        else
                msrp_link_respond(session->link, frame, 501);
}

/* --- What goes. */

/* The identifier is drawn now, 64 random bits: the text cannot hold its end line but by chance. */
static void
write_chunk(struct msrp_session *session, const char *message_id, const char *id, const char *type, const char *bytes, size_t at,
        size_t total, bool silent)
{
        struct buf *out = conn_output(session->link->conn);
        size_t len = total - at < MSRP_CHUNK ? total - at : MSRP_CHUNK;
        msrp_write_request(out, id, "SEND", session->their_path, session->path);
        buf_printf(out, "Message-ID: %s\r\nByte-Range: %zu-%zu/%zu\r\n%sContent-Type: %s\r\n\r\n", message_id, at + 1, at + len,
                total, silent ? "Failure-Report: no\r\n" : "", type);
        buf_put(out, bytes + at, len);
        buf_puts(out, "\r\n");
        msrp_write_end(out, id, at + len < total ? '+' : '$');
}

void
msrp_session_send(struct msrp_session *session, const char *type, const char *bytes, size_t len)
{
        must(session->up && session->unsure == 0 && len > 0 && len <= MSRP_SEND_MAX);
        random_hex(session->send_id, 8);
        for (size_t at = 0, chunk = 0; at < len; at += MSRP_CHUNK, chunk++) {
                char id[24];
                snprintf(id, sizeof(id), "%.16s%02zu", session->send_id, chunk);
                write_chunk(session, session->send_id, id, type, bytes, at, len, false);
                session->unsure |= (uint64_t)1 << chunk;
        }
        timer_start(&session->timer, MSRP_ANSWER_MS, run_out);
}

void
msrp_session_tell(struct msrp_session *session, const char *type, const char *bytes, size_t len)
{
        char id[20];
        must(session->up && len <= MSRP_CHUNK);
        random_hex(id, 8);
        write_chunk(session, id, id, type, bytes, 0, len, true);
}
