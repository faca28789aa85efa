/*
 * Users and their contacts in one foreign domain, over one stream in each
 * direction. Every second user writes, to every other one is written (--way
 * both), always with one message under way: whatever arrives is followed by
 * the next from the same sender. With --count it ends when so many have been sent.
 */
#include "xload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sender {
    bool is_ours;        /* the user writes; else the contact */
    char *stanza;
    size_t len;
    char *payload;
    uint32_t sent;
    struct seqtrack got;
};

static struct sender *senders;
static struct conn *stream;      /* to the server */
static uint64_t sent, delivered, duplicated, errors;
static bool stopping, counting;
static struct hist latency;

static void sender_init(int i)
{
    struct sender *s = &senders[i];
    s->is_ours = !strcmp(opt.way, "out") || (!strcmp(opt.way, "both") && i % 2 == 0);
    s->stanza = malloc((size_t)opt.size + 512);
    int head = s->is_ours ? sprintf(s->stanza, "<message to='contact%d@d0.%s' type='chat' id='m'><body>", i, opt.remote)
                          : sprintf(s->stanza, "<message from='contact%d@d0.%s/there' to='%s%d@%s' type='chat' id='m'><body>", i,
                                    opt.remote, opt.prefix, pool.conn[i].user, opt.domain);
    s->payload = s->stanza + head;
    memset(s->payload, 'x', (size_t)opt.size);
    s->len = (size_t)(head + opt.size) + (size_t)sprintf(s->payload + opt.size, "</body></message>");
}

static void say(int i)
{
    struct sender *s = &senders[i];
    payload_write(s->payload, (uint32_t)i, s->sent++);
    conn_send(s->is_ours ? &pool.conn[i] : stream, s->stanza, s->len);
    sent++;
}

static void arrived(const char *xml, size_t n)
{
    uint32_t from, seq;
    uint64_t ns;
    char type[16];
    if (!xml_is(xml, n, "message") || !payload_read(xml, n, &from, &seq, &ns) || from >= (uint32_t)opt.users)
        return;
    if (xml_attr(xml, n, "type", type, sizeof type) && !strcmp(type, "error")) {
        errors++;
        return;
    }
    if (!seq_new(&senders[from].got, seq)) {
        duplicated++;
        return;
    }
    delivered++;
    if (counting)
        hist_add(&latency, now_ns() - ns);
    if (!stopping && (opt.count == 0 || sent < (uint64_t)opt.count))
        say((int)from);
}

static void at_user(struct conn *c, const char *xml, size_t n)
{
    (void)c;
    arrived(xml, n);
}

static void at_contact(struct conn *c, const char *xml, size_t n)
{
    (void)c;
    arrived(xml, n);
}

static bool is_up(void)
{
    return stream->step == STEP_READY || stream->step == STEP_CLOSED;
}

static bool all_delivered(void)
{
    return delivered + errors >= sent;
}

static bool enough(void)
{
    return opt.count && sent >= (uint64_t)opt.count && all_delivered();
}

/* Users, the stream of ours, and one message that lets the server open its own. */
static bool set_up(void)
{
    if (!pool_login(0, opt.users))
        return false;
    remote_listen();
    stream = remote_open(0);
    if (!loop_until(is_up, opt.timeout) || stream->step != STEP_READY)
        return false;
    stopping = true;
    senders[0].is_ours || strcmp(opt.way, "in") == 0 ? say(0) : say(1);
    return loop_until(all_delivered, opt.timeout) && errors == 0;
}

int mode_s2s(void)
{
    pool_create(opt.users);
    pool.on_stanza = at_user;
    remote.on_stanza = at_contact;
    senders = calloc((size_t)opt.users, sizeof *senders);
    for (int i = 0; i < opt.users; i++)
        sender_init(i);
    json_begin("s2s");
    if (!set_up()) {
        json_end();
        return 1;
    }
    loop_for(opt.settle);
    stopping = false;
    for (int i = 0; i < opt.users; i++)
        say(i);
    if (opt.count == 0)
        loop_for(opt.warmup);
    struct sample a = sample_take();
    uint64_t before = delivered;
    counting = true;
    loop_until(enough, opt.count ? opt.timeout : opt.duration);
    struct sample b = sample_take();
    uint64_t in_window = delivered - before;
    counting = false;
    stopping = true;
    loop_until(all_delivered, opt.timeout);

    json_str("way", opt.way);
    json_num("size", opt.size, 0);
    json_num("msgs_per_s", (double)in_window / (b.at - a.at), 0);
    json_num("sent", (double)sent, 0);
    json_num("delivered", (double)delivered, 0);
    json_num("lost", (double)(sent - delivered - errors), 0);
    json_num("duplicated", (double)duplicated, 0);
    json_num("errors", (double)errors, 0);
    json_num("streams_in", remote.in, 0);
    json_num("streams_out", remote.out, 0);
    json_latency("latency", &latency);
    json_cpu("run", &a, &b, (double)in_window, "msg");
    json_threads(&a, &b);
    json_end();
    pool_logout();
    return sent == delivered && !duplicated ? 0 : 1;
}
