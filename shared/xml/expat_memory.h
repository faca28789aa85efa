/* expat_memory.h - the memory of one expat parser in a block or two of its own, so that a parser that rests leaves no holes; private to this room */
#ifndef SHARED_XML_EXPAT_MEMORY_H
#define SHARED_XML_EXPAT_MEMORY_H

#include <expat.h>

struct expat_memory;

struct expat_memory *expat_memory_new(void);
/* After XML_ParserFree. */
void expat_memory_free(struct expat_memory **memory);
/* expat's allocation functions do not say for whom: around every call that may allocate or free, name whose memory it is. Calls nest: leave with
 * what enter returned. */
struct expat_memory *expat_memory_enter(struct expat_memory *memory);
void expat_memory_leave(struct expat_memory *before);
/* For XML_ParserCreate_MM. */
extern const XML_Memory_Handling_Suite expat_memory_suite;

#endif
