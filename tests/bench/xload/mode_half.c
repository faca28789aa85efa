/*
 * Connections that stay where nobody knows yet who they are: TLS is up, the
 * stream is open, and an element of --size bytes has begun and does not end.
 */
#include "xload.h"

int mode_half(void)
{
    half_size = opt.size;
    pool_create(opt.users);
    struct sample before = sample_take();
    pool_login(0, opt.users);
    loop_for(opt.settle);
    struct sample end = sample_take();

    json_begin("half");
    json_num("size", opt.size, 0);
    json_num("open", pool.ready, 0);
    json_num("pss_kib_per_conn", (double)(end.pss_kib - before.pss_kib) / opt.users, 2);
    json_num("anon_kib_per_conn", (double)(end.anon_kib - before.anon_kib) / opt.users, 2);
    json_end();
    return pool.ready == opt.users ? 0 : 1;
}
