/*
 * main.c - xmppctl: finds the command, checks its words, runs it
 */
#include "shared/base/text.h"
#include "xmppd/ctl/ctl.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct command commands[] = {
        { "user add", "JID --password P [--mail M] [--name N]", "Make an account (--password-stdin reads the password).", 1, 1,
                "password mail name", user_add },
        { "user passwd", "JID --password P", "Change its password (or --password-stdin).", 1, 1, "password", user_passwd },
        { "user set", "JID [--mail M] [--name N]", "Change what is kept with it; an empty text takes it away.", 1, 1, "mail name",
                user_set },
        { "user del", "JID ...", "Remove accounts with all that is stored for them.", 1, 8, NULL, user_del },
        { "user list", "[DOMAIN]", "List accounts.", 0, 1, NULL, user_list },
        { "user show", "JID", "Show one account.", 1, 1, NULL, user_show },
        { "import", "FILE", "Take accounts from JSON lines (- is standard input).", 1, 1, NULL, import_accounts },
        { "export", "FILE", "Write the accounts with their keys as JSON lines (- is standard output).", 1, 1, NULL,
                export_accounts },
        { "status", "", "What the server is doing.", 0, 0, NULL, show_status },
        { "sessions", "", "Clients that are signed in.", 0, 0, NULL, show_sessions },
        { "components", "", "Streams of components.", 0, 0, NULL, show_components },
        { "s2s", "", "Streams with other servers, and what waits for them.", 0, 0, NULL, show_s2s },
        { "explain", "DOMAIN [--from DOMAIN]", "Walk the whole way to a domain; which step fails, why, and what to do.", 1, 1,
                "from", explain },
        { "limits", "", "Every limit, and how often it was reached.", 0, 0, NULL, show_limits },
        { "sip status", "", "What the gateway is doing.", 0, 0, NULL, show_sip_status },
        { "sip dialogs", "[DOMAIN] [--from N]", "Each subscription and session, with what happened last and what is next.", 0, 1,
                "from", show_sip_dialogs },
        { "sip peers", "", "Its connections, and who was refused of late, with the setting that is missing.", 0, 0, NULL,
                show_sip_peers },
        { "sip routes", "DOMAIN", "Where requests to a SIP domain go, and who may speak for it.", 1, 1, NULL, show_sip_routes },
        { "sip trace", "DOMAIN|off [log] [--seconds N]", "The messages of one domain as they pass, here or in the log.", 1, 2,
                "seconds", trace_sip },
        { "sip log", "SUBSYSTEM LEVEL [--peer DOMAIN]", "As log, for the gateway.", 2, 2, "peer", set_sip_log_level },
        { "check", "", "Check the configuration of both daemons.", 0, 0, NULL, check_files },
        { "reload", "", "Make both daemons read their configuration again.", 0, 0, NULL, reload_servers },
        { "policy test", "DOMAIN in|out", "May this domain talk with us, and which rule decides? By the files.", 2, 2, NULL,
                test_policy },
        { "xmpp-policy add", "NAME allow|deny [in|out|both]", "An exception from the default: a domain, or *.DOMAIN.", 1, 3, "*",
                section_add },
        { "xmpp-policy del", "NAME", "Take it away.", 1, 1, NULL, section_del },
        { "xmpp-policy list", "", "All exceptions, with file and line.", 0, 0, NULL, section_list },
        { "xmpp-peer add", "DOMAIN [--tls T] [--require-valid-certificates B] [--pin SHA256]", "How to talk to one domain.", 1, 4,
                "*", section_add },
        { "xmpp-peer del", "DOMAIN", "Take it away.", 1, 1, NULL, section_del },
        { "xmpp-peer list", "", "All of them, with file and line.", 0, 0, NULL, section_list },
        { "sip-domain add", "DOMAIN lync|ocs|aol|simple [--description D] [--direct B]", "A domain that is reached over SIP.", 1, 5,
                "*", section_add },
        { "sip-domain del", "DOMAIN", "Take it away.", 1, 1, NULL, section_del },
        { "sip-domain list", "", "All of them, with file and line.", 0, 0, NULL, section_list },
        { "sip-route add", "PATTERN HOST[:PORT] [--transport T] [--priority N] [--weight N]", "A hop of a static route.", 2, 6, "*",
                section_add },
        { "sip-route del", "PATTERN [HOST]", "Take a route away, or one hop of it.", 1, 2, NULL, section_del },
        { "sip-route list", "", "All hops, with file and line.", 0, 0, NULL, section_list },
        { "sip-peer add", "SUBJECT DOMAIN ... [--min-version V] [--ciphers C]", "For whom a certificate may speak.", 1, WORDS_MAX,
                "*", section_add },
        { "sip-peer del", "SUBJECT", "Take it away.", 1, 1, NULL, section_del },
        { "sip-peer list", "", "All of them, with file and line.", 0, 0, NULL, section_list },
        { "dns-records", "[--sipcomp FILE]", "The zone records this configuration wants published.", 0, 0, "sipcomp",
                show_records },
        { "log", "SUBSYSTEM LEVEL [--peer DOMAIN]", "Change what is logged while running; level default takes it back.", 2, 2,
                "peer", set_log_level },
        { "probe", "JID --password P [--to JID]", "Sign in as a client and send a message; each step with its time.", 1, 1,
                "password to", probe },
};

int
refuse(const char *format, ...)
{
        va_list args;

        va_start(args, format);
        fputs("xmppctl: ", stderr);
        vfprintf(stderr, format, args);
        fputc('\n', stderr);
        va_end(args);
        return REFUSED;
}

