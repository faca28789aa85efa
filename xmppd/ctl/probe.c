/*
 * probe.c - signs in as a client does and sends a message, telling each step with its time
 *
 * The client is libstrophe: it looks at the server from outside, through the listener that users reach. A certificate that this machine does
 * not trust is told and accepted: the probe runs beside the server, and the password goes out by SCRAM.
 */
#include "shared/base/clock.h"
#include "shared/base/random.h"
#include "shared/base/text.h"
#include "shared/loop/address.h"
#include "shared/xmpp/jid.h"
#include "xmppd/ctl/ctl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strophe.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { PATIENCE_MS = 15000, ANSWER_MS = 5000, TURN_MS = 20 };

enum state { SIGNING_IN, WAITING_FOR_MESSAGE, WAITING_FOR_ANSWER, ENDED };

struct probe {
        struct ctl *ctl;
        xmpp_ctx_t *context;
        xmpp_conn_t *conn;
        const char *to; /* NULL: to itself */
        char token[40];
        uint64_t began, sent;
        enum state state;
        int status;
        struct buf steps; /* JSON */
        struct json_writer json;
        char failure[300];
};

/* libstrophe gives its certificate handler no user data. */
static struct probe *current;

static void
tell(struct probe *probe, const char *step, const char *detail)
{
        unsigned long long ms = clock_mono_ms() - probe->began;

        json_open_object(&probe->json, NULL);
        json_put_text(&probe->json, "step", step);
        json_put_number(&probe->json, "ms", (int64_t)ms);
        if (detail != NULL)
                json_put_text(&probe->json, "detail", detail);
        json_close_object(&probe->json);
        if (!probe->ctl->json) {
                printf("%6llu ms  %s%s%s\n", ms, step, detail != NULL ? ": " : "", detail != NULL ? detail : "");
                fflush(stdout);
        }
}

static void
end(struct probe *probe, int status, const char *failure)
{
        if (probe->state == ENDED)
                return;
        probe->state = ENDED;
        probe->status = status;
        if (failure != NULL)
                snprintf(probe->failure, sizeof(probe->failure), "%s", failure);
}

static int
accept_certificate(const xmpp_tlscert_t *certificate, const char *what)
{
        tell(current, "certificate not trusted by this machine", what);
        return 1;
}

static void
send_message(struct probe *probe)
{
        const char *own = xmpp_conn_get_bound_jid(probe->conn);
        char body[80];

        snprintf(body, sizeof(body), "probe %s", probe->token);
        xmpp_stanza_t *message = xmpp_message_new(probe->context, "chat", probe->to != NULL ? probe->to : own, probe->token);
        xmpp_message_set_body(message, body);
        xmpp_send(probe->conn, message);
        xmpp_stanza_release(message);
        probe->sent = clock_mono_ms();
        probe->state = probe->to != NULL ? WAITING_FOR_ANSWER : WAITING_FOR_MESSAGE;
        tell(probe, "message sent", probe->to != NULL ? probe->to : own);
}

static bool
is_from_contact(struct probe *probe, const char *from)
{
        size_t len = strlen(probe->to);

        return from != NULL && strncmp(from, probe->to, len) == 0 && (from[len] == '\0' || from[len] == '/');
}

static int
take_message(xmpp_conn_t *conn, xmpp_stanza_t *stanza, void *arg)
{
        struct probe *probe = arg;
        const char *type = xmpp_stanza_get_type(stanza), *id = xmpp_stanza_get_id(stanza);
        char *body = xmpp_message_get_body(stanza);

        if (type != NULL && strcmp(type, "error") == 0) {
                xmpp_stanza_t *error = xmpp_stanza_get_child_by_name(stanza, "error");
                xmpp_stanza_t *condition = error != NULL ? xmpp_stanza_get_children(error) : NULL;
                const char *name = condition != NULL ? xmpp_stanza_get_name(condition) : NULL;
                if (text_equal(id, probe->token)) {
                        tell(probe, "message came back as an error", name);
                        end(probe, REFUSED, "the message could not be delivered; the error above says why");
                }
        } else if (probe->state == WAITING_FOR_MESSAGE && body != NULL && strstr(body, probe->token) != NULL) {
                tell(probe, "message received", NULL);
                end(probe, DONE, NULL);
        } else if (probe->state == WAITING_FOR_ANSWER && body != NULL && is_from_contact(probe, xmpp_stanza_get_from(stanza))) {
                tell(probe, "answer received", body);
                end(probe, DONE, NULL);
        }
        if (body != NULL)
                xmpp_free(probe->context, body);
        return 1;
}

static void
on_connection(xmpp_conn_t *conn, xmpp_conn_event_t event, int error, xmpp_stream_error_t *stream_error, void *arg)
{
        struct probe *probe = arg;

        if (event == XMPP_CONN_CONNECT) {
                char detail[200];
                snprintf(detail, sizeof(detail), "%.150s, %s", xmpp_conn_get_bound_jid(conn),
                        xmpp_conn_is_secured(conn) ? "TLS" : "no TLS");
                tell(probe, "signed in", detail);
                xmpp_stanza_t *presence = xmpp_presence_new(probe->context);
                xmpp_send(conn, presence);
                xmpp_stanza_release(presence);
                xmpp_handler_add(conn, take_message, NULL, "message", NULL, probe);
                send_message(probe);
                return;
        }
        if (probe->state == SIGNING_IN && stream_error != NULL && stream_error->stanza != NULL)
                end(probe, REFUSED, "the server ended the stream with an error while signing in");
        else if (probe->state == SIGNING_IN)
                end(probe, REFUSED, "sign-in failed: wrong password, no such account, or no TLS that both sides accept");
        else
                end(probe, REFUSED, "the connection was closed before the message arrived");
}

