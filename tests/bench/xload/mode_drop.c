/*
 * Users log in with stream management and lose their connection at once, so
 * that their sessions wait at the server. What one costs is the difference
 * between all of them and the first quarter, which has brought the server's heap
 * to the size that logging in and accounts that linger take.
 */
#include "xload.h"

#include <stdlib.h>

enum { AT_ONCE = 250 };

static bool all_closed(void)
{
    for (int i = 0; i < pool.size; i++)
        if (pool.conn[i].step == STEP_CLOSED)
            return false;
    return true;
}

static int log_in_and_drop(int from, int n)
{
    int dropped = 0;
    for (int done = 0; done < n; done += AT_ONCE) {
        int part = n - done < AT_ONCE ? n - done : AT_ONCE;
        pool_login(from + done, part);
        for (int i = from + done; i < from + done + part; i++)
            if (pool.conn[i].step == STEP_READY) {
                conn_close(&pool.conn[i]);
                pool.ready--;
                dropped++;
            }
        loop_until(all_closed, 10);
    }
    return dropped;
}

int mode_drop(void)
{
    int first = opt.users / 4;
    opt.sm = pool.reopen = true;
    pool_create(opt.users);
    int dropped = log_in_and_drop(0, first);
    loop_for(opt.settle);
    struct sample a = sample_take();
    dropped += log_in_and_drop(first, opt.users - first);
    loop_for(opt.settle);
    struct sample b = sample_take();

    json_begin("drop");
    json_num("dropped", dropped, 0);
    json_num("anon_bytes_per_session", 1024.0 * (double)(b.anon_kib - a.anon_kib) / (opt.users - first), 1);
    json_num("pss_bytes_per_session", 1024.0 * (double)(b.pss_kib - a.pss_kib) / (opt.users - first), 1);
    json_cpu("drop", &a, &b, opt.users - first, "session");
    json_end();
    return dropped == opt.users ? 0 : 1;
}
