/* fuzz_json.c - whatever is given as JSON is a value or a sentence about it */
#include "shared/base/json.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
        struct arena *arena = arena_new(256);
        struct err err;

        json_parse(arena, (const char *)bytes, len, &err);
        arena_free(&arena);
        return 0;
}
