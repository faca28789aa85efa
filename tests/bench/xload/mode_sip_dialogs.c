/*
 * Many dialogs: --users watch --contacts each. Once all are seen, and a line of
 * JSON has said so, the server is expected to go and to come back. What the
 * users have seen is shown to them again, and each dialog is refreshed.
 */
#include "xload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct watch {
    struct sip_dialog dialog; /* in which the contact notifies */
    bool seen, refreshed, due; /* due: a NOTIFY waits for our connection */
};

static struct watch *watches;
static int total, asked, seen, refreshed;
static uint64_t gone, seen_at, first_refresh, last_refresh;

static struct conn *watcher_of(int k)
{
    return &pool.conn[k / opt.contacts];
}

static void notify(int k)
{
    char body[400];
    struct watch *w = &watches[k];
    w->due = !sip.own;
    if (w->due)
        return;
    int n = snprintf(body, sizeof body,
                     "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"sip:contact%d@%s\">"
                     "<tuple id=\"x1\"><status><basic>open</basic></status><note>In the garden</note></tuple></presence>",
                     k, opt.remote);
    sip_request(&w->dialog, "NOTIFY", k, "Event: presence\r\nSubscription-State: active;expires=3600\r\nContent-Type: application/pidf+xml\r\n", body, (size_t)n);
}

static void at_contact(struct conn *c, const struct sip_unit *u)
{
    char tag[32], more[256];
    int k = text_number_after(u->to, "contact");
    if (k < 0 || k >= total || !text_is(u->method, "SUBSCRIBE")) {
        sip_answer(c, u, "481 Call/Transaction Does Not Exist", "none", "", "");
        return;
    }
    struct watch *w = &watches[k];
    snprintf(tag, sizeof tag, "n%d", k);
    snprintf(more, sizeof more, "%sExpires: 3600\r\n", sip_contact(k));
    sip_answer(c, u, "200 OK", tag, more, "");
    if (!w->dialog.head)
        sip_dialog_of_request(&w->dialog, u, tag);
    else if (gone && !w->refreshed) {
        w->refreshed = true;
        refreshed++;
        last_refresh = now_ns();
        if (!first_refresh)
            first_refresh = last_refresh;
    }
    notify(k);
}

static void at_user(struct conn *c, const char *xml, size_t n)
{
    char type[16], from[256];
    (void)c;
    if (!xml_is(xml, n, "presence") || xml_attr(xml, n, "type", type, sizeof type) || !xml_attr(xml, n, "from", from, sizeof from) ||
        strncmp(from, "contact", 7))
        return;
    int k = atoi(from + 7);
    if (k < total && !watches[k].seen) {
        watches[k].seen = true;
        seen++;
        seen_at = now_ns();
    }
}

static void on_lost(void)
{
    if (gone)
        return;
    gone = now_ns();
    seen = 0;
    for (int k = 0; k < total; k++)
        watches[k].seen = false;
}

static bool all_seen(void)
{
    for (; asked < total && asked - seen < opt.inflight; asked++)
        conn_printf(watcher_of(asked), "<presence type='subscribe' to='contact%d@%s'/>", asked, opt.remote);
    return seen >= total;
}

static bool is_gone(void)
{
    return gone != 0;
}

static bool all_again(void)
{
    return seen >= total && refreshed >= total;
}

/* Once the server listens again; those who had to wait are notified. */
static void connect_again(void)
{
    for (int tries = 0; !sip.own && tries < 100 * opt.timeout && !sip_connect(); tries++)
        loop_for(0.01);
    for (int k = 0; k < total; k++)
        if (watches[k].due)
            notify(k);
}

int mode_sip_dialogs(void)
{
    total = opt.users * opt.contacts;
    pool_create(opt.users);
    pool.on_stanza = at_user;
    sip.on_request = at_contact;
    watches = calloc((size_t)total, sizeof *watches);
    bool ok = pool_login(0, opt.users);
    if (ok) {
        sip_listen();
        ok = sip_connect();
    }
    loop_for(opt.settle);
    struct sample a = sample_take();
    ok = ok && loop_until(all_seen, opt.timeout);
    loop_for(opt.settle);
    struct sample b = sample_take();
    json_begin("sip-dialogs");
    json_num("dialogs", seen, 0);
    json_num("kib_each", seen ? (double)(b.root_anon[0] - a.root_anon[0]) / seen : 0, 3);
    json_cpu("set_up", &a, &b, seen, "dialog");
    json_each("server_cpu_us_each", &a, &b, seen);
    json_end();
    sip.on_lost = on_lost;
    ok = ok && loop_until(is_gone, opt.timeout);
    if (ok)
        connect_again();
    ok = ok && loop_until(all_again, opt.timeout);
    json_begin("sip-dialogs");
    json_num("seen", seen, 0);
    json_num("refreshed", refreshed, 0);
    if (gone && seen_at > gone)
        json_num("shown_s", (double)(seen_at - gone) / 1e9, 2);
    if (last_refresh > first_refresh)
        json_num("refresh_per_s", (refreshed - 1) / ((double)(last_refresh - first_refresh) / 1e9), 0);
    json_end();
    pool_logout();
    return ok ? 0 : 1;
}
