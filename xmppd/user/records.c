/*
 * records.c - what the store holds of an account besides its keys
 */
#include "xmppd/user/records.h"

#include "shared/base/digest.h"
#include "shared/base/mem.h"
#include "shared/store/codec.h"
#include "xmppd/user/subscription.h"

#include <string.h>

enum { ITEM_VERSION = 2, BLOCKED_VERSION = 1, MESSAGE_VERSION = 2, GROUPS_MAX = 1024 };

/* Of an item; its first version knew the first one only. */
enum { IS_LISTED = 1, IS_APPROVED = 2, KNOWS_MAIL = 4 };

struct item *
item_new(const char *jid)
{
        struct item *item = MEM_NEW(item);
        size_t len = strlen(jid), local_len = strcspn(jid, "@");

        item->jid = mem_new(len + 1 + local_len + 1);
        memcpy(item->jid, jid, len);
        if (local_len < len)
                memcpy(item->jid + len + 1, jid, local_len);
        return item;
}

struct jid
item_address(const struct item *item)
{
        size_t len = strlen(item->jid);
        const char *at = strchr(item->jid, '@');

        return (struct jid){
                .full = item->jid,
                .bare_len = len,
                .full_len = len,
                .local = at != NULL ? item->jid + len + 1 : NULL,
                .domain = at != NULL ? at + 1 : item->jid,
        };
}

static void
free_groups(struct item *item)
{
        for (char **group = item->groups; group != NULL && *group != NULL; group++)
                mem_free(*group);
        mem_free(item->groups);
        item->groups = NULL;
}

void
item_free(struct item **item)
{
        struct item *i = *item;
        if (i == NULL)
                return;
        mem_free(i->jid);
        mem_free(i->name);
        mem_free(i->request);
        free_groups(i);
        mem_free(i);
        *item = NULL;
}

void
item_set_groups(struct item *item, const char *const *groups, size_t count)
{
        free_groups(item);
        if (count == 0)
                return;
        item->groups = mem_array(count + 1, sizeof(char *));
        for (size_t i = 0; i < count; i++)
                item->groups[i] = mem_strdup(groups[i]);
}

static void
put_number(unsigned char *out, uint64_t number)
{
        for (int i = 7; i >= 0; i--, number >>= 8)
                out[i] = (unsigned char)number;
}

void
record_key(unsigned char key[RECORD_KEY], uint64_t account, const char *jid)
{
        put_number(key, account);
        digest_of(DIGEST_SHA256, jid, strlen(jid), key + 8);
}

void
record_offline_key(unsigned char key[16], uint64_t account, uint64_t number)
{
        put_number(key, account);
        put_number(key + 8, number);
}

uint64_t
record_offline_number(const void *key, size_t len)
{
        const unsigned char *bytes = key;
        uint64_t number = 0;
        for (size_t i = 8; len == 16 && i < 16; i++)
                number = number << 8 | bytes[i];
        return number;
}

void
record_item(struct buf *out, const struct item *item)
{
        uint32_t groups = 0;
        while (item->groups != NULL && item->groups[groups] != NULL)
                groups++;

        encode_u8(out, ITEM_VERSION);
        encode_text(out, item->jid);
        encode_u8(out, item->state);
        encode_u8(out,
                (uint8_t)((item->is_listed ? IS_LISTED : 0) | (item->is_approved ? IS_APPROVED : 0) |
                        (item->knows_mail ? KNOWS_MAIL : 0)));
        encode_text(out, item->name);
        encode_u32(out, groups);
        for (uint32_t i = 0; i < groups; i++)
                encode_text(out, item->groups[i]);
        encode_u8(out, item->request != NULL);
        if (item->request != NULL)
                encode_bytes(out, item->request, item->request_len);
}

static char *
keep(const char *text)
{
        return text == NULL ? NULL : mem_strdup(text);
}

struct item *
record_read_item(const void *bytes, size_t len)
{
        struct cursor cursor = cursor_on(bytes, len);
        struct arena *arena = arena_new(512);
        struct item *item = NULL;

        uint8_t version = decode_u8(&cursor);
        if (version < 1 || version > ITEM_VERSION)
                goto out;
        const char *jid = decode_text(&cursor, arena);
        if (jid == NULL || jid[0] == '\0')
                goto out;
        item = item_new(jid);
        item->state = decode_u8(&cursor);
        uint8_t flags = decode_u8(&cursor);
        item->is_listed = (flags & IS_LISTED) != 0;
        item->is_approved = (flags & IS_APPROVED) != 0;
        item->knows_mail = (flags & KNOWS_MAIL) != 0;
        item->name = keep(decode_text(&cursor, arena));
        uint32_t groups = decode_u32(&cursor);
        if (groups > GROUPS_MAX || flags > (version == 1 ? IS_LISTED : IS_LISTED | IS_APPROVED | KNOWS_MAIL) ||
                !subscription_is_valid(item->state))
                cursor.broken = true;
        if (groups > 0 && !cursor.broken) {
                item->groups = mem_array(groups + 1, sizeof(char *));
                for (uint32_t i = 0; i < groups && !cursor.broken; i++) {
                        const char *group = decode_text(&cursor, arena);
                        if (group == NULL)
                                cursor.broken = true;
                        else
                                item->groups[i] = mem_strdup(group);
                }
        }
        uint8_t has_request = decode_u8(&cursor);
        if (has_request == 1) {
                size_t size;
                const void *request = decode_bytes(&cursor, &size);
                if (request != NULL) {
                        item->request = mem_new(size + 1);
                        memcpy(item->request, request, size);
                        item->request_len = size;
                }
        } else if (has_request != 0) {
                cursor.broken = true;
        }
        if (!decode_ok(&cursor))
                item_free(&item);
out:
        arena_free(&arena);
        return item;
}

char *
record_read_blocked(const void *bytes, size_t len)
{
        struct cursor cursor = cursor_on(bytes, len);
        struct arena *arena = arena_new(256);
        uint8_t version = decode_u8(&cursor);
        const char *jid = decode_text(&cursor, arena);
        char *kept = version == BLOCKED_VERSION && decode_ok(&cursor) && jid != NULL && jid[0] != '\0' ? mem_strdup(jid) : NULL;

        arena_free(&arena);
        return kept;
}

void
record_message(struct buf *out, const struct kept_message *message)
{
        encode_u8(out, MESSAGE_VERSION);
        encode_u64(out, (uint64_t)message->when);
        encode_bytes(out, message->xml, message->len);
        encode_u64(out, message->origin);
        encode_u32(out, message->origin_count);
}

bool
record_read_message(struct kept_message *message, const void *bytes, size_t len)
{
        struct cursor cursor = cursor_on(bytes, len);
        uint8_t version = decode_u8(&cursor);

        *message = (struct kept_message){ .when = (int64_t)decode_u64(&cursor) };
        message->xml = decode_bytes(&cursor, &message->len);
        if (version > 1) { /* the first one did not know where a message came from */
                message->origin = decode_u64(&cursor);
                message->origin_count = decode_u32(&cursor);
        }
        return version >= 1 && version <= MESSAGE_VERSION && decode_ok(&cursor);
}
