/*
 * bucket.c - a token bucket
 */
#include "shared/base/bucket.h"

uint64_t
bucket_take(struct bucket *bucket, uint64_t now, uint64_t cost, uint64_t burst)
{
        if (bucket->paid < now)
                bucket->paid = now;
        bucket->paid += cost;
        return bucket->paid - now > burst ? bucket->paid - now - burst : 0;
}

bool
bucket_take_if(struct bucket *bucket, uint64_t now, uint64_t cost, uint64_t burst)
{
        struct bucket after = *bucket;

        if (bucket_take(&after, now, cost, burst) > 0)
                return false;
        *bucket = after;
        return true;
}
