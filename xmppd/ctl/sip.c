/*
 * sip.c - commands that ask the running gateway
 */
#include "shared/base/clock.h"
#include "shared/base/text.h"
#include "shared/control/control.h"
#include "xmppd/ctl/ctl.h"

#include <stdio.h>
#include <string.h>

enum { TRACE_SECONDS = 60, PATIENCE_S = 10 };

int
show_sip_status(struct ctl *ctl, const struct line *line)
{
        return ctl_ask_and_print(ctl, SIPCOMP, 1, (const char *const[]){ "status" });
}

int
show_sip_dialogs(struct ctl *ctl, const struct line *line)
{
        const char *argv[4] = { "dialogs" };
        int argc = 1;

        if (line->count > 0)
                argv[argc++] = line->words[0];
        if (line->from != NULL) {
                argv[argc++] = "--from";
                argv[argc++] = line->from;
        }
        return ctl_ask_and_print(ctl, SIPCOMP, argc, argv);
}

int
show_sip_peers(struct ctl *ctl, const struct line *line)
{
        return ctl_ask_and_print(ctl, SIPCOMP, 1, (const char *const[]){ "peers" });
}

int
show_sip_routes(struct ctl *ctl, const struct line *line)
{
        return ctl_ask_and_print(ctl, SIPCOMP, 2, (const char *const[]){ "routes", line->words[0] });
}

int
set_sip_log_level(struct ctl *ctl, const struct line *line)
{
        return ctl_set_level(ctl, SIPCOMP, line);
}

/* ---- the trace ---- */

/* What came from elsewhere must not speak to the terminal. */
static void
print_message(const char *text)
{
        for (; *text != '\0'; text++)
                if (*text != '\r')
                        putchar((unsigned char)*text < ' ' && *text != '\n' && *text != '\t' ? '?' : *text == 0x7f ? '?' : *text);
        putchar('\n');
}

static void
show_message(void *arg, const char *bytes, size_t len)
{
        struct ctl *ctl = arg;
        struct arena *arena = arena_new(4096);
        char when[CLOCK_TEXT];
        struct err err;
        const struct json *told = json_parse(arena, bytes, len, &err);

        if (told != NULL && ctl->json) {
                printf("%.*s\n", (int)len, bytes);
        } else if (told != NULL) {
                const char *peer = json_member_text(told, "peer"), *message = json_member_text(told, "message");
                printf("--- %s %s %s\n", clock_format(when, json_member_number(told, "at", 0)),
                        text_equal(json_member_text(told, "direction"), "in") ? "from" : "to", peer != NULL ? peer : "");
                print_message(message != NULL ? message : "");
        }
        fflush(stdout); /* who reads along wants to see it now */
        arena_free(&arena);
}

int
trace_sip(struct ctl *ctl, const struct line *line)
{
        const char *argv[5] = { "trace", line->words[0] };
        bool is_log = line->count > 1;
        int64_t seconds = line->seconds != NULL ? text_number(line->seconds, 600) : TRACE_SECONDS;
        struct buf answer = { 0 };
        struct err err;
        int argc = 2;

        if (is_log && !text_equal(line->words[1], "log"))
                return refuse("%.60s: only \"log\" may stand here", line->words[1]);
        if (seconds < 1)
                return refuse("--seconds %.60s: a number from 1 to 600", line->seconds);
        if (line->seconds != NULL) {
                argv[argc++] = "--seconds";
                argv[argc++] = line->seconds;
        }
        if (is_log)
                argv[argc++] = "--log";
        int rc = control_ask_told(ctl_socket_of(ctl, SIPCOMP), argc, (char *const *)argv, (int)(seconds + PATIENCE_S) * 1000,
                show_message, ctl, &answer, &err);
        if (rc == 0)
                refuse("%s", buf_text(&answer));
        else if (rc < 0)
                refuse("sipcomp does not answer (%s): start it first", err.text);
        else
                ctl_print(ctl, buf_text(&answer), answer.len);
        buf_free(&answer);
        return rc == 1 ? DONE : REFUSED;
}
