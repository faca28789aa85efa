/*
 * attempt.c - the steps of one attempt, and the last attempts of a domain
 */
#include "xmppd/s2s/attempt.h"

#include "shared/base/clock.h"

#include <stdarg.h>
#include <stdio.h>

enum { KEPT = 3, TEXT_MAX = 400, GROWTH = 4 };

struct attempt *
attempt_new(bool is_incoming, const char *local)
{
        struct attempt *attempt = MEM_NEW(attempt);

        attempt->is_incoming = is_incoming;
        attempt->began = clock_wall_ms();
        attempt->began_mono = clock_mono_ms();
        attempt->local = mem_strdup(local);
        return attempt;
}

void
attempt_free(struct attempt **reference)
{
        struct attempt *attempt = *reference;

        *reference = NULL;
        if (attempt == NULL)
                return;
        for (int i = 0; i < attempt->count; i++)
                mem_free(attempt->steps[i].text);
        mem_free(attempt->steps);
        mem_free(attempt->local);
        mem_free(attempt->detail);
        mem_free(attempt);
}

static void
add_step(struct attempt *attempt, enum step step, enum cause cause, const char *text)
{
        if (attempt->count == ATTEMPT_STEPS)
                mem_free(attempt->steps[--attempt->count].text);
        else if (attempt->count % GROWTH == 0)
                attempt->steps = mem_resize(attempt->steps, (size_t)attempt->count + GROWTH, sizeof(*attempt->steps));
        attempt->steps[attempt->count++] = (struct attempt_step){
                .ms = (uint32_t)(clock_mono_ms() - attempt->began_mono), .step = step, .cause = cause, .text = mem_strdup(text)
        };
        if (attempt->noted != NULL)
                attempt->noted(attempt->arg, &attempt->steps[attempt->count - 1]);
}

void
attempt_note(struct attempt *attempt, enum step step, const char *format, ...)
{
        char text[TEXT_MAX];
        va_list args;

        if (attempt == NULL)
                return;
        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        add_step(attempt, step, CAUSE_NONE, text);
}

void
attempt_fail(struct attempt *attempt, enum cause cause, const char *format, ...)
{
        char text[TEXT_MAX];
        va_list args;

        if (attempt == NULL)
                return;
        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        add_step(attempt, cause_row(cause)->step, cause, text);
        if (attempt->cause != CAUSE_NONE && cause_row(cause)->step < cause_row(attempt->cause)->step)
                return;
        attempt->cause = cause;
        mem_free(attempt->detail);
        attempt->detail = mem_strdup(text);
}

void
attempt_end(struct attempt *attempt, bool is_good)
{
        if (attempt == NULL)
                return;
        attempt->is_done = true;
        if (!is_good)
                return;
        attempt->cause = CAUSE_NONE;
        mem_free(attempt->detail);
        attempt->detail = NULL;
}

void
attempt_sentence(char *text, size_t room, const char *domain, enum cause cause, const char *detail)
{
        char what[CAUSE_TEXT];

        snprintf(text, room, "%.255s: %s", domain, cause_text(what, cause, detail));
}

void
attempts_add(struct attempts *attempts, struct attempt *attempt)
{
        size_t same = 0;

        list_append(&attempts->list, &attempt->in_attempts);
        for (LIST_EACH(each, &attempts->list, struct attempt, in_attempts))
                same += each->is_incoming == attempt->is_incoming;
        for (LIST_EACH(each, &attempts->list, struct attempt, in_attempts)) {
                if (same <= KEPT)
                        return;
                /* One that still goes on is written to by its stream. */
                if (each->is_incoming != attempt->is_incoming || !each->is_done)
                        continue;
                list_remove(&attempts->list, &each->in_attempts);
                attempt_free(&each);
                same--;
        }
}

void
attempts_free(struct attempts *attempts)
{
        for (LIST_EACH(each, &attempts->list, struct attempt, in_attempts)) {
                list_remove(&attempts->list, &each->in_attempts);
                attempt_free(&each);
        }
}
