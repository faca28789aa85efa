/* fuzz_user_records.c - roster items, privacy lists, blocked addresses and kept messages from damaged records; what is read is written to the same bytes */
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "xmppd/user/privacy_private.h"
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
        bool is_default;
        struct privacy_list *list = privacy_record_read(data, size, &is_default);
        struct kept_message kept;

        if (item != NULL && data[0] > 1) { /* what is read of the first version is written as the second */
                record_item(&out, item);
                must(out.len == size && memcmp(buf_data(&out), data, size) == 0);
        }
        if (list != NULL) {
                buf_clear(&out);
                privacy_record_write(&out, list, is_default);
                must(out.len == size && memcmp(buf_data(&out), data, size) == 0);
        }
        if (record_read_message(&kept, data, size) && data[0] > 1) { /* likewise */
                buf_clear(&out);
                record_message(&out, &kept);
                must(out.len == size && memcmp(buf_data(&out), data, size) == 0);
        }
        item_free(&item);
        mem_free(jid);
        privacy_list_free(&list);
        buf_free(&out);
        return 0;
}
