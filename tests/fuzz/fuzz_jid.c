/* fuzz_jid.c - what was taken as an address is taken again, unchanged; escaping a name and back gives the name */
#include "shared/base/panic.h"
#include "shared/base/text.h"
#include "shared/xmpp/jid.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct arena *arena = arena_new(4096);
        struct jid jid, again;
        char ascii[256];

        if (jid_parse_len(&jid, arena, (const char *)data, size)) {
                must(strlen(jid.full) == jid.full_len && jid.full_len <= JID_MAX && text_is_utf8(jid.full, jid.full_len));
                must(jid_parse(&again, arena, jid.full));
                must(jid_equal(&jid, &again));
                must(jid_domain_to_ascii(ascii, jid.domain));
                struct jid bare = jid_bare(&jid, arena);
                must(jid_equal_bare(&bare, &jid) && bare.full_len == jid.bare_len);
        }
        char *text = arena_strndup(arena, (const char *)data, strnlen((const char *)data, size));
        char *escaped = jid_escape(arena, text);
        if (escaped != NULL)
                must(strcmp(jid_unescape(arena, escaped), text) == 0);
        arena_free(&arena);
        return 0;
}
