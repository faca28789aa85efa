/*
 * offline.c - messages for somebody who is away (RFC 6121 8.5.2.2, XEP-0160, XEP-0203)
 *
 * Kept messages have numbers in the order in which they came; a number is never used twice. What is not yet on disk waits in memory too, so that
 * a session that comes meanwhile gets everything, once and in order. What is handed to a client that acknowledges (sm.h) stays on disk until it
 * has; what is handed to another one is removed in a batch behind the one that put it there.
 *
 * A thousand large messages are more than a client's output may hold, so they go out in portions, each when the one before has been read. What
 * comes in the meantime takes its place behind them.
 */
#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/loop/handler.h"
#include "shared/xmpp/ns.h"
#include "xmppd/route/limits.h"
#include "xmppd/route/route.h"
#include "xmppd/route/snapshot.h"
#include "xmppd/user/privacy.h"
#include "xmppd/user/tables.h"
#include "xmppd/user/user_private.h"

enum { PORTION_MS = 20 }; /* how often to look whether a portion has been read */

struct kept {
        struct write *write; /* NULL once it is on disk or refused */
        struct link link;
        uint64_t number;
        struct kept_message record;
        struct buf xml;
        struct stanza *message; /* to be refused if the disk fails */
};

/* XEP-0334: the sender's wish counts where he has one. */
bool
offline_is_worth_keeping(const struct stanza *message)
{
        if (message->type != MESSAGE_NORMAL && message->type != MESSAGE_CHAT)
                return false;
        if (element_child(message->element, "no-store", NS_HINTS) != NULL)
                return false;
        return element_child(message->element, "body", XML_CONTENT_NS) != NULL ||
                element_child(message->element, "store", NS_HINTS) != NULL;
}

/* Chat states and the like are of no use to somebody who is away; anything else without body is refused, so that it is not lost in silence. */
static bool
is_only_chat_state(const struct stanza *message)
{
        const struct element *child = stanza_payload(message);
        for (; child != NULL; child = element_next(child))
                if (!element_is(child, NULL, NS_CHATSTATES) && !element_is(child, "thread", XML_CONTENT_NS) &&
                        !element_is(child, NULL, NS_HINTS))
                        return false;
        return true;
}

/* A client has it, or had it. */
static bool
is_taken(const struct user *user, uint64_t number)
{
        bool is_leaving = user->leavings > 0 && number >= user->leaving_low && number <= user->leaving_high;

        return number < user->taken_below || is_leaving || sm_holds(user, number);
}

static bool
count_message(void *arg, const void *key, size_t key_len, const void *value, size_t value_len)
{
        struct user *user = arg;
        uint64_t number = record_offline_number(key, key_len);

        user->kept += !is_taken(user, number);
        user->next_number = number + 1;
        return true;
}

/* Time makes the numbers, so that one which was used and removed does not come again. */
static uint64_t
choose_number(struct user *user)
{
        uint64_t now = (uint64_t)clock_wall_ms() * 1000;

        if (user->next_number < now)
                user->next_number = now;
        return user->next_number++;
}

static void
count_kept(struct user *user)
{
        if (user->knows_kept)
                return;
        user->kept = 0;
        user->next_number = 1;
        store_scan(user_store, TABLE_OFFLINE, user->key, ACCOUNT_KEY, 0, count_message, user);
        user->knows_kept = true;
}

static void
free_kept(struct user *user, struct kept *kept)
{
        if (kept->number > 0)
                list_remove(&user->waiting, &kept->link);
        buf_free(&kept->xml);
        stanza_unref(&kept->message);
        mem_free(kept);
}

static void
settle(struct write *write, bool done)
{
        struct user *user = write->user;

        for (LIST_EACH(kept, &user->waiting, struct kept, link)) {
                if (kept->write != write) /* what has been delivered meanwhile is no longer here */
                        continue;
                if (!done) {
                        user->kept--;
                        route_error(kept->message, INTERNAL_SERVER_ERROR, "The server could not keep this message.");
                }
                free_kept(user, kept);
        }
}

