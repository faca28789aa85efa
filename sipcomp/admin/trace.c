/*
 * trace.c - `trace DOMAIN [--seconds N] [--log]`: the messages from and to one domain as they are on the wire, for a bounded time
 *
 * They are told to whoever has asked, or written into the log. One trace at a time: another one ends the one before. Nothing of it is kept.
 */
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "shared/control/common.h"
#include "shared/loop/timer.h"
#include "sipcomp/admin/admin_private.h"

#include <string.h>
#include <strings.h>

enum { SECONDS = 60, SECONDS_MAX = 600, WAITING_MAX = 4 << 20 };

static struct {
        struct gateway *gateway;         /* NULL: no trace runs */
        struct control_request *request; /* who hears it; NULL: it goes into the log */
        char domain[256];
        struct log_scope log;
        struct timer timer;
        int64_t messages, left_out;
} trace;

/* --- Whose message is it? */

static bool
names_domain(const struct sip_message *message, const char *header)
{
        struct arena *arena = arena_new(512);
        const char *value = sip_message_get(message, header);
        struct sip_address address;
        bool is_there = value != NULL && sip_address_parse(&address, arena, value, strlen(value)) && address.uri.host != NULL &&
                strcasecmp(address.uri.host, trace.domain) == 0;
        arena_free(&arena);
        return is_there;
}

/* The foreign side of a request is where it comes from or goes to; an answer goes the other way. What cannot be read belongs to whoever the
 * connection may speak for. */
static bool
is_wanted(const struct sip_tapped *tapped)
{
        const struct sip_message *message = tapped->message;
        if (message != NULL && sip_message_get(message, "From") != NULL)
                return names_domain(message, (message->status == 0) == tapped->is_sent ? "To" : "From");
        return federation_may_speak(gateway_federation(trace.gateway), trace.domain, sip_flow_peer(tapped->flow),
                sip_flow_wire(tapped->flow) == SIP_TCP, sip_flow_address(tapped->flow), NULL);
}

/* --- What is shown of it. */

static bool
is_secret(const char *line, size_t len)
{
        static const char *const starts[] = { "Authorization:", "Proxy-Authorization:", "k=", "a=crypto:" };
        for (size_t i = 0; i < array_len(starts); i++)
                if (len > strlen(starts[i]) && strncasecmp(line, starts[i], strlen(starts[i])) == 0)
                        return true;
        return false;
}

/* Line by line, without the values of secrets; a folded line belongs to the one before it. */
static void
copy_lines(struct buf *out, const char *bytes, size_t len)
{
        bool hides = false;
        while (len > 0) {
                const char *end = memchr(bytes, '\n', len);
                size_t line = end != NULL ? (size_t)(end - bytes) + 1 : len;
                bool is_folded = bytes[0] == ' ' || bytes[0] == '\t';
                hides = is_folded ? hides : is_secret(bytes, line);
                if (!hides)
                        buf_put(out, bytes, line);
                else if (!is_folded)
                        buf_printf(out, "%.*s(hidden)\r\n", (int)(strcspn(bytes, ":=") + 1), bytes);
                bytes += line;
                len -= line;
        }
}

static void
tell(const struct sip_tapped *tapped, struct buf *text)
{
        struct buf out = { 0 };
        struct json_writer json = { .out = &out };
        json_open_object(&json, NULL);
        json_put_number(&json, "at", clock_wall_ms());
        json_put_text(&json, "direction", tapped->is_sent ? "out" : "in");
        json_put_text(&json, "peer", sip_flow_text(tapped->flow));
        json_put_text(&json, "message", buf_text(text));
        json_close_object(&json);
        control_tell(trace.request, buf_data(&out), out.len);
        buf_free(&out);
}

static void stop_trace(const char *why);

