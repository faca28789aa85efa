/*
 * arena.c - bump allocation in a chain of blocks
 *
 * The arena's own struct stands at the start of its first block, so that a small stanza costs one malloc and one free.
 */
#include "shared/base/arena.h"

#include "shared/base/mem.h"
#include "shared/base/panic.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOCK_MAX = 64 * 1024, ALIGN = alignof(max_align_t) };

struct block {
        struct block *older;
        size_t size;
};

struct arena {
        struct block *newest;
        char *free, *end; /* inside the newest block */
        size_t next_size;
        size_t total;
};

static size_t
align_up(size_t n)
{
        return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

/* Not zeroed as a whole: arena_alloc clears what it gives away, which is less. */
static struct block *
take_block(size_t size)
{
        struct block *block = malloc(size);
        must(block != NULL);
        block->older = NULL;
        block->size = size;
        return block;
}

struct arena *
arena_new(size_t first_block)
{
        size_t head = align_up(sizeof(struct block)) + align_up(sizeof(struct arena));
        size_t size = first_block < head + 64 ? head + 64 : first_block;
        struct block *block = take_block(size);
        struct arena *arena = (struct arena *)(void *)((char *)block + align_up(sizeof(struct block)));

        arena->newest = block;
        arena->free = (char *)block + head;
        arena->end = (char *)block + size;
        arena->next_size = size < BLOCK_MAX / 2 ? size * 2 : BLOCK_MAX;
        arena->total = size;
        return arena;
}

void
arena_free(struct arena **arena)
{
        if (*arena == NULL)
                return;
        /* The first block holds *arena itself and is the last of the chain. */
        struct block *block = (*arena)->newest;
        *arena = NULL;
        while (block != NULL) {
                struct block *older = block->older;
                free(block);
                block = older;
        }
}

static void
add_block(struct arena *arena, size_t need)
{
        size_t head = align_up(sizeof(struct block));
        must(need <= SIZE_MAX / 2);
        size_t size = head + need > arena->next_size ? head + need : arena->next_size;
        struct block *block = take_block(size);

        block->older = arena->newest;
        arena->newest = block;
        arena->free = (char *)block + head;
        arena->end = (char *)block + size;
        arena->total += size;
        arena->next_size = arena->next_size < BLOCK_MAX / 2 ? arena->next_size * 2 : BLOCK_MAX;
}

static void *
take(struct arena *arena, size_t size)
{
        must(size <= SIZE_MAX / 2);
        size_t need = align_up(size ? size : 1);
        if (need > (size_t)(arena->end - arena->free))
                add_block(arena, need);
        void *memory = arena->free;
        arena->free += need;
        return memory;
}

void *
arena_alloc(struct arena *arena, size_t size)
{
        return memset(take(arena, size), 0, size);
}

char *
arena_strndup(struct arena *arena, const char *text, size_t len)
{
        must(len < SIZE_MAX);
        char *copy = take(arena, len + 1);
        if (len > 0)
                memcpy(copy, text, len);
        copy[len] = '\0';
        return copy;
}

char *
arena_strdup(struct arena *arena, const char *text)
{
        return text == NULL ? NULL : arena_strndup(arena, text, strlen(text));
}

char *
arena_printf(struct arena *arena, const char *format, ...)
{
        va_list args, again;
        va_start(args, format);
        va_copy(again, args);
        int len = vsnprintf(NULL, 0, format, args);
        va_end(args);
        must(len >= 0);
        char *text = take(arena, (size_t)len + 1);
        vsnprintf(text, (size_t)len + 1, format, again);
        va_end(again);
        return text;
}

size_t
arena_size(const struct arena *arena)
{
        return arena->total;
}
