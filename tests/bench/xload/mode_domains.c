/*
 * Many foreign domains at once: to each goes one message, from each comes one,
 * and both streams stay. What one domain costs is the difference between all
 * of them and the first quarter, which has brought the server's heap to the
 * size that opening streams takes.
 */
#include "xload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEARD = 1, SAID = 2 }; /* what the user has had from a domain, what has come for it */

static struct conn **streams;
static uint8_t *state;
static int opened, heard, said, failed;

static void say(struct conn *c, const char *from, const char *to, int domain)
{
    char body[PAYLOAD_LEN + 1] = "";
    payload_write(body, (uint32_t)domain, 0);
    conn_printf(c, "<message%s to='%s' type='chat' id='m'><body>%s</body></message>", from, to, body);
}

static void arrived(const char *xml, size_t n, uint8_t how, int *count)
{
    uint32_t domain, seq;
    uint64_t ns;
    char type[16];
    if (!xml_is(xml, n, "message") || !payload_read(xml, n, &domain, &seq, &ns) || domain >= (uint32_t)opt.domains)
        return;
    if (xml_attr(xml, n, "type", type, sizeof type) && !strcmp(type, "error")) {
        failed++;
    } else if (!(state[domain] & how)) {
        state[domain] |= how;
        (*count)++;
    }
}

static void at_user(struct conn *c, const char *xml, size_t n)
{
    (void)c;
    arrived(xml, n, HEARD, &heard);
}

static void at_contact(struct conn *c, const char *xml, size_t n)
{
    (void)c;
    arrived(xml, n, SAID, &said);
}

static void open_one(void)
{
    char to[300];
    snprintf(to, sizeof to, "contact@d%d.%s", opened, opt.remote);
    streams[opened] = remote_open(opened);
    say(&pool.conn[0], "", to, opened);
    opened++;
}

/* From each domain a message as soon as its stream is up. */
static int speak(int done)
{
    while (done < opened && streams[done]->step >= STEP_READY) {
        char from[300], to[300];
        snprintf(from, sizeof from, " from='contact@d%d.%s/there'", done, opt.remote);
        snprintf(to, sizeof to, "%s%d@%s", opt.prefix, opt.first, opt.domain);
        say(streams[done], from, to, done);
        done++;
    }
    return done;
}

static bool open_until(int n)
{
    static int spoken;
    double end = (double)now_ns() / 1e9 + opt.timeout;
    while (heard < n || said < n) {
        while (opened < n && opened - (heard < said ? heard : said) < opt.inflight)
            open_one();
        spoken = speak(spoken);
        loop_once();
        if (failed || (double)now_ns() / 1e9 > end)
            return false;
    }
    return true;
}

int mode_domains(void)
{
    int first = opt.domains / 4;
    opt.users = 1;
    streams = calloc((size_t)opt.domains, sizeof(*streams));
    state = calloc((size_t)opt.domains, 1);
    pool_create(1);
    pool.on_stanza = at_user;
    remote.on_stanza = at_contact;
    bool ok = pool_login(0, 1);
    struct sample a = {0}, b = {0};
    remote_listen();
    ok = ok && open_until(first);
    if (ok) {
        loop_for(opt.settle);
        a = sample_take();
        ok = open_until(opt.domains);
        b = sample_take();
        struct sample busy = b;
        loop_for(opt.settle);
        b = sample_take();
        b.cpu = busy.cpu, b.sys = busy.sys, b.at = busy.at, b.client_cpu = busy.client_cpu;
    }
    ok = ok && remote.in >= opt.domains && remote.out >= opt.domains;

    json_begin("domains");
    json_num("domains", opt.domains, 0);
    json_num("heard", heard, 0);
    json_num("said", said, 0);
    json_num("errors", failed, 0);
    json_num("streams_in", remote.in, 0);
    json_num("streams_out", remote.out, 0);
    if (ok) {
        json_num("anon_kib_per_domain", (double)(b.anon_kib - a.anon_kib) / (opt.domains - first), 2);
        json_num("pss_kib_per_domain", (double)(b.pss_kib - a.pss_kib) / (opt.domains - first), 2);
        json_cpu("open", &a, &b, opt.domains - first, "domain");
    }
    json_end();
    return ok ? 0 : 1;
}
