/*
 * subscription.c - RFC 6121, appendix A, row by row
 */
#include "xmppd/user/subscription.h"

#include "shared/base/mem.h"
#include "shared/base/panic.h"

#define NONE        SUBSCRIPTION_NONE
#define NONE_OUT    PENDING_OUT
#define NONE_IN     PENDING_IN
#define NONE_OUT_IN (PENDING_OUT | PENDING_IN)
#define TO          SUBSCRIBED_TO
#define TO_IN       (SUBSCRIBED_TO | PENDING_IN)
#define FROM        SUBSCRIBED_FROM
#define FROM_OUT    (SUBSCRIBED_FROM | PENDING_OUT)
#define BOTH        SUBSCRIBED_BOTH

enum { STOPS = 0, PASSES = 1, ANSWERED = 2, APPROVES = 3 };

struct row {
        uint8_t state, what, then;
};

struct table {
        enum stanza_type type;
        struct row rows[9];
};

static const struct table out[] = {
        /* A.2.1 */
        { PRESENCE_SUBSCRIBE,
                {
                        { NONE, PASSES, NONE_OUT },
                        { NONE_OUT, PASSES, NONE_OUT },
                        { NONE_IN, PASSES, NONE_OUT_IN },
                        { NONE_OUT_IN, PASSES, NONE_OUT_IN },
                        { TO, PASSES, TO },
                        { TO_IN, PASSES, TO_IN },
                        { FROM, PASSES, FROM_OUT },
                        { FROM_OUT, PASSES, FROM_OUT },
                        { BOTH, PASSES, BOTH },
                } },
        /* A.2.2 */
        { PRESENCE_UNSUBSCRIBE,
                {
                        { NONE, PASSES, NONE },
                        { NONE_OUT, PASSES, NONE },
                        { NONE_IN, PASSES, NONE_IN },
                        { NONE_OUT_IN, PASSES, NONE_IN },
                        { TO, PASSES, NONE },
                        { TO_IN, PASSES, NONE_IN },
                        { FROM, PASSES, FROM },
                        { FROM_OUT, PASSES, FROM },
                        { BOTH, PASSES, FROM },
                } },
        /* A.2.3, 3.4.2 */
        { PRESENCE_SUBSCRIBED,
                {
                        { NONE, APPROVES, NONE },
                        { NONE_OUT, APPROVES, NONE_OUT },
                        { NONE_IN, PASSES, FROM },
                        { NONE_OUT_IN, PASSES, FROM_OUT },
                        { TO, APPROVES, TO },
                        { TO_IN, PASSES, BOTH },
                        { FROM, STOPS, FROM },
                        { FROM_OUT, STOPS, FROM_OUT },
                        { BOTH, STOPS, BOTH },
                } },
        /* A.2.4 */
        { PRESENCE_UNSUBSCRIBED,
                {
                        { NONE, STOPS, NONE },
                        { NONE_OUT, STOPS, NONE_OUT },
                        { NONE_IN, PASSES, NONE },
                        { NONE_OUT_IN, PASSES, NONE_OUT },
                        { TO, STOPS, TO },
                        { TO_IN, PASSES, TO },
                        { FROM, PASSES, NONE },
                        { FROM_OUT, PASSES, NONE_OUT },
                        { BOTH, PASSES, TO },
                } },
};

static const struct table in[] = {
        /* A.3.1 */
        { PRESENCE_SUBSCRIBE,
                {
                        { NONE, PASSES, NONE_IN },
                        { NONE_OUT, PASSES, NONE_OUT_IN },
                        { NONE_IN, STOPS, NONE_IN },
                        { NONE_OUT_IN, STOPS, NONE_OUT_IN },
                        { TO, PASSES, TO_IN },
                        { TO_IN, STOPS, TO_IN },
                        { FROM, ANSWERED, FROM },
                        { FROM_OUT, ANSWERED, FROM_OUT },
                        { BOTH, ANSWERED, BOTH },
                } },
        /* A.3.2 */
        { PRESENCE_UNSUBSCRIBE,
                {
                        { NONE, STOPS, NONE },
                        { NONE_OUT, STOPS, NONE_OUT },
                        { NONE_IN, PASSES, NONE },
                        { NONE_OUT_IN, PASSES, NONE_OUT },
                        { TO, STOPS, TO },
                        { TO_IN, PASSES, TO },
                        { FROM, PASSES, NONE },
                        { FROM_OUT, PASSES, NONE_OUT },
                        { BOTH, PASSES, TO },
                } },
        /* A.3.3 */
        { PRESENCE_SUBSCRIBED,
                {
                        { NONE, STOPS, NONE },
                        { NONE_OUT, PASSES, TO },
                        { NONE_IN, STOPS, NONE_IN },
                        { NONE_OUT_IN, PASSES, TO_IN },
                        { TO, STOPS, TO },
                        { TO_IN, STOPS, TO_IN },
                        { FROM, STOPS, FROM },
                        { FROM_OUT, PASSES, BOTH },
                        { BOTH, STOPS, BOTH },
                } },
        /* A.3.4 */
        { PRESENCE_UNSUBSCRIBED,
                {
                        { NONE, STOPS, NONE },
                        { NONE_OUT, PASSES, NONE },
                        { NONE_IN, STOPS, NONE_IN },
                        { NONE_OUT_IN, PASSES, NONE_IN },
                        { TO, PASSES, NONE },
                        { TO_IN, PASSES, NONE_IN },
                        { FROM, STOPS, FROM },
                        { FROM_OUT, PASSES, FROM },
                        { BOTH, PASSES, FROM },
                } },
};

static struct subscription_step
find_step(const struct table *tables, enum stanza_type type, uint8_t state)
{
        for (int i = 0; i < 4; i++)
                for (int j = 0; tables[i].type == type && j < 9; j++)
                        if (tables[i].rows[j].state == state)
                                return (struct subscription_step){
                                        .then = tables[i].rows[j].then,
                                        .passes = tables[i].rows[j].what == PASSES,
                                        .answered = tables[i].rows[j].what == ANSWERED,
                                        .approves = tables[i].rows[j].what == APPROVES,
                                };
        panic(__FILE__, __LINE__, "no such step");
}

struct subscription_step
subscription_out(enum stanza_type type, uint8_t state)
{
        return find_step(out, type, state);
}

struct subscription_step
subscription_in(enum stanza_type type, uint8_t state)
{
        return find_step(in, type, state);
}

struct subscription_step
subscription_in_approved(uint8_t state)
{
        return (struct subscription_step){ .then = (uint8_t)((state & ~PENDING_IN) | SUBSCRIBED_FROM), .answered = true };
}

bool
subscription_is_valid(uint8_t state)
{
        for (int j = 0; j < 9; j++)
                if (out[0].rows[j].state == state)
                        return true;
        return false;
}

const char *
subscription_name(uint8_t state)
{
        static const char *const names[] = { "none", "to", "from", "both" };
        return names[state & SUBSCRIBED_BOTH];
}
