/*
 * chat.c - the texts of two people, in order: stored, queued, cut into pieces, and given back when they cannot be delivered
 *
 * A text is on disk before anything is sent for it. After a crash nobody knows how far it came, so it goes back to its sender, once.
 */
#include "sipcomp/simple/chat_private.h"

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "shared/loop/worker.h"
#include "sipcomp/dialect/cpim.h"
#include "sipcomp/dialect/text.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { TYPING_AGAIN_MS = 5000, GLARE_MS = 5000, NOTICE_MAX = 300 };

/* --- Texts. */

static struct text *
new_text(struct simple *simple, const struct pair *pair, const struct simple_text *said)
{
        struct text *text = MEM_NEW(text);
        text->simple = simple;
        pair_copy(&text->pair, pair);
        text->said = (struct simple_text){ said->id == NULL ? NULL : mem_strdup(said->id),
                said->sender == NULL ? NULL : mem_strdup(said->sender), mem_strdup(said->body), said->receipt };
        text->len = strlen(said->body);
        text->piece_max = PIECE_MAX;
        return text;
}

static void
free_text(struct text *text)
{
        pair_free(&text->pair);
        mem_free((char *)text->said.id);
        mem_free((char *)text->said.sender);
        mem_free((char *)text->said.body);
        mem_free(text->imdn);
        mem_free(text);
}

static void
serial_key(unsigned char key[8], uint64_t serial)
{
        for (int i = 0; i < 8; i++)
                key[i] = (unsigned char)(serial >> (56 - 8 * i));
}

static void
unsave(struct text *text)
{
        unsigned char key[8];
        if (text->serial == 0)
                return;
        serial_key(key, text->serial);
        forget(text->simple, TABLE_TEXT, key, sizeof(key));
}

/* It goes again, or back: what was asked about it is answered otherwise. */
static void
unwrap(struct text *text)
{
        if (text->imdn == NULL)
                return;
        receipt_forget(text->simple, text->imdn);
        mem_free(text->imdn);
        text->imdn = NULL;
}

static void
give_back(struct text *text, enum stanza_condition condition, const char *type, const char *why)
{
        unwrap(text);
        if (text->said.sender != NULL)
                text->simple->events->text_failed(text->simple->owner, &text->pair, &text->said, condition, type, why);
        unsave(text);
        free_text(text);
}

static struct text *
first_text(const struct chat *chat)
{
        return LIST_ITEM(chat->texts.first, struct text, link);
}

static struct text *
take_first(struct chat *chat)
{
        struct text *text = first_text(chat);
        list_remove(&chat->texts, &text->link);
        chat->bytes -= text->len;
        return text;
}

/* Where to cut: at the end of a character, near white space in the last tenth if there is some. */
static size_t
piece_len(const struct text *text)
{
        size_t left = text->len - text->done, max = text->piece_max;
        const char *bytes = text->said.body + text->done;
        if (left <= max)
                return left;
        for (size_t at = max; at > max - max / 10; at--)
                if (isspace((unsigned char)bytes[at - 1]))
                        return at;
        while (max > 1 && ((unsigned char)bytes[max] & 0xc0) == 0x80)
                max--;
        return max;
}

/* One that comes whole can be asked about (RFC 5438 7.1.1). */
static void
wrap(struct text *text, struct buf *out)
{
        char now[CLOCK_TEXT];
        struct buf plain = { 0 };
        text->imdn = mem_strdup(receipt_expect(text->simple, &text->pair, &text->said));
        text_to_wire(&plain, text->said.body, text->len);
        cpim_write_text(out, text->pair.local_uri, text->pair.foreign_uri, text->imdn, clock_format(now, clock_wall_ms()),
                buf_data(&plain), plain.len);
        buf_free(&plain);
}

const char *
text_piece(struct text *text, struct buf *out, bool wrapped)
{
        unwrap(text);
        text->piece = piece_len(text);
        if (wrapped && text->said.receipt && text->said.id != NULL && !text->plainer && text->piece == text->len) {
                wrap(text, out);
                return "message/cpim";
        }
        text_to_wire(out, text->said.body + text->done, text->piece);
        return text->type != NULL ? text->type : text->plainer ? "text/plain" : "text/plain; charset=UTF-8";
}

