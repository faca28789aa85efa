/*
 * Messages through a SIP proxy, as a measure for gateways: we are the sender,
 * connected to --sip-port, and the domain at --listen to which the proxy sends
 * everything. --users senders, always one MESSAGE under way each, or with
 * --msg-rate as many a second, from one after the other.
 */
#include "xload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct sip_dialog *dialogs;
static struct seqtrack *got;
static uint32_t *made;
static char *text;
static uint64_t sent, delivered, answered, duplicated, failed_answers;
static bool stopping;

static void say(int i)
{
    payload_write(text, (uint32_t)i, made[i]++);
    sent++;
    sip_request(&dialogs[i], "MESSAGE", i, "Content-Type: text/plain; charset=UTF-8\r\n", text, (size_t)opt.size);
}

static void at_contact(struct conn *c, const struct sip_unit *u)
{
    uint32_t from, seq;
    uint64_t ns;
    if (payload_read(u->body.p, u->body.n, &from, &seq, &ns) && from < (uint32_t)opt.users) {
        if (seq_new(&got[from], seq))
            delivered++;
        else
            duplicated++;
    }
    sip_answer(c, u, "200 OK", "far", "", "");
}

static void on_answer(const struct sip_unit *u, int i)
{
    if (i < 0 || i >= opt.users)
        return;
    answered++;
    failed_answers += u->status >= 300;
    if (!stopping && opt.msg_rate == 0 && (opt.count == 0 || sent < (uint64_t)opt.count))
        say(i);
}

static bool all_answered(void)
{
    return answered >= sent;
}

/* For some seconds, or until --count are through. */
static void talk(double seconds)
{
    static int turn;
    uint64_t start = now_ns(), made_now = 0;
    double elapsed;
    while ((elapsed = (double)(now_ns() - start) / 1e9) < seconds && !(opt.count && sent >= (uint64_t)opt.count && all_answered())) {
        for (; (double)made_now < opt.msg_rate * elapsed; made_now++) {
            say(turn);
            turn = (turn + 1) % opt.users;
        }
        loop_once();
    }
}

int mode_sip_relay(void)
{
    sip.on_request = at_contact;
    sip.on_answer = on_answer;
    dialogs = calloc((size_t)opt.users, sizeof *dialogs);
    got = calloc((size_t)opt.users, sizeof *got);
    made = calloc((size_t)opt.users, sizeof *made);
    text = malloc((size_t)opt.size);
    memset(text, 'x', (size_t)opt.size);
    json_begin("sip-relay");
    sip_listen();
    if (!sip_connect()) {
        json_end();
        return 1;
    }
    for (int i = 0; i < opt.users; i++) {
        sip_dialog_begin(&dialogs[i], i, "relay", i);
        say(i);
    }
    if (opt.count == 0)
        talk(opt.warmup);
    struct sample a = sample_take();
    uint64_t before = delivered;
    talk(opt.count ? opt.timeout : opt.duration);
    struct sample b = sample_take();
    uint64_t in_window = delivered - before;
    stopping = true;
    loop_until(all_answered, opt.timeout);

    json_num("size", opt.size, 0);
    json_num("msg_rate", opt.msg_rate, 0);
    json_num("msgs_per_s", (double)in_window / (b.at - a.at), 0);
    json_num("sent", (double)sent, 0);
    json_num("delivered", (double)delivered, 0);
    json_num("lost", (double)(sent - delivered), 0);
    json_num("duplicated", (double)duplicated, 0);
    json_num("refused", (double)failed_answers, 0);
    json_cpu("run", &a, &b, (double)in_window, "msg");
    json_end();
    return sent == delivered && !duplicated && !failed_answers ? 0 : 1;
}
