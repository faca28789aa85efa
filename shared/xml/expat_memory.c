/*
 * expat_memory.c - the memory of one expat parser
 *
 * Pieces are cut off a block one after the other; those given back are kept by size and used again. Pieces too large for a block come from
 * malloc. When the parser goes, its blocks go as a whole.
 */
#include "shared/xml/expat_memory.h"

#include "shared/base/mem.h"
#include "shared/base/pages.h"
#include "shared/base/panic.h"

#include <stdint.h>
#include <stdlib.h>

enum { CLASSES = 14, LARGE = 6 * 1024, TRIES = 4 };

/* In front of every piece. */
struct piece {
        size_t size;        /* of what follows, a multiple of 16 */
        struct piece *next; /* while it is free */
};

struct block {
        struct block *next;
        uint64_t unused;
};

struct expat_memory {
        struct block block; /* the first one, in which this stands */
        struct block *last;
        char *at, *end;              /* of the last block */
        struct piece *free[CLASSES]; /* by the highest bit of the size */
};

static _Thread_local struct expat_memory *current;

struct expat_memory *
expat_memory_new(void)
{
        struct expat_memory *memory = pages_take();

        *memory = (struct expat_memory){ .at = (char *)memory + ((sizeof(*memory) + 15) & ~(size_t)15),
                .end = (char *)memory + PAGES_BLOCK };
        memory->last = &memory->block;
        return memory;
}

void
expat_memory_free(struct expat_memory **where)
{
        struct block *block = *where == NULL ? NULL : &(*where)->block;

        while (block != NULL) {
                struct block *next = block->next;
                pages_give(block);
                block = next;
        }
        *where = NULL;
}

struct expat_memory *
expat_memory_enter(struct expat_memory *memory)
{
        struct expat_memory *before = current;

        current = memory;
        return before;
}

void
expat_memory_leave(struct expat_memory *before)
{
        current = before;
}

static unsigned
class_of(size_t size)
{
        return 63u - (unsigned)__builtin_clzll(size);
}

static struct piece *
reuse(struct expat_memory *memory, size_t size)
{
        unsigned at = class_of(size);
        int tries = 0;

        for (struct piece **slot = &memory->free[at]; *slot != NULL && tries < TRIES; slot = &(*slot)->next, tries++) {
                struct piece *piece = *slot;
                if (piece->size < size)
                        continue;
                *slot = piece->next;
                return piece;
        }
        return NULL;
}

static struct piece *
cut(struct expat_memory *memory, size_t size)
{
        if ((size_t)(memory->end - memory->at) < sizeof(struct piece) + size) {
                struct block *block = pages_take();
                block->next = NULL;
                memory->last->next = block;
                memory->last = block;
                memory->at = (char *)(block + 1);
                memory->end = (char *)block + PAGES_BLOCK;
        }
        struct piece *piece = (struct piece *)(void *)memory->at;
        piece->size = size;
        memory->at += sizeof(*piece) + size;
        return piece;
}

static void *
allocate(size_t size)
{
        struct piece *piece;

        must(current != NULL);
        if (size > SIZE_MAX / 2)
                return NULL;
        size = size == 0 ? 16 : (size + 15) & ~(size_t)15;
        if (size >= LARGE) {
                piece = malloc(sizeof(*piece) + size);
                if (piece == NULL)
                        return NULL;
                piece->size = size;
        } else if ((piece = reuse(current, size)) == NULL) {
                piece = cut(current, size);
        }
        return piece + 1;
}

static void
release(void *bytes)
{
        if (bytes == NULL)
                return;
        struct piece *piece = (struct piece *)bytes - 1;
        if (piece->size >= LARGE) {
                free(piece);
                return;
        }
        must(current != NULL);
        struct piece **slot = &current->free[class_of(piece->size)];
        piece->next = *slot;
        *slot = piece;
}

static void *
resize(void *bytes, size_t size)
{
        if (bytes == NULL)
                return allocate(size);
        struct piece *piece = (struct piece *)bytes - 1;
        if (size <= piece->size)
                return bytes;
        void *larger = allocate(size);
        if (larger != NULL) {
                memcpy(larger, bytes, piece->size);
                release(bytes);
        }
        return larger;
}

const XML_Memory_Handling_Suite expat_memory_suite = { allocate, resize, release };
