/*
 * map.c - open addressing with linear probing; removed keys leave a tombstone until the next rebuild
 *
 * SipHash (Aumasson, Bernstein 2012) with one compression and three finalisation rounds: the key is random for each process, so a
 * peer cannot choose addresses that collide.
 */
#include "shared/base/map.h"

#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/base/random.h"

#include <pthread.h>
#include <string.h>

struct slot {
        uint64_t hash;
        char *key; /* NULL: never used; TOMBSTONE: removed */
        size_t len;
        void *value;
};

struct map {
        struct slot *slots;
        size_t size;  /* a power of two */
        size_t used;  /* values and tombstones */
        size_t count; /* values */
};

static char tombstone[1];
#define TOMBSTONE tombstone

static uint64_t secret[2];
static pthread_once_t secret_once = PTHREAD_ONCE_INIT;

static void
choose_secret(void)
{
        random_bytes(secret, sizeof(secret));
}

static inline uint64_t
rotate(uint64_t x, int n)
{
        return x << n | x >> (64 - n);
}

#define ROUND()                                                          \
        do {                                                             \
                v0 += v1, v1 = rotate(v1, 13) ^ v0, v0 = rotate(v0, 32); \
                v2 += v3, v3 = rotate(v3, 16) ^ v2;                      \
                v0 += v3, v3 = rotate(v3, 21) ^ v0;                      \
                v2 += v1, v1 = rotate(v1, 17) ^ v2, v2 = rotate(v2, 32); \
        } while (0)

uint64_t
map_hash(const void *key, size_t len)
{
        pthread_once(&secret_once, choose_secret);
        uint64_t v0 = secret[0] ^ 0x736f6d6570736575u, v1 = secret[1] ^ 0x646f72616e646f6du;
        uint64_t v2 = secret[0] ^ 0x6c7967656e657261u, v3 = secret[1] ^ 0x7465646279746573u;
        const unsigned char *at = key;
        uint64_t word = 0;

        for (size_t left = len; left >= 8; left -= 8, at += 8) {
                memcpy(&word, at, 8);
                v3 ^= word;
                ROUND();
                v0 ^= word;
        }
        word = (uint64_t)len << 56;
        for (size_t i = 0; i < len % 8; i++)
                word |= (uint64_t)at[i] << (8 * i);
        v3 ^= word;
        ROUND();
        v0 ^= word;
        v2 ^= 0xff;
        ROUND();
        ROUND();
        ROUND();
        return v0 ^ v1 ^ v2 ^ v3;
}

struct map *
map_new(void)
{
        struct map *map = MEM_NEW(map);
        map->size = 8;
        map->slots = mem_array(map->size, sizeof(struct slot));
        return map;
}

static void
free_slots(struct slot *slots, size_t size)
{
        for (size_t i = 0; i < size; i++)
                if (slots[i].key != TOMBSTONE)
                        mem_free(slots[i].key);
        mem_free(slots);
}

void
map_free(struct map **map)
{
        if (*map == NULL)
                return;
        free_slots((*map)->slots, (*map)->size);
        mem_free(*map);
        *map = NULL;
}

/* The slot that holds this key, or NULL. */
static struct slot *
find(const struct map *map, uint64_t hash, const void *key, size_t len)
{
        for (size_t i = hash & (map->size - 1);; i = (i + 1) & (map->size - 1)) {
                struct slot *slot = &map->slots[i];
                if (slot->key == NULL)
                        return NULL;
                if (slot->key != TOMBSTONE && slot->hash == hash && slot->len == len &&
                        (len == 0 || memcmp(slot->key, key, len) == 0))
                        return slot;
        }
}

static struct slot *
find_unused(const struct map *map, uint64_t hash)
{
        size_t i = hash & (map->size - 1);
        while (map->slots[i].key != NULL)
                i = (i + 1) & (map->size - 1);
        return &map->slots[i];
}

/* Called when three quarters are used; drops the tombstones too. */
static void
rebuild(struct map *map)
{
        struct slot *old = map->slots;
        size_t old_size = map->size;

        while (map->count * 2 >= map->size)
                map->size *= 2;
        map->slots = mem_array(map->size, sizeof(struct slot));
        for (size_t i = 0; i < old_size; i++)
                if (old[i].key != NULL && old[i].key != TOMBSTONE)
                        *find_unused(map, old[i].hash) = old[i];
        map->used = map->count;
        mem_free(old);
}

void *
map_get(const struct map *map, const void *key, size_t len)
{
        struct slot *slot = find(map, map_hash(key, len), key, len);
        return slot == NULL ? NULL : slot->value;
}

void *
map_put(struct map *map, const void *key, size_t len, void *value)
{
        must(value != NULL);
        uint64_t hash = map_hash(key, len);
        struct slot *slot = find(map, hash, key, len);
        if (slot != NULL) {
                void *before = slot->value;
                slot->value = value;
                return before;
        }
        if ((map->used + 1) * 4 > map->size * 3)
                rebuild(map);
        slot = find_unused(map, hash);
        *slot = (struct slot){ .hash = hash, .key = mem_dup(key, len), .len = len, .value = value };
        map->used++;
        map->count++;
        return NULL;
}

void *
map_remove(struct map *map, const void *key, size_t len)
{
        struct slot *slot = find(map, map_hash(key, len), key, len);
        if (slot == NULL)
                return NULL;
        void *value = slot->value;
        mem_free(slot->key);
        *slot = (struct slot){ .key = TOMBSTONE };
        map->count--;
        return value;
}

size_t
map_count(const struct map *map)
{
        return map->count;
}

void *
map_next(const struct map *map, size_t *at)
{
        while (*at < map->size) {
                struct slot *slot = &map->slots[(*at)++];
                if (slot->key != NULL && slot->key != TOMBSTONE)
                        return slot->value;
        }
        return NULL;
}

void *
map_get_str(const struct map *map, const char *key)
{
        return map_get(map, key, strlen(key));
}

void *
map_put_str(struct map *map, const char *key, void *value)
{
        return map_put(map, key, strlen(key), value);
}

void *
map_remove_str(struct map *map, const char *key)
{
        return map_remove(map, key, strlen(key));
}
