/*
 * dialback.c - server dialback (XEP-0220): keys, claims, questions and their answers
 *
 * A key is made from the names of the two domains and the id of the stream (XEP-0185), so the server of a domain can tell its own keys from forged
 * ones without remembering any, and so can each of its nodes.
 */
#include "shared/base/digest.h"
#include "shared/base/mem.h"
#include "shared/base/random.h"
#include "shared/base/text.h"
#include "shared/xml/writer.h"
#include "shared/xmpp/ns.h"
#include "xmppd/s2s/s2s_private.h"

#include <pthread.h>
#include <stdio.h>

enum { KEYED = 2 * 32 + 1 };

/* HEX(SHA256(secret)), as the key of the HMAC. Where the configuration has no secret, one is drawn for the life of the process. */
static char drawn[KEYED];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
draw(void)
{
        random_hex(drawn, 32);
}

static void
keying(char out[KEYED])
{
        const char *secret = config_text(snapshot_section("xmpp-federation"), "dialback-secret");
        unsigned char digest[DIGEST_MAX];

        pthread_once(&once, draw);
        if (secret[0] == '\0')
                secret = drawn;
        digest_of(DIGEST_SHA256, secret, strlen(secret), digest);
        text_hex(out, digest, digest_size(DIGEST_SHA256));
        mem_wipe(digest, sizeof(digest));
}

void
dialback_key(char key[DIALBACK_KEY], const char *receiving, const char *originating, const char *id)
{
        struct buf text = { 0 };
        char keyed[KEYED];
        unsigned char digest[DIGEST_MAX];

        keying(keyed);
        buf_printf(&text, "%s %s %s", receiving, originating, id);
        digest_hmac(DIGEST_SHA256, keyed, strlen(keyed), buf_data(&text), text.len, digest);
        text_hex(key, digest, digest_size(DIGEST_SHA256));
        mem_wipe(keyed, sizeof(keyed));
        buf_free(&text);
}

/* <db:NAME from="..." to="..." ...>: one element of dialback, with the prefix that the stream header declares. */
static void
begin(struct buf *out, const char *name, const char *from, const char *to)
{
        buf_printf(out, "<db:%s from=\"", name);
        xml_write_attribute_value(out, from);
        buf_puts(out, "\" to=\"");
        xml_write_attribute_value(out, to);
        buf_putc(out, '"');
}

static void
write_id(struct buf *out, const char *id)
{
        buf_puts(out, " id=\"");
        xml_write_attribute_value(out, id);
        buf_putc(out, '"');
}

void
dialback_claim(struct s2s *s2s, struct pair *pair)
{
        struct buf *out = conn_output(stream_conn(s2s->stream));
        char key[DIALBACK_KEY];

        dialback_key(key, pair->remote, pair->local, s2s->id);
        begin(out, "result", pair->local, pair->remote);
        buf_printf(out, ">%s</db:result>", key);
        pair->ours = PROOF_ASKED;
        attempt_note(s2s->attempt, STEP_AUTHENTICATION, "dialback: claims %s", pair->local);
}

void
dialback_ask(struct s2s *s2s, struct question *question)
{
        struct buf *out = conn_output(stream_conn(s2s->stream));

        begin(out, "verify", question->local, question->remote);
        write_id(out, question->id);
        buf_putc(out, '>');
        xml_write_text(out, question->key, strlen(question->key));
        buf_puts(out, "</db:verify>");
        question->asked_on = s2s->serial;
}

static void
write_error(struct buf *out, const char *type, const char *condition, const char *text)
{
        buf_printf(out, " type=\"error\"><error type=\"%s\"><%s xmlns=\"" NS_STANZA_ERRORS "\"/>", type, condition);
        if (text != NULL && text[0] != '\0') {
                buf_puts(out, "<text xmlns=\"" NS_STANZA_ERRORS "\" xml:lang=\"en\">");
                xml_write_text(out, text, strlen(text));
                buf_puts(out, "</text>");
        }
        buf_puts(out, "</error>");
}