bool
text_change(struct text *text, const struct message_failure *failure)
{
        if (failure->step == STEP_PLAINER && !text->plainer) {
                text->plainer = true;
                return true;
        }
        if (failure->step == STEP_SPLIT && text->piece_max > PIECE_SMALL && text->len - text->done > PIECE_SMALL) {
                text->piece_max = PIECE_SMALL;
                return true;
        }
        return false;
}

void
text_done(struct chat *chat)
{
        struct text *text = first_text(chat);
        if (text == NULL)
                return;
        text->done += text->piece;
        if (text->done < text->len)
                return;
        take_first(chat);
        if (text->said.sender != NULL && text->imdn == NULL)
                chat->simple->events->text_delivered(chat->simple->owner, &text->pair, &text->said);
        unsave(text);
        free_text(text);
}

void
text_fail(struct chat *chat, const struct message_failure *failure, const char *why)
{
        if (!list_is_empty(&chat->texts))
                give_back(take_first(chat), failure->condition, failure->type, why);
}

void
text_fail_all(struct chat *chat, const struct message_failure *failure, const char *why)
{
        while (!list_is_empty(&chat->texts))
                text_fail(chat, failure, why);
}

/* --- Chats. */

struct chat *
chat_find(struct simple *simple, const struct pair *pair)
{
        unsigned char key[PAIR_KEY];
        pair_key(key, pair);
        return map_get(simple->chats, key, PAIR_KEY);
}

struct chat *
chat_of(struct simple *simple, const struct pair *pair)
{
        struct chat *chat = chat_find(simple, pair);
        if (chat != NULL)
                return chat;
        chat = MEM_NEW(chat);
        chat->simple = simple;
        pair_copy(&chat->pair, pair);
        pair_key(chat->key, pair);
        log_scope_set(&chat->log, "simple.session", "%s=%s", pair->local, pair->foreign);
        map_put(simple->chats, chat->key, PAIR_KEY, chat);
        return chat;
}

static void
free_chat(struct chat *chat)
{
        map_remove(chat->simple->chats, chat->key, PAIR_KEY);
        for (LIST_EACH(session, &chat->sessions, struct session, link))
                session_free(session);
        for (LIST_EACH(text, &chat->texts, struct text, link)) {
                list_remove(&chat->texts, &text->link);
                free_text(text); /* it stays on disk */
        }
        sip_client_forget(&chat->pager);
        timer_stop(&chat->composing);
        pair_free(&chat->pair);
        mem_free(chat);
}

void
chat_tidy(struct chat *chat)
{
        if (list_is_empty(&chat->texts) && list_is_empty(&chat->sessions) && chat->pager == NULL &&
                !timer_is_running(&chat->composing))
                free_chat(chat);
}

void
chat_free_all(struct simple *simple)
{
        struct chat *chat;
        for (size_t at = 0; (chat = map_next(simple->chats, &at)) != NULL;)
                free_chat(chat);
        for (LIST_EACH(text, &simple->orphans, struct text, link)) {
                list_remove(&simple->orphans, &text->link);
                free_text(text);
        }
}

/* When both have invited, the session counts whose inviter has the smaller URI (7.8); the other one of ours is closed when it falls silent. */
static struct session *
choose_session(struct chat *chat)
{
        struct session *ours = NULL, *theirs = NULL;
        for (LIST_EACH(session, &chat->sessions, struct session, link)) {
                if (session->stage != SESSION_READY)
                        continue;
                if (session->ours)
                        ours = session;
                else
                        theirs = session; /* the newest */
        }
        if (ours == NULL || theirs == NULL)
                return ours != NULL ? ours : theirs;
        if (strcasecmp(chat->pair.local_uri, chat->pair.foreign_uri) < 0)
                return ours;
        session_close_in(ours, GLARE_MS);
        return theirs;
}

