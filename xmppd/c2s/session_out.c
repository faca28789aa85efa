/*
 * session_out.c - a bound stream: binding, stanzas from the client, stanzas to it
 */
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/base/text.h"
#include "shared/xml/writer.h"
#include "shared/xmpp/ns.h"
#include "xmppd/c2s/c2s_private.h"
#include "xmppd/extend/extension.h"
#include "xmppd/route/limits.h"
#include "xmppd/route/snapshot.h"
#include "xmppd/user/sm.h"

#include <stdio.h>
#include <string.h>

enum { OVERHEAD = 100 /* about what a stanza has around its inside */ };

/* ---- the edge of a session ---- */

/* Looked at before more is sent: a client that reads gets a stanza as large as its own roster. */
static bool
may_send(struct client *client)
{
        if (client->stream == NULL || stream_is_closing(client->stream))
                return false;
        size_t queued = conn_queued(stream_conn(client->stream)), limit = (size_t)limit_value(LIMIT_QUEUE);
        if (queued <= limit)
                client->replayed = 0;
        /* What is sent again to a client that is being resumed is bounded already: it had not acknowledged it. */
        if (queued <= limit + client->replayed || client->session == NULL)
                return true;
        limit_note(LIMIT_QUEUE);
        stream_fail(client->stream, STREAM_RESOURCE_CONSTRAINT, "the client does not read");
        return false;
}

static void
deliver(void *edge, struct stanza *stanza)
{
        struct client *client = edge;

        if (may_send(client))
                stream_send(client->stream, stanza);
}

static void
send_bytes(void *edge, const char *bytes, size_t len)
{
        struct client *client = edge;

        if (!may_send(client))
                return;
        conn_send(stream_conn(client->stream), bytes, len);
        if (client->session == NULL)
                client->replayed += len;
}

static bool
is_open(void *edge)
{
        struct client *client = edge;

        return client->stream != NULL && !stream_is_closing(client->stream);
}

static void
end(void *edge, enum stream_condition condition, const char *text)
{
        struct client *client = edge;

        if (client->stream != NULL)
                stream_fail(client->stream, condition, text);
}

static void
lose(void *edge)
{
        struct client *client = edge;

        client->session = NULL;
        if (client->stream != NULL)
                stream_fail(client->stream, STREAM_CONFLICT, "the session was resumed on another stream");
}

static uint64_t
last_heard(void *edge)
{
        struct client *client = edge;

        return conn_last_heard(stream_conn(client->stream));
}

static size_t
queued(void *edge)
{
        struct client *client = edge;

        return client->stream == NULL || stream_is_closing(client->stream) ? 0 : conn_queued(stream_conn(client->stream));
}

static void
describe(void *edge, char *text, size_t len)
{
        struct client *client = edge;
        struct conn *conn = stream_conn(client->stream);
        char peer[ADDRESS_TEXT];

        snprintf(text, len, "%s %s", conn_is_secure(conn) ? tls_session_version(conn_tls(conn)) : "clear",
                address_format(peer, conn_peer_address(conn)));
}

const struct session_edge stream_edge = {
        .deliver = deliver,
        .send = send_bytes,
        .is_open = is_open,
        .end = end,
        .lose = lose,
        .last_heard = last_heard,
        .queued = queued,
        .describe = describe,
};

/* ---- binding (RFC 6120 7) ---- */

static void
answer_iq(struct client *client, const char *id, const char *type, const char *inside)
{
        struct buf *out = conn_output(stream_conn(client->stream));

        buf_printf(out, "<iq type=\"%s\"", type);
        if (id != NULL) {
                buf_puts(out, " id=\"");
                xml_write_attribute_value(out, id);
                buf_putc(out, '"');
        }
        buf_printf(out, ">%s</iq>", inside);
}

static void
refuse_iq(struct client *client, const char *id, enum stanza_condition condition)
{
        char inside[200];
        const char *type = condition == CONFLICT ? "modify" : stanza_condition_type(condition); /* 7.7.2.2 */

        snprintf(inside, sizeof(inside), "<error type=\"%s\"><%s xmlns=\"" NS_STANZA_ERRORS "\"/></error>", type,
                stanza_condition_name(condition));
        answer_iq(client, id, "error", inside);
}

static void
tell_bound(struct client *client, const char *id)
{
        struct buf inside = { 0 };

        buf_puts(&inside, "<bind xmlns=\"" NS_BIND "\"><jid>");
        xml_write_text(&inside, client->session->jid.full, client->session->jid.full_len);
        buf_puts(&inside, "</jid></bind>");
        answer_iq(client, id, "result", buf_text(&inside));
        buf_free(&inside);
}

