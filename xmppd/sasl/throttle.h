/* throttle.h - how long whoever guesses passwords waits for each answer
 *
 * Wrong logins are counted for each address (an IPv6 client may use its whole /64, so that counts as one) and for each account. What an address
 * waits grows with what it got wrong itself; once it has got more than a few wrong, it waits for what others got wrong with the same account,
 * too. So an account that is guessed from many places is slow for all who guess, and an address that has got nothing wrong never waits,
 * whatever others do to the account. Nobody is refused for what somebody else did, and the wait has an upper bound.
 * The tables have a fixed size; when a place is needed the one with the fewest wrong logins gives way.
 */
#ifndef XMPPD_SASL_THROTTLE_H
#define XMPPD_SASL_THROTTLE_H

#include "shared/loop/address.h"

#include <stdbool.h>
#include <stdint.h>

struct throttle_rules {
        uint64_t delay_ms;     /* for the first wrong logins */
        uint64_t max_delay_ms; /* it doubles until it is this */
        uint64_t forget_ms;    /* so long after the last one, half of what was counted is forgotten */
};

struct throttle_counters {
        uint64_t refused; /* wrong logins */
        uint64_t delayed; /* answers that waited longer than delay_ms */
        uint64_t longest_ms;
};

/* Once, before workers run: makes the tables, or empties them. */
void throttle_start(void);
/* Any worker. Counts a wrong login (is_wrong); gives the ms that its answer, or that of a right one, waits. account NULL: not known. now is
 * monotonic ms. An address without one (a unix socket) is one client like any other. */
uint64_t
throttle_wait(const struct address *from, const char *account, bool is_wrong, const struct throttle_rules *rules, uint64_t now);
/* Any worker. May this address make one more account (XEP-0077)? At most so many in an hour, all at once if it likes; it is counted if it may. */
bool throttle_may_register(const struct address *from, uint64_t per_hour, uint64_t now);
void throttle_counters(struct throttle_counters *counters);

#endif