/* The first text is under way: with two sessions (7.8) the other one may be ready meanwhile. */
static bool
is_sending(const struct chat *chat)
{
        for (LIST_EACH(session, &chat->sessions, struct session, link))
                if (session->sending)
                        return true;
        return chat->pager != NULL;
}

bool
chat_has_another(const struct session *besides)
{
        for (LIST_EACH(session, &besides->chat->sessions, struct session, link))
                if (session != besides && session->stage == SESSION_READY)
                        return true;
        return false;
}

static bool
is_under_way(const struct chat *chat)
{
        for (LIST_EACH(session, &chat->sessions, struct session, link))
                if (session->stage == SESSION_INVITING || session->stage == SESSION_PAUSED || session->stage == SESSION_LEAVING)
                        return true;
        return false;
}

/* No text waits: the end of the chat, or whether our user types. That may have changed while a request was under way; the latest is told. */
static void
send_state(struct chat *chat, struct session *session)
{
        if (chat->leaving) {
                chat->leaving = false;
                session_apply(session, SESSION_CLOSE, NULL);
        } else if (chat->typing != chat->told_typing || (chat->typing && chat->tell_again)) {
                chat->told_typing = chat->typing;
                chat->tell_again = false;
                chat->told_at = worker_now();
                session_send_typing(session, chat->typing);
        }
}

void
chat_pump(struct chat *chat)
{
        struct session *session = choose_session(chat);
        if (list_is_empty(&chat->texts)) {
                if (session != NULL && session_can_send(session))
                        send_state(chat, session);
                return;
        }
        if (is_sending(chat))
                return;
        if (session != NULL) {
                if (session_can_send(session))
                        session_send_text(session);
        } else if (!is_under_way(chat)) {
                if (dialect_for(chat->simple, chat->pair.domain)->pager && pager_remembered(chat->simple, chat->pair.domain))
                        pager_send(chat);
                else
                        session_apply(session_new(chat, true), SESSION_WANTED, NULL);
        }
}

/* --- What the bridge asks for. */

static void
enqueue(void *arg, enum store_outcome outcome)
{
        struct text *text = arg;
        if (outcome != STORE_DONE) {
                give_back(text, INTERNAL_SERVER_ERROR, "wait", "the message could not be stored");
                return;
        }
        struct chat *chat = chat_of(text->simple, &text->pair);
        if (chat->texts.count >= CHAT_TEXTS_MAX || chat->bytes + text->len > CHAT_BYTES_MAX) {
                give_back(text, RESOURCE_CONSTRAINT, "wait", "too many messages wait for this contact");
                return;
        }
        chat->leaving = false;
        chat->typing = chat->told_typing = false; /* a text ends typing by itself */
        chat->bytes += text->len;
        list_append(&chat->texts, &text->link);
        chat_pump(chat);
}

static uint64_t
next_serial(struct simple *simple)
{
        uint64_t now = (uint64_t)clock_wall_ms() << 20;
        simple->next_text = simple->next_text < now ? now : simple->next_text + 1;
        return simple->next_text;
}

void
simple_send(struct simple *simple, const struct pair *pair, const struct simple_text *said)
{
        struct text *text = new_text(simple, pair, said);
        struct buf record = { 0 };
        unsigned char key[8];
        text->serial = next_serial(simple);
        serial_key(key, text->serial);
        encode_u8(&record, RECORD_VERSION);
        pair_encode(pair, &record);
        encode_text(&record, said->id);
        encode_text(&record, said->sender);
        encode_text(&record, said->body);
        struct batch *batch = batch_new(simple->options.store);
        batch_put(batch, TABLE_TEXT, key, sizeof(key), buf_data(&record), record.len);
        batch_commit(batch, enqueue, text);
        buf_free(&record);
}

