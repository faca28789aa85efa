/* map.h - from bytes to a pointer: a hash table that hostile keys cannot make slow (SipHash-1-3 with a random key) */
#ifndef SHARED_BASE_MAP_H
#define SHARED_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map;

/* Keys are copied; values are the caller's and never NULL. */
struct map *map_new(void);
/* The values are not touched: empty the map first where they must be freed. */
void map_free(struct map **map);
void *map_get(const struct map *map, const void *key, size_t len);
/* Returns the value that stood under this key before, or NULL. */
void *map_put(struct map *map, const void *key, size_t len, void *value);
/* Returns the value removed, or NULL. */
void *map_remove(struct map *map, const void *key, size_t len);
size_t map_count(const struct map *map);
/* Visits all values: start with *at = 0, ends with NULL. Between two calls nothing may be put; the value just returned may be removed. */
void *map_next(const struct map *map, size_t *at);

/* The same with terminated strings. */
void *map_get_str(const struct map *map, const char *key);
void *map_put_str(struct map *map, const char *key, void *value);
void *map_remove_str(struct map *map, const char *key);

/* The keyed hash, the same for the whole life of the process and no longer; for homes of addresses and the like. */
uint64_t map_hash(const void *key, size_t len);

#endif
