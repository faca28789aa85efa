/* explain_private.h - what one explanation consists of, for the two files that make it */
#ifndef XMPPD_ADMIN_EXPLAIN_PRIVATE_H
#define XMPPD_ADMIN_EXPLAIN_PRIVATE_H

#include "shared/loop/timer.h"
#include "shared/loop/worker.h"
#include "xmppd/admin/admin_private.h"
#include "xmppd/s2s/s2s.h"

enum { SENTENCE_MAX = 1024 };

/* Made on the main thread, sent to the home of the domain, and back; freed when it is back and answered. */
struct explanation {
        struct letter letter;
        struct worker *main;
        struct timer patience;           /* on the main thread */
        struct control_request *request; /* NULL: answered already */
        char *domain;                    /* prepared */
        char *local;                     /* in whose name; NULL: the home chooses */
        bool is_watched;                 /* who has asked wants to hear each step as it comes */
        struct buf out;
        struct json_writer json;
        /* at home, when the trial is over */
        const struct attempt *last_in; /* of those who came in its name */
        bool has_come;                 /* a stream that it has opened is up */
};

struct verdict {
        const char *code, *step, *sentence, *advice;
        bool is_fault;
};

/* Members of the document: what the first line says, and what to do; one step. */
void explain_write_verdict(struct explanation *explanation, const struct verdict *verdict);
void explain_write_step(struct json_writer *json, int64_t ms, enum step step, enum cause cause, const char *text);
/* Any worker: the document is whole. */
void explain_send_back(struct explanation *explanation);
/* The letter of an explanation, at the home of its domain: tries to reach it, and sends it back when that is over. */
void explain_try(struct letter *letter);

#endif
