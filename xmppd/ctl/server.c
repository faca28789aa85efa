/*
 * server.c - commands that ask the running server, and those about its configuration
 */
#include "shared/base/text.h"
#include "xmppd/ctl/ctl.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const programs[] = { "xmppd", "sipcomp" };

const char *
ctl_socket_of(const struct ctl *ctl, enum program program)
{
        return config_text(ctl->top, program == XMPPD ? "control" : "sipcomp-control");
}

int
ctl_ask_and_print(struct ctl *ctl, enum program program, int argc, const char *const *argv)
{
        struct buf answer = { 0 };
        struct err err;
        int rc = ctl_ask_at(ctl_socket_of(ctl, program), argc, argv, &answer, &err);

        if (rc == 1)
                ctl_print(ctl, buf_text(&answer), answer.len);
        else if (rc == 0)
                refuse("%s", buf_text(&answer));
        else
                refuse("%s does not answer (%s): start it first", programs[program], err.text);
        buf_free(&answer);
        return rc == 1 ? DONE : REFUSED;
}

int
show_status(struct ctl *ctl, const struct line *line)
{
        return ctl_ask_and_print(ctl, XMPPD, 1, (const char *const[]){ "status" });
}

int
show_sessions(struct ctl *ctl, const struct line *line)
{
        return ctl_ask_and_print(ctl, XMPPD, 1, (const char *const[]){ "sessions" });
}

int
show_components(struct ctl *ctl, const struct line *line)
{
        return ctl_ask_and_print(ctl, XMPPD, 1, (const char *const[]){ "components" });
}

int
show_s2s(struct ctl *ctl, const struct line *line)
{
        return ctl_ask_and_print(ctl, XMPPD, 1, (const char *const[]){ "s2s" });
}

int
show_limits(struct ctl *ctl, const struct line *line)
{
        return ctl_ask_and_print(ctl, XMPPD, 1, (const char *const[]){ "limits" });
}

int
ctl_set_level(struct ctl *ctl, enum program program, const struct line *line)
{
        return ctl_ask_and_print(ctl, program, line->to != NULL ? 5 : 3,
                (const char *const[]){ "log", line->words[0], line->words[1], "--peer", line->to });
}

int
set_log_level(struct ctl *ctl, const struct line *line)
{
        return ctl_set_level(ctl, XMPPD, line);
}

/* Configuration */

/* The program beside this one: in the build tree or installed. */
static const char *
find_program(struct ctl *ctl, const char *const *places)
{
        char self[PATH_MAX];
        ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
        if (len <= 0)
                return NULL;
        self[len] = '\0';
        *strrchr(self, '/') = '\0';
        for (; *places != NULL; places++) {
                const char *path = arena_printf(ctl->arena, "%s/%s", self, *places);
                if (access(path, X_OK) == 0)
                        return path;
        }
        return NULL;
}

