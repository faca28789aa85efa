/*
 * privacy_record.c - privacy lists in the store
 *
 * One record is one list. Which is the default one stands in the lists themselves, so that it is always a list that exists.
 */
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/store/codec.h"
#include "xmppd/user/privacy_private.h"
#include "xmppd/user/tables.h"

#include <string.h>

enum { LIST_VERSION = 1, RULE_BYTES = 4 + 3 + 4 }; /* a rule takes no less */

void
privacy_record_write(struct buf *out, const struct privacy_list *list, bool is_default)
{
        encode_u8(out, LIST_VERSION);
        encode_u8(out, is_default);
        encode_text(out, list->name);
        encode_u32(out, (uint32_t)list->count);
        for (size_t i = 0; i < list->count; i++) {
                const struct rule *rule = &list->rules[i];
                encode_u32(out, rule->order);
                encode_u8(out, (uint8_t)rule->type);
                encode_u8(out, rule->kinds);
                encode_u8(out, rule->denies);
                encode_text(out, rule->value);
        }
}

static bool
read_rule(struct cursor *cursor, struct arena *arena, struct rule *rule)
{
        uint8_t type, denies;

        *rule = (struct rule){ .order = decode_u32(cursor) };
        type = decode_u8(cursor);
        rule->kinds = decode_u8(cursor);
        denies = decode_u8(cursor);
        rule->value = decode_text(cursor, arena);
        rule->type = type;
        rule->denies = denies != 0;
        return !cursor->broken && type < RULE_TYPES && denies <= 1 && (type == RULE_ANY) == (rule->value == NULL) &&
                (type != RULE_SUBSCRIPTION || rule_subscription(rule->value) >= 0) && rule->kinds != 0 &&
                (rule->kinds < RULE_REST || rule->kinds == RULE_WHOLE);
}

static bool
read_rules(struct cursor *cursor, struct arena *arena, struct privacy_list *list)
{
        for (size_t i = 0; i < list->room; i++) {
                struct rule rule;
                if (!read_rule(cursor, arena, &rule) || (i > 0 && rule.order <= list->rules[i - 1].order))
                        return false;
                privacy_list_add(list, &rule);
        }
        return decode_ok(cursor) && privacy_list_seal(list);
}

struct privacy_list *
privacy_record_read(const void *bytes, size_t len, bool *is_default)
{
        struct cursor cursor = cursor_on(bytes, len);
        struct arena *arena = arena_new(1024);
        struct privacy_list *list = NULL;
        uint8_t version = decode_u8(&cursor), flag = decode_u8(&cursor);
        const char *name = decode_text(&cursor, arena);
        uint32_t count = decode_u32(&cursor);

        if (version != LIST_VERSION || flag > 1 || name == NULL || count > (size_t)(cursor.end - cursor.at) / RULE_BYTES)
                cursor.broken = true;
        if (!cursor.broken) {
                list = privacy_list_new(name, count);
                if (!read_rules(&cursor, arena, list))
                        privacy_list_free(&list);
        }
        *is_default = flag == 1;
        arena_free(&arena);
        return list;
}

void
privacy_save(struct write *write, const struct privacy_list *list, bool is_default)
{
        unsigned char key[RECORD_KEY];
        struct buf value = { 0 };

        record_key(key, write->user->id, list->name);
        privacy_record_write(&value, list, is_default);
        batch_put(write->batch, TABLE_PRIVACY, key, sizeof(key), buf_data(&value), value.len);
        buf_free(&value);
}

void
privacy_erase(struct write *write, const char *name)
{
        unsigned char key[RECORD_KEY];

        record_key(key, write->user->id, name);
        batch_remove(write->batch, TABLE_PRIVACY, key, sizeof(key));
}

/* ---- an account's lists ---- */

struct privacy_list *
privacy_list_of(const struct user *user, const char *name)
{
        return user->lists != NULL ? map_get_str(user->lists, name) : NULL;
}

