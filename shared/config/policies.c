/*
 * policies.c - the index of exceptions: one table for exact names, one for the domains behind "*."
 *
 * A decision costs one look-up for the name, and one for each suffix of it that has no more labels than the deepest wildcard: whoever claims a
 * name of a hundred labels does not make us look a hundred times.
 */
#include "shared/config/policies.h"

#include "shared/base/arena.h"
#include "shared/base/map.h"
#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "shared/xmpp/jid.h"

#include <string.h>

enum { IN = 1, OUT = 2 };

struct exception {
        const struct section *section;
        bool allows;
        unsigned directions; /* IN | OUT */
};

struct owner {
        const char *kind, *place;
};

struct policies {
        struct arena *arena;
        struct policy_verdict disabled, otherwise; /* answers that need no look-up */
        bool is_enabled;
        struct map *owners;
        struct map *exact, *wildcard; /* of "*.example.net" the key is "example.net" */
        int deepest;                  /* labels of the longest of these */
};

static int
count_labels(const char *domain)
{
        int count = 1;

        for (; (domain = strchr(domain, '.')) != NULL; domain++)
                count++;
        return count;
}

static void
add_exception(struct policies *policies, const struct section *section)
{
        char domain[JID_PART_MAX + 1];
        const char *title = section_title(section), *direction = config_text(section, "direction");
        bool is_wildcard = text_starts(title, "*.");

        if (!jid_prepare_domain(domain, is_wildcard ? title + 2 : title))
                return; /* what reads the file has complained */
        struct exception *exception = ARENA_NEW(policies->arena, exception);
        *exception = (struct exception){ .section = section, .allows = strcmp(config_text(section, "action"), "allow") == 0 };
        exception->directions = strcmp(direction, "in") == 0 ? IN : strcmp(direction, "out") == 0 ? OUT : IN | OUT;
        map_put_str(is_wildcard ? policies->wildcard : policies->exact, domain, exception);
        if (is_wildcard && count_labels(domain) > policies->deepest)
                policies->deepest = count_labels(domain);
}

static void
add_owner(struct policies *policies, const char *kind, const char *name, const char *place)
{
        if (map_get_str(policies->owners, name) != NULL)
                return; /* a mail domain that is also a local one */
        struct owner *owner = ARENA_NEW(policies->arena, owner);
        *owner = (struct owner){ .kind = kind, .place = place };
        map_put_str(policies->owners, name, owner);
}

static void
add_owners(struct policies *policies, const struct section *top)
{
        static const char *const kinds[] = { "domain", "component", "chat", "sip-domain" };
        const struct section *email = section_of(top, "email");

        for (size_t i = 0; i < array_len(kinds); i++) {
                const struct section *section = NULL;
                while ((section = section_next(top, kinds[i], section)) != NULL) {
                        add_owner(policies, kinds[i], section_title(section), section_place(section, NULL));
                        for (size_t k = 0; strcmp(kinds[i], "chat") == 0 && k < config_list_count(section, "aliases"); k++)
                                add_owner(policies, "chat alias", config_list_item(section, "aliases", k),
                                        section_place(section, "aliases"));
                }
        }
        for (size_t i = 0; config_bool(email, "enabled") && i < config_list_count(email, "domains"); i++)
                add_owner(policies, "email", config_list_item(email, "domains", i), section_place(email, "domains"));
}

struct policies *
policies_new(const struct section *top)
{
        struct policies *policies = MEM_NEW(policies);
        const struct section *federation = section_of(top, "xmpp-federation"), *section = NULL;

        policies->arena = arena_new(1024);
        policies->owners = map_new();
        policies->exact = map_new();
        policies->wildcard = map_new();
        policies->is_enabled = config_bool(federation, "enabled");
        policies->disabled = (struct policy_verdict){
                .kind = "xmpp-federation.enabled", .rule = "xmpp-federation.enabled", .place = section_place(federation, "enabled")
        };
        policies->otherwise =
                (struct policy_verdict){ .is_allowed = strcmp(config_text(federation, "default-policy"), "allow") == 0,
                        .kind = "default-policy",
                        .rule = "default-policy",
                        .place = section_place(federation, "default-policy") };
        add_owners(policies, top);
        while ((section = section_next(top, "xmpp-policy", section)) != NULL)
                add_exception(policies, section);
        return policies;
}

void
policies_free(struct policies **reference)
{
        struct policies *policies = *reference;

        *reference = NULL;
        if (policies == NULL)
                return;
        map_free(&policies->owners);
        map_free(&policies->exact);
        map_free(&policies->wildcard);
        arena_free(&policies->arena);
        mem_free(policies);
}

static const struct exception *
find_exception(const struct policies *policies, const char *domain, unsigned direction)
{
        const struct exception *found = map_get_str(policies->exact, domain);
        int labels = count_labels(domain);

        if (found != NULL && (found->directions & direction) != 0)
                return found;
        for (const char *suffix = domain; suffix != NULL; labels--) {
                found = labels <= policies->deepest ? map_get_str(policies->wildcard, suffix) : NULL;
                if (found != NULL && (found->directions & direction) != 0)
                        return found;
                suffix = strchr(suffix, '.');
                suffix = suffix != NULL ? suffix + 1 : NULL;
        }
        return NULL;
}

struct policy_verdict
policies_decide(const struct policies *policies, const char *domain, enum policy_direction direction)
{
        if (!policies->is_enabled)
                return policies->disabled;
        const struct owner *owner = map_get_str(policies->owners, domain);
        if (owner != NULL)
                return (struct policy_verdict){ .kind = owner->kind, .rule = owner->kind, .place = owner->place };
        const struct exception *found = find_exception(policies, domain, direction == POLICY_IN ? IN : OUT);
        if (found == NULL)
                return policies->otherwise;
        return (struct policy_verdict){ .is_allowed = found->allows,
                .kind = "xmpp-policy",
                .rule = section_title(found->section),
                .place = section_place(found->section, NULL) };
}
