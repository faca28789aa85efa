/*
 * stream.c - the part of a stream that is the same on every port
 *
 * Whatever the owner does from inside an event takes effect when the parser has returned: it is stopped behind the element in hand, and the
 * loop in take_bytes looks at what is asked for.
 */
#include "shared/xmpp/stream.h"

#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/base/random.h"
#include "shared/base/text.h"
#include "shared/loop/worker.h"
#include "shared/tls/session.h"
#include "shared/xml/frame.h"
#include "shared/xml/writer.h"
#include "shared/xmpp/ns.h"

#include <stdio.h>
#include <string.h>

enum {
        DIAL_MS = 15 * 1000,
        FAREWELL_MS = 5 * 1000, /* for the other's closing tag */
        FIRST_BYTES = 40,
        IDLE_MS = 1000, /* then the parser rests: twelve KiB less for seven microseconds more */
};

struct stream {
        struct conn *conn;
        struct xml_parser *parser;
        const struct stream_events *events;
        void *owner;
        const char *content_ns;
        struct timer timer; /* idle, or waiting for the farewell */
        char *why;          /* our reason for the end; NULL: the connection's */
        bool header_sent : 1;
        bool is_feeding : 1; /* the parser runs */
        bool is_restarting : 1;
        bool has_header : 1; /* of the other side */
        bool is_fresh : 1;   /* restarted, and nothing has come since */
        bool is_paused : 1;
        bool is_deaf : 1;    /* input is dropped: an error was sent, or both sides are done */
        bool is_closing : 1; /* our closing tag was sent: elements are no longer told */
        bool is_gone : 1;    /* freed from inside an event */
        bool is_ended : 1;   /* the other side sent its closing tag first */
        bool is_refused : 1; /* it would not have our certificate */
        struct xml_limits limits;
        enum xml_problem problem;
        enum stream_condition peer_error; /* STREAM_CONDITIONS: none */
        struct frame *frame;              /* while the other side is a stranger; NULL: bytes are parsed as they come */
};

struct stream_parcel {
        struct stream *stream;
        struct parcel *conn;
};

static void
stop_parser(struct stream *stream)
{
        if (stream->is_feeding)
                xml_parser_stop(stream->parser);
}

static void
set_why(struct stream *stream, const char *why)
{
        if (stream->why == NULL)
                stream->why = mem_strdup(why);
}

static void
release(struct stream *stream)
{
        timer_stop(&stream->timer);
        xml_parser_free(&stream->parser);
        mem_free(stream->frame);
        mem_free(stream->why);
        mem_free(stream);
}

static void
give_up_waiting(struct timer *timer)
{
        struct stream *stream = container_of(timer, struct stream, timer);
        stream->is_deaf = true;
        conn_close(stream->conn);
}

static void
rest_if_idle(struct timer *timer)
{
        struct stream *stream = container_of(timer, struct stream, timer);
        uint64_t now = worker_now(), heard = conn_last_heard(stream->conn);
        uint64_t silent = now > heard ? now - heard : 0;

        if (silent < IDLE_MS)
                timer_start(&stream->timer, IDLE_MS - silent, rest_if_idle);
        else
                xml_parser_rest(stream->parser);
}

/* RFC 6120 4.8.1, 4.8.2, 4.8.5, 4.7.5; STREAM_CONDITIONS if all is well. */
static enum stream_condition
check_header(const struct stream *stream, const struct element *header, const char *default_ns)
{
        if (strcmp(header->ns, NS_STREAM) != 0)
                return STREAM_INVALID_NAMESPACE;
        if (strcmp(header->name, "stream") != 0)
                return STREAM_BAD_FORMAT;
        if (strcmp(xml_parser_root_prefix(stream->parser), "stream") != 0)
                return STREAM_BAD_NAMESPACE_PREFIX;
        if (strcmp(default_ns, stream->content_ns) != 0)
                return STREAM_INVALID_NAMESPACE;

        const char *version = element_attribute(header, "version");
        if (version == NULL)
                return strcmp(stream->content_ns, NS_CLIENT) == 0 ? STREAM_UNSUPPORTED_VERSION : STREAM_CONDITIONS;
        const char *dot = strchr(version, '.');
        if (dot == NULL || dot - version > 4 || text_number(dot + 1, 9999) < 0)
                return STREAM_UNSUPPORTED_VERSION;
        char major[8] = "";
        memcpy(major, version, (size_t)(dot - version));
        return text_number(major, 9999) < 1 ? STREAM_UNSUPPORTED_VERSION : STREAM_CONDITIONS;
}

