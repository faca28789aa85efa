/*
 * Users and their contacts in a foreign SIP domain. Every second user writes,
 * to every other one is written (--way both), each in a session of his own and
 * with one message under way: whatever is answered is followed by the next.
 * With --msg-rate messages are made at that rate instead and wait for their
 * turn. With --break-every the foreign domain breaks down now and then, comes
 * back after a second and knows no session any more.
 *
 * Each message ends in one of these ways: it arrives (once); its sender is told
 * that it did not, or perhaps did not; or its connection broke before it was
 * answered (unsure). What is none of these is lost.
 */
#include "xload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARRIVED = 1, TOLD = 2, UNSURE = 4 };

struct sender {
    bool is_ours;         /* the user writes; else the contact */
    char *text;           /* the body */
    uint8_t *fate;        /* of each message */
    uint32_t made, size;  /* messages so far, room in fate */
    uint32_t next;        /* the first that was not yet sent */
    /* of contacts that write */
    struct sip_dialog dialog;
    bool invited, open;   /* the session is being made, or there */
    bool busy;            /* a MESSAGE is not yet answered */
};

static struct sender *senders;
static uint64_t made, delivered, duplicated, told, unsure, done;
static uint64_t refused;  /* answers to MESSAGE that say no: it is sent again */
static uint32_t epoch;    /* how often the domain has broken down */
static uint64_t broken_until, breaks;
static bool counting, stopping;
static struct hist latency;

#define SDP "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=session\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=message 5060 sip null\r\na=accept-types:text/plain\r\n"
#define SDP_TYPE "Content-Type: application/sdp\r\n"

static void sender_init(int i)
{
    struct sender *s = &senders[i];
    s->is_ours = !strcmp(opt.way, "out") || (!strcmp(opt.way, "both") && i % 2 == 0);
    s->text = malloc((size_t)opt.size);
    memset(s->text, 'x', (size_t)opt.size);
}

/* ---- what becomes of messages --------------------------------------------------- */

static bool is_over(const struct sender *s, uint32_t seq)
{
    return s->fate[seq] != 0;
}

static void mark(struct sender *s, uint32_t seq, uint8_t how, uint64_t *count)
{
    done += !is_over(s, seq);
    s->fate[seq] |= how;
    (*count)++;
}

static void make(int i)
{
    struct sender *s = &senders[i];
    if (s->made == s->size) {
        s->size = s->size ? s->size * 2 : 256;
        s->fate = realloc(s->fate, s->size);
    }
    s->fate[s->made++] = 0;
    made++;
}

/* ---- contacts that write ---------------------------------------------------------- */

static void invite(int i)
{
    struct sender *s = &senders[i];
    char more[512];
    sip_dialog_begin(&s->dialog, i, "im", pool.conn[i].user);
    s->invited = true;
    s->open = s->busy = false;
    snprintf(more, sizeof more, SDP_TYPE);
    sip_request(&s->dialog, "INVITE", i, more, SDP, sizeof SDP - 1);
}

static void send_next(int i)
{
    struct sender *s = &senders[i];
    if (s->next == s->made || s->busy || !sip.own)
        return;
    if (!s->open) {
        if (!s->invited)
            invite(i);
        return;
    }
    payload_write(s->text, (uint32_t)i, s->next);
    s->busy = true;
    sip_request(&s->dialog, "MESSAGE", i, "Content-Type: text/plain; charset=UTF-8\r\n", s->text, (size_t)opt.size);
}

static void follow(int i);

static void on_answer(const struct sip_unit *u, int i)
{
    if (i < 0 || i >= opt.users)
        return;
    struct sender *s = &senders[i];
    if (text_is(u->method, "INVITE")) {
        s->invited = false;
        if (u->status >= 300) /* the next message tries again */
            return;
        sip_dialog_of_answer(&s->dialog, u);
        s->open = true;
        sip_request(&s->dialog, "ACK", i, "", "", 0);
    } else if (text_is(u->method, "MESSAGE") && s->busy) {
        s->busy = false;
        if (u->status >= 300) { /* not taken: again, in a new session */
            s->open = false;
            refused++;
        } else if (s->fate[s->next] & ARRIVED) {
            s->next++;
            follow(i);
        } else { /* it has been taken; that it did not arrive is seen at the end */
            s->next++;
        }
    }
    send_next(i);
}

