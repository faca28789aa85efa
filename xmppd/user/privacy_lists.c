/*
 * privacy_lists.c - what a client asks of its privacy lists (XEP-0016, 2.3 to 2.8)
 */
#include "shared/xmpp/ns.h"
#include "xmppd/route/limits.h"
#include "xmppd/route/route.h"
#include "xmppd/user/privacy_private.h"

#include <string.h>

enum { NAME_MAX_BYTES = 1023 };

static const struct {
        const char *name;
        uint8_t bit;
} kind_names[] = { { "message", RULE_MESSAGE }, { "iq", RULE_IQ }, { "presence-in", RULE_PRESENCE_IN },
        { "presence-out", RULE_PRESENCE_OUT } };

static const char *const type_names[RULE_TYPES] = {
        [RULE_JID] = "jid", [RULE_GROUP] = "group", [RULE_SUBSCRIPTION] = "subscription"
};

/* ---- telling ---- */

static void
add_named(struct stanza *result, struct element *query, const char *element, const struct privacy_list *list)
{
        if (list != NULL)
                element_set(result->arena, element_add(result->arena, query, element, NULL), "name", list->name);
}

static void
add_rule(struct stanza *result, struct element *list, const struct rule *rule)
{
        struct element *item = element_add(result->arena, list, "item", NULL);

        if (rule->type != RULE_ANY) {
                element_set(result->arena, item, "type", type_names[rule->type]);
                element_set(result->arena, item, "value", rule->value);
        }
        element_set(result->arena, item, "action", rule->denies ? "deny" : "allow");
        element_set(result->arena, item, "order", arena_printf(result->arena, "%u", (unsigned)rule->order));
        for (size_t i = 0; rule->kinds != RULE_WHOLE && i < array_len(kind_names); i++)
                if (rule->kinds & kind_names[i].bit)
                        element_add(result->arena, item, kind_names[i].name, NULL);
}

static void
tell_names(struct user *user, const struct session *session, struct stanza *result, struct element *query)
{
        size_t at = 0;

        add_named(result, query, "active", session != NULL ? session->active : NULL);
        add_named(result, query, "default", user->default_list);
        for (struct privacy_list *list; user->lists != NULL && (list = map_next(user->lists, &at)) != NULL;)
                add_named(result, query, "list", list);
}

static void
tell_list(const struct privacy_list *list, struct stanza *result, struct element *query)
{
        struct element *element = element_add(result->arena, query, "list", NULL);

        element_set(result->arena, element, "name", list->name);
        for (size_t i = 0; i < list->count; i++)
                add_rule(result, element, &list->rules[i]);
}

void
privacy_tell(struct stanza *iq)
{
        struct user *user = user_load(&iq->to);
        const struct element *asked = element_first(stanza_payload(iq));
        struct session *session = session_find(&iq->from);
        const char *name = asked != NULL ? element_attribute(asked, "name") : NULL;

        if (asked != NULL && (!element_is(asked, "list", NS_PRIVACY) || name == NULL || element_next(asked) != NULL)) {
                route_error(iq, BAD_REQUEST, "One list can be asked for at a time.");
                return;
        }
        const struct privacy_list *list = asked != NULL ? privacy_list_of(user, name) : NULL;
        if (asked != NULL && list == NULL) {
                route_error(iq, ITEM_NOT_FOUND, NULL);
                return;
        }
        if (session != NULL && !session->wants_privacy) {
                session->wants_privacy = true;
                session_note_change(session);
        }
        struct stanza *result = stanza_result(iq);
        struct element *query = element_add(result->arena, result->element, "query", NS_PRIVACY);
        if (list == NULL)
                tell_names(user, session, result, query);
        else
                tell_list(list, result, query);
        write_answer(user, iq, result);
}

/* ---- who uses a list ---- */

/* Does the default list apply to a client that is connected, other than this one? */
static bool
default_is_used_by_others(const struct user *user, const struct session *asking)
{
        for (LIST_EACH(session, &user->sessions, struct session, in_user))
                if (session != asking && session->active == NULL && session->edge != &hibernated_edge)
                        return true;
        return false;
}

/* A session that may be resumed counts here: it would come back to a list that is gone. */
static bool
is_used_by_others(const struct user *user, const struct privacy_list *list, const struct session *asking)
{
        for (LIST_EACH(session, &user->sessions, struct session, in_user))
                if (session != asking && session->active == list)
                        return true;
        return list == user->default_list && default_is_used_by_others(user, asking);
}

/* ---- choosing (2.4, 2.5) ---- */

