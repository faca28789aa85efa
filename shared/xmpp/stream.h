/* stream.h - what every XML stream does, whoever is at the other end: headers, one parser between two restarts, errors, the closing handshake
 *
 * The edges (c2s, component, s2s) and sipcomp's component streams stand on it. A stream owns its conn and its parser.
 */
#ifndef SHARED_XMPP_STREAM_H
#define SHARED_XMPP_STREAM_H

#include "shared/base/log.h"
#include "shared/loop/conn.h"
#include "shared/loop/timer.h"
#include "shared/xml/parser.h"
#include "shared/xmpp/errors.h"
#include "shared/xmpp/stanza.h"

struct stream;

struct stream_events {
        void (*connected)(void *owner); /* dialled streams; may be NULL */
        void (*secured)(void *owner);   /* TLS is up; may be NULL */
        /* The other side's header. Its namespace, prefix and version have been checked. */
        void (*opened)(void *owner, struct element *header);
        /* A child of the root: a stanza or part of a negotiation. The arena is the receiver's. The other side's <stream:error/> does not come
         * here: the stream closes, and closed() says "stream error from peer: ...". */
        void (*element)(void *owner, struct arena *arena, struct element *element, const struct xml_source *source);
        void (*drained)(void *owner); /* may be NULL */
        /* More has come than conn_allow allowed, at once or by and by; stream_fail is in place. May be NULL. */
        void (*excess)(void *owner, bool at_once);
        /* The last event, once, never from inside a call of the owner's: the stream is freed when it returns. why is a sentence. */
        void (*closed)(void *owner, const char *why);
        /* In whose name an error is sent before the owner has opened the stream (RFC 6120 4.9.1.3); NULL: in nobody's. */
        const char *(*name)(void *owner);
};

/* content_ns: what the header must declare: NS_CLIENT, NS_SERVER, NS_COMPONENT. */
struct stream *
stream_accept(int fd, const char *content_ns, const struct xml_limits *limits, const struct stream_events *events, void *owner);
struct stream *stream_dial(const struct address *to, const char *content_ns, const struct xml_limits *limits,
        const struct stream_events *events, void *owner);

struct conn *stream_conn(struct stream *stream);
/* Our header; attributes that are NULL are left out. id is ours as receiving side. version "1.0" unless version is NULL. */
void stream_open(struct stream *stream, const char *from, const char *to, const char *id, const char *lang, const char *version);
/* From inside an event, or between two: what follows is a new stream (RFC 6120 4.3.3), new parser, new limits if not NULL. */
void stream_restart(struct stream *stream, const struct xml_limits *limits);
/* The other side is a stranger, or no longer: its bytes are gathered, and nothing is held but they, until a header or an element is whole. Where a
 * stream begins. */
void stream_gather(struct stream *stream, bool gathers);
/* Other limits from now on: the administrator has changed them. */
void stream_set_limits(struct stream *stream, const struct xml_limits *limits);
/* Sends bytes or an element. */
void stream_send_text(struct stream *stream, const char *xml);
void stream_send_element(struct stream *stream, const struct element *element);
void stream_send(struct stream *stream, struct stanza *stanza);
/* Sends the error (opening our header first if it was not sent), closes. text may be NULL. Later input is ignored. */
void stream_fail(struct stream *stream, enum stream_condition condition, const char *text);
/* The same with an application-specific condition (RFC 6120 4.9.4), which is an element as it goes on the wire. */
void stream_fail_specific(struct stream *stream, enum stream_condition condition, const char *specific, const char *text);
/* Sends </stream:stream>, waits up to 5 s for the other's, closes. Elements that come meanwhile are dropped. */
void stream_close(struct stream *stream);
bool stream_is_closing(const struct stream *stream);
/* What was wrong with the XML it sent; known in closed() too. */
enum xml_problem stream_problem(const struct stream *stream);
/* The error that it sent (RFC 6120 4.9.3), undefined-condition where that has no known name; STREAM_CONDITIONS: it sent none. Known in closed() too. */
enum stream_condition stream_error_of_peer(const struct stream *stream);
/* The other side would not have our certificate; known in closed(). */
bool stream_certificate_is_refused(const struct stream *stream);
/* The other side closed it of its own accord, with its closing tag (RFC 6120 4.4); known in closed() too. */
bool stream_was_ended(const struct stream *stream);
/* At once, without closed(); from inside an event too. */
void stream_free(struct stream **stream);
/* Stops after the present element; with stream_resume goes on with what came behind it. */
void stream_pause(struct stream *stream);
void stream_resume(struct stream *stream);
/* Moving to another worker: call from the worker that has it, not from inside an event (pause there, pack at the turn's
 * end); parser and unread input travel along. After unpacking the stream is not paused. */
struct stream_parcel;
struct stream_parcel *stream_pack(struct stream **stream);
struct stream *stream_unpack(struct stream_parcel **parcel, const struct stream_events *events, void *owner);

#endif
