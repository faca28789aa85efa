/* frame.h - where a piece of a stream ends: a start tag of the root, an element, white space between elements
 *
 * Looks at brackets and quotes only, so that the bytes of a stranger can be gathered, and nothing but they be held, until there is something to
 * parse. Whatever it is not sure of it calls a piece: the parser then says what is wrong.
 */
#ifndef SHARED_XML_FRAME_H
#define SHARED_XML_FRAME_H

#include <stdbool.h>
#include <stddef.h>

/* A plain value, zero-initialised for each stream. */
struct frame {
        size_t at;      /* bytes of the piece in hand that have been looked at */
        unsigned depth; /* open elements, the root counted */
        char state;
        bool is_lost; /* everything is a piece from now on */
};

/* Bytes of the first piece, 0 while it is not whole. Bytes that were not part of a piece are given again, in front of what follows them. */
size_t frame_scan(struct frame *frame, const char *bytes, size_t len);

#endif
