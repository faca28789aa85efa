/*
 * explain.c - what the server found out about the way to a domain: the verdict first, then the steps
 */
#include "shared/base/clock.h"
#include "xmppd/ctl/ctl.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PATIENCE_MS = 60000 };

#define CLEAR "\r\033[K"

/* What came from elsewhere must not speak to the terminal. */
static const char *
text_of(struct ctl *ctl, const struct json *object, const char *key)
{
        const char *text = json_member_text(object, key);
        char *clean = text == NULL ? NULL : arena_strdup(ctl->arena, text);

        for (char *at = clean; at != NULL && *at != '\0'; at++)
                if ((unsigned char)*at < ' ' || *at == 0x7f)
                        *at = '?';
        return clean;
}

static void
print_steps(struct ctl *ctl, const struct json *steps, const char *before)
{
        for (const struct json *step = steps == NULL ? NULL : steps->first; step != NULL; step = step->next) {
                const char *cause = text_of(ctl, step, "cause");
                printf("%s%8.3f s  %-14s  %s%s\n", before, (double)json_member_number(step, "ms", 0) / 1000,
                        text_of(ctl, step, "step"), cause != NULL ? "FAILED: " : "", text_of(ctl, step, "text"));
        }
}

static bool
is_true(const struct json *object, const char *key)
{
        const struct json *member = json_member(object, key);

        return member != NULL && member->kind == JSON_TRUE;
}

/* Those of the last attempts that failed. */
static void
print_failures(struct ctl *ctl, const struct json *attempts, const char *title)
{
        char when[CLOCK_TEXT];

        for (const struct json *attempt = attempts == NULL ? NULL : attempts->first; attempt != NULL; attempt = attempt->next) {
                const char *local = text_of(ctl, attempt, "local");
                if (!is_true(attempt, "fault"))
                        continue;
                printf("\n%s at %s%s%s failed: %s [%s]\n", title, clock_format(when, json_member_number(attempt, "opened", 0)),
                        local != NULL ? ", our domain " : "", local != NULL ? local : "", text_of(ctl, attempt, "sentence"),
                        text_of(ctl, attempt, "cause"));
                print_steps(ctl, json_member(attempt, "steps"), "  ");
        }
}

static void
print_streams(struct ctl *ctl, const struct json *streams)
{
        char when[CLOCK_TEXT];

        for (const struct json *stream = streams == NULL ? NULL : streams->first; stream != NULL; stream = stream->next)
                printf("a stream of %s is %s: direction %s, with %s, since %s\n",
                        text_of(ctl, stream, "local") != NULL ? text_of(ctl, stream, "local") : "no domain yet",
                        text_of(ctl, stream, "state"), text_of(ctl, stream, "direction"), text_of(ctl, stream, "peer"),
                        clock_format(when, json_member_number(stream, "opened", 0)));
}

static void
print_explanation(struct ctl *ctl, const struct json *found)
{
        const char *advice = text_of(ctl, found, "advice"), *step = text_of(ctl, found, "step");
        int64_t waiting = json_member_number(found, "waiting", 0);

        printf("%s [%s]\n", text_of(ctl, found, "sentence"), text_of(ctl, found, "cause"));
        if (step != NULL)
                printf("the step that fails: %s\n", step);
        if (advice != NULL)
                printf("what to do: %s\n", advice);
        if (json_member(found, "steps") != NULL)
                printf("\n");
        print_steps(ctl, json_member(found, "steps"), "");
        if (waiting > 0)
                printf("\nwaiting for it: %lld stanza%s\n", (long long)waiting, waiting == 1 ? "" : "s");
        print_streams(ctl, json_member(found, "streams"));
        print_failures(ctl, json_member(found, "incoming"), "an attempt of it to reach us");
        print_failures(ctl, json_member(found, "outgoing"), "an attempt of ours");
}

/* ---- while it goes on: one line of a terminal, the last step that was told ---- */

static void
show_progress(void *arg, const char *bytes, size_t len)
{
        struct ctl *ctl = arg;
        struct err err;
        const struct json *step = json_parse(ctl->arena, bytes, len, &err);

        if (step != NULL)
                fprintf(stderr, CLEAR "%.1f s  %s: %.50s", (double)json_member_number(step, "ms", 0) / 1000,
                        text_of(ctl, step, "step"), text_of(ctl, step, "text"));
}

/* The domain of an address, where it is reached over SIP; NULL: it is not. */
static const char *
sip_domain_of(struct ctl *ctl, const char *word)
{
        const char *at = strchr(word, '@');
        const char *domain = at != NULL ? at + 1 : word;

        char *name = arena_strndup(ctl->arena, domain, strcspn(domain, "/"));
        for (char *c = name; *c != '\0'; c++)
                *c = (char)tolower((unsigned char)*c);
        return section_titled(ctl->top, "sip-domain", name) != NULL ? name : NULL;
}

/* The gateway knows the way to a SIP domain; while it is down the server still knows that it is not connected. As control_ask. */
static int
ask(struct ctl *ctl, const struct line *line, bool is_watched, struct buf *answer)
{
        const char *argv[5] = { "explain", line->words[0] }, *domain = sip_domain_of(ctl, line->words[0]);
        struct err err;
        int argc = 2;

        if (line->from != NULL) {
                argv[argc++] = "--from";
                argv[argc++] = line->from;
        }
        if (is_watched)
                argv[argc++] = "--watch";
        if (domain != NULL) {
                argv[1] = domain;
                int rc = control_ask_told(
                        ctl_socket_of(ctl, SIPCOMP), argc, (char *const *)argv, PATIENCE_MS, show_progress, ctl, answer, &err);
                if (rc == 0)
                        refuse("%s", buf_text(answer));
                if (rc >= 0)
                        return rc;
        }
        argv[1] = line->words[0];
        int rc = ctl_ask_told(ctl, argc, argv, show_progress, ctl, answer);
        if (rc < 0)
                refuse("%s: start it first", domain != NULL ? "neither sipcomp nor xmppd answers" : "xmppd does not answer");
        return rc;
}

/* The exit status says whether something is wrong. */
int
explain(struct ctl *ctl, const struct line *line)
{
        bool is_watched = isatty(STDERR_FILENO) && !ctl->json;
        struct buf answer = { 0 };
        struct err err;
        int status = REFUSED;

        int rc = ask(ctl, line, is_watched, &answer);
        if (is_watched)
                fputs(CLEAR, stderr);
        const struct json *found = rc == 1 ? json_parse(ctl->arena, buf_text(&answer), answer.len, &err) : NULL;
        if (found != NULL)
                status = is_true(found, "fault") ? REFUSED : DONE;
        if (found != NULL && ctl->json)
                printf("%s\n", buf_text(&answer));
        else if (found != NULL)
                print_explanation(ctl, found);
        buf_free(&answer);
        return status;
}
