/*
 * check.c - a tree and the tables become sections with a value for every setting
 *
 * Complains of all that the tables do not know, of what is given twice (naming both places) and of what is missing. Sections and settings that
 * the file leaves out are made with their defaults, so that getters never fail.
 */
#include "shared/config/config_private.h"

#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "shared/xmpp/jid.h"

#include <stdio.h>
#include <string.h>

enum { SUGGEST_MAX = 32 };

struct checker {
        struct reading *reading;
        const struct section_rule *rules; /* the top */
        struct place last_place;          /* and how it reads: what stands on one line shares the text */
        const char *last_text;
};

int
suggest_limit(const char *written)
{
        size_t len = strlen(written);
        return len <= 2 ? 1 : len <= 4 ? 2 : 3;
}

/* Damerau and Levenshtein: characters added, left out, changed, or two exchanged. */
static int
distance(const char *a, const char *b)
{
        int row[3][SUGGEST_MAX + 1];
        int a_len = (int)strlen(a), b_len = (int)strlen(b);

        if (a_len > SUGGEST_MAX || b_len > SUGGEST_MAX)
                return SUGGEST_MAX;
        for (int j = 0; j <= b_len; j++)
                row[0][j] = j;
        for (int i = 1; i <= a_len; i++) {
                int *now = row[i % 3], *above = row[(i + 2) % 3], *two_above = row[(i + 1) % 3];
                now[0] = i;
                for (int j = 1; j <= b_len; j++) {
                        int best = above[j - 1] + (a[i - 1] != b[j - 1]);
                        if (above[j] + 1 < best)
                                best = above[j] + 1;
                        if (now[j - 1] + 1 < best)
                                best = now[j - 1] + 1;
                        if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && two_above[j - 2] + 1 < best)
                                best = two_above[j - 2] + 1;
                        now[j] = best;
                }
        }
        return row[a_len % 3][b_len];
}

void
suggest(const char *written, const char *candidate, const char **meant, int *best)
{
        int d = distance(written, candidate);
        if (d < *best) {
                *best = d;
                *meant = candidate;
        }
}

static const struct setting *
find_setting(const struct section_rule *rule, const char *name)
{
        for (const struct setting *at = rule->settings; at != NULL && at->name != NULL; at++)
                if (strcmp(at->name, name) == 0)
                        return at;
        return NULL;
}

static const struct section_rule *
find_section(const struct section_rule *rule, const char *name)
{
        for (const struct section_rule *at = rule->inside; at != NULL && at->name != NULL; at++)
                if (strcmp(at->name, name) == 0)
                        return at;
        return NULL;
}

/* Where a name that is unknown here would be right: "in section c2s { }". NULL: nowhere. */
static const char *
find_elsewhere(struct checker *checker, const struct section_rule *in, const char *name)
{
        if (find_setting(in, name) != NULL || find_section(in, name) != NULL) {
                if (in->name[0] == '\0')
                        return "it stands outside of sections";
                return arena_printf(checker->reading->arena, "it stands in section %s { }", in->name);
        }
        for (const struct section_rule *at = in->inside; at != NULL && at->name != NULL; at++) {
                const char *found = find_elsewhere(checker, at, name);
                if (found != NULL)
                        return found;
        }
        return NULL;
}

static void
complain_unknown(struct checker *checker, const struct node *node, const struct section_rule *rule)
{
        const char *what = node->is_section ? "section" : "setting", *meant = NULL;
        const char *in = rule->name[0] == '\0' ? "" : arena_printf(checker->reading->arena, " in section %s", rule->name);
        int best = suggest_limit(node->name);

        for (const struct setting *at = rule->settings; at != NULL && at->name != NULL; at++)
                suggest(node->name, at->name, &meant, &best);
        for (const struct section_rule *at = rule->inside; at != NULL && at->name != NULL; at++)
                suggest(node->name, at->name, &meant, &best);
        const char *elsewhere = find_elsewhere(checker, checker->rules, node->name);
        if (elsewhere != NULL)
                complain_error(checker->reading, node->place, "unknown %s %.60s%s: %s", what, node->name, in, elsewhere);
        else if (meant != NULL)
                complain_error(checker->reading, node->place, "unknown %s %.60s%s: did you mean %s?", what, node->name, in, meant);
        else
                complain_error(checker->reading, node->place, "unknown %s %.60s%s", what, node->name, in);
}

static const char *
place_text(struct checker *checker, struct place place)
{
        if (checker->last_text == NULL || place.source != checker->last_place.source || place.line != checker->last_place.line) {
                checker->last_place = place;
                checker->last_text = arena_printf(checker->reading->arena, "%s:%d", place.source->path, place.line);
        }
        return checker->last_text;
}

static void
give_default(struct checker *checker, const struct setting *rule, struct value *value, struct place place)
{
        struct node node = { .name = rule->name, .place = place };

        value->text = "";
        read_default(checker->reading, rule->value != NULL ? rule->value : "", &node);
        if (rule->value != NULL)
                check_value(checker->reading, &node, rule, value);
}

static void
check_setting(struct checker *checker, const struct node *node, const struct setting *rule, struct section *section)
{
        struct value *value = &section->values[rule - section->rule->settings];
        size_t errors_before = checker->reading->errors.count;

        if (value->set) {
                complain_error(checker->reading, node->place, "%s is given twice: first at %s", rule->name, value->place);
                return;
        }
        value->set = true;
        value->place = place_text(checker, node->place);
        check_value(checker->reading, node, rule, value);
        if (checker->reading->errors.count != errors_before && value->items == NULL)
                give_default(checker, rule, value, node->place);
}

