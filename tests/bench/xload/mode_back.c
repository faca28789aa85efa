/*
 * Everybody is online when the server goes away; they come back as fast as it
 * lets them. Whoever starts us stops and starts the server once we have said
 * that all are online.
 */
#include "xload.h"

#define PAUSE_NS 20000000u /* between two attempts while nobody listens */

static bool some_lost(void)
{
    return pool.lost > 0;
}

/* Connects those who are not online, in turn, until one is refused. */
static void try_again(void)
{
    static int next;
    int under_way = 0, failed = pool.failed;
    for (int i = 0; i < pool.size; i++)
        under_way += pool.conn[i].step > STEP_NONE && pool.conn[i].step < STEP_READY;
    for (int i = 0; i < pool.size && under_way < opt.inflight && pool.failed == failed; i++) {
        struct conn *c = &pool.conn[next];
        next = (next + 1) % pool.size;
        if (c->step == STEP_NONE) {
            conn_open(c);
            under_way++;
        }
    }
}

static bool all_online(void)
{
    return pool.ready == pool.size;
}

int mode_back(void)
{
    pool.reopen = true;
    pool_create(opt.users);
    bool ok = pool_login(0, opt.users);
    loop_for(opt.settle);
    json_begin("back");
    json_num("online", pool.ready, 0);
    json_end();
    ok = ok && loop_until(some_lost, opt.timeout);

    static struct hist latency;
    uint64_t gone = now_ns(), end = gone + (uint64_t)(opt.timeout * 1e9), paused = 0;
    while (ok && !all_online() && now_ns() < end) {
        int failed = pool.failed;
        if (now_ns() >= paused)
            try_again();
        loop_once();
        if (pool.failed > failed && pool.ready == 0)
            paused = now_ns() + PAUSE_NS;
    }
    uint64_t done = now_ns();
    for (int i = 0; i < pool.size; i++)
        if (pool.conn[i].step == STEP_READY)
            hist_add(&latency, pool.conn[i].online_at - pool.conn[i].started);
    json_begin("back");
    json_num("back", pool.ready, 0);
    json_num("back_s", (double)(done - gone) / 1e9, 2);
    json_latency("login", &latency);
    json_end();
    ok = ok && all_online();
    pool.reopen = false;
    pool_logout();
    return ok ? 0 : 1;
}