void
bound_open(struct client *client, struct element *iq)
{
        struct arena *arena = arena_new(512);
        struct element *resource = element_child(element_child(iq, "bind", NS_BIND), "resource", NS_BIND);
        const char *id = element_attribute(iq, "id"), *type = element_attribute(iq, "type");
        const char *wanted = resource == NULL ? "" : element_text(resource, arena);
        enum stanza_condition condition = BAD_REQUEST;
        struct jid account, full;

        must(jid_parse(&account, arena, client->account));
        if (id == NULL || !text_equal(type, "set") || (wanted[0] != '\0' && !jid_with_resource(&full, arena, &account, wanted))) {
                refuse_iq(client, id, BAD_REQUEST);
        } else {
                client->session =
                        session_open(&account, wanted[0] == '\0' ? NULL : full.resource, &stream_edge, client, &condition);
                if (client->session == NULL) {
                        refuse_iq(client, id, condition);
                } else {
                        char where[ADDRESS_TEXT + 20];
                        describe(client, where, sizeof(where));
                        log_scope_set(&client->log, "c2s", "%s", client->session->jid.full);
                        log_info(&client->log, "open %s", where);
                        tell_bound(client, id);
                        client_stop_negotiating(client);
                        negotiate(client, BOUND_NOW, NULL);
                }
        }
        arena_free(&arena);
}

/* ---- stanzas from the client ---- */

static void
answer(struct client *client, struct stanza *reply)
{
        if (reply != NULL)
                session_deliver(client->session, reply);
        stanza_unref(&reply);
}

/* The legacy session request (RFC 3921, 3), and a second binding, which is not allowed (RFC 6120 7.7.2.3). */
static bool
answer_late_negotiation(struct client *client, struct stanza *stanza)
{
        if (stanza->kind != STANZA_IQ || stanza->type != IQ_SET)
                return false;
        const struct element *payload = stanza_payload(stanza);
        if (payload == NULL)
                return false;
        if (element_is(payload, "session", NS_SESSION))
                answer(client, stanza_result(stanza));
        else if (element_is(payload, "bind", NS_BIND))
                answer(client, stanza_error(stanza, NOT_ALLOWED, NULL));
        else
                return false;
        return true;
}

static void
refuse_stanza(struct client *client, struct element *element, enum stanza_problem problem)
{
        struct arena *arena = arena_new(256);
        const char *from = element_attribute(element, "from");
        struct jid jid;

        if (problem == STANZA_NOT_A_STANZA)
                stream_fail(client->stream, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
        else if (from != NULL && !jid_parse(&jid, arena, from))
                stream_fail(client->stream, STREAM_INVALID_FROM, NULL);
        else
                answer(client, stanza_refusal(element, problem, &client->session->jid));
        arena_free(&arena);
}

/* RFC 6120 8.1.2.1: none, or its own, bare or full. */
static bool
may_say_from(const struct client *client, const struct stanza *stanza)
{
        const struct jid *own = &client->session->jid;

        if (stanza->from.full == NULL || jid_equal(&stanza->from, own))
                return true;
        return jid_is_bare(&stanza->from) && jid_has_bare(own, stanza->from.full, stanza->from.full_len);
}

void
bound_receive(struct client *client, struct arena *arena, struct element *element, const struct xml_source *source)
{
        enum stanza_problem problem;
        size_t len = source->inside_len + OVERHEAD;

        bool is_stanza = strcmp(element->ns, XML_CONTENT_NS) == 0;
        if (!is_stanza && (resume_takes(client, element) || extend_take(client->session, element))) {
                arena_free(&arena);
                return;
        }
        struct stanza *stanza = stanza_new_parsed(arena, element, source, &problem);
        bool is_new = (stanza == NULL && problem == STANZA_NOT_A_STANZA) || sm_count_in(client->session, stanza);

        if (stanza == NULL) {
                refuse_stanza(client, element, problem);
                arena_free(&arena);
                return;
        }
        if (!may_say_from(client, stanza)) {
                stream_fail(client->stream, STREAM_INVALID_FROM, NULL);
                stanza_unref(&stanza);
                return;
        }
        if (!is_new || answer_late_negotiation(client, stanza)) {
                stanza_unref(&stanza);
                return;
        }
        stanza_set_from(stanza, &client->session->jid);
        if (stanza->lang == NULL && client->lang != NULL && stanza->kind != STANZA_IQ)
                stanza->lang = arena_strdup(stanza->arena, client->lang); /* RFC 6120 4.7.4, 8.1.5 */
        session_receive(client->session, stanza);
        uint64_t wait = pace_take(&client->pace, worker_now(), len);
        brake_use(&client->brake, &client->stream, wait);
}
