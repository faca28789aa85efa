/*
 * Rosters for other modes: users [first, first + users) become contacts of each
 * other, with subscriptions both ways, in groups of --contacts + 1. A few groups
 * are online at a time.
 */
#include "xload.h"

#include <stdio.h>
#include <stdlib.h>

enum { GROUPS_AT_ONCE = 4 };

static uint64_t agreed, wanted; /* <presence type='subscribed'/> received */

static void on_stanza(struct conn *c, const char *xml, size_t n)
{
    char from[256], type[16];
    if (!xml_is(xml, n, "presence") || !xml_attr(xml, n, "type", type, sizeof type) ||
        !xml_attr(xml, n, "from", from, sizeof from))
        return;
    if (!strcmp(type, "subscribed")) {
        agreed++;
    } else if (!strcmp(type, "subscribe")) {
        conn_printf(c, "<presence type='subscribed' to='%s'/>", from);
        if (user_of_jid(from) < c->user) /* the lower number asks first */
            conn_printf(c, "<presence type='subscribe' to='%s'/>", from);
    }
}

static bool all_agreed(void)
{
    return agreed >= wanted;
}

static bool befriend(int from, int n)
{
    int group = opt.contacts + 1;
    if (!pool_login(from, n))
        return false;
    for (int step = 1; step < group; step++) { /* everybody writes to the one so many places further */
        for (int i = 0; i < n; i++) {
            int other = i + step;
            if (other >= n || other / group != i / group)
                continue;
            conn_printf(&pool.conn[from + i], "<presence type='subscribe' to='%s%d@%s'/>", opt.prefix,
                        pool.conn[from + other].user, opt.domain);
            wanted += 2;
        }
        if (!loop_until(all_agreed, opt.timeout))
            return false;
    }
    pool_logout();
    pool.ready = pool.failed = pool.lost = 0;
    pool.first_error = NULL;
    return true;
}

int mode_friends(void)
{
    int part = GROUPS_AT_ONCE * (opt.contacts + 1);
    bool ok = true;
    opt.caps = true; /* the answer goes to who has asked for the roster (RFC 6121, 3.1.6) */
    pool_create(opt.users);
    pool.on_stanza = on_stanza;
    struct sample a = sample_take();
    for (int from = 0; ok && from < opt.users; from += part)
        ok = befriend(from, opt.users - from < part ? opt.users - from : part);
    struct sample b = sample_take();
    json_begin("friends");
    json_num("agreed", (double)agreed, 0);
    json_num("missing", (double)(wanted - agreed), 0);
    json_cpu("run", &a, &b, (double)wanted / 2, "pair");
    json_end();
    return ok ? 0 : 1;
}
