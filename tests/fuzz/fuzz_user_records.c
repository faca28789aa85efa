/* fuzz_user_records.c - roster items, blocked addresses and kept messages from damaged records; what is read is written to the same bytes */
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "xmppd/user/records.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct buf out = { 0 };
        struct item *item = record_read_item(data, size);
        char *jid = record_read_blocked(data, size);
        struct kept_message kept;

        if (item != NULL && data[0] > 1) { /* what is read of the first version is written as the second */
                record_item(&out, item);
                must(out.len == size && memcmp(buf_data(&out), data, size) == 0);
        }
        if (jid != NULL) {
                buf_clear(&out);
                record_blocked(&out, jid);
                must(out.len == size && memcmp(buf_data(&out), data, size) == 0);
        }
        if (record_read_message(&kept, data, size) && data[0] > 1) { /* likewise */
                buf_clear(&out);
                record_message(&out, &kept);
                must(out.len == size && memcmp(buf_data(&out), data, size) == 0);
        }
        item_free(&item);
        mem_free(jid);
        buf_free(&out);
        return 0;
}