static int
use(void)
{
        fputs("usage: xmppctl [-c FILE] [--json] COMMAND ...\n\n", stderr);
        for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
                fprintf(stderr, "  %s%s%s\n        %s\n", commands[i].name, commands[i].arguments[0] != '\0' ? " " : "",
                        commands[i].arguments, commands[i].help);
        return WRONG_USAGE;
}

static int
use_command(const struct command *command, const char *what)
{
        fprintf(stderr, "xmppctl: %s\nusage: xmppctl %s %s\n", what, command->name, command->arguments);
        return WRONG_USAGE;
}

static const struct command *
find_command(int argc, char **argv, int *words)
{
        for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
                const char *name = commands[i].name, *blank = strchr(name, ' ');
                size_t len = blank == NULL ? strlen(name) : (size_t)(blank - name);
                if (strlen(argv[0]) != len || memcmp(argv[0], name, len) != 0)
                        continue;
                if (blank != NULL && (argc < 2 || strcmp(argv[1], blank + 1) != 0))
                        continue;
                *words = blank != NULL ? 2 : 1;
                return &commands[i];
        }
        return NULL;
}

static bool
is_allowed(const char *options, const char *name)
{
        size_t len = strlen(name);

        for (const char *at = options; at != NULL && (at = strstr(at, name)) != NULL; at += len)
                if ((at == options || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
                        return true;
        return false;
}

/* The first line of standard input. */
static const char *
read_password(struct ctl *ctl)
{
        char text[1100];

        if (fgets(text, sizeof(text), stdin) == NULL)
                return NULL;
        text[strcspn(text, "\r\n")] = '\0';
        return arena_strdup(ctl->arena, text);
}

/* Sorts the arguments; a sentence where they do not fit, else NULL. */
static const char *
read_line(struct ctl *ctl, const struct command *command, int argc, char **argv, struct line *line)
{
        const struct {
                const char *name;
                const char **value;
        } options[] = {
                { "password", &line->password },
                { "mail", &line->mail },
                { "name", &line->name },
                { "to", &line->to },
                { "from", &line->from },
                { "peer", &line->to },
                { "sipcomp", &line->sipcomp },
                { "seconds", &line->seconds },
        };
        bool only_words = false;

        for (int i = 0; i < argc; i++) {
                if (only_words || !text_starts(argv[i], "--")) {
                        if (line->count == command->max)
                                return "too many words";
                        line->words[line->count++] = argv[i];
                        continue;
                }
                const char *name = argv[i] + 2;
                if (name[0] == '\0') {
                        only_words = true;
                        continue;
                }
                if (strcmp(name, "json") == 0) {
                        ctl->json = true;
                        continue;
                }
                if (strcmp(name, "password-stdin") == 0 && is_allowed(command->options, "password")) {
                        line->password = read_password(ctl);
                        if (line->password == NULL)
                                return "there is no password on standard input";
                        continue;
                }
                if (text_equal(command->options, "*")) {
                        const char *equals = strchr(name, '=');
                        if (equals == NULL && i + 1 == argc)
                                return arena_printf(ctl->arena, "%s needs a value", argv[i]);
                        if (line->setting_count == WORDS_MAX)
                                return "too many options";
                        line->settings[line->setting_count].value = equals != NULL ? equals + 1 : argv[++i];
                        line->settings[line->setting_count++].name =
                                equals != NULL ? arena_strndup(ctl->arena, name, (size_t)(equals - name)) : name;
                        continue;
                }
                size_t o = 0;
                while (o < sizeof(options) / sizeof(options[0]) &&
                        (strcmp(options[o].name, name) != 0 || !is_allowed(command->options, options[o].name)))
                        o++;
                if (o == sizeof(options) / sizeof(options[0]))
                        return arena_printf(ctl->arena, "unknown option %.60s", argv[i]);
                if (i + 1 == argc)
                        return arena_printf(ctl->arena, "%s needs a value", argv[i]);
                *options[o].value = argv[++i];
        }
        if (line->count < command->min)
                return "something is missing";
        if (is_allowed(command->options, "password") && line->password == NULL)
                return "a password is needed: --password P, or --password-stdin";
        return NULL;
}

int
main(int argc, char **argv)
{
        struct ctl ctl = { .file = SYSCONFDIR "/xmppd/xmppd.conf" };
        struct line line = { 0 };
        int at = 1, words = 0;

        for (; at < argc && argv[at][0] == '-'; at++) {
                if (strcmp(argv[at], "--json") == 0)
                        ctl.json = true;
                else if (strcmp(argv[at], "-c") == 0 && at + 1 < argc)
                        ctl.file = argv[++at];
                else
                        return use();
        }
        if (at == argc)
                return use();
        const struct command *command = find_command(argc - at, argv + at, &words);
        if (command == NULL) {
                fprintf(stderr, "xmppctl: unknown command %.60s\n", argv[at]);
                return use();
        }

        signal(SIGPIPE, SIG_IGN);
        ctl.arena = arena_new(4096);
        line.command = command->name;
        const char *wrong = read_line(&ctl, command, argc - at - words, argv + at + words, &line);
        int status = wrong != NULL ? use_command(command, wrong) : ctl_read_settings(&ctl) ? command->run(&ctl, &line) : REFUSED;
        config_unref(&ctl.config);
        arena_free(&ctl.arena);
        if (fflush(stdout) != 0 && status == DONE)
                status = refuse("cannot write the answer");
        return status;
}
