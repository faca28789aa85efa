/* pidf.h - presence documents: reading what others send, writing the one shape we send (RFC 3863, RFC 4479, RFC 4480; 6.2 and 6.4) */
#ifndef SIPCOMP_SIMPLE_PIDF_H
#define SIPCOMP_SIMPLE_PIDF_H

#include "shared/base/arena.h"
#include "shared/base/buf.h"

#include <stdbool.h>
#include <stddef.h>

#define PIDF_TYPE "application/pidf+xml"

enum { PIDF_NOTES = 4, PIDF_NOTE_MAX = 1023, PIDF_ACTIVITY_MAX = 48, PIDF_DOCUMENT_MAX = 64 * 1024 };

struct pidf_note {
        const char *lang; /* NULL: none */
        const char *text;
};

/* A plain value; the texts live in the arena it was read into. */
struct pidf {
        bool open;
        const char *activity; /* lower-case as in RFC 4480: "busy"; "" for none */
        struct pidf_note notes[PIDF_NOTES];
        size_t note_count;
        const char *display_name; /* NULL: none */
};

/* Nobody is there. */
extern const struct pidf pidf_closed;
/* A copy with its texts in one block, or pidf_closed where it says no more than that. */
const struct pidf *pidf_copy(const struct pidf *pidf);
void pidf_free_copy(const struct pidf **pidf);

enum pidf_verdict {
        PIDF_FINE,
        PIDF_BROKEN,     /* not well-formed, a DOCTYPE, too large or deep, or not a presence document */
        PIDF_OF_ANOTHER, /* the entity is not the one asked for */
};

/* entity is the URI or address of the contact: schemes, parameters and the case of the host do not matter; loose: neither do the case and spaces
 * of the user (AOL). */
enum pidf_verdict pidf_read(struct pidf *pidf, struct arena *arena, const char *bytes, size_t len, const char *entity, bool loose);
/* The same two addresses by these rules? */
bool pidf_same_entity(const char *a, const char *b, bool loose);

/* Appends the document. Closed ones never differ in a byte but for the entity: activity and note are left out. note may be NULL or "". */
void pidf_write(struct buf *out, const char *entity, bool open, const char *activity, const char *note);

#endif