/* ---- users that write --------------------------------------------------------------- */

static void send_stanza(int i)
{
    struct sender *s = &senders[i];
    payload_write(s->text, (uint32_t)i, s->next++);
    conn_printf(&pool.conn[i], "<message to='contact%d@%s' type='chat' id='m'><body>%.*s</body></message>", i, opt.remote, opt.size, s->text);
}

static void say(int i)
{
    make(i);
    if (senders[i].is_ours)
        send_stanza(i);
    else
        send_next(i);
}

/* The next message of this sender, now that one has arrived. */
static void follow(int i)
{
    if (opt.msg_rate == 0 && !stopping && (opt.count == 0 || made < (uint64_t)opt.count))
        say(i);
}

/* ---- what arrives --------------------------------------------------------------------- */

static void arrived(const char *text, size_t n, bool is_error)
{
    uint32_t from, seq;
    uint64_t ns;
    if (!payload_read(text, n, &from, &seq, &ns) || from >= (uint32_t)opt.users || seq >= senders[from].made)
        return;
    struct sender *s = &senders[from];
    if (is_error) {
        mark(s, seq, TOLD, &told);
        follow((int)from);
    } else if (s->fate[seq] & ARRIVED) {
        duplicated++;
    } else {
        mark(s, seq, ARRIVED, &delivered);
        if (counting)
            hist_add(&latency, now_ns() - ns);
        if (s->is_ours || s->next > seq)
            follow((int)from);
    }
}

static void at_user(struct conn *c, const char *xml, size_t n)
{
    char type[16];
    (void)c;
    if (xml_is(xml, n, "message"))
        arrived(xml, n, xml_attr(xml, n, "type", type, sizeof type) && !strcmp(type, "error"));
}

/* Dialogs of a domain that has broken down since are unknown. */
static bool is_known(const struct sip_unit *u)
{
    return text_number_after(u->to, ";tag=e") == (int)epoch;
}

/* An older session, from before the domain has broken down, may end while a newer one goes on. */
static bool is_of(const struct sip_dialog *d, const struct sip_unit *u)
{
    return d->head && memmem(d->head, strlen(d->head), u->call_id.p, u->call_id.n);
}

static void at_contact(struct conn *c, const struct sip_unit *u)
{
    char tag[32], more[512];
    int contact = text_number_after(u->to, "contact");
    snprintf(tag, sizeof tag, "e%u.%d", epoch, contact);
    if (text_is(u->method, "ACK"))
        return;
    if (text_is(u->method, "INVITE")) {
        snprintf(more, sizeof more, "%s" SDP_TYPE, sip_contact(contact));
        sip_answer(c, u, "200 OK", tag, more, SDP);
    } else if (text_is(u->method, "BYE") && !is_known(u)) { /* of a contact that has begun the session */
        int i = text_number_after(u->to, ";tag=im");
        if (i >= 0 && i < opt.users && is_of(&senders[i].dialog, u))
            senders[i].open = false;
        sip_answer(c, u, "200 OK", tag, "", "");
    } else if (!is_known(u)) {
        sip_answer(c, u, "481 Call/Transaction Does Not Exist", tag, "", "");
    } else {
        if (text_is(u->method, "MESSAGE"))
            arrived(u->body.p, u->body.n, false);
        sip_answer(c, u, "200 OK", tag, "", "");
    }
}

/* ---- the foreign domain breaks down ------------------------------------------------------ */

static void break_down(void)
{
    epoch++;
    breaks++;
    sip_break();
    for (int i = 0; i < opt.users; i++) {
        struct sender *s = &senders[i];
        if (s->busy && !is_over(s, s->next))
            mark(s, s->next, UNSURE, &unsure);
        s->next += s->busy;
        s->invited = s->open = s->busy = false;
    }
    broken_until = now_ns() + 1000000000u;
}

