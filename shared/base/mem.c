/*
 * mem.c - allocation that never fails
 *
 * Out of memory stops the process: limits are kept where input enters, and what was acknowledged is on disk.
 */
#include "shared/base/mem.h"

#include "shared/base/panic.h"

#include <stdint.h>
#include <stdlib.h>

#include <openssl/crypto.h>

void *
mem_new(size_t size)
{
        void *memory = calloc(1, size ? size : 1);
        must(memory != NULL);
        return memory;
}

void *
mem_array(size_t n, size_t size)
{
        must(size == 0 || n <= SIZE_MAX / size);
        return mem_new(n * size);
}

void *
mem_resize(void *old, size_t n, size_t size)
{
        must(size == 0 || n <= SIZE_MAX / size);
        size_t bytes = n * size;
        void *memory = realloc(old, bytes ? bytes : 1);
        must(memory != NULL);
        return memory;
}

void *
mem_dup(const void *bytes, size_t len)
{
        void *copy = mem_new(len);
        if (len > 0)
                memcpy(copy, bytes, len);
        return copy;
}

char *
mem_strdup(const char *text)
{
        return text == NULL ? NULL : mem_dup(text, strlen(text) + 1);
}

void
mem_free(void *memory)
{
        free(memory);
}

void
mem_wipe(void *secret, size_t len)
{
        OPENSSL_cleanse(secret, len);
}

int
mem_equal_secret(const void *a, const void *b, size_t len)
{
        return CRYPTO_memcmp(a, b, len) == 0;
}
