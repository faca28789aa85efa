/* fuzz_sdp.c - session descriptions: what is read as text has types that can be asked, and what we write is read as text */
#include "shared/base/panic.h"
#include "sipcomp/sip/sdp.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct arena *arena = arena_new(1024);
        struct buf answer = { 0 };
        struct sip_sdp sdp;

        if (sip_sdp_read(&sdp, arena, (const char *)data, size) == SIP_SDP_IM) {
                sip_sdp_accepts(&sdp, "text/plain");
                sip_sdp_accepts(&sdp, "text");
                sip_sdp_write(&answer, "192.0.2.1", "null", sdp.accept_types != NULL ? sdp.accept_types : "text/plain");
                must(sip_sdp_read(&sdp, arena, buf_data(&answer), answer.len) == SIP_SDP_IM && sdp.accept_types != NULL);
        }
        buf_free(&answer);
        arena_free(&arena);
        return 0;
}