static void
see_header(void *owner, struct element *header, const char *default_ns)
{
        struct stream *stream = owner;
        if (stream->is_deaf || stream->is_gone)
                return;
        stream->has_header = true;
        enum stream_condition condition = check_header(stream, header, default_ns);
        if (condition != STREAM_CONDITIONS) {
                stream_fail(stream, condition, NULL);
                return;
        }
        if (!stream->is_closing)
                stream->events->opened(stream->owner, header);
}

/* The other side's stream error: it closes, so do we (RFC 6120 4.9.1.1). */
static void
see_error(struct stream *stream, struct arena *arena, const struct element *error)
{
        const struct element *condition = element_child(error, NULL, NS_STREAM_ERRORS);
        const struct element *text = element_child(error, "text", NS_STREAM_ERRORS);
        if (condition == text && condition != NULL)
                condition = element_next(condition);
        int known = condition == NULL ? -1 : stream_condition_of(condition->name);
        stream->peer_error = known < 0 ? STREAM_UNDEFINED_CONDITION : (enum stream_condition)known;
        struct buf why = { 0 };
        buf_printf(&why, "stream error from peer: %.64s", condition != NULL ? condition->name : "unknown");
        if (text != NULL)
                buf_printf(&why, " (%.200s)", element_text(text, arena));
        set_why(stream, buf_text(&why));
        buf_free(&why);
        stream_close(stream);
}

static void
see_element(void *owner, struct arena *arena, struct element *element, const struct xml_source *source)
{
        struct stream *stream = owner;
        if (stream->is_deaf || stream->is_gone || stream->is_closing) {
                arena_free(&arena);
                return;
        }
        if (element_is(element, "error", NS_STREAM)) {
                see_error(stream, arena, element);
                arena_free(&arena);
                return;
        }
        stream->events->element(stream->owner, arena, element, source);
}

static void
see_end(void *owner)
{
        struct stream *stream = owner;
        if (stream->is_gone || stream->is_deaf)
                return;
        set_why(stream, "closed by peer");
        stream->is_ended = !stream->is_closing;
        if (!stream->is_closing && stream->header_sent)
                conn_send(stream->conn, "</stream:stream>", 16);
        stream->is_closing = stream->is_deaf = true;
        timer_stop(&stream->timer);
        conn_close(stream->conn);
}

static const struct xml_events parser_events = { see_header, see_element, see_end };

static void
fail_for_problem(struct stream *stream, enum xml_problem problem)
{
        stream->problem = problem;
        switch (problem) {
        case XML_FINE:
                return;
        case XML_NOT_WELL_FORMED:
        case XML_BAD_NAMESPACE_PREFIX: /* 4.9.3.13 covers what namespaces ask for */
                stream_fail(stream, STREAM_NOT_WELL_FORMED, NULL);
                return;
        case XML_RESTRICTED:
                stream_fail(stream, STREAM_RESTRICTED_XML, NULL);
                return;
        case XML_UNSUPPORTED_ENCODING:
                stream_fail(stream, STREAM_UNSUPPORTED_ENCODING, NULL);
                return;
        case XML_TOO_LARGE:
                stream_fail(stream, STREAM_POLICY_VIOLATION, "stanza too large");
                return;
        case XML_TOO_DEEP:
                stream_fail(stream, STREAM_POLICY_VIOLATION, "too many levels");
                return;
        case XML_TOO_MANY_ATTRIBUTES:
                stream_fail(stream, STREAM_POLICY_VIOLATION, "too many attributes");
                return;
        case XML_NAME_TOO_LONG:
                stream_fail(stream, STREAM_POLICY_VIOLATION, "a name is too long");
                return;
        case XML_STRAY_TEXT:
                stream_fail(stream, STREAM_BAD_FORMAT, "text between stanzas");
                return;
        }
}

/* Who speaks another protocol is known by the first bytes. */
static void
note_first_bytes(struct stream *stream, const char *bytes, size_t len)
{
        char text[FIRST_BYTES + 1], why[FIRST_BYTES + 40];
        size_t n = 0;

        for (; n < FIRST_BYTES && n < len && bytes[n] != '\r' && bytes[n] != '\n'; n++)
                text[n] = bytes[n] >= ' ' && bytes[n] < 0x7f ? bytes[n] : '?';
        text[n] = '\0';
        snprintf(why, sizeof(why), "no XML, but \"%s\"", text);
        set_why(stream, why);
}

