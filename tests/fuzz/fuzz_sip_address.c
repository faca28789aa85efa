/*
 * fuzz_sip_address.c - who somebody is: from the value of a From header to a JID, and back to a URI (2.1 to 2.3 of the dialects)
 *
 * The first byte chooses the dialect. Whatever the URI holds, the JID has the host of the URI and nothing in its local part that could be read as
 * another address; and the URI that is made of the JID leads to that very JID.
 */
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/base/text.h"
#include "sipcomp/bridge/address.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_local(const char *local)
{
        must(text_is_xml(local, strlen(local)));
        for (const char *c = local; *c != '\0'; c++)
                must((unsigned char)*c > ' ' && *c != 0x7f && strchr("\"&'/:<>@", *c) == NULL);
}

static void
check_mapping(struct arena *arena, const struct sip_uri *uri, const struct dialect *dialect)
{
        struct jid jid, again;
        struct sip_uri back;

        if (uri->scheme == SIP_SCHEME_OTHER || !address_to_jid(&jid, arena, uri, dialect))
                return;
        must(jid_is_bare(&jid) && !uri->host_is_literal);
        must(strncmp(uri->host, "xn--", 4) == 0 || strstr(uri->host, ".xn--") != NULL || strcasecmp(jid.domain, uri->host) == 0);
        if (jid.local != NULL)
                check_local(jid.local);
        const char *text = address_to_uri(arena, &jid);
        if (strcasecmp(jid.domain, uri->host) != 0)
                return; /* the domain is written in its Unicode form, which is no SIP host */
        must(sip_uri_parse(&back, arena, text, strlen(text)));
        must(address_to_jid(&again, arena, &back, dialect) && text_equal(again.full, jid.full));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const struct dialect *const dialects[] = { NULL, &dialect_simple, &dialect_lync, &dialect_ocs, &dialect_aol };
        struct sip_address address;

        if (size < 2 || size > 5000)
                return 0;
        struct arena *arena = arena_new(1024);
        char *exact = mem_dup(data + 1, size - 1);
        if (sip_address_parse(&address, arena, exact, size - 1) && !address.star)
                check_mapping(arena, &address.uri, dialects[data[0] % array_len(dialects)]);
        mem_free(exact);
        arena_free(&arena);
        return 0;
}