bool
offline_put(struct write *write, struct stanza *message, int64_t when)
{
        struct user *user = write->user;

        if (!offline_is_worth_keeping(message)) {
                if (!is_only_chat_state(message))
                        route_error(message, SERVICE_UNAVAILABLE, NULL);
                return false;
        }
        count_kept(user);
        if (user->kept >= (size_t)limit_value(LIMIT_OFFLINE)) {
                limit_note(LIMIT_OFFLINE);
                route_error(message, SERVICE_UNAVAILABLE, "Too many messages are waiting for this user.");
                return false;
        }

        struct kept *kept = MEM_NEW(kept);
        kept->number = choose_number(user);
        kept->message = stanza_ref(message);
        kept->write = write;
        stanza_write_document(&kept->xml, message);
        kept->record = (struct kept_message){ .when = when, .origin = message->origin, .origin_count = message->origin_count };
        kept->record.xml = buf_data(&kept->xml);
        kept->record.len = kept->xml.len;
        user->kept++;
        list_append(&user->waiting, &kept->link);

        unsigned char key[16];
        struct buf value = { 0 };
        record_offline_key(key, user->id, kept->number);
        record_message(&value, &kept->record);
        batch_put(write->batch, TABLE_OFFLINE, key, sizeof(key), buf_data(&value), value.len);
        buf_free(&value);
        must(write->then == NULL || write->then == settle);
        write->then = settle;
        return true;
}

void
offline_keep(struct user *user, struct stanza *message)
{
        struct write *write = write_new(user, message);

        if (offline_put(write, message, clock_wall_ms()))
                write_commit(write);
        else
                write_drop(write);
}

void
offline_remove(struct write *write, uint64_t number)
{
        unsigned char key[16];

        record_offline_key(key, write->user->id, number);
        batch_remove(write->batch, TABLE_OFFLINE, key, sizeof(key));
}

static void
note_removed(struct write *write, bool done)
{
        write->user->leavings--;
}

void
offline_commit_removal(struct write *write, uint64_t low, uint64_t high)
{
        struct user *user = write->user;

        user->leaving_low = user->leavings == 0 || low < user->leaving_low ? low : user->leaving_low;
        user->leaving_high = user->leavings == 0 || high > user->leaving_high ? high : user->leaving_high;
        user->leavings++;
        must(write->then == NULL);
        write->then = note_removed;
        write_commit(write);
}

void
offline_count_again(struct user *user)
{
        user->knows_kept = false;
}

struct stanza *
offline_read(const struct user *user, const struct kept_message *kept)
{
        struct stanza *message = kept->xml != NULL ? stanza_read_document(kept->xml, kept->len) : NULL;

        if (message == NULL) {
                log_error(LOG_ABOUT("user", user->jid.full), "a kept message cannot be read and is dropped");
                return NULL;
        }
        char stamp[CLOCK_TEXT];
        struct element *delay = element_add(message->arena, message->element, "delay", NS_DELAY);
        element_set(message->arena, delay, "from", user->jid.domain);
        element_set(message->arena, delay, "stamp", clock_format(stamp, kept->when));
        message->origin = kept->origin;
        message->origin_count = kept->origin_count;
        return message;
}

/* One portion on its way: what is delivered is removed by the same write, unless the client has to acknowledge it first. */
struct portion {
        struct session *session;
        struct write *removal;
        uint64_t below; /* from here on they wait in memory */
        size_t bytes, limit;
        bool is_full;
};

/* The list that this session has chosen keeps it out: it stays for one that chooses otherwise. */
static bool
is_for_others(struct session *session, const struct stanza *message)
{
        return session->active != NULL && privacy_lets_in_account(session->user, message);
}

static void
take(struct portion *portion, uint64_t number, const struct kept_message *kept)
{
        struct session *session = portion->session;
        struct user *user = session->user;
        struct stanza *message = offline_read(user, kept);
        bool passes = message != NULL && privacy_lets_in(session, message);
        bool is_left = message != NULL && !passes && is_for_others(session, message);
        bool is_held = passes && session_deliver_kept(session, message, number);

        stanza_unref(&message);
        user->leaves_kept |= is_left;
        if (!is_held)
                user->taken_below = number + 1;
        if (!is_held && !is_left)
                offline_remove(portion->removal, number);
        user->kept--;
        portion->bytes += kept->len;
        portion->is_full = portion->bytes >= portion->limit;
}

