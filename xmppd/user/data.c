/*
 * data.c - documents of accounts in the store: account id, kind, SHA-256 of the name
 */
#include "xmppd/user/data.h"

#include "shared/base/digest.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/store/codec.h"
#include "shared/xml/writer.h"
#include "xmppd/route/route.h"
#include "xmppd/user/account.h"
#include "xmppd/user/tables.h"
#include "xmppd/user/user_private.h"

#include <stdio.h>
#include <string.h>

enum {
        DATA_VERSION = 1,
        DATA_PREFIX = ACCOUNT_KEY + 1,
        DATA_KEY = DATA_PREFIX + 32,
        DOCUMENT_MAX = 64 * 1024 * 1024,
        NOTE_MAX = 2048
};

static void
write_prefix(unsigned char key[DATA_KEY], const unsigned char account[ACCOUNT_KEY], enum data_kind kind)
{
        memcpy(key, account, ACCOUNT_KEY);
        key[ACCOUNT_KEY] = (unsigned char)kind;
}

static void
write_key(unsigned char key[DATA_KEY], const struct user *user, enum data_kind kind, const char *name)
{
        write_prefix(key, user->key, kind);
        digest_of(DIGEST_SHA256, name, strlen(name), key + DATA_PREFIX);
}

static void
put(struct write *write, enum data_kind kind, const char *name, const char *bytes, size_t len)
{
        unsigned char key[DATA_KEY];
        struct buf value = { 0 };

        write_key(key, write->user, kind, name);
        if (len == 0) {
                batch_remove(write->batch, TABLE_DATA, key, sizeof(key));
                return;
        }
        encode_u8(&value, DATA_VERSION);
        encode_text(&value, name);
        encode_bytes(&value, bytes, len);
        batch_put(write->batch, TABLE_DATA, key, sizeof(key), buf_data(&value), value.len);
        buf_free(&value);
}

static const char *
read_value(const void *value, size_t value_len, struct arena *arena, const char **name, size_t *len)
{
        struct cursor cursor = cursor_on(value, value_len);
        uint8_t version = decode_u8(&cursor);

        *name = decode_text(&cursor, arena);
        const char *bytes = decode_bytes(&cursor, len);
        return version == DATA_VERSION && decode_ok(&cursor) ? bytes : NULL;
}

static const char *
find(const struct user *user, enum data_kind kind, const char *wanted, struct arena *arena, size_t *len)
{
        unsigned char key[DATA_KEY];
        const void *value;
        size_t value_len;
        const char *name;

        write_key(key, user, kind, wanted);
        if (!store_get(user_store, TABLE_DATA, key, sizeof(key), &value, &value_len))
                return NULL;
        return read_value(value, value_len, arena, &name, len);
}

static void
settle(struct write *write, bool done)
{
        write->user->data_writing -= write->tag;
}

static struct write *
begin_set(struct stanza *iq, enum data_kind kind, const char *name, struct element *element)
{
        struct user *user = user_load(&iq->to);
        struct buf document = { 0 };

        must(user != NULL);
        struct write *write = write_new(user, iq);
        if (element != NULL)
                xml_write(&document, element, "");
        put(write, kind, name, buf_data(&document), document.len);
        write->answer = stanza_result(iq);
        write->then = settle;
        write->tag = document.len;
        user->data_writing += document.len;
        buf_free(&document);
        return write;
}

void
data_set(struct stanza *iq, enum data_kind kind, const char *name, struct element *element)
{
        write_commit(begin_set(iq, kind, name, element));
}

/* A hash that could not be written goes with the next load of the account. */
void
data_set_card(struct stanza *iq, struct element *card, const char *photo)
{
        struct write *write = begin_set(iq, DATA_VCARD, "", card);

        put(write, DATA_PHOTO, "", photo, strlen(photo));
        write_commit(write);
}

/* A question that waits for what is being written. */
struct question {
        enum data_kind kind;
        char *name;
        void (*tell)(struct stanza *iq, struct element *element);
};

static void
answer(struct write *write, bool done)
{
        static const struct xml_limits limits = { .stanza_bytes = DOCUMENT_MAX, .depth = 1000, .attributes = 1000 };
        struct question *question = write->arg;
        struct arena *arena = arena_new(256), *tree = NULL;
        enum xml_problem problem;
        size_t len = 0;
        const char *bytes = find(write->user, question->kind, question->name, arena, &len);
        struct element *element = bytes != NULL ? xml_parse_document(bytes, len, &limits, &tree, &problem) : NULL;

        question->tell(write->cause, element);
        arena_free(&tree);
        arena_free(&arena);
        mem_free(question->name);
        mem_free(question);
}

void
data_get(struct stanza *iq, enum data_kind kind, const char *name, void (*tell)(struct stanza *iq, struct element *element))
{
        struct user *user = user_load(&iq->to);
        struct question *question = MEM_NEW(question);

        must(user != NULL);
        *question = (struct question){ kind, mem_strdup(name), tell };
        struct write *write = write_new(user, iq);
        write->then = answer;
        write->arg = question;
        if (user->writes > 0) {
                write_commit(write); /* an empty batch comes back behind all others */
        } else {
                answer(write, true);
                write_drop(write);
        }
}

struct sum {
        const char *without;
        size_t bytes;
};

static bool
add_size(void *arg, const void *key, size_t key_len, const void *value, size_t value_len)
{
        struct sum *sum = arg;
        struct arena *arena = arena_new(256);
        const char *name;
        size_t len;

        if (read_value(value, value_len, arena, &name, &len) != NULL && strcmp(name, sum->without) != 0)
                sum->bytes += len;
        arena_free(&arena);
        return true;
}

size_t
data_size(const struct jid *account, enum data_kind kind, const char *without)
{
        struct user *user = user_load(account);
        struct sum sum = { without, 0 };
        unsigned char key[DATA_KEY];

        if (user == NULL)
                return 0;
        write_prefix(key, user->key, kind);
        store_scan(user_store, TABLE_DATA, key, DATA_PREFIX, 0, add_size, &sum);
        return sum.bytes + user->data_writing;
}

void
data_note(struct user *user, enum data_kind kind, const char *text)
{
        if (user->is_deleted)
                return;
        struct write *write = write_new(user, NULL);
        put(write, kind, "", text, strnlen(text, NOTE_MAX));
        write_commit(write);
}

bool
data_read_note(const struct jid *account, enum data_kind kind, char *text, size_t len)
{
        struct user *user = user_load(account);
        struct arena *arena = arena_new(256);
        size_t size = 0;
        const char *bytes = user != NULL ? find(user, kind, "", arena, &size) : NULL;

        if (bytes != NULL)
                snprintf(text, len, "%.*s", (int)size, bytes);
        arena_free(&arena);
        return bytes != NULL;
}
