/*
 * resume.c - the elements of stream management on a client's stream (XEP-0198)
 *
 * What they mean for the session is told in user/sm.h; here they are read, and refused where they do not belong.
 */
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/base/text.h"
#include "shared/xmpp/ns.h"
#include "xmppd/c2s/c2s_private.h"
#include "xmppd/user/sm.h"

#include <stdio.h>
#include <string.h>

/* A count as the schema has it; negative: it is none. */
static int64_t
read_count(const struct element *element)
{
        const char *h = element_attribute(element, "h");

        return h == NULL ? -1 : text_number(h, UINT32_MAX);
}

/* 3 and 5: no end of the stream, the client goes on without. */
static void
refuse(struct client *client, const char *condition)
{
        buf_printf(conn_output(stream_conn(client->stream)),
                "<failed xmlns=\"" NS_SM "\"><%s xmlns=\"" NS_STANZA_ERRORS "\"/></failed>", condition);
}

static void
fail_too_high(struct client *client, const struct session *session, int64_t h)
{
        char condition[160];

        snprintf(condition, sizeof(condition), "<handled-count-too-high xmlns=\"" NS_SM "\" h=\"%lld\" send-count=\"%u\"/>",
                (long long)h, sm_sent_count(session));
        stream_fail_specific(client->stream, STREAM_UNDEFINED_CONDITION, condition, "more stanzas are acknowledged than were sent");
}

static void
enable(struct client *client, const struct element *element)
{
        const char *resume = element_attribute(element, "resume"), *max = element_attribute(element, "max");
        bool may_resume = text_equal(resume, "true") || text_equal(resume, "1");
        int64_t seconds = max == NULL ? 0 : text_number(max, UINT32_MAX);
        struct buf *out = conn_output(stream_conn(client->stream));
        char id[SM_ID_TEXT];

        if (!sm_enable(client->session, may_resume, seconds > 0 ? (uint64_t)seconds : 0)) {
                refuse(client, "unexpected-request");
                return;
        }
        uint64_t granted = sm_describe(client->session, id);
        if (granted > 0)
                buf_printf(out, "<enabled xmlns=\"" NS_SM "\" id=\"%s\" resume=\"true\" max=\"%llu\"/>", id,
                        (unsigned long long)granted);
        else
                buf_puts(out, "<enabled xmlns=\"" NS_SM "\"/>");
        log_debug(&client->log, "stream management on, resumable for %llu s", (unsigned long long)granted);
}

bool
resume_takes(struct client *client, const struct element *element)
{
        if (strcmp(element->ns, NS_SM) != 0)
                return false;
        if (strcmp(element->name, "r") == 0) {
                sm_answer(client->session);
        } else if (strcmp(element->name, "a") == 0) {
                int64_t h = read_count(element);
                if (h < 0)
                        stream_fail(client->stream, STREAM_BAD_FORMAT, "<a/> without a count");
                else if (!sm_acknowledge(client->session, (uint32_t)h))
                        fail_too_high(client, client->session, h);
        } else if (strcmp(element->name, "enable") == 0) {
                enable(client, element);
        } else if (strcmp(element->name, "resume") == 0) {
                refuse(client, "unexpected-request");
        } else {
                return false;
        }
        return true;
}

void
resume_refuse_early(struct client *client, struct element *unused)
{
        refuse(client, "unexpected-request");
}

/* ---- resuming ---- */

static void
go_on(void *owner, struct session *session)
{
        struct client *client = owner;

        client->session = session;
        negotiate(client, session != NULL ? BOUND_NOW : NOT_RESUMED, NULL);
}

void
resume_begin(struct client *client, struct element *element)
{
        const char *id = element_attribute(element, "previd");
        int64_t h = read_count(element);
        struct arena *arena = arena_new(256);
        struct jid account;

        must(jid_parse(&account, arena, client->account));
        struct session *session = id == NULL || h < 0 ? NULL : sm_find(&account, id);
        if (session == NULL) {
                negotiate(client, NOT_RESUMED, NULL);
        } else {
                stream_pause(client->stream);
                if (!sm_resume(session, (uint32_t)h, &stream_edge, client, go_on))
                        fail_too_high(client, session, h);
        }
        arena_free(&arena);
}

void
resume_finish(struct client *client, struct element *unused)
{
        char where[ADDRESS_TEXT + 20];

        stream_edge.describe(client, where, sizeof(where));
        log_scope_set(&client->log, "c2s", "%s", client->session->jid.full);
        log_info(&client->log, "resumed %s", where);
        client_stop_negotiating(client);
        stream_resume(client->stream);
}

void
resume_fail(struct client *client, struct element *unused)
{
        refuse(client, "item-not-found");
        stream_resume(client->stream);
}

void
resume_abandon(struct client *client)
{
        struct arena *arena = arena_new(256);
        struct jid account;

        if (client->account != NULL && client->session == NULL && client->login != NULL &&
                jid_parse(&account, arena, client->account))
                sm_forget_wait(&account, client);
        arena_free(&arena);
}
