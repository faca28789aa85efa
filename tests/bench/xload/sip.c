/*
 * The foreign SIP domain: contact0, contact1 and so on at <remote>, behind one
 * port (RFC 3261 over TCP or TLS). It keeps no transactions: each request is
 * answered at once, and answers find their request by the number in the branch.
 * It believes whatever the server under test says of itself.
 */
#include "xload.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { CONNS_MAX = 1024, HEADER_MAX = 65536, LINES_MAX = 256 };

struct sip sip;

static struct conn *conns[CONNS_MAX]; /* those that are open, ours too */
static struct conn *gone;             /* those that are not any more; they stay for as long as we run */
static int nconns;
static char out[2 * HEADER_MAX];      /* the message being written */
static size_t out_len;

/* ---- reading ---------------------------------------------------------------- */

bool text_is(struct text t, const char *word)
{
    size_t n = strlen(word);
    return t.n == n && !memcmp(t.p, word, n);
}

int text_number_after(struct text t, const char *name)
{
    size_t n = strlen(name);
    const char *p = t.n ? memmem(t.p, t.n, name, n) : NULL;
    const char *end = t.p + t.n;
    int number = -1;
    for (p = p ? p + n : end; p < end && *p >= '0' && *p <= '9' && number < 100000000; p++)
        number = (number < 0 ? 0 : number * 10) + (*p - '0');
    return number;
}

/* The value of a header line, if it is this header. */
static struct text value_of(struct text line, const char *name)
{
    size_t n = strlen(name);
    if (line.n <= n || line.p[n] != ':' || strncasecmp(line.p, name, n))
        return (struct text){NULL, 0};
    const char *p = line.p + n + 1, *end = line.p + line.n;
    while (p < end && *p == ' ')
        p++;
    return (struct text){p, (size_t)(end - p)};
}

/* The next line without its end; at the empty line n is 0. */
static struct text next_line(const char **p, const char *end)
{
    const char *eol = memchr(*p, '\r', (size_t)(end - *p));
    struct text line = {*p, (size_t)((eol ? eol : end) - *p)};
    *p = eol && eol + 2 <= end ? eol + 2 : end;
    return line;
}

static size_t body_length(const char *p, size_t n)
{
    for (const char *end = p + n; p < end;) {
        struct text line = next_line(&p, end), value = value_of(line, "Content-Length");
        if (value.p)
            return (size_t)strtoul(value.p, NULL, 10);
    }
    return 0;
}

/* A message, or the empty lines by which one end asks whether the other is there (RFC 5626 4.4.1). */
static size_t cut(struct conn *c, const char *p, size_t n)
{
    (void)c;
    if (n > 2 && !memcmp(p, "\r\n", 2))
        return n >= 4 && !memcmp(p, "\r\n\r\n", 4) ? 4 : p[2] != '\r' ? 2 : 0;
    const char *end = memmem(p, n, "\r\n\r\n", 4);
    if (!end)
        return 0;
    size_t head = (size_t)(end - p) + 4, whole = head + body_length(p, head);
    return whole <= n ? whole : 0;
}

static void keep(struct text *where, struct text line, const char *name)
{
    struct text value = value_of(line, name);
    if (value.p && !where->p)
        *where = value;
}

static struct text parameter(struct text t, const char *name)
{
    const char *p = t.n ? memmem(t.p, t.n, name, strlen(name)) : NULL;
    if (!p)
        return (struct text){NULL, 0};
    p += strlen(name);
    return (struct text){p, strcspn(p, ";,> \r")};
}

