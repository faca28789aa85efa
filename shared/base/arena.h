/* arena.h - memory for things that live and die together: a stanza with all that was parsed from it, a configuration snapshot */
#ifndef SHARED_BASE_ARENA_H
#define SHARED_BASE_ARENA_H

#include <stddef.h>

struct arena;

/* first_block: bytes set aside at once (header included); further blocks double up to 64 KiB. */
struct arena *arena_new(size_t first_block);
void arena_free(struct arena **arena);
/* Zeroed, aligned for any object, lives as long as the arena; never NULL. */
void *arena_alloc(struct arena *arena, size_t size);
/* Terminated copies. arena_strdup(NULL) is NULL. */
char *arena_strdup(struct arena *arena, const char *text);
char *arena_strndup(struct arena *arena, const char *text, size_t len);
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Bytes taken from the system, for limits and metrics. */
size_t arena_size(const struct arena *arena);

#define ARENA_NEW(arena, pointer) arena_alloc((arena), sizeof(*(pointer)))

#endif
