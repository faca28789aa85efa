/*
 * privacy_list.c - making a privacy list, and the blocking list that is part of it
 */
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "xmppd/user/privacy_private.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 256 };

struct privacy_list *
privacy_list_new(const char *name, size_t room)
{
        struct arena *arena = arena_new(BLOCK + room * sizeof(struct rule));
        struct privacy_list *list = ARENA_NEW(arena, list);

        list->arena = arena;
        list->name = arena_strdup(arena, name);
        list->rules = arena_alloc(arena, room * sizeof(*list->rules));
        list->room = room;
        return list;
}

void
privacy_list_add(struct privacy_list *list, const struct rule *rule)
{
        must(list->count < list->room);
        struct rule *added = &list->rules[list->count++];
        *added = *rule;
        added->next = NULL;
        added->value = arena_strdup(list->arena, rule->value);
}

static int
compare(const void *a, const void *b)
{
        const struct rule *one = a, *other = b;

        return (one->order > other->order) - (one->order < other->order);
}

static void
put_in_front(struct map **map, struct rule *rule)
{
        if (*map == NULL)
                *map = map_new();
        rule->next = map_put_str(*map, rule->value, rule);
}

int
rule_subscription(const char *name)
{
        for (uint8_t state = SUBSCRIPTION_NONE; state <= SUBSCRIBED_BOTH; state++)
                if (strcmp(subscription_name(state), name) == 0)
                        return state;
        return -1;
}

/* From the last to the first, so that each goes in front of those behind it. */
static void
chain(struct privacy_list *list)
{
        for (size_t i = list->count; i-- > 0;) {
                struct rule *rule = &list->rules[i], **first = &list->anybody;
                list->needs_roster |= rule->type == RULE_GROUP || rule->type == RULE_SUBSCRIPTION;
                if (rule->type == RULE_JID || rule->type == RULE_GROUP) {
                        put_in_front(rule->type == RULE_JID ? &list->jids : &list->groups, rule);
                        continue;
                }
                if (rule->type == RULE_SUBSCRIPTION)
                        first = &list->subscriptions[rule_subscription(rule->value)];
                rule->next = *first;
                *first = rule;
        }
}

bool
privacy_list_seal(struct privacy_list *list)
{
        qsort(list->rules, list->count, sizeof(*list->rules), compare);
        for (size_t i = 1; i < list->count; i++)
                if (list->rules[i].order == list->rules[i - 1].order)
                        return false;
        chain(list);
        return true;
}

void
privacy_list_free(struct privacy_list **list)
{
        if (*list == NULL)
                return;
        struct arena *arena = (*list)->arena;
        map_free(&(*list)->jids);
        map_free(&(*list)->groups);
        arena_free(&arena);
        *list = NULL;
}

/* ---- the blocking list ---- */

bool
rule_is_block(const struct rule *rule)
{
        return rule->type == RULE_JID && rule->denies && rule->kinds == RULE_WHOLE;
}

bool
privacy_list_blocks(const struct privacy_list *list, const char *jid)
{
        const struct rule *rule = list != NULL && list->jids != NULL ? map_get_str(list->jids, jid) : NULL;

        while (rule != NULL && !rule_is_block(rule))
                rule = rule->next;
        return rule != NULL;
}

static size_t
count_leading_blocks(const struct privacy_list *list)
{
        size_t count = 0;

        while (list != NULL && count < list->count && rule_is_block(&list->rules[count]))
                count++;
        return count;
}

/* Gives the rules from `first` on, which are new, orders between those around them; where there is no room all get new ones. */
static void
number_rules(struct privacy_list *list, size_t first, size_t fresh)
{
        bool has_before = first > 0, has_behind = first + fresh < list->count;
        uint64_t before = has_before ? list->rules[first - 1].order : 0;
        uint64_t end = has_behind ? list->rules[first + fresh].order : (uint64_t)UINT32_MAX + 1; /* may not be reached */
        uint64_t start = has_before ? before + 1 : !has_behind ? 1 : end >= fresh ? end - fresh : end;

        if (start + fresh <= end) {
                for (size_t i = 0; i < fresh; i++)
                        list->rules[first + i].order = (uint32_t)(start + i);
                return;
        }
        for (size_t i = 0; i < list->count; i++)
                list->rules[i].order = (uint32_t)(i + 1);
}

/* XEP-0191, 5: blocks come first. One that stood further behind moves there. */
struct privacy_list *
privacy_list_block(const struct privacy_list *old, const char *name, const struct jid *jids, size_t count)
{
        size_t old_count = old != NULL ? old->count : 0, leading = count_leading_blocks(old), at = 0;
        struct privacy_list *list = privacy_list_new(old != NULL ? old->name : name, old_count + count);
        struct map *done = map_new();

        for (; at < leading; at++) {
                privacy_list_add(list, &old->rules[at]);
                map_put_str(done, old->rules[at].value, list);
        }
        for (size_t i = 0; i < count; i++) {
                struct rule rule = { .type = RULE_JID, .kinds = RULE_WHOLE, .denies = true, .value = jids[i].full };
                if (map_put_str(done, jids[i].full, list) == NULL)
                        privacy_list_add(list, &rule);
        }
        size_t fresh = list->count - leading;
        for (; at < old_count; at++)
                if (!rule_is_block(&old->rules[at]) || map_get_str(done, old->rules[at].value) == NULL)
                        privacy_list_add(list, &old->rules[at]);
        map_free(&done);
        number_rules(list, leading, fresh);
        must(privacy_list_seal(list));
        return list;
}

struct privacy_list *
privacy_list_unblock(const struct privacy_list *old, const struct jid *jids, size_t count)
{
        struct privacy_list *list = privacy_list_new(old->name, old->count);
        struct map *gone = map_new();

        for (size_t i = 0; i < count; i++)
                map_put_str(gone, jids[i].full, list);
        for (size_t i = 0; i < old->count; i++) {
                const struct rule *rule = &old->rules[i];
                if (!rule_is_block(rule) || (count > 0 && map_get_str(gone, rule->value) == NULL))
                        privacy_list_add(list, rule);
        }
        map_free(&gone);
        must(privacy_list_seal(list));
        return list;
}