/* Runs PROGRAM -t -c FILE and adds its complaints. Its exit code, or -1. */
static int
run_check(const char *program, const char *file, bool is_new, struct buf *complaints)
{
        int status, ends[2];

        if (pipe(ends) != 0)
                return -1;
        pid_t child = fork();
        if (child == 0) {
                dup2(ends[1], STDERR_FILENO);
                execl(program, program, is_new ? "-tn" : "-t", "-c", file, (char *)NULL);
                _exit(127);
        }
        close(ends[1]);
        for (ssize_t n = 1; child > 0 && n != 0;) {
                n = read(ends[0], buf_reserve(complaints, 4096), 4096);
                if (n < 0 && errno != EINTR)
                        break;
                buf_added(complaints, n > 0 ? (size_t)n : 0);
        }
        close(ends[0]);
        if (child < 0)
                return -1;
        while (waitpid(child, &status, 0) < 0)
                if (errno != EINTR)
                        return -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

const char *
ctl_sipcomp_file(struct ctl *ctl)
{
        const char *slash = strrchr(ctl->file, '/');
        const char *path =
                slash == NULL ? "sipcomp.conf" : arena_printf(ctl->arena, "%.*s/sipcomp.conf", (int)(slash - ctl->file), ctl->file);

        return access(path, F_OK) == 0 ? path : NULL;
}

int
ctl_check(struct ctl *ctl, bool is_new, struct buf *complaints, int *files)
{
        static const char *const xmppd_places[] = { "xmppd", "../sbin/xmppd", NULL };
        static const char *const sipcomp_places[] = { "../sipcomp/sipcomp", "../sbin/sipcomp", NULL };
        const char *xmppd = find_program(ctl, xmppd_places), *sipcomp = find_program(ctl, sipcomp_places),
                   *file = ctl_sipcomp_file(ctl);
        int status = DONE;

        if (xmppd == NULL)
                return refuse("cannot find the program xmppd beside xmppctl");
        if (run_check(xmppd, ctl->file, is_new, complaints) != 0)
                status = REFUSED;
        if (file != NULL && sipcomp != NULL && run_check(sipcomp, file, is_new, complaints) != 0)
                status = REFUSED;
        if (files != NULL)
                *files = file != NULL && sipcomp != NULL ? 2 : 1;
        return status;
}

int
check_files(struct ctl *ctl, const struct line *line)
{
        struct buf complaints = { 0 };
        int files = 1;
        int status = ctl_check(ctl, false, &complaints, &files);

        fputs(buf_text(&complaints), stderr);
        if (status != DONE)
                refuse("%s%s has errors", ctl->file, files == 2 ? " or sipcomp.conf" : "");
        else if (ctl->json)
                printf("{\"files\":%d}\n", files);
        else
                printf("%s%s%s: good\n", ctl->file, files == 2 ? ", " : "", files == 2 ? ctl_sipcomp_file(ctl) : "");
        buf_free(&complaints);
        return status;
}

/* What the server had to say, if anything. */
static void
print_note(struct ctl *ctl, const char *program, struct buf *answer)
{
        struct err err;
        struct json *json = json_parse(ctl->arena, buf_text(answer), answer->len, &err);
        const char *note = json_member_text(json, "note");

        if (note == NULL)
                printf("%s: reloaded\n", program);
        else
                printf("%s: reloaded; %s\n", program, note);
}

/* A refusal may be many lines, one for each error of the file. */
static void
print_refusal(const char *program, struct buf *answer)
{
        fprintf(stderr, "xmppctl: %s keeps its old configuration:\n%s\n", program, buf_text(answer));
}

int
reload_servers(struct ctl *ctl, const struct line *line)
{
        static const char *const command[] = { "reload" };
        struct buf answer = { 0 }, json = { 0 };
        struct err err;
        int status = DONE, reached = 0;

        buf_putc(&json, '{');
        for (int i = 0; i < 2; i++) {
                buf_clear(&answer);
                int rc = ctl_ask_at(ctl_socket_of(ctl, (enum program)i), 1, command, &answer, &err);
                if (rc < 0)
                        continue;
                if (rc == 0) {
                        print_refusal(programs[i], &answer);
                        status = REFUSED;
                } else if (!ctl->json) {
                        print_note(ctl, programs[i], &answer);
                }
                buf_printf(&json, "%s\"%s\":%s", reached++ > 0 ? "," : "", programs[i], rc == 1 ? "true" : "false");
        }
        if (reached == 0)
                status = refuse("neither xmppd nor sipcomp is running: nothing to reload");
        else if (ctl->json)
                printf("%s}\n", buf_text(&json));
        buf_free(&answer);
        buf_free(&json);
        return status;
}

int
ctl_reload(struct ctl *ctl, struct buf *report)
{
        static const char *const command[] = { "reload" };
        struct buf answer = { 0 };
        struct err err;
        int status = DONE;

        for (int i = 0; i < 2; i++) {
                buf_clear(&answer);
                int rc = ctl_ask_at(ctl_socket_of(ctl, (enum program)i), 1, command, &answer, &err);
                if (rc == 0) {
                        print_refusal(programs[i], &answer);
                        status = REFUSED;
                } else if (rc > 0) {
                        buf_printf(report, "%s%s", report->len > 0 ? " and " : "in force in ", programs[i]);
                }
        }
        if (report->len == 0)
                buf_puts(report, status == DONE ? "takes effect when the server starts" : "but not in force");
        buf_free(&answer);
        return status;
}
