/* parser.h - from the bytes of a stream to elements, with every limit kept while bytes are fed
 *
 * No DTD, processing instruction, comment or foreign encoding passes (RFC 6120 11.1). A parser serves one stream between two restarts:
 * after TLS or SASL make a new one.
 */
#ifndef SHARED_XML_PARSER_H
#define SHARED_XML_PARSER_H

#include "shared/xml/element.h"

#include <stdbool.h>
#include <stddef.h>

struct xml_parser;

struct xml_limits {
        size_t stanza_bytes; /* of one child of the stream's root, and of the stream header */
        int depth;           /* below the root; 64 unless there is a reason */
        int attributes;      /* on one element; 64 */
        size_t name_bytes;   /* of the name of an element or attribute with its namespace; 0: 1024 */
};

/* What a stanza looked like on the wire. Bytes of the inside (between start and end tag) can be passed on as they are if `plain`: nothing
 * inside leans on a prefix or a default namespace declared outside of it other than the content namespace. Valid during the call only. */
struct xml_source {
        const char *inside;
        size_t inside_len;
        bool plain;
};

enum xml_problem {
        XML_FINE,
        XML_NOT_WELL_FORMED,
        XML_RESTRICTED,           /* comment, PI, DTD, entity */
        XML_UNSUPPORTED_ENCODING, /* declared something other than UTF-8 */
        XML_TOO_LARGE,            /* limits.stanza_bytes */
        XML_TOO_DEEP,             /* limits.depth */
        XML_TOO_MANY_ATTRIBUTES,  /* limits.attributes, or declarations of namespaces at the root */
        XML_NAME_TOO_LONG,        /* limits.name_bytes, or the prefix of the root */
        XML_BAD_NAMESPACE_PREFIX, /* an unbound prefix */
        XML_STRAY_TEXT,           /* text other than white space between two stanzas (RFC 6120 4.9.3.1) */
};

struct xml_events {
        /* The root's start tag. header lives during the call; default_ns is the stream's content namespace as declared ("" if none). */
        void (*opened)(void *owner, struct element *header, const char *default_ns);
        /* A complete child of the root. The arena with the element is the receiver's, who frees it. */
        void (*element)(void *owner, struct arena *arena, struct element *element, const struct xml_source *source);
        /* The root's end tag. */
        void (*closed)(void *owner);
};

struct xml_parser *xml_parser_new(const struct xml_limits *limits, const struct xml_events *events, void *owner);
/* Other limits from now on, for what is not complete yet too. */
void xml_parser_set_limits(struct xml_parser *parser, const struct xml_limits *limits);
/* Never from inside one of its events: use xml_parser_stop there and free later. */
void xml_parser_free(struct xml_parser **parser);
/* Feeds bytes. *used is how many were consumed: all, unless an event called xml_parser_stop, when it points behind that element, or a
 * problem was found. After a problem the parser takes nothing more. */
enum xml_problem xml_parser_feed(struct xml_parser *parser, const char *bytes, size_t len, size_t *used);
/* From inside an event: no further event comes from this feed, the bytes behind this element are left to the caller. */
void xml_parser_stop(struct xml_parser *parser);
/* The prefix with which the root was written: "" for none or before it came. */
const char *xml_parser_root_prefix(const struct xml_parser *parser);
/* Gives back what an idle parser holds, if it stands between two stanzas; the next feed makes it again. Returns false if it could not. */
bool xml_parser_rest(struct xml_parser *parser);

/* One document that is not a stream (PIDF, IM documents, stored stanzas): the tree in a new arena, or NULL with the problem. */
struct element *
xml_parse_document(const char *bytes, size_t len, const struct xml_limits *limits, struct arena **arena, enum xml_problem *problem);

#endif
