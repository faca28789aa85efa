/*
 * fuzz_proxy.c - the head of the PROXY protocol: what a piece of it promises, the whole keeps, and nothing behind the bytes is read
 */
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/loop/proxy.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct proxy_head whole, part;

        if (size > 2 * PROXY_HEAD_MAX)
                return 0;
        enum proxy_outcome outcome = proxy_read(&whole, (const char *)data, size);
        must(outcome != PROXY_DONE || (whole.len <= size && whole.len <= PROXY_HEAD_MAX));
        must(outcome != PROXY_MORE || size < PROXY_HEAD_MAX);
        for (size_t len = 0; len < size; len += len < 64 ? 1 : 61) {
                char *exact = mem_dup(data, len);
                enum proxy_outcome found = proxy_read(&part, exact, len);
                must(found != PROXY_BROKEN || outcome == PROXY_BROKEN);
                must(found != PROXY_DONE ||
                        (outcome == PROXY_DONE && part.len == whole.len && part.has_source == whole.has_source));
                mem_free(exact);
        }
        return 0;
}
