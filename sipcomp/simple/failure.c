/*
 * failure.c - the tables of failures
 *
 * A subscription that has been active is never destroyed by an error: an edge that is configured wrongly answers 403 to everything, and if that
 * became `unsubscribed` it would empty rosters.
 */
#include "sipcomp/simple/failure.h"

#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "sipcomp/dialect/diagnostics.h"

#include <stdio.h>
#include <string.h>

enum { MINUTE = 60, HOUR = 3600, DAY = 86400 };

#define CANCEL "cancel"
#define WAIT   "wait"
#define AUTH   "auth"

/* Tried in order; the last one fits everything. */
/* clang-format off */
static const struct subscribe_failure subscribe_failures[] = {
        /* from to   first                   condition                 type    known  first retry    known retry     wait         longest      fault */
        { 400, 400, FIRST_ERROR,             BAD_REQUEST,              CANCEL, true,  RETRY_NEVER,    RETRY_FIXED,    DAY,         DAY,         false },
        { 401, 401, FIRST_ERROR,             NOT_AUTHORIZED,           AUTH,   true,  RETRY_FIXED,    RETRY_FIXED,    HOUR,        HOUR,        false },
        { 403, 403, FIRST_ERROR,             FORBIDDEN,                AUTH,   true,  RETRY_DOUBLING, RETRY_DOUBLING, 30 * MINUTE, 4 * HOUR,    false },
        { 404, 404, FIRST_ERROR,             ITEM_NOT_FOUND,           CANCEL, true,  RETRY_FIXED,    RETRY_FIXED,    DAY,         DAY,         false },
        { 405, 405, FIRST_ERROR,             FEATURE_NOT_IMPLEMENTED,  CANCEL, true,  RETRY_FIXED,    RETRY_FIXED,    DAY,         DAY,         false },
        { 406, 406, FIRST_ERROR,             NOT_ACCEPTABLE,           CANCEL, true,  RETRY_FIXED,    RETRY_FIXED,    DAY,         DAY,         false },
        { 407, 407, FIRST_ERROR,             NOT_AUTHORIZED,           AUTH,   true,  RETRY_FIXED,    RETRY_FIXED,    HOUR,        HOUR,        false },
        { 408, 408, FIRST_ERROR_AFTER_TRIES, REMOTE_SERVER_TIMEOUT,    WAIT,   false, RETRY_DOUBLING, RETRY_DOUBLING, MINUTE,      30 * MINUTE, false },
        { 410, 410, FIRST_ERROR,             ITEM_NOT_FOUND,           CANCEL, true,  RETRY_FIXED,    RETRY_FIXED,    DAY,         DAY,         false },
        { 415, 415, FIRST_ERROR,             NOT_ACCEPTABLE,           CANCEL, true,  RETRY_FIXED,    RETRY_FIXED,    DAY,         DAY,         false },
        { 416, 416, FIRST_ERROR,             BAD_REQUEST,              CANCEL, true,  RETRY_NEVER,    RETRY_FIXED,    DAY,         DAY,         false },
        { 480, 480, FIRST_NOTHING,           RECIPIENT_UNAVAILABLE,    WAIT,   true,  RETRY_FIXED,    RETRY_FIXED,    15 * MINUTE, 15 * MINUTE, false },
        { 481, 481, FIRST_NOTHING,           REMOTE_SERVER_TIMEOUT,    WAIT,   false, RETRY_AT_ONCE,  RETRY_AT_ONCE,  MINUTE,      30 * MINUTE, false },
        { 482, 483, FIRST_ERROR,             REMOTE_SERVER_NOT_FOUND,  CANCEL, true,  RETRY_FIXED,    RETRY_FIXED,    HOUR,        HOUR,        true  },
        { 484, 485, FIRST_ERROR,             ITEM_NOT_FOUND,           CANCEL, true,  RETRY_NEVER,    RETRY_FIXED,    DAY,         DAY,         false },
        { 488, 488, FIRST_ERROR,             NOT_ACCEPTABLE,           CANCEL, true,  RETRY_FIXED,    RETRY_FIXED,    DAY,         DAY,         false },
        { 489, 489, FIRST_ERROR,             FEATURE_NOT_IMPLEMENTED,  CANCEL, true,  RETRY_FIXED,    RETRY_FIXED,    DAY,         DAY,         false },
        { 501, 501, FIRST_ERROR,             FEATURE_NOT_IMPLEMENTED,  CANCEL, true,  RETRY_FIXED,    RETRY_FIXED,    DAY,         DAY,         false },
        { 504, 504, FIRST_ERROR_AFTER_TRIES, REMOTE_SERVER_TIMEOUT,    WAIT,   false, RETRY_DOUBLING, RETRY_DOUBLING, MINUTE,      30 * MINUTE, false },
        { 500, 599, FIRST_NOTHING,           SERVICE_UNAVAILABLE,      WAIT,   false, RETRY_DOUBLING, RETRY_DOUBLING, MINUTE,      30 * MINUTE, false },
        { 604, 604, FIRST_ERROR,             ITEM_NOT_FOUND,           CANCEL, true,  RETRY_FIXED,    RETRY_FIXED,    DAY,         DAY,         false },
        { 606, 606, FIRST_ERROR,             NOT_ACCEPTABLE,           CANCEL, true,  RETRY_FIXED,    RETRY_FIXED,    DAY,         DAY,         false },
        { 600, 699, FIRST_UNSUBSCRIBED,      FORBIDDEN,                CANCEL, true,  RETRY_NEVER,    RETRY_FIXED,    DAY,         DAY,         false },
        { 300, 399, FIRST_ERROR,             ITEM_NOT_FOUND,           CANCEL, true,  RETRY_FIXED,    RETRY_FIXED,    DAY,         DAY,         false },
        { 0,   999, FIRST_ERROR,             BAD_REQUEST,              CANCEL, true,  RETRY_NEVER,    RETRY_FIXED,    DAY,         DAY,         false },
};
/* clang-format on */

