/*
 * fuzz_sip_frame.c - a stream of SIP messages: whole and in pieces it has the same frames, and none is larger than the limits
 *
 * The first byte is the size of the pieces.
 */
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "sipcomp/sip/frame.h"

#include <stdbool.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FRAMES_MAX = 4096 };

/* Notes kind and length of each frame; returns how many. */
static size_t
walk(const char *bytes, size_t size, size_t piece, size_t *lengths)
{
        struct sip_framer framer = { 0 };
        size_t taken = 0, shown = 0, n = 0;

        while (n < FRAMES_MAX) {
                struct sip_frame frame;
                /* What is not shown yet may not be looked at. */
                char *exact = shown > taken ? mem_dup(bytes + taken, shown - taken) : NULL;
                enum sip_framing found = sip_frame_next(&framer, exact, shown - taken, &frame);
                must(frame.used <= shown - taken && frame.head_len <= frame.used && frame.body_len <= SIP_BODY_MAX);
                must(found != SIP_FRAME_MESSAGE || frame.head_len <= SIP_HEAD_MAX);
                mem_free(exact);
                if (found == SIP_FRAME_MORE) {
                        if (shown == size)
                                break;
                        shown = size - shown < piece ? size : shown + piece;
                        continue;
                }
                if (found == SIP_FRAME_BROKEN) {
                        lengths[n++] = 1000000;
                        break;
                }
                must(frame.used > 0);
                lengths[n++] = frame.used;
                taken += frame.used;
        }
        return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static size_t whole[FRAMES_MAX], pieces[FRAMES_MAX];

        if (size < 2 || size > 20000)
                return 0;
        size_t piece = data[0] + (size_t)1;
        size_t n = walk((const char *)data + 1, size - 1, size, whole), m = walk((const char *)data + 1, size - 1, piece, pieces);
        must(n == m);
        for (size_t i = 0; i < n; i++)
                must(whole[i] == pieces[i]);
        return 0;
}
