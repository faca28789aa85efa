/*
 * The first message to each of --domains, one after the other: what lies
 * between writing it and its arrival. With --delay, which is long beside all
 * that is computed, this counts round trips; DNS has to be as slow.
 */
#include "xload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool has_arrived, has_failed;

static void look(const char *xml, size_t n)
{
    uint32_t from, seq;
    uint64_t ns;
    char type[16];
    if (!xml_is(xml, n, "message") || !payload_read(xml, n, &from, &seq, &ns))
        return;
    if (xml_attr(xml, n, "type", type, sizeof type) && !strcmp(type, "error"))
        has_failed = true;
    else
        has_arrived = true;
}

static void at_end(struct conn *c, const char *xml, size_t n)
{
    (void)c;
    look(xml, n);
}

static bool is_over(void)
{
    return has_arrived || has_failed;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int mode_first(void)
{
    double *ms = calloc((size_t)opt.domains, sizeof *ms);
    int done = 0, errors = 0;
    opt.users = 1;
    pool_create(1);
    pool.on_stanza = at_end;
    remote.on_stanza = at_end;
    remote_listen();
    bool ok = pool_login(0, 1);
    for (int i = 0; ok && i < opt.domains; i++) {
        char body[PAYLOAD_LEN + 1] = "";
        uint64_t begin = now_ns();
        has_arrived = has_failed = false;
        payload_write(body, (uint32_t)i, 0);
        conn_printf(&pool.conn[0], "<message to='contact@d%d.%s' type='chat' id='m'><body>%s</body></message>", i, opt.remote, body);
        loop_until(is_over, opt.timeout);
        if (has_arrived)
            ms[done++] = (double)(now_ns() - begin) / 1e6;
        else
            errors++;
    }
    qsort(ms, (size_t)done, sizeof *ms, by_size);

    json_begin("first");
    json_num("domains", opt.domains, 0);
    json_num("delay_ms", opt.delay, 0);
    json_num("arrived", done, 0);
    json_num("errors", errors, 0);
    if (done) {
        json_num("least_ms", ms[0], 1);
        json_num("median_ms", ms[done / 2], 1);
        json_num("most_ms", ms[done - 1], 1);
        if (opt.delay)
            json_num("round_trips", ms[0] / opt.delay, 2);
    }
    json_end();
    free(ms);
    return done == opt.domains ? 0 : 1;
}
