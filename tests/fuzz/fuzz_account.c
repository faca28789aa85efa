/* fuzz_account.c - account records of any bytes; what can be read is written again as it was */
#include "xmppd/user/account_private.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct arena *arena = arena_new(1024);
        struct account account;
        struct buf out = { 0 };

        if (account_decode(&account, arena, data, size)) {
                account_encode(&out, &account);
                if (out.len != size || memcmp(buf_data(&out), data, size) != 0)
                        abort();
        }
        buf_free(&out);
        arena_free(&arena);
        return 0;
}
