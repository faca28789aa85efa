/*
 * session_msrp.c - a session whose texts travel over MSRP, beside the dialog (7.11 of the dialects; RFC 4975, RFC 7573)
 *
 * What is said is the same as over the dialog itself: texts one after the other, typing in between, the answer to each vouching for it.
 */
#include "sipcomp/simple/chat_private.h"

#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "sipcomp/dialect/text.h"
#include "sipcomp/msrp/msrp.h"
#include "sipcomp/msrp/uri.h"
#include "sipcomp/sip/sdp.h"

#include <stdio.h>
#include <string.h>

/* --- What the connection tells. */

static void
hear_up(void *owner)
{
        struct session *session = owner;
        log_info(&session->chat->log, "MSRP stands");
        chat_pump(session->chat);
}

static void
hear_message(void *owner, const char *type, const char *bytes, size_t len, uint64_t token)
{
        struct session *session = owner;
        struct chat *chat = session->chat;
        if (text_type_is(type, "application/im-iscomposing+xml"))
                take_typing(chat, type, bytes, len);
        else
                session_touch(session);
        int status = take_body(chat->simple, &chat->pair, session->dialog->call_id, type, bytes, len, vouch_id_of_msrp(token));
        if (status != 0)
                msrp_answer(chat->simple->options.msrp, token, status);
}

static void
hear_sent(void *owner, int status)
{
        struct session *session = owner;
        session->sending = false;
        session_apply(session, status == 200 ? SESSION_TAKEN : session_judge_msrp(session, status), NULL);
}

/* The dialog is of no use without it. What was under way may have arrived. */
static void
hear_closed(void *owner, const char *why)
{
        struct session *session = owner;
        log_info(&session->chat->log, "MSRP is gone: %s", why);
        bool unsure = session->sending;
        session->sending = false;
        session_apply(session, unsure ? session_judge_msrp(session, 0) : SESSION_CLOSE, NULL);
}

static const struct msrp_events msrp_events = { .up = hear_up, .message = hear_message, .sent = hear_sent, .closed = hear_closed };

/* --- How it begins. */

/* We connect to the host that calls us, to one that may speak for its domain, and to those of the domain itself: nobody makes us connect anywhere
 * else. */
static bool
may_dial(const struct simple *simple, const char *domain, uint64_t flow_id, const char *host)
{
        const char *subjects[FEDERATION_SUBJECTS];
        struct address literal;
        struct sip_flow *flow = sip_flow_find(sip_transactions_transport(simple->options.transactions), flow_id);
        if (address_from_host(&literal, host, 0))
                return flow != NULL && address_same_host(&literal, sip_flow_address(flow));
        size_t len = strlen(host), own = strlen(domain);
        if (len >= own && strcmp(host + len - own, domain) == 0 && (len == own || host[len - own - 1] == '.'))
                return true;
        for (size_t i = 0, count = federation_subjects(simple->federation, domain, subjects); i < count; i++)
                if (text_equal_nocase(subjects[i], host))
                        return true;
        return false;
}

static bool
may_dial_path(const struct simple *simple, const char *domain, uint64_t flow, const char *path)
{
        struct arena *arena = arena_new(512);
        struct msrp_uri next;
        const char *first = msrp_path_first(arena, path);
        bool may = first != NULL && msrp_uri_parse(&next, arena, first) && may_dial(simple, domain, flow, next.host);
        arena_free(&arena);
        return may;
}

static bool
start(struct session *session, const struct sip_sdp *theirs, uint64_t flow, bool active)
{
        const struct chat *chat = session->chat;
        return (!active || may_dial_path(chat->simple, chat->pair.domain, flow, theirs->path)) &&
                msrp_session_start(session->msrp, theirs->path, active, theirs->has_fingerprint ? theirs->fingerprint : NULL);
}

bool
session_msrp_speaks(const struct simple *simple, const char *domain, const struct sip_sdp *theirs)
{
        return dialect_for(simple, domain)->msrp && msrp_speaks(simple->options.msrp, theirs->secure) &&
                theirs->setup != SIP_SETUP_HOLDCONN && sip_sdp_accepts(theirs, "text/plain");
}

void
session_msrp_learn(struct simple *simple, const char *domain, const struct sip_message *message)
{
        struct arena *arena = arena_new(512);
        struct sip_sdp sdp;
        if (message->body_len > 0 && sip_sdp_read(&sdp, arena, message->body, message->body_len) == SIP_SDP_MSRP &&
                session_msrp_speaks(simple, domain, &sdp))
                msrp_remember(simple, domain, sdp.secure);
        arena_free(&arena);
}

static void
write_description(struct session *session, const char *setup)
{
        const struct chat *chat = session->chat;
        struct buf sdp = { 0 };
        sip_sdp_write_msrp(&sdp, chat->simple->options.sdp_address, msrp_session_port(session->msrp), session->msrp_secure,
                msrp_session_path(session->msrp), setup, session_accept_types(chat));
        mem_free(session->sdp);
        session->sdp = mem_strdup(buf_text(&sdp));
        buf_free(&sdp);
}

static void
make(struct session *session, bool secure)
{
        msrp_session_free(&session->msrp);
        session->msrp_secure = secure;
        session->msrp = msrp_session_new(session->chat->simple->options.msrp, secure, &msrp_events, session);
}

/* Who offers without a word connects (RFC 4975 5.4); so does who leaves us the choice, for we listen. */
bool
session_msrp_answer(struct session *session, const struct sip_sdp *offer, uint64_t flow)
{
        bool active = offer->setup == SIP_SETUP_PASSIVE;
        if (msrp_session_count(session->chat->simple->options.msrp) >= MSRP_SESSIONS_MAX)
                return false;
        make(session, offer->secure);
        if (!start(session, offer, flow, active))
                return false;
        write_description(session, offer->setup == SIP_SETUP_NONE ? NULL : active ? "active" : "passive");
        return true;
}

void
session_msrp_offer(struct session *session)
{
        const struct chat *chat = session->chat;
        make(session, msrp_remembered(chat->simple, chat->pair.domain) == MSRP_SECURE);
        write_description(session, "active");
}

bool
session_msrp_take_answer(struct session *session, const struct sip_sdp *answer, uint64_t flow)
{
        return answer->secure == session->msrp_secure &&
                session_msrp_speaks(session->chat->simple, session->chat->pair.domain, answer) &&
                start(session, answer, flow, answer->setup != SIP_SETUP_ACTIVE);
}