#define NOT_DISTURBED "does not want to be disturbed"
#define MAY_HAVE      "the message may not have arrived"

/* clang-format off */
static const struct message_failure invite_failures[] = {
        { 300, 399, STEP_FAIL,        REDIRECT,                CANCEL, NULL          },
        { 401, 401, STEP_FAIL,        NOT_AUTHORIZED,          AUTH,   NULL          },
        { 403, 403, STEP_FAIL,        FORBIDDEN,               AUTH,   NULL          },
        { 404, 404, STEP_FAIL,        ITEM_NOT_FOUND,          CANCEL, NULL          },
        { 405, 405, STEP_PAGER,       FEATURE_NOT_IMPLEMENTED, CANCEL, NULL          },
        { 406, 406, STEP_FAIL,        NOT_ACCEPTABLE,          CANCEL, NULL          },
        { 407, 407, STEP_FAIL,        NOT_AUTHORIZED,          AUTH,   NULL          },
        { 408, 408, STEP_FAIL,        RECIPIENT_UNAVAILABLE,   WAIT,   NULL          },
        { 410, 410, STEP_FAIL,        ITEM_NOT_FOUND,          CANCEL, NULL          },
        { 415, 415, STEP_PAGER,       NOT_ACCEPTABLE,          CANCEL, NULL          },
        { 480, 480, STEP_FAIL,        RECIPIENT_UNAVAILABLE,   WAIT,   NULL          },
        { 481, 481, STEP_RETRY_LATER, RECIPIENT_UNAVAILABLE,   WAIT,   NULL          },
        { 484, 484, STEP_FAIL,        ITEM_NOT_FOUND,          CANCEL, NULL          },
        { 486, 486, STEP_FAIL,        RECIPIENT_UNAVAILABLE,   WAIT,   NOT_DISTURBED },
        { 487, 487, STEP_FAIL,        RECIPIENT_UNAVAILABLE,   WAIT,   NULL          },
        { 488, 488, STEP_PAGER,       NOT_ACCEPTABLE,          CANCEL, NULL          },
        { 491, 491, STEP_RETRY_LATER, RECIPIENT_UNAVAILABLE,   WAIT,   NULL          },
        { 501, 501, STEP_PAGER,       FEATURE_NOT_IMPLEMENTED, CANCEL, NULL          },
        { 504, 504, STEP_RETRY_LATER, REMOTE_SERVER_TIMEOUT,   WAIT,   NULL          },
        { 500, 599, STEP_RETRY_LATER, SERVICE_UNAVAILABLE,     WAIT,   NULL          },
        { 600, 600, STEP_FAIL,        RECIPIENT_UNAVAILABLE,   WAIT,   NULL          },
        { 603, 603, STEP_FAIL,        FORBIDDEN,               CANCEL, NULL          },
        { 604, 604, STEP_FAIL,        ITEM_NOT_FOUND,          CANCEL, NULL          },
        { 606, 606, STEP_FAIL,        NOT_ACCEPTABLE,          CANCEL, NULL          },
        { 0,   999, STEP_FAIL,        BAD_REQUEST,             CANCEL, NULL          },
};
/* clang-format on */

/* What differs inside a session; the others are as for INVITE. */
/* clang-format off */
static const struct message_failure message_failures[] = {
        { 408, 408, STEP_DROP,        RECIPIENT_UNAVAILABLE,   WAIT,   MAY_HAVE      },
        { 413, 413, STEP_SPLIT,       POLICY_VIOLATION,        CANCEL, NULL          },
        { 415, 415, STEP_PLAINER,     NOT_ACCEPTABLE,          CANCEL, NULL          },
        { 480, 480, STEP_DROP,        RECIPIENT_UNAVAILABLE,   WAIT,   MAY_HAVE      },
        { 481, 481, STEP_NEW_SESSION, RECIPIENT_UNAVAILABLE,   WAIT,   NULL          },
        { 513, 513, STEP_SPLIT,       POLICY_VIOLATION,        CANCEL, NULL          },
};
/* clang-format on */

