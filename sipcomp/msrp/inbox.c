/*
 * inbox.c - messages of theirs: chunks put together, answers when the message is safe, reports where they are wanted (RFC 4975 7.1.2, 7.2, 7.3.1)
 *
 * Every chunk but the last is answered as it comes; the answer to the last one vouches for the message. Chunks come in order on one connection,
 * so one that leaves a gap is refused together with its message.
 */
#include "sipcomp/msrp/msrp_private.h"

#include "shared/base/mem.h"
#include "shared/base/random.h"

#include <stdio.h>
#include <string.h>

static void
free_draft(struct msrp_session *session, struct msrp_draft *draft)
{
        list_remove(&session->drafts, &draft->link);
        mem_free(draft->type);
        buf_free(&draft->bytes);
        mem_free(draft);
}

static struct msrp_draft *
find_draft(struct msrp_session *session, const char *message_id)
{
        for (LIST_EACH(draft, &session->drafts, struct msrp_draft, link))
                if (strcmp(draft->message_id, message_id) == 0)
                        return draft;
        return NULL;
}

static struct msrp_draft *
new_draft(struct msrp_session *session, const struct msrp_frame *frame)
{
        struct msrp_draft *draft = MEM_NEW(draft);
        snprintf(draft->message_id, sizeof(draft->message_id), "%s", frame->message_id);
        draft->type = mem_strdup(frame->content_type);
        list_append(&session->drafts, &draft->link);
        return draft;
}

static void
free_unanswered(struct msrp_unanswered *waiting)
{
        map_remove(waiting->session->msrp->waiting, &waiting->token, sizeof(waiting->token));
        list_remove(&waiting->session->unanswered, &waiting->link);
        mem_free(waiting->from_path);
        mem_free(waiting);
}

void
msrp_inbox_free(struct msrp_session *session)
{
        for (LIST_EACH(draft, &session->drafts, struct msrp_draft, link))
                free_draft(session, draft);
        for (LIST_EACH(waiting, &session->unanswered, struct msrp_unanswered, link))
                free_unanswered(waiting);
}

bool
msrp_inbox_is_full(const struct msrp_session *session)
{
        return session->unanswered.count >= MSRP_UNANSWERED_MAX;
}

/* The token first, for the owner may answer at once. */
static void
hand_over(struct msrp_session *session, const struct msrp_frame *frame, const char *type, const char *bytes, size_t len)
{
        struct msrp *msrp = session->msrp;
        struct msrp_unanswered *waiting = MEM_NEW(waiting);
        waiting->session = session;
        waiting->token = ++msrp->last_token;
        snprintf(waiting->id, sizeof(waiting->id), "%s", frame->id);
        snprintf(waiting->message_id, sizeof(waiting->message_id), "%s", frame->message_id);
        waiting->from_path = mem_strdup(frame->from_path);
        waiting->size = len;
        waiting->success_report = frame->success_report;
        waiting->failure_report = frame->failure_report;
        map_put(msrp->waiting, &waiting->token, sizeof(waiting->token), waiting);
        list_append(&session->unanswered, &waiting->link);
        session->events->message(session->owner, type, bytes, len, waiting->token);
}

/* 0: taken, or what to answer. */
static int
add_chunk(struct msrp_draft *draft, const struct msrp_frame *frame)
{
        uint64_t have = draft->bytes.len, at = frame->start - 1;
        if (at > have)
                return 400;
        if (at + frame->body_len > MSRP_MESSAGE_MAX || frame->total > MSRP_MESSAGE_MAX)
                return 413;
        if (at + frame->body_len > have) /* what came before is not changed by coming again */
                buf_put(&draft->bytes, frame->body + (have - at), frame->body_len - (size_t)(have - at));
        return 0;
}

static int
take_part(struct msrp_session *session, const struct msrp_frame *frame)
{
        struct msrp_draft *draft = find_draft(session, frame->message_id);
        if (draft == NULL && frame->flag == '#')
                return 200;
        if (draft == NULL && frame->content_type == NULL)
                return 400;
        if (draft == NULL && session->drafts.count >= MSRP_DRAFTS_MAX)
                return 413;
        if (draft == NULL)
                draft = new_draft(session, frame);
        int status = frame->flag == '#' ? 200 : add_chunk(draft, frame);
        if (status == 0 && frame->flag == '+')
                return 200;
        if (status == 0 && frame->total != 0 && draft->bytes.len != frame->total)
                status = 400;
        if (status == 0)
                hand_over(session, frame, draft->type, buf_data(&draft->bytes), draft->bytes.len);
        free_draft(session, draft);
        return status;
}

void
msrp_inbox_take(struct msrp_session *session, const struct msrp_frame *frame)
{
        int status;
        if (frame->message_id == NULL)
                status = 400;
        else if (frame->body_len == 0 && frame->content_type == NULL)
                status = 200; /* only to show the way (5.4) */
        else
                status = take_part(session, frame);
        if (status != 0)
                msrp_link_respond(session->link, frame, status);
}

/* REPORT (7.1.2): to all that the message came by. */
static void
report(const struct msrp_unanswered *waiting)
{
        struct buf *out = conn_output(waiting->session->link->conn);
        char id[20];
        random_hex(id, 8);
        msrp_write_request(out, id, "REPORT", waiting->from_path, waiting->session->path);
        buf_printf(out, "Message-ID: %s\r\nByte-Range: 1-%llu/%llu\r\nStatus: 000 200 OK\r\n", waiting->message_id,
                (unsigned long long)waiting->size, (unsigned long long)waiting->size);
        msrp_write_end(out, id, '$');
}

void
msrp_answer(struct msrp *msrp, uint64_t token, int status)
{
        struct msrp_unanswered *waiting = map_get(msrp->waiting, &token, sizeof(token));
        if (waiting == NULL)
                return;
        struct msrp_session *session = waiting->session;
        bool was_full = msrp_inbox_is_full(session);
        if (session->link != NULL) {
                const struct msrp_frame frame = { .id = waiting->id,
                        .from_path = waiting->from_path,
                        .method = "SEND",
                        .failure_report = waiting->failure_report };
                msrp_link_respond(session->link, &frame, status);
                if (status == 200 && waiting->success_report)
                        report(waiting);
        }
        free_unanswered(waiting);
        if (was_full && session->link != NULL)
                conn_resume(session->link->conn);
}
