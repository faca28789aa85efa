/* daemon.h - what both daemons do alike: their options, their log, their word to systemd */
#ifndef SHARED_CONTROL_DAEMON_H
#define SHARED_CONTROL_DAEMON_H

#include "shared/base/buf.h"
#include "shared/base/log.h"
#include "shared/config/config.h"

#include <stdbool.h>

enum { EXIT_CLEAN = 0, EXIT_CONFIGURATION = 1, EXIT_CANNOT_START = 2, EXIT_INTERNAL = 3 };

struct daemon_options {
        const char *file; /* -c */
        bool only_check;  /* -t */
};

/* Reads -c FILE, -t, -n and -V. False: the program is done (version or usage printed) with this status. */
bool daemon_read_options(struct daemon_options *options, int argc, char **argv, int *status);
/* Messages, a line each: to stderr before the log is set, to the log afterwards. */
void daemon_print_lines(const char *prefix, const struct buf *lines);
void daemon_log_lines(const struct log_scope *scope, enum log_level level, const struct buf *lines);
/* Puts the section `log` in force. */
void daemon_set_log(const struct config *config);
/* Before anything is opened: a closed pipe and a file that may not grow are errors of the call, not signals that kill; a fault of ours ends with
 * EXIT_INTERNAL; each connection costs a descriptor, so it takes all the system allows. */
void daemon_prepare(void);
/* sd_notify: "READY=1" and the like; nothing without systemd. */
void daemon_tell_systemd(const char *state);

#endif
