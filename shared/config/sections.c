/*
 * sections.c - the sections inside a section: those of one kind in file order, and one of them by its title
 *
 * There may be a hundred thousand of one kind. What is asked on hot paths stands beside them (section_of(top, "c2s")), so each kind has its own
 * list; titles are looked up in a table as soon as there are more than a few.
 */
#include "shared/config/config_private.h"

#include "shared/base/map.h"
#include "shared/base/panic.h"

#include <string.h>

enum { FEW = 8 };

static void
put_title(struct kin *kin, struct section *section)
{
        size_t at = (size_t)map_hash(section->title, strlen(section->title)) & (kin->size - 1);

        while (kin->table[at] != NULL)
                at = (at + 1) & (kin->size - 1);
        kin->table[at] = section;
}

/* The old table stays in the arena: all of them together are no larger than the last. */
static void
grow_table(struct arena *arena, struct kin *kin)
{
        kin->size = kin->size == 0 ? 4 * FEW : kin->size * 2;
        kin->table = arena_alloc(arena, kin->size * sizeof(*kin->table));
        for (struct section *at = kin->first; at != NULL; at = at->next)
                put_title(kin, at);
}

void
section_append(struct arena *arena, struct section *in, struct section *section)
{
        struct kin *kin = &in->kin[section->rule - in->rule->inside];

        if (kin->last != NULL)
                kin->last->next = section;
        else
                kin->first = section;
        kin->last = section;
        kin->count++;
        if (kin->count <= FEW || !section->rule->titled)
                return;
        if (kin->count > kin->size / 2)
                grow_table(arena, kin);
        else
                put_title(kin, section);
}

struct section *
section_find(const struct section *in, const struct section_rule *rule, const char *title)
{
        const struct kin *kin = &in->kin[rule - in->rule->inside];
        struct section *found = kin->first;

        if (kin->size == 0) {
                while (found != NULL && strcmp(found->title, title) != 0)
                        found = found->next;
                return found;
        }
        size_t at = (size_t)map_hash(title, strlen(title)) & (kin->size - 1);
        while ((found = kin->table[at]) != NULL && strcmp(found->title, title) != 0)
                at = (at + 1) & (kin->size - 1);
        return found;
}

/* Look-ups stand on hot paths. Those who ask and those who declare write the name as a literal, and literals of one text are one object in the
 * program, so the pointer decides nearly always; only where it does not, texts are compared. */
static const struct section_rule *
rule_of(const struct section *in, const char *name)
{
        const struct section_rule *at = in->rule->inside;

        must(at != NULL);
        while (at->name != NULL && at->name != name)
                at++;
        if (at->name != NULL)
                return at;
        at = in->rule->inside;
        while (at->name != NULL && strcmp(at->name, name) != 0)
                at++;
        must(at->name != NULL);
        return at;
}

const struct section *
section_of(const struct section *in, const char *name)
{
        const struct section *section = section_next(in, name, NULL);

        must(section != NULL && !section->rule->titled);
        return section;
}

const struct section *
section_next(const struct section *in, const char *name, const struct section *before)
{
        return before != NULL ? before->next : in->kin[rule_of(in, name) - in->rule->inside].first;
}

const struct section *
section_titled(const struct section *in, const char *name, const char *title)
{
        return section_find(in, rule_of(in, name), title);
}

const char *
section_title(const struct section *section)
{
        return section->title;
}