static void
begin_anew(struct stream *stream)
{
        stream->has_header = false;
        stream->is_restarting = false;
        stream->is_fresh = true;
        xml_parser_free(&stream->parser);
        stream->parser = xml_parser_new(&stream->limits, &parser_events, stream);
        if (stream->frame != NULL)
                *stream->frame = (struct frame){ 0 };
}

/* What of a stranger's bytes is to be parsed now; 0: the next piece is not whole. One that is too long is the parser's to refuse. */
static size_t
next_piece(struct stream *stream, const char *bytes, size_t len)
{
        if (stream->frame == NULL)
                return len;
        size_t piece = frame_scan(stream->frame, bytes, len);
        return piece > 0 || len <= stream->limits.stanza_bytes ? piece : len;
}

/*
 * COMPAT: go-xmpp, and so go-sendxmpp, ends <auth/> with a line feed, against RFC 6120 6.3.5. It comes to the new stream, where nothing may
 * stand before the XML declaration. How many of the bytes are such a rest?
 */
static size_t
count_rest_of_old(struct stream *stream, const char *bytes, size_t len)
{
        size_t n = 0;

        while (stream->is_fresh && n < len && (bytes[n] == '\n' || bytes[n] == '\r' || bytes[n] == ' ' || bytes[n] == '\t'))
                n++;
        stream->is_fresh = stream->is_fresh && n == len;
        return n;
}

static size_t
take_bytes(void *owner, const char *bytes, size_t len)
{
        struct stream *stream = owner;
        size_t done = 0;

        while (done < len && !stream->is_paused && !stream->is_deaf) {
                bool was_clear = conn_tls(stream->conn) == NULL;
                done += count_rest_of_old(stream, bytes + done, len - done);
                if (done == len)
                        break;
                size_t piece = next_piece(stream, bytes + done, len - done), used;
                if (piece == 0) {
                        xml_parser_rest(stream->parser);
                        return done;
                }
                stream->is_feeding = true;
                enum xml_problem problem = xml_parser_feed(stream->parser, bytes + done, piece, &used);
                stream->is_feeding = false;
                if (problem == XML_NOT_WELL_FORMED && !stream->has_header && !stream->is_gone)
                        note_first_bytes(stream, bytes + done, piece);
                done += used;
                if (stream->is_gone) {
                        conn_free(&stream->conn);
                        release(stream);
                        return len;
                }
                fail_for_problem(stream, problem);
                if (stream->is_restarting)
                        begin_anew(stream);
                /* What was sent ahead in clear text is not to be believed (RFC 6120 5.4.3.3). */
                if (was_clear && conn_tls(stream->conn) != NULL)
                        return len;
        }
        if (stream->is_deaf)
                return len;
        if (!timer_is_running(&stream->timer) && !stream->is_closing)
                timer_start(&stream->timer, IDLE_MS, rest_if_idle);
        return done;
}

static void
see_connected(void *owner)
{
        struct stream *stream = owner;
        if (stream->events->connected != NULL)
                stream->events->connected(stream->owner);
}

static void
see_secured(void *owner)
{
        struct stream *stream = owner;
        if (stream->events->secured != NULL)
                stream->events->secured(stream->owner);
}

static void
see_drained(void *owner)
{
        struct stream *stream = owner;
        if (stream->events->drained != NULL)
                stream->events->drained(stream->owner);
}

static void
see_excess(void *owner, bool at_once)
{
        struct stream *stream = owner;
        set_why(stream, "too many bytes");
        if (stream->events->excess != NULL)
                stream->events->excess(stream->owner, at_once);
        stream->is_closing = stream->is_deaf = true;
        timer_stop(&stream->timer);
}

static void
see_closed(void *owner, const char *why)
{
        struct stream *stream = owner;
        const struct tls_session *tls = conn_tls(stream->conn);
        stream->is_refused = tls != NULL && tls_session_is_refused(tls);
        stream->conn = NULL; /* freed when this returns */
        stream->is_closing = stream->is_deaf = true;
        timer_stop(&stream->timer);
        stream->events->closed(stream->owner, stream->why != NULL ? stream->why : why);
        release(stream);
}