void
simple_typing(struct simple *simple, const struct pair *pair, enum simple_typing typing)
{
        struct chat *chat = chat_find(simple, pair);
        if (chat == NULL || list_is_empty(&chat->sessions)) /* no session is opened for typing alone */
                return;
        if (typing == TYPING_GONE) {
                chat->leaving = true;
                chat_pump(chat);
                return;
        }
        chat->typing = typing == TYPING_ACTIVE;
        if (chat->typing && worker_now() - chat->told_at >= TYPING_AGAIN_MS)
                chat->tell_again = true;
        chat_pump(chat);
}

bool
chat_notify(struct simple *simple, const struct pair *pair, const char *type, const char *body)
{
        struct chat *chat = chat_find(simple, pair);
        if (chat == NULL || choose_session(chat) == NULL)
                return false;
        if (chat->texts.count >= CHAT_TEXTS_MAX || chat->bytes >= CHAT_BYTES_MAX)
                return false;
        struct text *text = new_text(simple, pair, &(struct simple_text){ .body = body });
        text->type = type;
        chat->bytes += text->len;
        list_append(&chat->texts, &text->link);
        chat_pump(chat);
        return true;
}

bool
simple_not_delivered(struct simple *simple, const struct pair *pair, const char *why)
{
        struct buf body = { 0 };
        buf_printf(&body, "Not delivered: %.*s", NOTICE_MAX, why);
        bool told = chat_notify(simple, pair, NULL, buf_text(&body));
        buf_free(&body);
        return told;
}

void
simple_end_sessions(struct simple *simple)
{
        struct chat *chat;
        for (size_t at = 0; (chat = map_next(simple->chats, &at)) != NULL;) {
                struct session *session = choose_session(chat);
                if (session != NULL)
                        session_apply(session, SESSION_CLOSE, NULL);
        }
}

void
chat_drop(struct simple *simple, const char *domain)
{
        static const struct message_failure unserved = { .condition = REMOTE_SERVER_NOT_FOUND, .type = "cancel" };
        struct chat *chat;
        for (size_t at = 0; (chat = map_next(simple->chats, &at)) != NULL;) {
                if (strcmp(chat->pair.domain, domain) != 0)
                        continue;
                text_fail_all(chat, &unserved, "the domain is served no more");
                free_chat(chat);
        }
}

void
chat_count(const struct simple *simple, const char *domain, struct simple_counters *counters)
{
        struct chat *chat;
        for (size_t at = 0; (chat = map_next(simple->chats, &at)) != NULL;) {
                if (domain != NULL && strcmp(chat->pair.domain, domain) != 0)
                        continue;
                counters->sessions += chat->sessions.count;
                counters->waiting_texts += chat->texts.count;
        }
}

/* --- After a restart. */

static bool
resume_text(void *arg, const void *key, size_t key_len, const void *value, size_t value_len)
{
        struct simple *simple = arg;
        struct cursor cursor = cursor_on(value, value_len);
        struct arena *arena = arena_new(1024);
        struct pair pair;
        const unsigned char *bytes = key;
        if (key_len == 8 && decode_u8(&cursor) == RECORD_VERSION && pair_decode(&pair, &cursor, arena)) {
                struct simple_text said = { 0 };
                said.id = decode_text(&cursor, arena);
                said.sender = decode_text(&cursor, arena);
                said.body = decode_text(&cursor, arena);
                if (said.sender != NULL && said.body != NULL) {
                        struct text *text = new_text(simple, &pair, &said);
                        for (int i = 0; i < 8; i++)
                                text->serial = text->serial << 8 | bytes[i];
                        list_append(&simple->orphans, &text->link);
                }
        }
        arena_free(&arena);
        return true;
}

void
chat_resume(struct simple *simple)
{
        store_scan(simple->options.store, TABLE_TEXT, "", 0, 0, resume_text, simple);
}

void
chat_return_orphans(struct simple *simple, const char *domain)
{
        for (LIST_EACH(text, &simple->orphans, struct text, link)) {
                if (strcmp(text->pair.domain, domain) != 0)
                        continue;
                list_remove(&simple->orphans, &text->link);
                give_back(text, RECIPIENT_UNAVAILABLE, "wait", "the gateway was restarted: the message may not have arrived");
        }
}
