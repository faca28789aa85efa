/*
 * daemon.c - what both daemons do alike
 */
#include "shared/control/daemon.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

static const struct log_scope log_scope = { .room = "log" };

static bool
refuse_use(const char *program, int *status)
{
        fprintf(stderr,
                "usage: %s -c FILE [-t [-n]]\n  -c FILE  the configuration\n  -t       check it and exit\n"
                "  -n       with -t: FILE.new, where there is one, counts in place of FILE\n  -V       version\n",
                program);
        *status = EXIT_CONFIGURATION;
        return false;
}

bool
daemon_read_options(struct daemon_options *options, int argc, char **argv, int *status)
{
        bool only_new = false;
        int option;

        *options = (struct daemon_options){ 0 };
        while ((option = getopt(argc, argv, "c:tnV")) != -1) {
                switch (option) {
                case 'c':
                        options->file = optarg;
                        break;
                case 't':
                        options->only_check = true;
                        break;
                case 'n':
                        only_new = true;
                        break;
                case 'V':
                        puts(PACKAGE_STRING);
                        *status = EXIT_CLEAN;
                        return false;
                default:
                        return refuse_use(argv[0], status);
                }
        }
        if (options->file == NULL || optind < argc || (only_new && !options->only_check))
                return refuse_use(argv[0], status);
        if (only_new)
                config_prefer_new_files();
        return true;
}

/* The next line and its length; NULL behind the last. */
static const char *
next_line(const struct buf *lines, size_t *at, int *len)
{
        if (*at >= lines->len)
                return NULL;
        const char *line = buf_data(lines) + *at, *end = memchr(line, '\n', lines->len - *at);
        *len = end == NULL ? (int)(lines->len - *at) : (int)(end - line);
        *at += (size_t)*len + 1;
        return line;
}

void
daemon_print_lines(const char *prefix, const struct buf *lines)
{
        const char *line;
        int len;

        for (size_t at = 0; (line = next_line(lines, &at, &len)) != NULL;)
                fprintf(stderr, "%s%.*s\n", prefix, len, line);
}

void
daemon_log_lines(const struct log_scope *scope, enum log_level level, const struct buf *lines)
{
        const char *line;
        int len;

        for (size_t at = 0; (line = next_line(lines, &at, &len)) != NULL;)
                log_at(scope, level, "%.*s", len, line);
}

void
daemon_set_log(const struct config *config)
{
        const struct section *log = section_of(config_top(config), "log");
        const char *target = config_text(log, "target");

        log_set_level((enum log_level)log_level_of(config_text(log, "level")));
        log_set_json(strcmp(config_text(log, "format"), "json") == 0);
        if (!log_set_target(strcmp(target, "stderr") == 0 ? NULL : target))
                log_error(
                        &log_scope, "%s: cannot write the log to %s; keeping the old target", section_place(log, "target"), target);
}

/* panic() has written its record. */
static void
end_internal(int number)
{
        _exit(EXIT_INTERNAL);
}

void
daemon_prepare(void)
{
        struct rlimit limit;

        signal(SIGPIPE, SIG_IGN);
        signal(SIGXFSZ, SIG_IGN);
        signal(SIGABRT, end_internal);
        if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
                limit.rlim_cur = limit.rlim_max;
                setrlimit(RLIMIT_NOFILE, &limit);
        }
}

void
daemon_tell_systemd(const char *state)
{
#ifdef HAVE_SYSTEMD
        sd_notify(0, state);
#endif
}