static bool
take_stored(void *arg, const void *key, size_t key_len, const void *value, size_t value_len)
{
        struct portion *portion = arg;
        struct user *user = portion->session->user;
        uint64_t number = record_offline_number(key, key_len);
        struct kept_message kept;

        if (is_taken(user, number))
                return true; /* its removal is on its way, or a client has it and will say so */
        if (number >= portion->below || portion->is_full)
                return false;
        if (!record_read_message(&kept, value, value_len))
                kept = (struct kept_message){ .xml = NULL };
        take(portion, number, &kept);
        return true;
}

static void
take_waiting(struct portion *portion)
{
        struct user *user = portion->session->user;

        for (LIST_EACH(kept, &user->waiting, struct kept, link)) {
                if (portion->is_full)
                        return;
                take(portion, kept->number, &kept->record);
                free_kept(user, kept);
        }
}

/* What was taken is gone from the disk, so what was left there can be told from it: the next session is asked again. */
static void
count_what_was_left(struct write *write, bool done)
{
        struct user *user = write->user;

        if (user->reader != NULL)
                return;
        user->leaves_kept = false;
        user->knows_kept = false;
        if (done)
                user->taken_below = 0;
}

static bool
may_read(const struct session *session)
{
        return session->presence != NULL && session->priority >= 0 && session_can_hear(session);
}

static void deliver_portion(struct timer *timer);

void
offline_offer(struct user *user)
{
        for (LIST_EACH(session, &user->sessions, struct session, in_user))
                if (may_read(session)) {
                        offline_deliver(session);
                        return;
                }
}

/* What was in the old reader's output is gone with it; the rest goes to another session, if there is one. */
static void
change_reader(struct user *user)
{
        timer_stop(&user->portions);
        user->reader = NULL;
        offline_offer(user);
}

static void
deliver_portion(struct timer *timer)
{
        struct user *user = container_of(timer, struct user, portions);
        struct session *reader = user->reader;
        struct kept *first = LIST_ITEM(user->waiting.first, struct kept, link);
        /* Beside a portion there must be room for what others send. */
        size_t limit = (size_t)limit_value(LIMIT_QUEUE) / 4;

        handler_note("kept messages");
        if (!may_read(reader)) {
                change_reader(user);
                return;
        }
        if (reader->edge->queued != NULL && reader->edge->queued(reader->edge_owner) > limit / 4) {
                timer_start(timer, PORTION_MS, deliver_portion);
                return;
        }
        struct portion portion = { .session = reader, .below = first != NULL ? first->number : UINT64_MAX, .limit = limit };
        portion.removal = write_new(user, NULL);
        store_scan(user_store, TABLE_OFFLINE, user->key, ACCOUNT_KEY, 0, take_stored, &portion);
        take_waiting(&portion);
        if (user->leaves_kept)
                portion.removal->then = count_what_was_left;
        write_commit(portion.removal);
        if (portion.is_full && user->kept > 0) {
                timer_start(timer, PORTION_MS, deliver_portion);
        } else {
                user->kept = 0;
                user->reader = NULL;
        }
}

void
offline_deliver(struct session *session)
{
        struct user *user = session->user;

        count_kept(user);
        if (user->kept == 0 || user->reader != NULL)
                return;
        user->reader = session;
        deliver_portion(&user->portions);
}

bool
offline_comes_first(const struct user *user, const struct session *it, const struct stanza *message)
{
        return user->reader != NULL && (it == NULL || it == user->reader) && offline_is_worth_keeping(message);
}

void
offline_leave(struct user *user, const struct session *session)
{
        if (user->reader == session)
                change_reader(user);
}

void
offline_forget(struct user *user)
{
        timer_stop(&user->portions);
        user->reader = NULL;
        for (LIST_EACH(kept, &user->waiting, struct kept, link))
                free_kept(user, kept);
}