static struct section *
make_section(struct checker *checker, const struct node *node, const struct section_rule *rule, struct place place);

/* Prepares the title. Complains and returns NULL when there is none that fits. */
static const char *
check_title(struct checker *checker, const struct node *node, const struct section_rule *rule)
{
        char prepared[JID_PART_MAX + 1];

        if (!rule->titled) {
                if (node->title != NULL)
                        complain_error(checker->reading, node->place, "section %s takes no title: expected %s { ... }", rule->name,
                                rule->name);
                return "";
        }
        if (node->title == NULL || node->title[0] == '\0') {
                complain_error(checker->reading, node->place, "section %s needs a title: expected %s \"...\" { ... }", rule->name,
                        rule->name);
                return NULL;
        }
        if (!rule->title_is_domain)
                return node->title;
        if (jid_prepare_domain(prepared, node->title))
                return arena_strdup(checker->reading->arena, prepared);
        complain_error(checker->reading, node->place,
                "section %s: \"%.60s\" is not a domain name: expected letters, digits, hyphens and dots, at most 255 characters",
                rule->name, node->title);
        return node->title;
}

static void
check_section(struct checker *checker, const struct node *node, const struct section_rule *rule, struct section *in)
{
        struct reading *reading = checker->reading;
        const char *title = check_title(checker, node, rule);
        struct section *section = make_section(checker, node, rule, node->place);

        section->title = title != NULL ? title : "";
        if (title == NULL)
                return;
        const struct section *first = section_find(in, rule, section->title);
        if (first != NULL) {
                if (rule->titled)
                        complain_error(reading, node->place, "section %s \"%.60s\" is given twice: first at %s", rule->name, title,
                                first->place);
                else
                        complain_error(reading, node->place, "section %s is given twice: first at %s", rule->name, first->place);
                return;
        }
        if (rule->unbuilt != NULL && in->kin[rule - in->rule->inside].first == NULL)
                complain(reading, &reading->warnings, node->place, "section %s: %s", rule->name, rule->unbuilt);
        section_append(reading->arena, in, section);
}

static void
check_children(struct checker *checker, const struct node *node, struct section *section)
{
        const struct section_rule *rule = section->rule;

        for (const struct node *child = node->first; child != NULL; child = child->next) {
                const struct setting *setting = find_setting(rule, child->name);
                const struct section_rule *inside = find_section(rule, child->name);
                if (setting != NULL && !child->is_section)
                        check_setting(checker, child, setting, section);
                else if (inside != NULL && child->is_section)
                        check_section(checker, child, inside, section);
                else if (setting != NULL)
                        complain_error(
                                checker->reading, child->place, "%s is a setting: expected %s = ...", child->name, child->name);
                else if (inside != NULL)
                        complain_error(checker->reading, child->place, "%s is a section: expected %s%s { ... }", child->name,
                                child->name, inside->titled ? " \"...\"" : "");
                else if (!rule->loose)
                        complain_unknown(checker, child, rule);
        }
}

/* Defaults for what the file leaves out. node is NULL for a section that is left out itself. */
static void
complete(struct checker *checker, const struct node *node, struct section *section, struct place place)
{
        const struct section_rule *rule = section->rule;

        for (const struct setting *at = rule->settings; at != NULL && at->name != NULL; at++) {
                struct value *value = &section->values[at - rule->settings];
                if (value->set)
                        continue;
                value->place = section->place;
                give_default(checker, at, value, place);
                if (at->value == NULL && !checker->reading->bad_syntax) {
                        if (node != NULL && rule->name[0] == '\0')
                                complain_error(checker->reading, place, "%s is missing: %s", at->name, at->help);
                        else
                                complain_error(
                                        checker->reading, place, "section %s: %s is missing: %s", rule->name, at->name, at->help);
                }
        }
        for (const struct section_rule *at = rule->inside; at != NULL && at->name != NULL; at++)
                if (!at->titled && section_find(section, at, "") == NULL)
                        section_append(checker->reading->arena, section, make_section(checker, NULL, at, place));
}

static struct section *
make_section(struct checker *checker, const struct node *node, const struct section_rule *rule, struct place place)
{
        struct section *section = ARENA_NEW(checker->reading->arena, section);
        size_t count = 0;

        section->rule = rule;
        section->title = "";
        section->place = place_text(checker, place);
        while (rule->settings != NULL && rule->settings[count].name != NULL)
                count++;
        section->values = arena_alloc(checker->reading->arena, (count + 1) * sizeof(*section->values));
        for (size_t i = 0; i < count; i++)
                section->values[i].rule = &rule->settings[i];
        count = 0;
        while (rule->inside != NULL && rule->inside[count].name != NULL)
                count++;
        section->kin = arena_alloc(checker->reading->arena, count * sizeof(*section->kin));
        if (node != NULL)
                check_children(checker, node, section);
        complete(checker, node, section, place);
        return section;
}

struct section *
check_tree(struct reading *reading, const struct node *top, const struct section_rule *rules)
{
        struct checker checker = { .reading = reading, .rules = rules };

        return make_section(&checker, top, rules, top->place);
}
