/*
 * frame.c - brackets and quotes
 */
#include "shared/xml/frame.h"

#include <string.h>

enum { TEXT, OPENED, START, SLASH, END, SINGLE, DOUBLE, INSTRUCTION, QUESTION, LOST, STATES };

/* The rows of a state in order; the last one, without a character, is for all others. */
static const struct step {
        char in, when, then;
} steps[] = {
        { TEXT, '<', OPENED },
        { TEXT, 0, TEXT },
        { OPENED, '/', END },
        { OPENED, '?', INSTRUCTION },
        { OPENED, '!', LOST },
        { OPENED, '<', LOST },
        { OPENED, '>', LOST },
        { OPENED, 0, START },
        { START, '\'', SINGLE },
        { START, '"', DOUBLE },
        { START, '/', SLASH },
        { START, '<', LOST },
        { START, '>', TEXT },
        { START, 0, START },
        { SLASH, '>', TEXT },
        { SLASH, 0, LOST },
        { END, '<', LOST },
        { END, '>', TEXT },
        { END, 0, END },
        { SINGLE, '\'', START },
        { SINGLE, 0, SINGLE },
        { DOUBLE, '"', START },
        { DOUBLE, 0, DOUBLE },
        { INSTRUCTION, '?', QUESTION },
        { INSTRUCTION, 0, INSTRUCTION },
        { QUESTION, '>', TEXT },
        { QUESTION, '?', QUESTION },
        { QUESTION, 0, INSTRUCTION },
};

static char
next_state(char state, char c)
{
        const struct step *step = steps;

        while (step->in != state || (step->when != 0 && step->when != c))
                step++;
        return step->then;
}

static bool
is_space(char c)
{
        return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* A tag or instruction has ended; false: that closes more than was open. */
static bool
count(struct frame *frame, char ended)
{
        if (ended == END && frame->depth == 0)
                return false;
        frame->depth += ended == START;
        frame->depth -= ended == END;
        return true;
}

static size_t
give(struct frame *frame, size_t len)
{
        frame->at = 0;
        return len;
}

size_t
frame_scan(struct frame *frame, const char *bytes, size_t len)
{
        size_t spaces = 0;

        if (frame->is_lost)
                return len;
        while (frame->at == 0 && spaces < len && frame->state == TEXT && frame->depth <= 1 && is_space(bytes[spaces]))
                spaces++;
        if (spaces > 0)
                return spaces;
        while (frame->at < len) {
                char c = bytes[frame->at++], before = frame->state;
                frame->state = next_state(before, c);
                bool is_stray = before == TEXT && c != '<' && frame->depth <= 1;
                bool has_ended = before != TEXT && frame->state == TEXT;
                if (frame->state == LOST || is_stray || (has_ended && !count(frame, before))) {
                        frame->is_lost = true;
                        return give(frame, len);
                }
                if (has_ended && frame->depth <= 1)
                        return give(frame, frame->at);
        }
        return 0;
}
