/* attempt.h - what happened, step by step, the last times one side tried to reach the other
 *
 * Each remote domain keeps its last attempts of either direction (bounded), so that a failure can be explained after the fact.
 */
#ifndef XMPPD_S2S_ATTEMPT_H
#define XMPPD_S2S_ATTEMPT_H

#include "shared/base/list.h"
#include "xmppd/s2s/cause.h"

#include <stdint.h>

enum { ATTEMPT_STEPS = 32 };

struct attempt_step {
        uint32_t ms; /* since the attempt began */
        enum step step;
        enum cause cause; /* CAUSE_NONE: it went well */
        char *text;
};

/* Owned by the attempts it is in, or by who made it. */
struct attempt {
        struct link in_attempts;
        bool is_incoming, is_done;
        int64_t began; /* wall clock, ms */
        uint64_t began_mono;
        char *local;                /* our domain; NULL: not known */
        struct attempt_step *steps; /* count of them, at most ATTEMPT_STEPS */
        int count;
        enum cause cause; /* of its end; CAUSE_NONE while it goes on, and where it went well */
        char *detail;     /* of the cause; may be NULL */
        /* Hears each step as it is noted; may be NULL. */
        void (*noted)(void *arg, const struct attempt_step *step);
        void *arg;
};

struct attempt *attempt_new(bool is_incoming, const char *local);
void attempt_free(struct attempt **attempt);
/* A step that went well, or is only told. The last row is overwritten when there are too many. */
void attempt_note(struct attempt *attempt, enum step step, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A step that failed. The attempt may go on (another target); its cause is the failure that came furthest. */
void attempt_fail(struct attempt *attempt, enum cause cause, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Nothing more comes. is_good: earlier failures of it count no more. */
void attempt_end(struct attempt *attempt, bool is_good);
/* One sentence for the sender of a stanza and the log: "rome.example: its certificate is for another name (...)". detail may be NULL. */
void attempt_sentence(char *text, size_t room, const char *domain, enum cause cause, const char *detail);

/* The last ones: zero-initialised is empty. Keeps the newest three of each direction. Takes the attempt. */
struct attempts {
        struct list list;
};
void attempts_add(struct attempts *attempts, struct attempt *attempt);
void attempts_free(struct attempts *attempts);

#endif
