/* fuzz_msrp.c - MSRP frames one after the other: the same whole and byte by byte, and what is read of them stays inside */
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "sipcomp/msrp/frame.h"
#include "sipcomp/msrp/uri.h"

#include <stdint.h>
#include <string.h>

enum { SLOW_MAX = 2048 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is found at the front when the bytes trickle in. */
static enum msrp_framing
trickle(struct arena *arena, const char *bytes, size_t len, struct msrp_frame *frame)
{
        struct msrp_framer framer = { 0 };
        enum msrp_framing found = MSRP_FRAME_MORE;
        for (size_t n = 1; n <= len && found == MSRP_FRAME_MORE; n++)
                found = msrp_frame_next(&framer, arena, bytes, n, frame);
        return found;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const char *bytes = (const char *)data;
        struct msrp_framer framer = { 0 };

        for (size_t at = 0; at < size;) {
                struct arena *arena = arena_new(1024);
                struct msrp_frame frame, slow;
                struct msrp_uri uri;
                enum msrp_framing found = msrp_frame_next(&framer, arena, bytes + at, size - at, &frame);
                if (size - at <= SLOW_MAX) {
                        must(trickle(arena, bytes + at, size - at, &slow) == found);
                        must(found != MSRP_FRAME_WHOLE || (slow.used == frame.used && slow.body_len == frame.body_len));
                }
                if (found == MSRP_FRAME_WHOLE) {
                        must(frame.used > 0 && frame.used <= size - at && frame.to_path != NULL && frame.from_path != NULL);
                        must(frame.body_len == 0 ||
                                (frame.body > bytes + at && frame.body + frame.body_len < bytes + at + frame.used));
                        const char *first = msrp_path_first(arena, frame.to_path);
                        if (first != NULL && msrp_uri_parse(&uri, arena, first))
                                must(msrp_uri_same(&uri, &uri));
                        at += frame.used;
                } else {
                        at = size;
                }
                arena_free(&arena);
        }
        return 0;
}
