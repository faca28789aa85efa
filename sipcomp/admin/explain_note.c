/*
 * explain_note.c - the steps of an explanation, and the document they become: the verdict first
 */
#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/control/common.h"
#include "sipcomp/admin/explain_private.h"

#include <stdarg.h>
#include <stdio.h>

static void
put_note(struct json_writer *json, const struct explain_note *note)
{
        json_open_object(json, NULL);
        json_put_number(json, "ms", note->ms);
        json_put_text(json, "step", sip_step_name(note->step));
        json_put_text(json, "cause", note->cause == SIP_CAUSE_NONE ? NULL : sip_cause_row(note->cause)->code);
        json_put_text(json, "text", note->text);
        json_close_object(json);
}

void
explain_note(struct explanation *explanation, struct list *notes, enum sip_step step, enum sip_cause cause, const char *format, ...)
{
        struct explain_note *note = MEM_NEW(note);
        char text[EXPLAIN_TEXT];
        va_list args;

        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        note->ms = (int64_t)(clock_mono_ms() - explanation->began);
        note->step = step;
        note->cause = cause;
        note->text = mem_strdup(text);
        list_append(notes, &note->link);
        if (!explanation->is_watched)
                return;
        struct buf out = { 0 };
        put_note(&(struct json_writer){ .out = &out }, note);
        control_tell(explanation->request, buf_data(&out), out.len);
        buf_free(&out);
}

void
explain_blame(struct explain_verdict *verdict, enum sip_cause cause, const char *format, ...)
{
        va_list args;

        if (verdict->cause != SIP_CAUSE_NONE && (!sip_cause_row(verdict->cause)->is_doubt || sip_cause_row(cause)->is_doubt))
                return;
        verdict->cause = cause;
        va_start(args, format);
        vsnprintf(verdict->detail, sizeof(verdict->detail), format, args);
        va_end(args);
}

static void
put_notes(struct json_writer *json, const struct list *notes)
{
        for (LIST_EACH(note, notes, struct explain_note, link))
                put_note(json, note);
}

static void
free_notes(struct list *notes)
{
        for (LIST_EACH(note, notes, struct explain_note, link)) {
                list_remove(notes, &note->link);
                mem_free(note->text);
                mem_free(note);
        }
}

static void
put_verdict(struct json_writer *json, const char *domain, const struct explain_verdict *verdict)
{
        const struct sip_cause_row *row = sip_cause_row(verdict->cause);
        const struct sip_case of = { .domain = domain,
                .host = verdict->host[0] != '\0' ? verdict->host : NULL,
                .subject = verdict->subject[0] != '\0' ? verdict->subject : NULL };
        struct buf sentence = { 0 }, advice = { 0 };

        buf_printf(&sentence, "%s: ", domain);
        sip_cause_fill(&sentence, row->sentence, &of);
        if (verdict->detail[0] != '\0')
                buf_printf(&sentence, " (%s)", verdict->detail);
        if (verdict->advice[0] != '\0')
                buf_puts(&advice, verdict->advice);
        else
                sip_cause_fill(&advice, row->advice, &of);
        json_put_text(json, "cause", row->code);
        json_put_bool(json, "fault", verdict->cause != SIP_CAUSE_NONE);
        json_put_text(json, "step", verdict->cause != SIP_CAUSE_NONE ? sip_step_name(row->step) : NULL);
        json_put_text(json, "sentence", buf_text(&sentence));
        json_put_text(json, "advice", advice.len > 0 ? buf_text(&advice) : NULL);
        buf_free(&sentence);
        buf_free(&advice);
}

void
explain_free(struct explanation *explanation)
{
        route_search_end(&explanation->search);
        for (size_t i = 0; i < explanation->try_count; i++) {
                sip_trial_cancel(&explanation->tries[i].trial);
                free_notes(&explanation->tries[i].notes);
        }
        sip_trial_cancel(&explanation->public_port.trial);
        for (size_t i = 0; i < EXPLAIN_LOCALS; i++)
                if (explanation->srv[i] != NULL)
                        dns_cancel(&explanation->srv[i]);
        free_notes(&explanation->before);
        free_notes(&explanation->own);
        free_notes(&explanation->after);
        mem_free(explanation);
}

void
explain_finish(struct explanation *explanation, const struct explain_verdict *verdict)
{
        struct buf out = { 0 };
        struct json_writer json = { .out = &out };

        json_open_object(&json, NULL);
        json_put_text(&json, "domain", explanation->domain);
        json_put_text(&json, "kind", explanation->kind);
        put_verdict(&json, explanation->domain, verdict);
        json_open_array(&json, "steps");
        put_notes(&json, &explanation->before);
        for (size_t i = 0; i < explanation->try_count; i++)
                put_notes(&json, &explanation->tries[i].notes);
        put_notes(&json, &explanation->own);
        put_notes(&json, &explanation->after);
        json_close_array(&json);
        peers_put_refusals(&json, "refusals", explanation->gateway, explanation->domain);
        json_close_object(&json);
        common_answer(explanation->request, &out);
        explain_free(explanation);
}