static void come_back(void)
{
    broken_until = 0;
    sip_listen();
    sip_connect();
}

static void keep_breaking(uint64_t *next)
{
    uint64_t now = now_ns();
    if (broken_until && now >= broken_until)
        come_back();
    if (opt.break_every > 0 && now >= *next) {
        break_down();
        *next = now + (uint64_t)(opt.break_every * 1e9);
    }
}

/* ---- the run ----------------------------------------------------------------------------- */

static bool all_done(void)
{
    return done >= made;
}

/* Talks for some seconds; at a fixed rate it also makes the messages. */
static void talk(double seconds)
{
    static int turn;
    uint64_t start = now_ns(), count = 0, next_break = start + (uint64_t)(opt.break_every * 1e9);
    double elapsed;
    while ((elapsed = (double)(now_ns() - start) / 1e9) < seconds && !(opt.count && made >= (uint64_t)opt.count && all_done())) {
        for (; (double)count < opt.msg_rate * elapsed; count++) {
            say(turn);
            turn = (turn + 1) % opt.users;
        }
        keep_breaking(&next_break);
        loop_once();
    }
    if (broken_until)
        come_back();
}

/* Users, our connection, and one message each, which opens the sessions. */
static bool set_up(void)
{
    if (!pool_login(0, opt.users))
        return false;
    sip_listen();
    if (!sip_connect())
        return false;
    stopping = true;
    for (int i = 0; i < opt.users; i++)
        say(i);
    return loop_until(all_done, opt.timeout) && told == 0;
}

/* Those that wait for an answer or a session get one more chance each second. */
static void settle(void)
{
    for (double waited = 0; !all_done() && waited < opt.timeout; waited++) {
        for (int i = 0; i < opt.users; i++)
            if (!senders[i].is_ours)
                send_next(i);
        loop_until(all_done, 1);
    }
}

int mode_sip(void)
{
    pool_create(opt.users);
    pool.on_stanza = at_user;
    sip.on_request = at_contact;
    sip.on_answer = on_answer;
    senders = calloc((size_t)opt.users, sizeof *senders);
    for (int i = 0; i < opt.users; i++)
        sender_init(i);
    json_begin("sip");
    if (!set_up()) {
        json_num("made", (double)made, 0);
        json_num("done", (double)done, 0);
        json_end();
        return 1;
    }
    loop_for(opt.settle);
    stopping = false;
    for (int i = 0; opt.msg_rate == 0 && i < opt.users; i++)
        say(i);
    if (opt.count == 0)
        talk(opt.warmup);
    struct sample a = sample_take();
    uint64_t before = delivered;
    counting = true;
    talk(opt.count ? opt.timeout : opt.duration);
    struct sample b = sample_take();
    uint64_t in_window = delivered - before;
    counting = false;
    stopping = true;
    settle();

    uint64_t lost = made - done;
    json_str("way", opt.way);
    json_num("size", opt.size, 0);
    json_num("msg_rate", opt.msg_rate, 0);
    json_num("msgs_per_s", (double)in_window / (b.at - a.at), 0);
    json_num("sent", (double)made, 0);
    json_num("delivered", (double)delivered, 0);
    json_num("lost", (double)lost, 0);
    json_num("duplicated", (double)duplicated, 0);
    json_num("told", (double)told, 0);
    json_num("unsure", (double)unsure, 0);
    json_num("refused", (double)refused, 0);
    json_num("breaks", (double)breaks, 0);
    json_latency("latency", &latency);
    json_cpu("run", &a, &b, (double)in_window, "msg");
    json_each("server_cpu_us_each", &a, &b, (double)in_window);
    json_threads(&a, &b);
    json_end();
    pool_logout();
    return lost == 0 && duplicated == 0 && (opt.break_every > 0 || (delivered == made && refused == 0)) ? 0 : 1;
}
