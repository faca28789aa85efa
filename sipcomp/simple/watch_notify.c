/*
 * watch_notify.c - what a NOTIFY says about a contact (4.3, 6.2, 6.3 of the dialects)
 *
 * It is answered at once, before XMPP is asked. A document that cannot be used never ends the subscription: the notifier could not mend it.
 */
#include "sipcomp/simple/watch_private.h"

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "sipcomp/dialect/text.h"

#include <string.h>
#include <strings.h>

enum { GRACE_MS = 60000 };

enum reading { READ_NOTHING, READ_PIDF, READ_PARTS };

/* What we asked for, and what may come all the same and passes (6.3). */
/* clang-format off */
static const struct {
        const char *type;
        enum reading reading;
} documents[] = {
        { PIDF_TYPE, READ_PIDF },
        { "text/xml+msrtc.pidf", READ_NOTHING },
        { "application/msrtc-event-categories+xml", READ_NOTHING },
        { "application/xpidf+xml", READ_NOTHING },
        { "multipart/related", READ_PARTS },
        { "application/rlmi+xml", READ_NOTHING },
        { "application/ms-imdn+xml", READ_NOTHING },
};
/* clang-format on */

static bool
document_is_known(const struct sip_message *notify, enum reading *reading)
{
        const char *type = sip_message_content_type(notify);
        *reading = READ_NOTHING;
        for (size_t i = 0; type != NULL && i < array_len(documents); i++) {
                if (!text_equal(type, documents[i].type))
                        continue;
                *reading = documents[i].reading;
                return true;
        }
        return false;
}

static bool
same_state(const struct pidf *a, const struct pidf *b)
{
        if (a->open != b->open || strcmp(a->activity, b->activity) != 0 || a->note_count != b->note_count)
                return false;
        for (size_t i = 0; i < a->note_count; i++)
                if (!text_equal(a->notes[i].lang, b->notes[i].lang) || !text_equal(a->notes[i].text, b->notes[i].text))
                        return false;
        return true;
}

void
watch_keep_state(struct watch *watch, const struct pidf *state)
{
        const struct pidf *old = watch->state;
        watch->state = pidf_copy(state);
        pidf_free_copy(&old);
}

void
watch_show_closed(struct watch *watch)
{
        bool was_open = watch->state->open;
        watch_keep_state(watch, &pidf_closed);
        if (was_open)
                watch_say_state(watch);
}

/* What a document says about this contact; a list has one for each. */
struct body {
        struct watch *watch;
        bool changed, found;
        enum pidf_verdict verdict;
};

static void
read_document(void *owner, const char *bytes, size_t len)
{
        struct body *body = owner;
        struct watch *watch = body->watch;
        struct arena *texts = arena_new(1024);
        struct pidf state;
        bool loose = dialect_for(watch->simple, watch->pair.domain)->loose_names;
        if (!body->found)
                body->verdict = pidf_read(&state, texts, bytes, len, watch->pair.foreign_uri, loose);
        if (!body->found && body->verdict == PIDF_FINE) {
                body->found = true;
                body->changed = !same_state(watch->state, &state);
                watch_keep_state(watch, &state);
        }
        arena_free(&texts);
}

/* Reads the body into the state, if it says something about this contact; true: it says something new. */
static bool
read_body(struct watch *watch, const struct sip_message *message)
{
        struct body body = { .watch = watch, .verdict = PIDF_BROKEN };
        enum reading reading;
        if (message->body_len == 0 || !document_is_known(message, &reading) || reading == READ_NOTHING)
                return false;
        if (reading == READ_PIDF)
                read_document(&body, message->body, message->body_len);
        else
                text_parts(sip_message_get(message, "Content-Type"), message->body, message->body_len, PIDF_TYPE, read_document,
                        &body);
        if (!body.found)
                log_info(WATCH_LOG(watch), "a NOTIFY is ignored: its document %s",
                        body.verdict == PIDF_BROKEN ? "is broken" : "is about somebody else");
        return body.changed;
}

/* The word before the parameters. */
static bool
state_is(const char *value, const char *word)
{
        size_t len = strlen(word);
        return strncasecmp(value, word, len) == 0 && (value[len] == '\0' || strchr("; \t", value[len]) != NULL);
}

/* NULL: the header is not there, which counts as active. */
static const char *
subscription_state(const struct sip_message *message)
{
        return sip_message_get(message, "Subscription-State");
}

void
watch_take_state(struct watch *watch, const struct sip_message *message)
{
        const char *value = subscription_state(message);
        if (value != NULL && state_is(value, "pending"))
                return; /* a body is ignored: they have not been asked yet */
        bool changed = read_body(watch, message);
        watch->known = true;
        watch->notified = true;
        if (watch_is_awaited(watch))
                watch_save_and_say(watch); /* "authorised" is on disk before the user hears it (4.3) */
        else if (changed)
                watch_say_state(watch);
}