/* RFC 4975 10. What is certain not to have arrived goes again in a new session. */
/* clang-format off */
static const struct message_failure msrp_failures[] = {
        { 0,   0,   STEP_DROP,        RECIPIENT_UNAVAILABLE,   WAIT,   MAY_HAVE      },
        { 403, 403, STEP_FAIL,        FORBIDDEN,               AUTH,   NULL          },
        { 408, 408, STEP_DROP,        RECIPIENT_UNAVAILABLE,   WAIT,   MAY_HAVE      },
        { 413, 413, STEP_SPLIT,       POLICY_VIOLATION,        CANCEL, NULL          },
        { 415, 415, STEP_PLAINER,     NOT_ACCEPTABLE,          CANCEL, NULL          },
        { 481, 481, STEP_NEW_SESSION, RECIPIENT_UNAVAILABLE,   WAIT,   NULL          },
        { 506, 506, STEP_NEW_SESSION, RECIPIENT_UNAVAILABLE,   WAIT,   NULL          },
        { 0,   999, STEP_FAIL,        BAD_REQUEST,             CANCEL, NULL          },
};
/* clang-format on */

static const struct message_failure content_filter = { 0, 999, STEP_FAIL, POLICY_VIOLATION, CANCEL, "refused by a content filter" };
static const struct message_failure out_of_step = { 500, 500, STEP_NEW_SESSION, SERVICE_UNAVAILABLE, WAIT, NULL };
static const struct message_failure unreachable = { 503, 503, STEP_FAIL, REMOTE_SERVER_TIMEOUT, WAIT,
        "the other system cannot be reached" };
static const struct message_failure out_of_reach = { 503, 503, STEP_DROP, REMOTE_SERVER_TIMEOUT, WAIT,
        "the other system cannot be reached" };
static const struct message_failure unanswered = { 0, 999, STEP_DROP, RECIPIENT_UNAVAILABLE, WAIT, MAY_HAVE };

const struct subscribe_failure *
failure_of_subscribe(int status)
{
        const struct subscribe_failure *rule = subscribe_failures;
        while (status < rule->from || status > rule->to)
                rule++;
        return rule;
}

uint32_t
failure_wait(const struct subscribe_failure *rule, unsigned tries)
{
        uint32_t wait = rule->wait;
        for (unsigned i = 1; i < tries && wait < rule->wait_max; i++)
                wait *= 2;
        return wait < rule->wait_max ? wait : rule->wait_max;
}

const struct message_failure *
failure_of_msrp(int status)
{
        const struct message_failure *rule = msrp_failures;
        while (status < rule->from || status > rule->to)
                rule++;
        return rule;
}

static bool
is_filtered(const struct sip_message *response)
{
        const char *value;
        for (size_t at = 0; (value = sip_message_each(response, "Warning", &at)) != NULL;)
                if (strncmp(value, "309", 3) == 0)
                        return true;
        return false;
}

const struct message_failure *
failure_of_invite(const struct sip_message *response)
{
        if (is_filtered(response))
                return &content_filter;
        if (response->local && response->status == 503)
                return &unreachable;
        const struct message_failure *rule = invite_failures;
        while (response->status < rule->from || response->status > rule->to)
                rule++;
        return rule;
}

const struct message_failure *
failure_of_message(const struct sip_message *response, bool sent)
{
        if (is_filtered(response))
                return &content_filter;
        if (response->local)
                return sent ? &unanswered : &out_of_reach;
        if (response->status == 500 && strstr(response->reason, "Stale CSeq") != NULL)
                return &out_of_step;
        for (size_t i = 0; i < array_len(message_failures); i++)
                if (response->status >= message_failures[i].from && response->status <= message_failures[i].to)
                        return &message_failures[i];
        return failure_of_invite(response);
}

char *
failure_text(char text[FAILURE_TEXT], const struct sip_message *response, const char *added)
{
        size_t len = (size_t)snprintf(text, FAILURE_TEXT, "SIP %d %.80s", response->status,
                response->reason[0] == '\0' ? sip_reason(response->status) : response->reason);
        struct diagnostics found;
        char words[260];
        if (diagnostics_read(&found, response))
                len += (size_t)snprintf(text + len, FAILURE_TEXT - len, " (%s)", diagnostics_text(words, sizeof words, &found));
        if (added != NULL && len < FAILURE_TEXT)
                snprintf(text + len, FAILURE_TEXT - len, ": %s", added);
        if (!text_is_xml(text, strlen(text))) /* a header may hold any bytes above 0x7f */
                for (char *c = text; *c != '\0'; c++)
                        if ((unsigned char)*c >= 0x80)
                                *c = '?';
        return text;
}
