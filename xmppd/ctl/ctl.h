/* ctl.h - what the files of xmppctl share */
#ifndef XMPPD_CTL_CTL_H
#define XMPPD_CTL_CTL_H

#include "shared/base/arena.h"
#include "shared/base/buf.h"
#include "shared/base/err.h"
#include "shared/base/json.h"
#include "shared/config/config.h"
#include "shared/control/control.h"
#include "shared/store/store.h"

#include <stdbool.h>

enum { DONE = 0, REFUSED = 1, WRONG_USAGE = 2 };

struct ctl {
        struct arena *arena;
        const char *file; /* xmppd.conf */
        bool json;
        struct config *config;
        const struct section *top; /* the part of xmppd.conf that matters here */
};

enum { WORDS_MAX = 40 };

/* A command line behind the command's name: words and --options. */
struct line {
        const char *command; /* "xmpp-policy add" */
        const char *words[WORDS_MAX];
        int count;
        struct {
                const char *name, *value;
        } settings[WORDS_MAX]; /* of commands that take any option */
        int setting_count;
        const char *password, *mail, *name, *to, *from, *sipcomp, *seconds; /* NULL: not given */
};

struct command {
        const char *name; /* one or two words */
        const char *arguments;
        const char *help;
        int min, max;        /* how many words */
        const char *options; /* those allowed: "password mail name"; NULL: none; "*": any, as settings */
        int (*run)(struct ctl *ctl, const struct line *line);
};

/* Prints "xmppctl: sentence" to stderr and returns REFUSED. */
int refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* settings.c: reads what is needed of the file; false after printing its errors. */
bool ctl_read_settings(struct ctl *ctl);
const char *ctl_state_dir(const struct ctl *ctl);
bool ctl_has_domain(const struct ctl *ctl, const char *domain);
/* Reads all that xmppctl knows of the file, with who we federate with, into ctl->top, or false after printing its errors. */
bool ctl_read_federation(struct ctl *ctl);

/* server.c */
enum program { XMPPD, SIPCOMP };
const char *ctl_socket_of(const struct ctl *ctl, enum program program);
int ctl_ask_and_print(struct ctl *ctl, enum program program, int argc, const char *const *argv);
int ctl_set_level(struct ctl *ctl, enum program program, const struct line *line);
/* Checks the files of both daemons as they do at start; is_new: FILE.new counts in place of FILE. What they say goes into complaints, a line each.
 * files: how many were checked, may be NULL. */
int ctl_check(struct ctl *ctl, bool is_new, struct buf *complaints, int *files);
/* Makes those daemons that run read their files; what came of it is told in report, a sentence. */
int ctl_reload(struct ctl *ctl, struct buf *report);
/* sipcomp.conf beside xmppd.conf, or NULL. */
const char *ctl_sipcomp_file(struct ctl *ctl);

/* ask.c: a command for the running server. 1: done, answer is JSON; 0: refused, the sentence has been printed; -1: it is not running. */
int ctl_ask(struct ctl *ctl, int argc, const char *const *argv, struct buf *answer);
/* The same, and told hears what the server tells before its answer. */
int ctl_ask_told(struct ctl *ctl, int argc, const char *const *argv, control_told *told, void *arg, struct buf *answer);
/* The same on another socket: the sentence is left in answer. */
int ctl_ask_at(const char *socket, int argc, const char *const *argv, struct buf *answer, struct err *err);
/* Opens the store itself, as the user who owns it. NULL after printing why. */
struct store *ctl_open_store(struct ctl *ctl, bool read_only);
/* Is there a store at all? */
bool ctl_store_exists(const struct ctl *ctl);

/* print.c: a JSON document, as it is or for people. */
void ctl_print(const struct ctl *ctl, const char *json, size_t len);

/* The commands */
int user_add(struct ctl *ctl, const struct line *line);
int user_passwd(struct ctl *ctl, const struct line *line);
int user_set(struct ctl *ctl, const struct line *line);
int user_del(struct ctl *ctl, const struct line *line);
int user_list(struct ctl *ctl, const struct line *line);
int user_show(struct ctl *ctl, const struct line *line);
int import_accounts(struct ctl *ctl, const struct line *line);
int export_accounts(struct ctl *ctl, const struct line *line);
int show_status(struct ctl *ctl, const struct line *line);
int show_sessions(struct ctl *ctl, const struct line *line);
int show_components(struct ctl *ctl, const struct line *line);
int show_s2s(struct ctl *ctl, const struct line *line);
int explain(struct ctl *ctl, const struct line *line);
int show_limits(struct ctl *ctl, const struct line *line);
int show_sip_status(struct ctl *ctl, const struct line *line);
int show_sip_dialogs(struct ctl *ctl, const struct line *line);
int show_sip_peers(struct ctl *ctl, const struct line *line);
int show_sip_routes(struct ctl *ctl, const struct line *line);
int trace_sip(struct ctl *ctl, const struct line *line);
int set_sip_log_level(struct ctl *ctl, const struct line *line);
int check_files(struct ctl *ctl, const struct line *line);
int reload_servers(struct ctl *ctl, const struct line *line);
int set_log_level(struct ctl *ctl, const struct line *line);
int test_policy(struct ctl *ctl, const struct line *line);
int section_add(struct ctl *ctl, const struct line *line);
int section_del(struct ctl *ctl, const struct line *line);
int section_list(struct ctl *ctl, const struct line *line);
int show_records(struct ctl *ctl, const struct line *line);
int probe(struct ctl *ctl, const struct line *line);

#endif
