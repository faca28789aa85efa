/*
 * sm_record.c - a session that may be resumed, as journal and store have it
 */
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/store/codec.h"
#include "xmppd/user/sm_private.h"

#include <string.h>

enum { RECORD_VERSION = 2, SENT_VERSION = 1, LIST_MAX = 1000 * 1000 };

/* Bits on disk: never to be used for something else. */
enum { WANTS_ROSTER = 1, WANTS_BLOCKLIST = 2, WANTS_CARBONS = 4, WANTS_PRIVACY = 8 };

static void
put_number(unsigned char *out, uint64_t number)
{
        for (int i = 7; i >= 0; i--, number >>= 8)
                out[i] = (unsigned char)number;
}

static uint64_t
number_at(const void *key, size_t at)
{
        const unsigned char *bytes = key;
        uint64_t number = 0;

        for (size_t i = at; i < at + 8; i++)
                number = number << 8 | bytes[i];
        return number;
}

void
sm_key(unsigned char key[SM_KEY], uint64_t account, uint64_t id)
{
        put_number(key, account);
        put_number(key + 8, id);
}

void
sm_sent_key(unsigned char key[SM_SENT_KEY], uint64_t account, uint64_t id, uint64_t count)
{
        sm_key(key, account, id);
        put_number(key + 16, count);
}

void
sm_end_key(unsigned char key[SM_END_KEY], int64_t ends, uint64_t account, uint64_t id)
{
        put_number(key, (uint64_t)ends);
        put_number(key + 8, account);
        put_number(key + 16, id);
}

uint64_t
sm_sent_key_count(const void *key, size_t len)
{
        return len == SM_SENT_KEY ? number_at(key, 16) : 0;
}

bool
sm_end_key_read(const void *key, size_t len, int64_t *ends, uint64_t *id)
{
        if (len != SM_END_KEY)
                return false;
        *ends = (int64_t)number_at(key, 0);
        *id = number_at(key, 16);
        return true;
}

void
sm_record_write(struct buf *out, const struct sm_record *record)
{
        encode_u8(out, RECORD_VERSION);
        encode_u8(out, record->is_over);
        encode_u64(out, record->account);
        encode_u64(out, record->id);
        encode_u64(out, record->seconds);
        encode_text(out, record->jid);
        encode_u64(out, (uint64_t)record->opened);
        encode_u64(out, (uint64_t)record->ends);
        encode_u8(out, record->flags);
        encode_u64(out, record->received);
        encode_u64(out, record->handled);
        encode_u64(out, record->sent);
        encode_u64(out, record->acknowledged);
        encode_bytes(out, record->presence, record->presence_len);
        encode_u32(out, record->directed_count);
        for (uint32_t i = 0; i < record->directed_count; i++)
                encode_text(out, record->directed[i]);
        encode_u32(out, record->taken_count);
        for (uint32_t i = 0; i < record->taken_count; i++)
                encode_u32(out, record->taken[i]);
        encode_text(out, record->active);
}

/* How many entries follow; none may be smaller than four bytes. */
static uint32_t
read_count(struct cursor *cursor)
{
        uint32_t count = decode_u32(cursor);

        if (count > LIST_MAX || count > (size_t)(cursor->end - cursor->at) / 4)
                cursor->broken = true;
        return cursor->broken ? 0 : count;
}

bool
sm_record_read(struct sm_record *record, struct arena *arena, const void *bytes, size_t len)
{
        struct cursor cursor = cursor_on(bytes, len);

        *record = (struct sm_record){ 0 };
        uint8_t version = decode_u8(&cursor);
        if (version < 1 || version > RECORD_VERSION)
                return false;
        record->is_over = decode_u8(&cursor) != 0;
        record->account = decode_u64(&cursor);
        record->id = decode_u64(&cursor);
        record->seconds = decode_u64(&cursor);
        record->jid = decode_text(&cursor, arena);
        record->opened = (int64_t)decode_u64(&cursor);
        record->ends = (int64_t)decode_u64(&cursor);
        record->flags = decode_u8(&cursor);
        record->received = decode_u64(&cursor);
        record->handled = decode_u64(&cursor);
        record->sent = decode_u64(&cursor);
        record->acknowledged = decode_u64(&cursor);
        record->presence = decode_bytes(&cursor, &record->presence_len);
        record->directed_count = read_count(&cursor);
        record->directed = arena_alloc(arena, record->directed_count * sizeof(*record->directed));
        for (uint32_t i = 0; i < record->directed_count && !cursor.broken; i++)
                if ((record->directed[i] = decode_text(&cursor, arena)) == NULL)
                        cursor.broken = true;
        record->taken_count = read_count(&cursor);
        record->taken = arena_alloc(arena, record->taken_count * sizeof(*record->taken));
        for (uint32_t i = 0; i < record->taken_count; i++)
                record->taken[i] = decode_u32(&cursor);
        if (version > 1) /* the first one did not know privacy lists */
                record->active = decode_text(&cursor, arena);
        return decode_ok(&cursor) && record->jid != NULL && record->id != 0 && record->handled <= record->received &&
                record->acknowledged <= record->sent;
}

