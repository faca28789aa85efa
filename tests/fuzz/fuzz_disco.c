/* fuzz_disco.c - an answer from a client: its forms are read, its capabilities hashed; the order in which it says them makes no difference */
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/xmpp/disco.h"
#include "shared/xmpp/ns.h"
#include "shared/xmpp/rsm.h"
#include "shared/xmpp/stanza.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct xml_limits limits = { .stanza_bytes = 65536, .depth = 64, .attributes = 64 };

static void
read_form(struct arena *arena, const struct element *x)
{
        struct form form;
        bool yes;

        if (!form_read(&form, arena, x))
                return;
        must(form.count <= FORM_FIELDS_MAX);
        for (size_t i = 0; i < form.count; i++) {
                const char *name = form.fields[i].name, *text = form_text(&form, name);
                must(form_find(&form, name) == &form.fields[i]);
                must((text != NULL) == (form.fields[i].count == 1));
                must(form_number(&form, name, 1000) <= 1000);
                must(!form_bool(&form, name, &yes) || text != NULL);
        }
}

/* The same children, the last one first. */
static struct element *
turn_round(struct arena *arena, const struct element *query)
{
        struct element *turned = element_new(arena, query->name, query->ns);
        const struct element *last = NULL;

        for (size_t left = (size_t)-1; left > 0;) {
                size_t at = 0;
                last = NULL;
                for (const struct element *child = element_first(query); child != NULL && at < left;
                        child = element_next(child), at++)
                        last = child;
                left = last == NULL ? 0 : at - 1;
                if (last != NULL)
                        element_append(turned, element_copy(arena, last));
        }
        return turned;
}

static void
read_query(struct arena *arena, const struct element *query)
{
        static const char *const uids[] = { "a", "b", "c" };
        struct rsm rsm;
        struct rsm_page page;
        char hash[DISCO_HASH_TEXT], again[DISCO_HASH_TEXT];
        struct disco disco, turned;

        if (rsm_read(&rsm, arena, query) && rsm_cut(&rsm, uids, array_len(uids), &page))
                must(page.count <= rsm.max && page.first + page.count <= array_len(uids));
        if (!disco_read(&disco, arena, query))
                return;
        for (size_t i = 0; i < disco.feature_count; i++)
                must(disco_has(&disco, disco.features[i]));
        must(disco_identity(&disco) != NULL);
        must(strlen(disco_hash(&disco, DIGEST_SHA256, hash)) == 44);
        must(strlen(disco_hash(&disco, DIGEST_SHA1, hash)) == 28);
        if (disco.feature_count + disco.identity_count < 100) {
                must(disco_read(&turned, arena, turn_round(arena, query)));
                must(strcmp(disco_hash(&turned, DIGEST_SHA1, again), hash) == 0);
        }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct arena *arena;
        enum xml_problem xml;
        enum stanza_problem problem;
        struct element *element = xml_parse_document((const char *)data, size, &limits, &arena, &xml);

        if (element == NULL)
                return 0;
        struct stanza *stanza = stanza_new_parsed(arena, element, NULL, &problem);
        if (stanza == NULL) {
                arena_free(&arena);
                return 0;
        }
        struct element *query = stanza_payload(stanza);
        if (query != NULL) {
                read_query(stanza->arena, query);
                for (const struct element *child = element_first(query); child != NULL; child = element_next(child))
                        read_form(stanza->arena, child);
        }
        stanza_unref(&stanza);
        return 0;
}
