/*
 * delivery.c - the rules of RFC 6121, 8.5
 *
 * Where the RFC leaves a choice: a message nobody can get is refused rather than swallowed, headlines are not worth an error, and a headline
 * goes to everybody who is there, a chat message to the most available resource only.
 */
#include "xmppd/user/delivery.h"

#include "shared/base/mem.h"
#include "shared/base/panic.h"

#define IT        DELIVER_TO_IT
#define BEST      DELIVER_TO_BEST
#define ALL       DELIVER_TO_ALL
#define AVAILABLE DELIVER_TO_AVAILABLE
#define LATER     DELIVER_LATER
#define ACCOUNT   ANSWER_FOR_ACCOUNT
#define SUBSCRIBE CHANGE_SUBSCRIPTION
#define PROBE     ANSWER_PROBE

static const struct {
        enum stanza_type type;
        enum delivery rules[DELIVERY_CASES];
} rows[] = {
        /* clang-format off */
        /*                        no account  bare: nobody  somebody    full: nobody  another     it  */
        { MESSAGE_NORMAL,       { REFUSE,     LATER,        BEST,       REFUSE,       REFUSE,     IT } }, /* 8.5.2.1.1, 8.5.2.2.1, 8.5.3.2.1 */
        { MESSAGE_CHAT,         { REFUSE,     LATER,        BEST,       LATER,        BEST,       IT } },
        { MESSAGE_HEADLINE,     { IGNORE,     IGNORE,       ALL,        IGNORE,       IGNORE,     IT } },
        { MESSAGE_GROUPCHAT,    { REFUSE,     REFUSE,       REFUSE,     REFUSE,       REFUSE,     IT } },
        { MESSAGE_ERROR,        { IGNORE,     IGNORE,       IGNORE,     IGNORE,       IGNORE,     IT } },
        { PRESENCE_AVAILABLE,   { IGNORE,     AVAILABLE,    AVAILABLE,  IGNORE,       IGNORE,     IT } }, /* 8.5.2.1.2, 8.5.3.2.2 */
        { PRESENCE_UNAVAILABLE, { IGNORE,     AVAILABLE,    AVAILABLE,  IGNORE,       IGNORE,     IT } },
        { PRESENCE_ERROR,       { IGNORE,     AVAILABLE,    AVAILABLE,  IGNORE,       IGNORE,     IT } },
        { PRESENCE_SUBSCRIBE,   { IGNORE,     SUBSCRIBE,    SUBSCRIBE,  SUBSCRIBE,    SUBSCRIBE,  SUBSCRIBE } }, /* section 3 */
        { PRESENCE_SUBSCRIBED,  { IGNORE,     SUBSCRIBE,    SUBSCRIBE,  SUBSCRIBE,    SUBSCRIBE,  SUBSCRIBE } },
        { PRESENCE_UNSUBSCRIBE, { IGNORE,     SUBSCRIBE,    SUBSCRIBE,  SUBSCRIBE,    SUBSCRIBE,  SUBSCRIBE } },
        { PRESENCE_UNSUBSCRIBED,{ IGNORE,     SUBSCRIBE,    SUBSCRIBE,  SUBSCRIBE,    SUBSCRIBE,  SUBSCRIBE } },
        { PRESENCE_PROBE,       { PROBE,      PROBE,        PROBE,      PROBE,        PROBE,      PROBE } },     /* 4.3.2 */
        { IQ_GET,               { REFUSE,     ACCOUNT,      ACCOUNT,    REFUSE,       REFUSE,     IT } }, /* 8.5.2.1.3, 8.5.3.2.3 */
        { IQ_SET,               { REFUSE,     ACCOUNT,      ACCOUNT,    REFUSE,       REFUSE,     IT } },
        { IQ_RESULT,            { IGNORE,     IGNORE,       IGNORE,     IGNORE,       IGNORE,     IT } },
        { IQ_ERROR,             { IGNORE,     IGNORE,       IGNORE,     IGNORE,       IGNORE,     IT } },
        /* clang-format on */
};

enum delivery
delivery_of(enum stanza_type type, enum delivery_case where)
{
        must(where < DELIVERY_CASES);
        for (size_t i = 0; i < array_len(rows); i++)
                if (rows[i].type == type)
                        return rows[i].rules[where];
        panic(__FILE__, __LINE__, "a type without rules");
}