/* The list that an element names into *list, NULL: it names none. False: there is no such list, and the client has been told. */
static bool
read_choice(struct user *user, struct stanza *iq, const struct element *element, struct privacy_list **list)
{
        const char *name = element_attribute(element, "name");

        *list = name != NULL ? privacy_list_of(user, name) : NULL;
        if (name == NULL || *list != NULL)
                return true;
        route_error(iq, ITEM_NOT_FOUND, NULL);
        return false;
}

static void
set_active(struct user *user, struct session *session, struct stanza *iq, const struct element *element)
{
        struct privacy_list *list;

        if (!read_choice(user, iq, element, &list))
                return;
        if (session != NULL)
                privacy_activate(session, list);
        write_answer(user, iq, stanza_result(iq));
}

static void
set_default(struct user *user, struct session *session, struct stanza *iq, const struct element *element)
{
        struct privacy_edit edit = { .interest = IN_ALL };

        if (!read_choice(user, iq, element, &edit.default_list))
                return;
        if (edit.default_list == user->default_list) {
                write_answer(user, iq, stanza_result(iq));
                return;
        }
        if (user->default_list != NULL && default_is_used_by_others(user, session)) {
                route_error(iq, CONFLICT, NULL);
                return;
        }
        struct write *write = write_new(user, iq);
        write->answer = stanza_result(iq);
        privacy_commit(write, &edit);
}

/* ---- editing (2.6 to 2.8) ---- */

/* xs:unsignedInt */
static bool
read_order(const char *text, uint32_t *order)
{
        uint64_t number = 0;

        if (text == NULL || text[0] == '\0')
                return false;
        for (; *text != '\0'; text++) {
                if (*text < '0' || *text > '9')
                        return false;
                number = number * 10 + (uint64_t)(*text - '0');
                if (number > UINT32_MAX)
                        return false;
        }
        *order = (uint32_t)number;
        return true;
}

static bool
read_kinds(const struct element *item, uint8_t *kinds)
{
        uint8_t read = 0;

        for (const struct element *child = element_first(item); child != NULL; child = element_next(child)) {
                size_t i = 0;
                while (i < array_len(kind_names) && !element_is(child, kind_names[i].name, NS_PRIVACY))
                        i++;
                if (i == array_len(kind_names))
                        return false;
                read |= kind_names[i].bit;
        }
        *kinds = read != 0 ? read : RULE_WHOLE;
        return true;
}

/* What is needed to read the items of one list. */
struct reading {
        struct user *user;
        struct arena *arena;
        struct map *groups; /* all of the roster; NULL: not asked for yet */
};

static void
collect_groups(struct reading *reading)
{
        struct map *roster = roster_of(reading->user);
        size_t at = 0;

        reading->groups = map_new();
        for (struct item *item; roster != NULL && (item = map_next(roster, &at)) != NULL;)
                for (char **group = item->groups; group != NULL && *group != NULL; group++)
                        map_put_str(reading->groups, *group, item);
}

static bool
has_group(struct reading *reading, const char *name)
{
        if (reading->groups == NULL)
                collect_groups(reading);
        return map_get_str(reading->groups, name) != NULL;
}

/* STANZA_CONDITIONS if the value is one of its type; addresses are prepared. */
static enum stanza_condition
read_value(struct reading *reading, struct rule *rule)
{
        struct jid jid;

        if (rule->type == RULE_ANY)
                return STANZA_CONDITIONS;
        if (rule->value == NULL)
                return BAD_REQUEST;
        if (rule->type == RULE_GROUP)
                return has_group(reading, rule->value) ? STANZA_CONDITIONS : ITEM_NOT_FOUND;
        if (rule->type == RULE_SUBSCRIPTION)
                return rule_subscription(rule->value) >= 0 ? STANZA_CONDITIONS : BAD_REQUEST;
        if (!jid_parse(&jid, reading->arena, rule->value))
                return JID_MALFORMED;
        rule->value = jid.full;
        return STANZA_CONDITIONS;
}

static enum stanza_condition
read_rule(struct reading *reading, const struct element *item, struct rule *rule)
{
        const char *action = element_attribute(item, "action"), *type = element_attribute(item, "type");

        *rule = (struct rule){ .type = RULE_ANY };
        if (!element_is(item, "item", NS_PRIVACY) || !read_order(element_attribute(item, "order"), &rule->order) ||
                !read_kinds(item, &rule->kinds) || action == NULL)
                return BAD_REQUEST;
        rule->denies = strcmp(action, "deny") == 0;
        if (!rule->denies && strcmp(action, "allow") != 0)
                return BAD_REQUEST;
        if (type == NULL)
                return STANZA_CONDITIONS;
        do
                rule->type++;
        while (rule->type < RULE_TYPES && strcmp(type, type_names[rule->type]) != 0);
        if (rule->type == RULE_TYPES)
                return BAD_REQUEST;
        rule->value = element_attribute(item, "value");
        return read_value(reading, rule);
}

