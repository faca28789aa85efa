/* bucket.h - how fast something may come: a token bucket that is one number, without a clock or a timer of its own
 *
 * The number is the moment at which all that was taken is paid for (the generic cell rate algorithm). What lies further ahead than the burst has
 * come too fast.
 */
#ifndef SHARED_BASE_BUCKET_H
#define SHARED_BASE_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

enum { BUCKET_SECOND_US = 1000 * 1000 };

/* A plain value, zero-initialised: nothing was taken. now, cost and burst have one unit of time, which the caller chooses. */
struct bucket {
        uint64_t paid;
};

/* Takes in any case. Returns for how long nothing more should come; 0: it is within the burst. Who has to wait and takes all the same waits longer. */
uint64_t bucket_take(struct bucket *bucket, uint64_t now, uint64_t cost, uint64_t burst);
/* Takes only what is within the burst; false: nothing was taken. */
bool bucket_take_if(struct bucket *bucket, uint64_t now, uint64_t cost, uint64_t burst);

#endif
