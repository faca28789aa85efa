/* words.h - a line of words as a shell would split it, and back */
#ifndef SHARED_CONTROL_WORDS_H
#define SHARED_CONTROL_WORDS_H

#include "shared/base/arena.h"
#include "shared/base/buf.h"
#include "shared/base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* The words of a line, in the arena, with a NULL behind the last; NULL with a sentence for a quote that is not closed, a NUL, or more than max words.
 * 'literal', "with \" and \\", and a backslash outside of quotes take the next byte as it is. */
char **words_split(struct arena *arena, const char *line, size_t len, size_t max, int *count, struct err *err);
/* Appends the word so that words_split gives it back. False: it holds a line break. */
bool words_quote(struct buf *out, const char *word);

#endif