/* libstrophe tells a refused connection and a failed sign-in alike, so whether anyone listens is found out before. */
static int
try_connecting(const struct address *address)
{
        struct timeval patience = { .tv_sec = 5 };
        int fd = socket(address->u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return errno;
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
        int why = connect(fd, &address->u.any, address->len) == 0 ? 0 : errno == EINPROGRESS ? ETIMEDOUT : errno;
        close(fd);
        return why;
}

/* Where this machine reaches the listener. */
static const char *
reachable_host(char *room, const struct address *address)
{
        address_format_host(room, address);
        if (strcmp(room, "::") == 0 || strcmp(room, "0.0.0.0") == 0)
                strcpy(room, "127.0.0.1");
        return room;
}

static int
start(struct probe *probe)
{
        const struct section *c2s = section_of(probe->ctl->top, "c2s");
        const char *tls = config_text(c2s, "tls");
        bool direct = config_list_count(c2s, "listen") == 0;
        char host[ADDRESS_TEXT], where[ADDRESS_TEXT];
        struct address address;
        long flags = direct ? XMPP_CONN_FLAG_LEGACY_SSL : strcmp(tls, "none") == 0 ? XMPP_CONN_FLAG_DISABLE_TLS : 0;

        if (direct && config_list_count(c2s, "listen-tls") == 0)
                return refuse("c2s listens nowhere: there is nothing to probe");
        if (strcmp(tls, "required") == 0 && !direct)
                flags |= XMPP_CONN_FLAG_MANDATORY_TLS;
        if (address_parse(&address, config_list_item(c2s, direct ? "listen-tls" : "listen", 0), NULL) != 0)
                return refuse("c2s: the address to listen on makes no sense");
        reachable_host(host, &address);
        snprintf(where, sizeof(where), strchr(host, ':') != NULL ? "[%.45s]:%u" : "%.45s:%u", host, address_port(&address));
        if (!address_from_host(&address, host, address_port(&address)))
                return refuse("%s: not an address", host);
        int why = try_connecting(&address);
        if (why != 0)
                return refuse("cannot connect to %s: %s: is the server running?", where, strerror(why));
        tell(probe, "connected", where);
        xmpp_conn_set_flags(probe->conn, flags | XMPP_CONN_FLAG_DISABLE_SM);
        if (xmpp_connect_client(probe->conn, host, address_port(&address), on_connection, probe) != XMPP_EOK)
                return refuse("cannot connect to %s: is the server running?", where);
        return DONE;
}

static void
follow(struct probe *probe)
{
        while (probe->state != ENDED) {
                xmpp_run_once(probe->context, TURN_MS);
                uint64_t now = clock_mono_ms();
                if (probe->state == WAITING_FOR_ANSWER && now - probe->sent > ANSWER_MS) {
                        tell(probe, "no error and no answer in time", "it was delivered or kept; a contact need not answer");
                        end(probe, DONE, NULL);
                } else if (probe->state == WAITING_FOR_MESSAGE && now - probe->sent > ANSWER_MS) {
                        end(probe, REFUSED, "the message did not arrive in 5 seconds");
                } else if (probe->state != ENDED && now - probe->began > PATIENCE_MS) {
                        end(probe, REFUSED, "no sign-in in 15 seconds");
                }
        }
}

/* The closing handshake, as long as the server needs for it but not long. */
static void
sign_out(struct probe *probe)
{
        if (!xmpp_conn_is_connected(probe->conn))
                return;
        xmpp_disconnect(probe->conn);
        for (int i = 0; i < 1000 / TURN_MS && !xmpp_conn_is_disconnected(probe->conn); i++)
                xmpp_run_once(probe->context, TURN_MS);
        tell(probe, "signed out", NULL);
}

int
probe(struct ctl *ctl, const struct line *line)
{
        struct probe it = { .ctl = ctl, .began = clock_mono_ms(), .status = REFUSED };
        struct jid jid, to;

        if (!jid_parse(&jid, ctl->arena, line->words[0]) || jid.local == NULL)
                return refuse("%.200s: not the address of an account, which is user@domain", line->words[0]);
        if (line->to != NULL && !jid_parse(&to, ctl->arena, line->to))
                return refuse("%.200s: not an address", line->to);
        it.to = line->to != NULL ? to.full : NULL;
        it.json.out = &it.steps;
        random_hex(it.token, 8);
        current = &it;
        json_open_object(&it.json, NULL);
        json_open_array(&it.json, "steps");

        xmpp_initialize();
        it.context = xmpp_ctx_new(NULL, NULL);
        it.conn = xmpp_conn_new(it.context);
        xmpp_conn_set_jid(it.conn, jid.full);
        xmpp_conn_set_pass(it.conn, line->password);
        xmpp_conn_set_certfail_handler(it.conn, accept_certificate);
        if (start(&it) == DONE) {
                follow(&it);
                sign_out(&it);
        }
        xmpp_conn_release(it.conn);
        xmpp_ctx_free(it.context);
        xmpp_shutdown();

        json_close_array(&it.json);
        json_put_bool(&it.json, "ok", it.status == DONE);
        json_close_object(&it.json);
        if (ctl->json)
                puts(buf_text(&it.steps));
        buf_free(&it.steps);
        if (it.failure[0] != '\0')
                refuse("%s", it.failure);
        return it.status;
}
