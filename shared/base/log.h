/* log.h - one line per thing that happened to someone, written where it was decided
 *
 *     2026-03-01T09:12:44.031Z info s2s.out verona.example#41 open via=dialback tls=1.3 waited=2
 *
 * Objects carry a scope (room and whom), so messages need no prefix and one room or one peer can be traced alone.
 * Passwords and keys appear at no level; message bodies only at trace. Control characters in arguments are written as \xHH.
 */
#ifndef SHARED_BASE_LOG_H
#define SHARED_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE };

/* A plain value inside the object it speaks for; room is a literal such as "s2s.out". */
struct log_scope {
        const char *room;
        char whom[80];
};

/* Sets whom (cut to fit). */
void log_scope_set(struct log_scope *scope, const char *room, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The scope of one line about somebody of whom there are too many to carry one each: log_info(LOG_ABOUT("user", jid->full), "bound"). */
#define LOG_ABOUT(room_name, about) log_scope_about(&(struct log_scope){ .room = (room_name) }, (about))
const struct log_scope *log_scope_about(struct log_scope *scope, const char *whom);

/* Any thread. One write of one line to the target. */
void log_write(const struct log_scope *scope, enum log_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool log_wants(const struct log_scope *scope, enum log_level level);

#define log_at(scope, level, ...) (log_wants((scope), (level)) ? log_write((scope), (level), __VA_ARGS__) : (void)0)
#define log_error(scope, ...)     log_at((scope), LOG_ERROR, __VA_ARGS__)
#define log_warn(scope, ...)      log_at((scope), LOG_WARN, __VA_ARGS__)
#define log_info(scope, ...)      log_at((scope), LOG_INFO, __VA_ARGS__)
#define log_debug(scope, ...)     log_at((scope), LOG_DEBUG, __VA_ARGS__)
#define log_trace(scope, ...)     log_at((scope), LOG_TRACE, __VA_ARGS__)

/* The level below which nothing is written, everywhere; info at the start. */
void log_set_level(enum log_level level);
/* Another level for one room and the rooms below it ("s2s" covers "s2s.out"), or, with whom, for scopes that name this address or domain.
 * At most 16 exceptions; level < 0 removes one. Returns false when there is no place left. */
bool log_set_exception(const char *room, const char *whom, int level);
/* "error" "warn" "info" "debug" "trace"; -1 for anything else. */
int log_level_of(const char *name);
/* NULL: stderr. Returns false (and keeps the old target) if the file cannot be opened. Reopens when called again. */
bool log_set_target(const char *path);
/* true: one JSON object per line. */
void log_set_json(bool on);

#endif