void
dialback_refuse(struct s2s *s2s, const char *local, const char *remote, const char *condition, const char *text)
{
        struct buf *out = conn_output(stream_conn(s2s->stream));

        begin(out, "result", local, remote);
        write_error(out, "cancel", condition, text);
        buf_puts(out, "</db:result>");
}

/* XEP-0220 2.4.2 */
static const char *
condition_of(const struct question *question)
{
        const struct cause_row *beneath = cause_row(question->beneath);

        if (question->cause == CAUSE_LIMIT)
                return "resource-constraint";
        if (question->cause == CAUSE_DIALBACK_KEY)
                return "forbidden";
        if (question->beneath == CAUSE_HOST_UNKNOWN || (question->beneath != CAUSE_NONE && beneath->step == STEP_DNS))
                return "remote-server-not-found";
        return question->beneath != CAUSE_NONE && beneath->step == STEP_CONNECT ? "remote-connection-failed"
                                                                                : "remote-server-timeout";
}

void
dialback_tell(struct s2s *s2s, const struct question *answered)
{
        struct buf *out = conn_output(stream_conn(s2s->stream));
        bool is_good = answered->cause == CAUSE_NONE;

        /* "invalid" is the end of a stream: 2.1.2 lets us say it in other words where other domains are on it. */
        if (is_good || (answered->cause == CAUSE_DIALBACK_KEY && !s2s->is_open)) {
                begin(out, "result", answered->local, answered->remote);
                buf_printf(out, " type=\"%s\"/>", is_good ? "valid" : "invalid");
        } else {
                dialback_refuse(s2s, answered->local, answered->remote, condition_of(answered), answered->detail);
        }
}

/* XEP-0220 2.2.2. Everybody may ask: the answer tells nothing but what the asker was shown. */
void
dialback_answer(struct s2s *s2s, const struct element *verify, struct arena *arena)
{
        const char *local = s2s_domain(arena, verify, "to"), *remote = s2s_domain(arena, verify, "from");
        const char *id = element_attribute(verify, "id"), *shown = element_text(verify, arena);
        struct buf *out = conn_output(stream_conn(s2s->stream));
        char key[DIALBACK_KEY];

        if (element_attribute(verify, "type") != NULL) {
                s2s_fail(s2s, STREAM_NOT_AUTHORIZED, CAUSE_NONE, "an answer that nobody has asked for");
                return;
        }
        if (local == NULL || remote == NULL || id == NULL) {
                s2s_fail(s2s, STREAM_IMPROPER_ADDRESSING, CAUSE_NONE, "db:verify needs 'from', 'to' and 'id'");
                return;
        }
        begin(out, "verify", local, remote);
        write_id(out, id);
        if (!s2s_is_ours(local)) {
                write_error(out, "cancel", "item-not-found", "this domain is not served here");
                buf_puts(out, "</db:verify>");
                return;
        }
        dialback_key(key, remote, local, id);
        bool is_good = strlen(shown) == strlen(key) && mem_equal_secret(shown, key, strlen(key));
        buf_printf(out, " type=\"%s\"/>", is_good ? "valid" : "invalid");
        if (!is_good)
                log_info(&s2s->log, "a key in the name of %s was shown to %s that this server has not made", local, remote);
}

void
dialback_read_error(const struct element *answer, char *text, size_t room)
{
        const struct element *error = element_child(answer, "error", NULL),
                             *condition = error == NULL ? NULL : element_first(error);

        snprintf(text, room, "it answers %s%s%.80s", element_attribute(answer, "type"), condition != NULL ? ": " : "",
                condition != NULL ? condition->name : "");
}

bool
dialback_is_unknown_there(const struct element *answer)
{
        const struct element *error = element_child(answer, "error", NULL);

        return error != NULL && element_child(error, "item-not-found", NS_STANZA_ERRORS) != NULL;
}
