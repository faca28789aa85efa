/* fuzz_sm_records.c - sessions and unacknowledged stanzas from damaged records; what is read is written to the same bytes */
#include "shared/base/panic.h"
#include "xmppd/user/sm_private.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct arena *arena = arena_new(1024);
        struct sm_record record;
        struct sm_sent_record sent;
        struct buf out = { 0 };
        int64_t ends;
        uint64_t id;

        if (sm_record_read(&record, arena, data, size) && data[0] > 1 &&
                data[1] <= 1) { /* what is read of the first version is written as the second */
                sm_record_write(&out, &record);
                must(out.len == size && memcmp(buf_data(&out), data, size) == 0);
        }
        if (sm_sent_record_read(&sent, data, size) && (sent.number == 0 || sent.len == 0)) {
                buf_clear(&out);
                sm_sent_record_write(&out, &sent);
                must(out.len == size && memcmp(buf_data(&out), data, size) == 0);
        }
        sm_end_key_read(data, size, &ends, &id);
        buf_free(&out);
        arena_free(&arena);
        return 0;
}
