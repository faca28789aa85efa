/* text.h - what foreign clients send as a message, reduced to plain text (7.4, 9 of the dialects) */
#ifndef SIPCOMP_DIALECT_TEXT_H
#define SIPCOMP_DIALECT_TEXT_H

#include "shared/base/buf.h"

#include <stdbool.h>
#include <stddef.h>

enum text_verdict {
        TEXT_FINE,        /* out holds the text, maybe empty */
        TEXT_COMPOSING,   /* an isComposing document (RFC 3994): its owner reads it */
        TEXT_NOTHING,     /* a document that is answered 200 and means nothing here */
        TEXT_BAD,         /* 400 */
        TEXT_TOO_LARGE,   /* 413 */
        TEXT_UNSUPPORTED, /* 415 */
};

enum { TEXT_MAX = 64 * 1024, TEXT_PARTS_MAX = 32, TEXT_LEVELS_MAX = 3 };

/* type: the value of Content-Type with its parameters; NULL counts as text/plain only where the body is empty. Appends UTF-8 text with LF line
 * ends, characters that XML forbids replaced by U+FFFD. */
enum text_verdict text_reduce(struct buf *out, const char *type, const char *bytes, size_t len);

/* The parts of this type in a multipart body, as they stand in it (type: the value of its Content-Type); false: it is no multipart. */
typedef void text_part(void *owner, const char *bytes, size_t len);
bool text_parts(const char *type, const char *bytes, size_t len, const char *wanted, text_part *take, void *owner);

/* XMPP to SIP: LF becomes CR LF. */
void text_to_wire(struct buf *out, const char *text, size_t len);

/* "active" true, "idle" false (RFC 3994); KeyboardActivity "type" and "idle" (7.5). *refresh: seconds, 120 unless the document says. False if
 * the document says neither. */
bool text_typing(const char *bytes, size_t len, bool *typing, unsigned *refresh);

/* Compares the type without its parameters, case ignored: text_type_is("text/plain;charset=UTF-8", "text/plain"). */
bool text_type_is(const char *type, const char *name);

#endif