static void
hear(void *unused, const struct sip_tapped *tapped)
{
        struct buf text = { 0 };
        if (trace.request != NULL && control_is_deserted(trace.request)) {
                stop_trace("nobody listens any more");
                return;
        }
        if (!is_wanted(tapped))
                return;
        if (trace.request != NULL && control_waiting(trace.request) > WAITING_MAX) {
                trace.left_out++;
                return;
        }
        trace.messages++;
        copy_lines(&text, tapped->head, tapped->head_len);
        copy_lines(&text, tapped->body, tapped->body_len);
        if (trace.request != NULL)
                tell(tapped, &text);
        else
                log_info(&trace.log, "%s %s %s", tapped->is_sent ? "sent on" : "received on", sip_flow_text(tapped->flow),
                        buf_text(&text));
        buf_free(&text);
}

/* --- Beginning and end. */

static void
stop_trace(const char *why)
{
        struct buf out = { 0 };
        struct json_writer json = { .out = &out };
        if (trace.gateway == NULL)
                return;
        sip_transport_tap(sip_transactions_transport(gateway_transactions(trace.gateway)), NULL, NULL);
        timer_stop(&trace.timer);
        trace.gateway = NULL;
        log_info(&trace.log, "the trace ends: %s", why);
        if (trace.request == NULL)
                return;
        struct control_request *request = trace.request;
        trace.request = NULL;
        json_open_object(&json, NULL);
        json_put_text(&json, "domain", trace.domain);
        json_put_text(&json, "end", why);
        json_put_number(&json, "messages", trace.messages);
        json_put_number(&json, "left_out", trace.left_out);
        json_close_object(&json);
        common_answer(request, &out);
}

static void
end_in_time(struct timer *timer)
{
        stop_trace("its time is over");
}

/* False: they make no sense. */
static bool
read_words(int argc, char *const *argv, const char **domain, int64_t *seconds, bool *logs)
{
        *domain = NULL;
        *seconds = SECONDS;
        *logs = false;
        for (int i = 0; i < argc; i++) {
                if (text_equal(argv[i], "--log"))
                        *logs = true;
                else if (text_equal(argv[i], "--seconds") && i + 1 < argc)
                        *seconds = text_number(argv[++i], SECONDS_MAX);
                else if (*domain == NULL && argv[i][0] != '-' && strlen(argv[i]) < sizeof(trace.domain))
                        *domain = argv[i];
                else
                        return false;
        }
        return *domain != NULL && *seconds > 0;
}

void
trace_tell(struct gateway *gateway, struct control_request *request, int argc, char *const *argv)
{
        const char *domain;
        int64_t seconds;
        bool logs;

        if (!read_words(argc, argv, &domain, &seconds, &logs)) {
                control_refuse(request, "trace DOMAIN [--seconds 1..%d] [--log], or trace off", SECONDS_MAX);
                return;
        }
        if (text_equal(domain, "off")) {
                bool is_there = trace.gateway != NULL;
                stop_trace("it was switched off");
                if (is_there)
                        control_answer(request, true, "{}", 2);
                else
                        control_refuse(request, "no trace is running");
                return;
        }
        if (federation_domain(gateway_federation(gateway), domain) == NULL) {
                control_refuse(request, "there is no sip-domain \"%.100s\"; define it in federation.conf", domain);
                return;
        }
        stop_trace("another one begins");
        trace.gateway = gateway;
        trace.request = logs ? NULL : request;
        trace.messages = trace.left_out = 0;
        strcpy(trace.domain, domain);
        log_scope_set(&trace.log, "sip.trace", "%s", domain);
        log_info(&trace.log, "the messages of this domain are %s for %lld s", logs ? "written here" : "shown to an administrator",
                (long long)seconds);
        sip_transport_tap(sip_transactions_transport(gateway_transactions(gateway)), hear, NULL);
        timer_start(&trace.timer, (uint64_t)seconds * 1000, end_in_time);
        if (logs)
                control_answer(request, true, "{}", 2);
}

void
trace_stop(void)
{
        stop_trace("the gateway stops");
}
