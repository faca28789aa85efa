/*
 * people.c - who is who: a pair is kept by canonical names, and shown to each user by the name he uses
 */
#include "sipcomp/bridge/bridge_private.h"

#include "shared/base/mem.h"
#include "shared/base/text.h"

#include <string.h>

enum { ALIASES_MAX = 100000, NAMES_MAX = 100000 };

/* user\40gmail.com@aol.com in a roster is user(gmail.com)@aol.com everywhere else (2.3). */
struct alias {
        unsigned char key[PAIR_KEY];
        char *local; /* the local part as the user writes it */
};

static void
remember_alias(const struct gateway *gateway, const struct pair *pair, const char *local)
{
        unsigned char key[PAIR_KEY];
        pair_key(key, pair);
        struct alias *alias = map_get(gateway->aliases, key, PAIR_KEY);
        if (alias == NULL && map_count(gateway->aliases) >= ALIASES_MAX)
                return; /* he is shown the canonical name */
        if (alias == NULL) {
                alias = MEM_NEW(alias);
                memcpy(alias->key, key, PAIR_KEY);
                map_put(gateway->aliases, key, PAIR_KEY, alias);
        } else if (text_equal(alias->local, local)) {
                return;
        }
        mem_free(alias->local);
        alias->local = mem_strdup(local);
}

struct known_name {
        char *foreign, *name;
};

void
people_keep_name(struct gateway *gateway, const char *foreign, const char *name)
{
        struct known_name *known = map_get_str(gateway->names, foreign);
        if (known == NULL && map_count(gateway->names) >= NAMES_MAX)
                return; /* his card has no name */
        if (known == NULL) {
                known = MEM_NEW(known);
                known->foreign = mem_strdup(foreign);
                map_put_str(gateway->names, foreign, known);
        } else if (text_equal(known->name, name)) {
                return;
        }
        mem_free(known->name);
        known->name = mem_strdup(name);
}

const char *
people_name(const struct gateway *gateway, const char *foreign)
{
        const struct known_name *known = map_get_str(gateway->names, foreign);
        return known == NULL ? NULL : known->name;
}

void
people_free_all(struct gateway *gateway)
{
        struct alias *alias;
        struct known_name *known;
        for (size_t at = 0; (known = map_next(gateway->names, &at)) != NULL;) {
                map_remove_str(gateway->names, known->foreign);
                mem_free(known->foreign);
                mem_free(known->name);
                mem_free(known);
        }
        for (size_t at = 0; (alias = map_next(gateway->aliases, &at)) != NULL;) {
                map_remove(gateway->aliases, alias->key, PAIR_KEY);
                mem_free(alias->local);
                mem_free(alias);
        }
}

bool
people_pair(
        const struct gateway *gateway, struct arena *arena, struct pair *pair, const struct jid *local, const struct jid *foreign)
{
        const struct foreign_domain *domain = federation_domain(gateway->federation, foreign->domain);
        struct jid canonical, bare = jid_bare(local, arena);
        if (domain == NULL || local->local == NULL || foreign->local == NULL)
                return false;
        const char *name = address_canonical(arena, domain->dialect, foreign->local);
        if (!jid_make(&canonical, arena, name, foreign->domain, NULL))
                return false;
        pair->local = bare.full;
        pair->foreign = canonical.full;
        pair->local_uri = address_to_uri(arena, &bare);
        pair->foreign_uri = address_to_uri(arena, &canonical);
        pair->local_user = address_user(arena, &bare);
        pair->domain = domain->name;
        if (!text_equal(name, foreign->local))
                remember_alias(gateway, pair, foreign->local);
        return true;
}

bool
people_foreign(const struct gateway *gateway, struct arena *arena, struct jid *jid, const struct pair *pair, const char *resource)
{
        unsigned char key[PAIR_KEY];
        struct jid bare;
        pair_key(key, pair);
        const struct alias *alias = map_get(gateway->aliases, key, PAIR_KEY);
        if (!jid_parse(&bare, arena, pair->foreign))
                return false;
        return jid_make(jid, arena, alias == NULL ? bare.local : alias->local, bare.domain, resource);
}

bool
people_local(struct arena *arena, struct jid *jid, const struct pair *pair)
{
        return jid_parse(jid, arena, pair->local);
}