static const struct conn_events conn_events = {
        .connected = see_connected,
        .secured = see_secured,
        .data = take_bytes,
        .drained = see_drained,
        .excess = see_excess,
        .closed = see_closed,
};

static struct stream *
make_stream(const char *content_ns, const struct xml_limits *limits, const struct stream_events *events, void *owner)
{
        struct stream *stream = MEM_NEW(stream);
        stream->content_ns = content_ns;
        stream->limits = *limits;
        stream->events = events;
        stream->owner = owner;
        stream->peer_error = STREAM_CONDITIONS;
        begin_anew(stream);
        return stream;
}

struct stream *
stream_accept(int fd, const char *content_ns, const struct xml_limits *limits, const struct stream_events *events, void *owner)
{
        struct stream *stream = make_stream(content_ns, limits, events, owner);
        stream->conn = conn_accept(fd, &conn_events, stream);
        return stream;
}

struct stream *
stream_dial(const struct address *to, const char *content_ns, const struct xml_limits *limits, const struct stream_events *events,
        void *owner)
{
        struct stream *stream = make_stream(content_ns, limits, events, owner);
        stream->conn = conn_dial(to, DIAL_MS, &conn_events, stream);
        return stream;
}

struct conn *
stream_conn(struct stream *stream)
{
        return stream->conn;
}

static void
write_attribute(struct buf *out, const char *start, const char *value)
{
        if (value == NULL)
                return;
        buf_puts(out, start);
        xml_write_attribute_value(out, value);
        buf_putc(out, '"');
}

void
stream_open(struct stream *stream, const char *from, const char *to, const char *id, const char *lang, const char *version)
{
        must(!stream->header_sent);
        if (stream->conn == NULL || stream->is_closing)
                return;
        stream->header_sent = true;
        struct buf *out = conn_output(stream->conn);
        buf_printf(out, "<?xml version='1.0'?><stream:stream xmlns=\"%s\" xmlns:stream=\"" NS_STREAM "\"", stream->content_ns);
        if (strcmp(stream->content_ns, NS_SERVER) == 0)
                buf_puts(out, " xmlns:db=\"" NS_DIALBACK "\""); /* which declares dialback (XEP-0220 2.1.1) */
        write_attribute(out, " from=\"", from);
        write_attribute(out, " to=\"", to);
        write_attribute(out, " id=\"", id);
        write_attribute(out, " version=\"", version);
        write_attribute(out, " xml:lang=\"", lang);
        buf_putc(out, '>');
}

void
stream_restart(struct stream *stream, const struct xml_limits *limits)
{
        if (limits != NULL)
                stream->limits = *limits;
        stream->header_sent = false;
        stream->is_restarting = true;
        if (stream->is_feeding)
                stop_parser(stream);
        else
                begin_anew(stream);
}

void
stream_gather(struct stream *stream, bool gathers)
{
        mem_free(stream->frame);
        stream->frame = NULL;
        if (gathers)
                stream->frame = MEM_NEW(stream->frame);
}

void
stream_set_limits(struct stream *stream, const struct xml_limits *limits)
{
        stream->limits = *limits;
        if (stream->parser != NULL)
                xml_parser_set_limits(stream->parser, limits);
}

static bool
can_send(const struct stream *stream)
{
        return stream->conn != NULL && !stream->is_closing && !stream->is_gone;
}

void
stream_send_text(struct stream *stream, const char *xml)
{
        if (can_send(stream))
                conn_send(stream->conn, xml, strlen(xml));
}

void
stream_send_element(struct stream *stream, const struct element *element)
{
        if (!can_send(stream))
                return;
        struct buf *out = conn_output(stream->conn);
        if (!element_is(element, NULL, NS_STREAM)) {
                xml_write(out, element, stream->content_ns);
                return;
        }
        /* features and error carry the prefix that the header declares; clients of old ask for it (RFC 6120 4.8.5). */
        buf_printf(out, "<stream:%s", element->name);
        xml_write_attributes(out, element);
        buf_putc(out, '>');
        for (const struct element *child = element_first(element); child != NULL; child = element_next(child))
                xml_write(out, child, stream->content_ns);
        buf_printf(out, "</stream:%s>", element->name);
}