static bool read_unit(struct sip_unit *u, const char *p, size_t n)
{
    const char *at = p, *end = memmem(p, n, "\r\n\r\n", 4);
    struct text via = {NULL, 0};
    memset(u, 0, sizeof *u);
    if (!end)
        return false;
    u->all = (struct text){p, n};
    u->body = (struct text){end + 4, n - (size_t)(end + 4 - p)};
    struct text start = next_line(&at, end + 2);
    while (at < end + 2) {
        struct text line = next_line(&at, end + 2);
        keep(&via, line, "Via");
        keep(&u->from, line, "From");
        keep(&u->to, line, "To");
        keep(&u->call_id, line, "Call-ID");
        keep(&u->cseq, line, "CSeq");
        keep(&u->contact, line, "Contact");
        keep(&u->expires, line, "Expires");
    }
    if (start.n > 12 && !memcmp(start.p, "SIP/2.0 ", 8)) {
        u->status = atoi(start.p + 8);
        u->branch = parameter(via, "branch=");
        const char *space = u->cseq.n ? memchr(u->cseq.p, ' ', u->cseq.n) : NULL;
        if (space)
            u->method = (struct text){space + 1, (size_t)(u->cseq.p + u->cseq.n - space - 1)};
    } else {
        u->method = (struct text){start.p, strcspn(start.p, " \r")};
    }
    return u->from.p && u->to.p && u->call_id.p && u->cseq.p && via.p;
}

/* ---- connections -------------------------------------------------------------- */

static void begin(struct conn *c)
{
    if (nconns == CONNS_MAX) {
        conn_close(c);
        return;
    }
    conns[nconns++] = c;
    c->step = STEP_READY;
}

static void ended(struct conn *c)
{
    for (int i = 0; i < nconns; i++)
        if (conns[i] == c)
            conns[i--] = conns[--nconns];
    c->next_gone = gone;
    gone = c;
    if (sip.own == c)
        sip.own = NULL;
    if (sip.on_lost)
        sip.on_lost();
}

static void unit(struct conn *c, const char *p, size_t n)
{
    struct sip_unit u;
    if (n <= 4) {
        if (n == 4)
            conn_send(c, "\r\n", 2);
    } else if (!read_unit(&u, p, n)) {
        conn_fail(c, "not a SIP message");
    } else if (u.status == 0) {
        sip.on_request(c, &u);
    } else if (sip.on_answer && u.status >= 200) {
        struct text number = parameter(u.branch, "z9hG4bKx");
        sip.on_answer(&u, number.p ? (int)strtol(number.p, NULL, 10) : -1);
    }
}

static struct edge edge = {.begin = begin, .unit = unit, .ended = ended, .cut = cut};

void sip_listen(void)
{
    edge.tls_first = opt.sip_tls;
    edge.port = opt.sip_port;
    conn_listen(opt.listen, &edge);
}

static struct conn *opening;

static bool is_up(void)
{
    return opening->step == STEP_READY || opening->step == STEP_CLOSED;
}

bool sip_connect(void)
{
    opening = calloc(1, sizeof *opening);
    opening->edge = &edge;
    conn_open(opening);
    if (!loop_until(is_up, opt.timeout) || opening->step != STEP_READY)
        return false;
    sip.own = opening;
    return true;
}

void sip_break(void)
{
    conn_stop_listening();
    while (nconns)
        conn_fail(conns[0], "broken on purpose");
}

/* ---- writing -------------------------------------------------------------------- */

static void put(const char *p, size_t n)
{
    if (out_len + n > sizeof out)
        abort();
    memcpy(out + out_len, p, n);
    out_len += n;
}

__attribute__((format(printf, 1, 2))) static void putf(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(out + out_len, sizeof out - out_len, fmt, ap);
    va_end(ap);
    if (n < 0 || out_len + (size_t)n >= sizeof out)
        abort();
    out_len += (size_t)n;
}

static void put_line(const char *name, struct text value)
{
    putf("%s: ", name);
    put(value.p, value.n);
    put("\r\n", 2);
}

static void send_out(struct conn *c, const char *body, size_t body_len)
{
    putf("Content-Length: %zu\r\n\r\n", body_len);
    put(body, body_len);
    conn_send(c, out, out_len);
    out_len = 0;
}

static const char *wire(void)
{
    return opt.sip_tls ? "tls" : "tcp";
}

static bool has_tag(struct text t)
{
    return memmem(t.p, t.n, ";tag=", 5) != NULL;
}