/* NULL: refused. */
static struct privacy_list *
read_list(struct user *user, struct stanza *iq, const struct element *element, const char *name)
{
        struct reading reading = { .user = user, .arena = iq->arena };
        enum stanza_condition problem = STANZA_CONDITIONS;
        size_t count = 0;

        for (const struct element *item = element_first(element); item != NULL; item = element_next(item))
                count++;
        if (count > (size_t)limit_value(LIMIT_BLOCKED)) {
                limit_note(LIMIT_BLOCKED);
                route_error(iq, NOT_ALLOWED, "The list is too long.");
                return NULL;
        }
        struct privacy_list *list = privacy_list_new(name, count);
        for (const struct element *item = element_first(element); item != NULL; item = element_next(item)) {
                struct rule rule;
                problem = read_rule(&reading, item, &rule);
                if (problem != STANZA_CONDITIONS)
                        break;
                privacy_list_add(list, &rule);
        }
        map_free(&reading.groups);
        if (problem == STANZA_CONDITIONS && !privacy_list_seal(list))
                problem = BAD_REQUEST; /* 2.1: orders are unique */
        if (problem == STANZA_CONDITIONS)
                return list;
        privacy_list_free(&list);
        route_error(iq, problem, NULL);
        return NULL;
}

static void
remove_list(struct user *user, struct session *session, struct stanza *iq, struct privacy_list *list)
{
        if (list == NULL) {
                route_error(iq, ITEM_NOT_FOUND, NULL);
                return;
        }
        if (is_used_by_others(user, list, session)) {
                route_error(iq, CONFLICT, NULL);
                return;
        }
        struct write *write = write_new(user, iq);
        struct privacy_edit edit = { .old = list, .interest = IN_ALL };
        edit.default_list = user->default_list != list ? user->default_list : NULL;
        write->answer = stanza_result(iq);
        privacy_commit(write, &edit);
}

bool
privacy_has_room(const struct user *user, const struct stanza *iq)
{
        if (user->lists == NULL || map_count(user->lists) < (size_t)limit_value(LIMIT_PRIVACY_LISTS))
                return true;
        limit_note(LIMIT_PRIVACY_LISTS);
        route_error(iq, NOT_ALLOWED, "There are too many privacy lists.");
        return false;
}

static void
put_list(struct user *user, struct stanza *iq, const struct element *element, const char *name)
{
        struct privacy_edit edit = { .old = privacy_list_of(user, name), .interest = IN_ALL };

        if (edit.old == NULL && !privacy_has_room(user, iq))
                return;
        edit.fresh = read_list(user, iq, element, name);
        if (edit.fresh == NULL)
                return;
        edit.default_list = edit.old == user->default_list && edit.old != NULL ? edit.fresh : user->default_list;
        struct write *write = write_new(user, iq);
        write->answer = stanza_result(iq);
        privacy_commit(write, &edit);
}

static void
edit_list(struct user *user, struct session *session, struct stanza *iq, const struct element *element)
{
        const char *name = element_attribute(element, "name");

        if (name == NULL || name[0] == '\0' || strlen(name) > NAME_MAX_BYTES)
                route_error(iq, BAD_REQUEST, "A list has a name.");
        else if (element_first(element) == NULL)
                remove_list(user, session, iq, privacy_list_of(user, name));
        else
                put_list(user, iq, element, name);
}

void
privacy_change(struct stanza *iq)
{
        static const struct {
                const char *element;
                void (*run)(struct user *user, struct session *session, struct stanza *iq, const struct element *element);
        } changes[] = { { "active", set_active }, { "default", set_default }, { "list", edit_list } };
        struct user *user = user_load(&iq->to);
        const struct element *element = element_first(stanza_payload(iq));
        struct session *session = session_find(&iq->from);

        if (session != NULL && !session->wants_privacy) {
                session->wants_privacy = true;
                session_note_change(session);
        }
        for (size_t i = 0; element != NULL && element_next(element) == NULL && i < array_len(changes); i++)
                if (element_is(element, changes[i].element, NS_PRIVACY)) {
                        changes[i].run(user, session, iq, element);
                        return;
                }
        route_error(iq, BAD_REQUEST, "One list can be chosen or changed at a time."); /* 2.1 */
}
