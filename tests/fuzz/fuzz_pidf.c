/* Presence documents from a peer: any bytes give a verdict, and what is read fits the limits. */
#include "sipcomp/simple/pidf.h"

#include "shared/base/panic.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct arena *arena = arena_new(4096);
        struct pidf pidf;
        struct buf out = { 0 };

        if (pidf_read(&pidf, arena, (const char *)data, size, "sip:carol@lync.test", true) == PIDF_FINE) {
                must(strlen(pidf.activity) <= PIDF_ACTIVITY_MAX);
                must(pidf.note_count <= PIDF_NOTES);
                for (size_t i = 0; i < pidf.note_count; i++)
                        must(strlen(pidf.notes[i].text) <= PIDF_NOTE_MAX);
                /* What we write of it can be read again and says the same. */
                struct pidf again;
                pidf_write(&out, "sip:carol@lync.test", pidf.open, pidf.activity, pidf.note_count > 0 ? pidf.notes[0].text : NULL);
                must(pidf_read(&again, arena, buf_data(&out), out.len, "sip:carol@lync.test", false) == PIDF_FINE);
                must(again.open == pidf.open);
        }
        buf_free(&out);
        arena_free(&arena);
        return 0;
}