const char *
privacy_new_name(const struct user *user, struct arena *arena)
{
        const char *name = "blocklist";

        for (int i = 2; privacy_list_of(user, name) != NULL; i++)
                name = arena_printf(arena, "blocklist-%d", i);
        return name;
}

const char *
privacy_list_name(const struct privacy_list *list)
{
        return list != NULL ? list->name : NULL;
}

static void
free_lists(struct map **lists)
{
        size_t at = 0;

        for (struct privacy_list *list; *lists != NULL && (list = map_next(*lists, &at)) != NULL;)
                privacy_list_free(&list);
        map_free(lists);
}

void
privacy_forget(struct user *user)
{
        free_lists(&user->lists);
        user->default_list = NULL;
}

static void
put_list(struct user *user, struct privacy_list *list)
{
        if (user->lists == NULL)
                user->lists = map_new();
        struct privacy_list *before = map_put_str(user->lists, list->name, list);
        privacy_list_free(&before);
}

static bool
load_list(void *arg, const void *key, size_t key_len, const void *value, size_t value_len)
{
        struct user *user = arg;
        bool is_default;
        struct privacy_list *list = privacy_record_read(value, value_len, &is_default);

        if (list == NULL) {
                log_error(LOG_ABOUT("user", user->jid.full), "a privacy list cannot be read and is left alone");
                return true;
        }
        put_list(user, list);
        if (is_default)
                user->default_list = list;
        return true;
}

/* ---- blocking lists of earlier versions: a record for each address ---- */

struct blocks {
        struct user *user;
        struct arena *arena;
        struct jid *jids;
        size_t count, room;
};

static bool
load_block(void *arg, const void *key, size_t key_len, const void *value, size_t value_len)
{
        struct blocks *blocks = arg;
        char *text = record_read_blocked(value, value_len);

        if (blocks->count == blocks->room) {
                blocks->room = blocks->room == 0 ? 16 : blocks->room * 2;
                blocks->jids = mem_resize(blocks->jids, blocks->room, sizeof(*blocks->jids));
        }
        if (text == NULL || !jid_parse(&blocks->jids[blocks->count], blocks->arena, text))
                log_error(LOG_ABOUT("user", blocks->user->jid.full), "a blocking record cannot be read");
        else
                blocks->count++;
        mem_free(text);
        return true;
}

/* All that the store has. True: part of it stands there as earlier versions wrote it. */
static bool
read_lists(struct user *user)
{
        struct blocks blocks = { .user = user, .arena = arena_new(256) };

        store_scan(user_store, TABLE_PRIVACY, user->key, ACCOUNT_KEY, 0, load_list, user);
        store_scan(user_store, TABLE_BLOCKED, user->key, ACCOUNT_KEY, 0, load_block, &blocks);
        if (blocks.count > 0) {
                const char *name = privacy_new_name(user, blocks.arena);
                user->default_list = privacy_list_block(user->default_list, name, blocks.jids, blocks.count);
                put_list(user, user->default_list);
        }
        mem_free(blocks.jids);
        arena_free(&blocks.arena);
        return blocks.count > 0;
}

void
privacy_load(struct user *user)
{
        if (!read_lists(user))
                return;
        struct write *write = write_new(user, NULL);
        privacy_save(write, user->default_list, true);
        batch_remove_prefix(write->batch, TABLE_BLOCKED, user->key, ACCOUNT_KEY);
        write_commit(write);
}

/* What was changed in memory could not be written. Sessions keep the lists they have chosen, as far as there are such lists. */
void
privacy_load_again(struct user *user)
{
        struct map *before = user->lists;

        user->lists = NULL;
        user->default_list = NULL;
        read_lists(user);
        for (LIST_EACH(session, &user->sessions, struct session, in_user))
                if (session->active != NULL)
                        session->active = privacy_list_of(user, session->active->name);
        free_lists(&before);
}
