/* fuzz_stanza.c - an element from a peer becomes a stanza, is answered and written; what was written parses to the same bytes again */
#include "shared/base/panic.h"
#include "shared/xmpp/stanza.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct xml_limits limits = { .stanza_bytes = 16384, .depth = 64, .attributes = 64 };

static struct stanza *
parse(const char *bytes, size_t len, bool *refused)
{
        struct arena *arena;
        enum xml_problem xml;
        enum stanza_problem problem;
        struct element *element = xml_parse_document(bytes, len, &limits, &arena, &xml);
        *refused = false;
        if (element == NULL)
                return NULL;
        struct stanza *stanza = stanza_new_parsed(arena, element, NULL, &problem);
        if (stanza == NULL) {
                *refused = true;
                struct stanza *answer = stanza_refusal(element, problem, NULL);
                struct buf out = { 0 };
                if (answer != NULL)
                        stanza_write(&out, answer);
                buf_free(&out);
                stanza_unref(&answer);
                arena_free(&arena);
        }
        return stanza;
}

static void
write_into(struct buf *out, struct stanza *stanza)
{
        buf_clear(out);
        stanza_write(out, stanza);
}

/* The bytes as a document of its own. */
static void
declare(struct buf *out)
{
        struct buf whole = { 0 };
        const char *text = buf_text(out);
        size_t name = strcspn(text, " />");
        buf_put(&whole, text, name);
        buf_puts(&whole, " xmlns=\"jabber:client\"");
        buf_puts(&whole, text + name);
        buf_free(out);
        *out = whole;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        bool refused;
        struct stanza *stanza = parse((const char *)data, size, &refused);
        if (stanza == NULL)
                return 0;

        struct stanza *error = stanza_error(stanza, ITEM_NOT_FOUND, "no");
        if (stanza_is_request(stanza)) {
                struct stanza *result = stanza_result(stanza);
                stanza_seal(result);
                stanza_unref(&result);
        }
        stanza_priority(stanza);
        struct buf first = { 0 }, second = { 0 };
        if (error != NULL)
                write_into(&first, error);
        write_into(&first, stanza);
        struct stanza *derived =
                stanza_derive(stanza, stanza->from.full ? &stanza->from : NULL, stanza->to.full ? &stanza->to : NULL);
        write_into(&second, derived);
        must(first.len == second.len && memcmp(buf_data(&first), buf_data(&second), first.len) == 0);
        stanza_unref(&derived);

        if (first.len < 8192) {
                declare(&second);
                struct stanza *again = parse(buf_data(&second), second.len, &refused);
                must(again != NULL);
                struct buf third = { 0 };
                write_into(&third, again);
                must(first.len == third.len && memcmp(buf_data(&first), buf_data(&third), first.len) == 0);
                buf_free(&third);
                stanza_unref(&again);
        }
        buf_free(&first);
        buf_free(&second);
        stanza_unref(&error);
        stanza_unref(&stanza);
        return 0;
}