uint32_t
watch_retry_after(const struct sip_message *notify, uint32_t otherwise)
{
        const char *text = sip_message_parameter(notify, "Subscription-State", "retry-after");
        int64_t seconds = text == NULL ? -1 : text_number(text, 86400);
        return seconds < 0 ? otherwise : (uint32_t)seconds;
}

static void
take_expires(struct watch *watch, const struct sip_message *notify)
{
        const char *text = sip_message_parameter(notify, "Subscription-State", "expires");
        int64_t seconds = text == NULL ? -1 : text_number(text, UINT32_MAX);
        int64_t until = clock_wall_ms() + seconds * 1000;
        if (seconds < 0 || (watch->expires_at > clock_wall_ms() && until >= watch->expires_at))
                return;
        watch->expires_at = until;
        watch_expire_in(watch, (uint64_t)seconds * 1000);
}

static enum watch_event
event_of_end(struct watch *watch, const struct sip_message *notify)
{
        static const struct {
                const char *reason;
                enum watch_event event;
        } reasons[] = {
                { "rejected", WATCH_REVOKED },
                { "noresource", WATCH_REVOKED },
                { "deactivated", WATCH_LOST },
                { "timeout", WATCH_LOST },
                { "probation", WATCH_POSTPONED },
                { "giveup", WATCH_POSTPONED },
                { "invariant", WATCH_FROZEN },
        };
        const char *diagnostics = sip_message_get(notify, "ms-diagnostics-public");
        const char *reason = sip_message_parameter(notify, "Subscription-State", "reason");
        if (diagnostics != NULL && strncmp(diagnostics, "2139", 4) == 0)
                return WATCH_SUPERSEDED;
        for (size_t i = 0; reason != NULL && i < array_len(reasons); i++)
                if (strcasecmp(reasons[i].reason, reason) == 0)
                        return reasons[i].event;
        return WATCH_LOST;
}

/* In a dialog, or for a SUBSCRIBE under way whose answer it has overtaken. */
static int
belongs_here(struct watch *watch, const struct sip_message *request)
{
        if (watch->dialog != NULL)
                return sip_dialog_matches(watch->dialog, request) ? sip_dialog_receive(watch->dialog, request) : 481;
        const struct sip_message *subscribe = watch_request_under_way(watch);
        if (subscribe == NULL || watch->stage != WATCH_ASKING)
                return 481;
        watch->dialog = sip_dialog_of_client(subscribe, request, own_host(watch->simple));
        return watch->dialog == NULL ? 400 : sip_dialog_receive(watch->dialog, request);
}

static void
answer_with_contact(struct watch *watch, struct sip_server *server, const struct sip_message *request)
{
        struct sip_message *response = sip_response_new(request, 200, NULL, NULL);
        sip_message_set_contact_user(response, watch->pair.local_user);
        sip_server_answer(server, response);
}

static void
take_notify(struct watch *watch, struct sip_server *server, bool silent)
{
        struct sip_message *notify = sip_server_take_request(server); /* it is read after its answer has gone */
        const char *value = subscription_state(notify);
        if (silent)
                sip_server_drop(server);
        else
                answer_with_contact(watch, server, notify);
        if (value == NULL || !state_is(value, "terminated")) {
                take_expires(watch, notify);
                watch_apply(watch, WATCH_NOTIFIED, notify);
        } else {
                enum watch_event event = event_of_end(watch, notify);
                if (event == WATCH_LOST) {
                        watch_expire_in(watch, GRACE_MS); /* nobody sees anything if it succeeds within a minute */
                        if (!watch_may_begin_anew(watch))
                                event = WATCH_FAILED;
                }
                watch_apply(watch, event, event == WATCH_FAILED ? NULL : notify);
        }
        sip_message_free(&notify);
}

void
watch_hear(struct dialog_ear *ear, struct sip_server *server, const struct sip_message *request)
{
        struct watch *watch = container_of(ear, struct watch, ear);
        bool silent = sip_message_is(request, "BENOTIFY");
        enum reading reading;
        const char *event = sip_message_get(request, "Event");
        int status = silent || sip_message_is(request, "NOTIFY") ? belongs_here(watch, request) : 481;
        if (status == 0 && event != NULL && !state_is(event, "presence"))
                status = 489;
        if (silent && status != 0) {
                sip_server_drop(server);
        } else if (status == 489) {
                answer(server, request, 489, "Allow-Events", "presence");
        } else if (status != 0) {
                sip_server_status(server, status);
        } else if (request->body_len > 0 && !document_is_known(request, &reading)) {
                if (silent)
                        sip_server_drop(server);
                else
                        answer(server, request, 415, "Accept", PIDF_TYPE);
        } else {
                take_notify(watch, server, silent);
        }
}