void
stream_send(struct stream *stream, struct stanza *stanza)
{
        if (can_send(stream))
                stanza_write(conn_output(stream->conn), stanza);
}

void
stream_fail(struct stream *stream, enum stream_condition condition, const char *text)
{
        stream_fail_specific(stream, condition, "", text);
}

void
stream_fail_specific(struct stream *stream, enum stream_condition condition, const char *specific, const char *text)
{
        if (!can_send(stream))
                return;
        if (!stream->header_sent) {
                char id[2 * 8 + 1];
                bool has_version = strcmp(stream->content_ns, NS_COMPONENT) != 0;
                const char *name = stream->events->name != NULL ? stream->events->name(stream->owner) : NULL;
                stream_open(stream, name, NULL, random_hex(id, 8), has_version ? "en" : NULL, has_version ? "1.0" : NULL);
        }
        struct buf *out = conn_output(stream->conn);
        buf_printf(out, "<stream:error><%s xmlns=\"" NS_STREAM_ERRORS "\"/>", stream_condition_name(condition));
        if (text != NULL) {
                buf_puts(out, "<text xmlns=\"" NS_STREAM_ERRORS "\" xml:lang=\"en\">");
                xml_write_text(out, text, strlen(text));
                buf_puts(out, "</text>");
        }
        buf_puts(out, specific);
        buf_puts(out, "</stream:error></stream:stream>");

        struct buf why = { 0 };
        buf_printf(
                &why, "stream error %s%s%s", stream_condition_name(condition), text != NULL ? ": " : "", text != NULL ? text : "");
        set_why(stream, buf_text(&why));
        buf_free(&why);
        stream->is_closing = stream->is_deaf = true;
        timer_stop(&stream->timer);
        stop_parser(stream);
        conn_close(stream->conn);
}

void
stream_close(struct stream *stream)
{
        if (!can_send(stream))
                return;
        if (!stream->header_sent) {
                stream->is_closing = stream->is_deaf = true;
                stop_parser(stream);
                timer_stop(&stream->timer);
                conn_close(stream->conn);
                return;
        }
        conn_send(stream->conn, "</stream:stream>", 16);
        stream->is_closing = true;
        timer_start(&stream->timer, FAREWELL_MS, give_up_waiting);
        if (stream->is_paused)
                stream_resume(stream);
}

bool
stream_is_closing(const struct stream *stream)
{
        return stream->is_closing;
}

enum xml_problem
stream_problem(const struct stream *stream)
{
        return stream->problem;
}

enum stream_condition
stream_error_of_peer(const struct stream *stream)
{
        return stream->peer_error;
}

bool
stream_certificate_is_refused(const struct stream *stream)
{
        return stream->is_refused;
}

bool
stream_was_ended(const struct stream *stream)
{
        return stream->is_ended;
}

void
stream_free(struct stream **stream)
{
        struct stream *s = *stream;
        if (s == NULL)
                return;
        *stream = NULL;
        if (s->is_feeding) {
                s->is_gone = true;
                stop_parser(s);
                return;
        }
        conn_free(&s->conn);
        release(s);
}

void
stream_pause(struct stream *stream)
{
        if (stream->is_paused || stream->conn == NULL || stream->is_deaf || stream->is_closing)
                return;
        stream->is_paused = true;
        stop_parser(stream);
        conn_pause(stream->conn);
}

void
stream_resume(struct stream *stream)
{
        if (!stream->is_paused)
                return;
        stream->is_paused = false;
        if (stream->conn != NULL)
                conn_resume(stream->conn);
}

struct stream_parcel *
stream_pack(struct stream **stream)
{
        struct stream *s = *stream;
        struct stream_parcel *parcel = MEM_NEW(parcel);

        must(!s->is_feeding && s->conn != NULL);
        *stream = NULL;
        timer_stop(&s->timer);
        parcel->stream = s;
        parcel->conn = conn_pack(&s->conn);
        s->events = NULL;
        s->owner = NULL;
        return parcel;
}

struct stream *
stream_unpack(struct stream_parcel **parcel, const struct stream_events *events, void *owner)
{
        struct stream *stream = (*parcel)->stream;

        stream->events = events;
        stream->owner = owner;
        stream->is_paused = false;
        stream->conn = conn_unpack(&(*parcel)->conn, &conn_events, stream);
        mem_free(*parcel);
        *parcel = NULL;
        return stream;
}
