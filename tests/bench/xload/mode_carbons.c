/*
 * Message carbons (XEP-0280): each sender has a peer with four resources, all
 * with carbons on. A message goes to the full JID of the first, copies to the
 * three others; the next one leaves when all four have it.
 */
#include "xload.h"

#include <stdio.h>
#include <stdlib.h>

enum { RESOURCES = 4, GROUP = 1 + RESOURCES };

static struct seqtrack *got;     /* by pool index */
static int *missing;             /* by group: deliveries of the message under way */
static uint32_t *spoken;         /* by group */
static int groups, switched_on;
static bool counting, stopping;
static uint64_t sent, delivered, duplicated, in_window;
static struct hist latency;

static void say(int g)
{
    struct conn *sender = &pool.conn[g * GROUP];
    char body[PAYLOAD_LEN + 1] = {0};
    payload_write(body, (uint32_t)sender->user, spoken[g]++);
    missing[g] = RESOURCES;
    sent++;
    conn_printf(sender, "<message to='%s' type='chat' id='m'><body>%s%0*d</body></message>",
                pool.conn[g * GROUP + 1].jid, body, opt.size - PAYLOAD_LEN, 0);
}

static void on_stanza(struct conn *c, const char *xml, size_t n)
{
    uint32_t from, seq;
    uint64_t ns;
    int i = (int)(c - pool.conn), g = i / GROUP;
    char id[16];
    if (xml_is(xml, n, "iq") && xml_attr(xml, n, "id", id, sizeof id) && !strcmp(id, "carbons")) {
        switched_on++;
        return;
    }
    if (i % GROUP == 0 || !xml_is(xml, n, "message") || !payload_read(xml, n, &from, &seq, &ns))
        return;
    if (!seq_new(&got[i], seq)) {
        duplicated++;
        return;
    }
    delivered++;
    if (counting) {
        in_window++;
        hist_add(&latency, now_ns() - ns);
    }
    if (--missing[g] == 0 && !stopping)
        say(g);
}

static bool all_on(void)
{
    return switched_on == groups * RESOURCES;
}

static bool all_delivered(void)
{
    return delivered >= sent * RESOURCES;
}

int mode_carbons(void)
{
    groups = opt.users;
    pool_create(groups * GROUP);
    for (int i = 0; i < pool.size; i++) {
        pool.conn[i].user = opt.first + 2 * (i / GROUP) + (i % GROUP != 0);
        snprintf(pool.conn[i].resource, sizeof pool.conn[i].resource, "r%d", i % GROUP);
    }
    pool.on_stanza = on_stanza;
    got = calloc((size_t)pool.size, sizeof *got);
    missing = calloc((size_t)groups, sizeof *missing);
    spoken = calloc((size_t)groups, sizeof *spoken);
    bool ok = pool_login(0, pool.size);
    for (int i = 0; ok && i < pool.size; i++)
        if (i % GROUP != 0)
            conn_printf(&pool.conn[i], "<iq type='set' id='carbons'><enable xmlns='urn:xmpp:carbons:2'/></iq>");
    ok = ok && loop_until(all_on, opt.timeout);
    loop_for(opt.settle);
    struct sample a = sample_take(), b = a;
    if (ok) {
        for (int g = 0; g < groups; g++)
            say(g);
        loop_for(opt.warmup);
        counting = true;
        a = sample_take();
        loop_for(opt.duration);
        b = sample_take();
        counting = false;
        stopping = true;
        loop_until(all_delivered, opt.timeout);
    }
    json_begin("carbons");
    json_num("sent", (double)sent, 0);
    json_num("lost", (double)sent * RESOURCES - (double)delivered, 0);
    json_num("duplicated", (double)duplicated, 0);
    json_num("deliveries_per_s", ok ? (double)in_window / (b.at - a.at) : 0, 0);
    json_latency("latency", &latency);
    json_cpu("run", &a, &b, (double)in_window, "delivery");
    json_end();
    pool_logout();
    return ok && all_delivered() && !duplicated ? 0 : 1;
}
