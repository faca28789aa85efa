/* Bodies of messages from a peer: the first line is the Content-Type, the rest the body. What comes out is text that XML takes. */
#include "sipcomp/dialect/cpim.h"
#include "sipcomp/dialect/text.h"

#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/base/text.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const char *bytes = (const char *)data, *end = size == 0 ? NULL : memchr(bytes, '\n', size);
        struct buf out = { 0 };
        bool typing;
        unsigned refresh;
        struct cpim cpim;
        char id[CPIM_ID_MAX + 1];

        if (end == NULL || memchr(bytes, '\0', (size_t)(end - bytes)) != NULL)
                return 0;
        char *type = mem_dup(bytes, (size_t)(end - bytes) + 1);
        type[end - bytes] = '\0';
        size_t len = size - (size_t)(end + 1 - bytes);
        if (text_reduce(&out, type, end + 1, len) == TEXT_FINE) {
                must(out.len <= TEXT_MAX);
                must(out.len == 0 || text_is_xml(buf_data(&out), out.len));
        }
        text_typing(end + 1, len, &typing, &refresh);
        if (cpim_read(&cpim, end + 1, len))
                imdn_read(cpim.body, cpim.body_len, id);
        buf_free(&out);
        mem_free(type);
        return 0;
}