const char *sip_contact(int number)
{
    static char line[128];
    snprintf(line, sizeof line, "Contact: <sip:contact%d@127.0.0.1:%d;transport=%s>\r\n", number, opt.listen, wire());
    return line;
}

void sip_answer(struct conn *c, const struct sip_unit *u, const char *status, const char *tag, const char *more, const char *body)
{
    const char *at = u->all.p, *end = u->body.p - 2;
    putf("SIP/2.0 %s\r\n", status);
    while (at < end) {
        struct text line = next_line(&at, end), value;
        if (value_of(line, "Via").p || value_of(line, "Record-Route").p || value_of(line, "From").p ||
            value_of(line, "Call-ID").p || value_of(line, "CSeq").p) {
            put(line.p, line.n + 2);
        } else if ((value = value_of(line, "To")).p) {
            put(line.p, line.n);
            putf(has_tag(value) ? "\r\n" : ";tag=%s\r\n", tag);
        }
    }
    putf("%s", more);
    send_out(c, body, strlen(body));
}

/* ---- dialogs ---------------------------------------------------------------------- */

/* Request-URI: what stands between the angle brackets of a Contact. */
static char *target_of(struct text contact)
{
    const char *open = contact.n ? memchr(contact.p, '<', contact.n) : NULL;
    const char *close = open ? memchr(open, '>', (size_t)(contact.p + contact.n - open)) : NULL;
    return close ? strndup(open + 1, (size_t)(close - open - 1)) : strdup("sip:nobody@invalid");
}

static char *take_out(void)
{
    char *text = strndup(out, out_len);
    out_len = 0;
    return text;
}

void sip_dialog_of_request(struct sip_dialog *d, const struct sip_unit *u, const char *tag)
{
    sip_dialog_forget(d);
    putf("From: ");
    put(u->to.p, u->to.n);
    putf(has_tag(u->to) ? "\r\n" : ";tag=%s\r\n", tag);
    put_line("To", u->from);
    put_line("Call-ID", u->call_id);
    *d = (struct sip_dialog){.head = take_out(), .target = target_of(u->contact)};
}

void sip_dialog_of_answer(struct sip_dialog *d, const struct sip_unit *u)
{
    uint32_t cseq = d->cseq;
    sip_dialog_forget(d);
    put_line("From", u->from);
    put_line("To", u->to);
    put_line("Call-ID", u->call_id);
    *d = (struct sip_dialog){.head = take_out(), .target = target_of(u->contact), .cseq = cseq};
}

void sip_dialog_begin(struct sip_dialog *d, int number, const char *kind, int user)
{
    static unsigned calls;
    sip_dialog_forget(d);
    putf("From: <sip:contact%d@%s>;tag=%s%d\r\nTo: <sip:%s%d@%s>\r\nCall-ID: %s%d.%u.%d@%s\r\n", number, opt.remote, kind, number, opt.prefix,
         user, opt.domain, kind, number, ++calls, (int)getpid(), opt.remote);
    *d = (struct sip_dialog){.head = take_out()};
    if (asprintf(&d->target, "sip:%s%d@%s", opt.prefix, user, opt.domain) < 0)
        abort();
}

void sip_dialog_forget(struct sip_dialog *d)
{
    free(d->head);
    free(d->target);
    memset(d, 0, sizeof *d);
}

void sip_request(struct sip_dialog *d, const char *method, int number, const char *more, const char *body, size_t body_len)
{
    static unsigned branches;
    bool is_ack = !strcmp(method, "ACK");
    if (!sip.own) /* broken down */
        return;
    d->cseq += !is_ack;
    putf("%s %s SIP/2.0\r\nVia: SIP/2.0/%s 127.0.0.1:%d;branch=z9hG4bKx%d.%u.%d\r\nMax-Forwards: 70\r\n%s"
         "CSeq: %u %s\r\n%s%s",
         method, d->target, opt.sip_tls ? "TLS" : "TCP", opt.listen, number, ++branches, (int)getpid(), d->head, d->cseq, method, sip_contact(number), more);
    send_out(sip.own, body, body_len);
}
