/*
 * Presence between users and their contacts in a foreign SIP domain. Every
 * second user watches, every other one is watched (--way both); in: all watch,
 * out: all are watched. What has been seen is followed by the next state of the
 * same user or contact, so that one is under way for each pair.
 */
#include "xload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct watch {
    bool is_ours;             /* the user watches the contact */
    struct sip_dialog dialog; /* in which the contact notifies, or watches */
    bool asked, granted;
    bool busy;                /* a NOTIFY of ours is not yet answered */
    bool seen;                /* the last state has arrived */
    uint32_t states;
    struct seqtrack got;
};

static struct watch *watches;
static int ready;
static uint64_t sent, delivered, duplicated, refused;
static bool stopping, counting;
static struct hist latency;

static void show_next(int i)
{
    struct watch *w = &watches[i];
    char payload[PAYLOAD_LEN + 1] = "", body[512];
    payload_write(payload, (uint32_t)i, w->states++);
    sent++;
    w->seen = false;
    if (!w->is_ours) {
        conn_printf(&pool.conn[i], "<presence><status>%s</status></presence>", payload);
        return;
    }
    int n = snprintf(body, sizeof body,
                     "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"sip:contact%d@%s\">"
                     "<tuple id=\"x1\"><status><basic>open</basic></status><note>%s</note></tuple></presence>",
                     i, opt.remote, payload);
    w->busy = true;
    sip_request(&w->dialog, "NOTIFY", i, "Event: presence\r\nSubscription-State: active;expires=3600\r\nContent-Type: application/pidf+xml\r\n", body, (size_t)n);
}

static void follow(int i)
{
    struct watch *w = &watches[i];
    if (!stopping && w->seen && !w->busy && (opt.count == 0 || sent < (uint64_t)opt.count))
        show_next(i);
}

static void see(const char *text, size_t n, int i)
{
    uint32_t from, seq;
    uint64_t ns;
    if (!payload_read(text, n, &from, &seq, &ns) || from != (uint32_t)i)
        return;
    struct watch *w = &watches[i];
    if (!seq_new(&w->got, seq)) {
        duplicated += seq + 1 != w->states; /* the latest state may be told again, as after a refresh */
        return;
    }
    if (delivered < (uint64_t)opt.users && seq == 0)
        ready++;
    delivered++;
    w->seen = true;
    if (counting)
        hist_add(&latency, now_ns() - ns);
    follow(i);
}

static void at_user(struct conn *c, const char *xml, size_t n)
{
    char type[16], from[256];
    int i = (int)(c - pool.conn);
    if (!xml_is(xml, n, "presence") || !xml_attr(xml, n, "from", from, sizeof from) || strncmp(from, "contact", 7))
        return;
    if (!xml_attr(xml, n, "type", type, sizeof type)) {
        see(xml, n, i);
    } else if (!strcmp(type, "subscribe")) {
        conn_printf(c, "<presence type='subscribed' to='contact%d@%s'/>", i, opt.remote);
        watches[i].granted = true;
        show_next(i);
    }
}

static void at_contact(struct conn *c, const struct sip_unit *u)
{
    char tag[32], more[256];
    int i = text_number_after(u->to, "contact");
    if (i < 0 || i >= opt.users)
        return;
    struct watch *w = &watches[i];
    snprintf(tag, sizeof tag, "n%d", i);
    if (text_is(u->method, "SUBSCRIBE")) {
        snprintf(more, sizeof more, "%sExpires: 3600\r\n", sip_contact(i));
        sip_answer(c, u, "200 OK", tag, more, "");
        if (!w->granted) {
            sip_dialog_of_request(&w->dialog, u, tag);
            w->granted = true;
            show_next(i);
        }
    } else {
        sip_answer(c, u, "200 OK", tag, "", "");
        if (text_is(u->method, "NOTIFY"))
            see(u->body.p, u->body.n, i);
    }
}

static void on_answer(const struct sip_unit *u, int i)
{
    if (i < 0 || i >= opt.users)
        return;
    refused += u->status >= 300;
    if (text_is(u->method, "NOTIFY")) {
        watches[i].busy = false;
        follow(i);
    }
}

static bool all_ready(void)
{
    return ready >= opt.users;
}

static bool all_delivered(void)
{
    return delivered >= sent;
}

static bool enough(void)
{
    return opt.count && sent >= (uint64_t)opt.count && all_delivered();
}

/* Everybody watches; a few new dialogs at a time, as the server wants it. */
static bool set_up(void)
{
    if (!pool_login(0, opt.users))
        return false;
    sip_listen();
    if (!sip_connect())
        return false;
    stopping = true;
    for (int i = 0; i < opt.users; i++) {
        struct watch *w = &watches[i];
        if (w->is_ours) {
            conn_printf(&pool.conn[i], "<presence type='subscribe' to='contact%d@%s'/>", i, opt.remote);
        } else {
            sip_dialog_begin(&w->dialog, i, "w", pool.conn[i].user);
            sip_request(&w->dialog, "SUBSCRIBE", i, "Event: presence\r\nAccept: application/pidf+xml\r\nExpires: 3600\r\n", "", 0);
        }
    }
    return loop_until(all_ready, opt.timeout);
}

int mode_sip_presence(void)
{
    pool_create(opt.users);
    pool.on_stanza = at_user;
    sip.on_request = at_contact;
    sip.on_answer = on_answer;
    watches = calloc((size_t)opt.users, sizeof *watches);
    for (int i = 0; i < opt.users; i++)
        watches[i].is_ours = !strcmp(opt.way, "in") || (!strcmp(opt.way, "both") && i % 2 == 0);
    json_begin("sip-presence");
    bool ok = set_up();
    loop_for(opt.settle);
    json_num("ready", ready, 0);
    if (!ok) {
        json_end();
        return 1;
    }
    stopping = false;
    for (int i = 0; i < opt.users; i++)
        follow(i);
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
    json_num("updates_per_s", (double)in_window / (b.at - a.at), 0);
    json_num("sent", (double)sent, 0);
    json_num("delivered", (double)delivered, 0);
    json_num("lost", (double)(sent - delivered), 0);
    json_num("duplicated", (double)duplicated, 0);
    json_num("refused", (double)refused, 0);
    json_latency("latency", &latency);
    json_cpu("run", &a, &b, (double)in_window, "update");
    json_each("server_cpu_us_each", &a, &b, (double)in_window);
    json_end();
    pool_logout();
    return sent == delivered && !duplicated && !refused ? 0 : 1;
}