void
sm_record_of(struct sm_record *record, struct arena *arena, const struct sm *sm)
{
        const struct session *session = sm->session;
        size_t at = 0;

        *record = (struct sm_record){
                .account = session->user->id,
                .id = sm->id,
                .seconds = sm->seconds,
                .jid = session->jid.full,
                .opened = session->opened,
                .ends = sm->ends,
                .flags = (uint8_t)(session->wants_roster * WANTS_ROSTER | session->wants_blocklist * WANTS_BLOCKLIST |
                        session->wants_carbons * WANTS_CARBONS | session->wants_privacy * WANTS_PRIVACY),
                .active = privacy_list_name(session->active),
                .received = sm->received,
                .handled = sm->handled,
                .sent = sm->sent,
                .acknowledged = sm->acknowledged,
                .taken = sm->taken,
                .taken_count = (uint32_t)sm->taken_count,
        };
        if (session->presence != NULL) {
                struct buf xml = { 0 };
                stanza_write_document(&xml, session->presence);
                record->presence = arena_strndup(arena, buf_data(&xml), xml.len);
                record->presence_len = xml.len;
                buf_free(&xml);
        }
        if (session->directed == NULL)
                return;
        record->directed = arena_alloc(arena, map_count(session->directed) * sizeof(*record->directed));
        for (char *text; (text = map_next(session->directed, &at)) != NULL;)
                record->directed[record->directed_count++] = text;
}

void
sm_record_apply(const struct sm_record *record, struct sm *sm)
{
        struct session *session = sm->session;

        sm->id = record->id;
        sm->seconds = record->seconds;
        sm->ends = record->ends;
        sm->received = record->received;
        sm->handled = record->handled;
        sm->promised = record->received;
        sm->sent = record->sent;
        sm->acknowledged = record->acknowledged;
        sm->synced = record->sent;
        if (record->taken_count > 0) {
                sm->taken = mem_array(record->taken_count, sizeof(*sm->taken));
                memcpy(sm->taken, record->taken, record->taken_count * sizeof(*sm->taken));
                sm->taken_count = record->taken_count;
        }
        session->wants_roster = (record->flags & WANTS_ROSTER) != 0;
        session->wants_blocklist = (record->flags & WANTS_BLOCKLIST) != 0;
        session->wants_carbons = (record->flags & WANTS_CARBONS) != 0;
        session->wants_privacy = (record->flags & WANTS_PRIVACY) != 0;
        session->active = record->active != NULL ? privacy_list_of(session->user, record->active) : NULL;
        for (uint32_t i = 0; i < record->directed_count; i++) {
                if (session->directed == NULL)
                        session->directed = map_new();
                mem_free(map_put_str(session->directed, record->directed[i], mem_strdup(record->directed[i])));
        }
        struct stanza *presence = record->presence_len > 0 ? stanza_read_document(record->presence, record->presence_len) : NULL;
        if (presence == NULL)
                return;
        session->presence = stanza_keep(presence);
        session->priority = (int8_t)stanza_priority(presence);
        stanza_unref(&presence);
}

void
sm_sent_record_write(struct buf *out, const struct sm_sent_record *record)
{
        encode_u8(out, SENT_VERSION);
        encode_u64(out, (uint64_t)record->when);
        encode_u64(out, record->number);
        encode_u64(out, record->origin);
        encode_u32(out, record->origin_count);
        encode_bytes(out, record->wire, record->number > 0 ? 0 : record->len);
}

bool
sm_sent_record_read(struct sm_sent_record *record, const void *bytes, size_t len)
{
        struct cursor cursor = cursor_on(bytes, len);
        uint8_t version = decode_u8(&cursor);

        record->when = (int64_t)decode_u64(&cursor);
        record->number = decode_u64(&cursor);
        record->origin = decode_u64(&cursor);
        record->origin_count = decode_u32(&cursor);
        record->wire = decode_bytes(&cursor, &record->len);
        return version == SENT_VERSION && decode_ok(&cursor);
}
