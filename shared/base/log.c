/*
 * log.c - lines for administrators, from any thread
 *
 * The wish to log is asked far more often than it is granted: levels are atomics, and the exceptions are looked at only when there
 * are some. A line is built on the stack and leaves in one write, so lines of threads do not mix.
 */
#include "shared/base/log.h"

#include "shared/base/clock.h"
#include "shared/base/text.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { EXCEPTIONS = 16, LINE = 2048 };

struct exception {
        char room[40], whom[80];
        int level;
};

static const char *const names[] = { "error", "warn", "info", "debug", "trace" };

static atomic_int base_level = LOG_INFO;
static atomic_int exception_count;
static struct exception exceptions[EXCEPTIONS];
static pthread_rwlock_t exceptions_lock = PTHREAD_RWLOCK_INITIALIZER;
static atomic_int target = STDERR_FILENO;
static atomic_bool json;

void
log_scope_set(struct log_scope *scope, const char *room, const char *format, ...)
{
        va_list args;
        va_start(args, format);
        scope->room = room;
        vsnprintf(scope->whom, sizeof(scope->whom), format, args);
        va_end(args);
}

const struct log_scope *
log_scope_about(struct log_scope *scope, const char *whom)
{
        snprintf(scope->whom, sizeof(scope->whom), "%s", whom != NULL ? whom : "");
        return scope;
}

static bool
is_border(char c)
{
        return c == '\0' || strchr("@/:#>=, ", c) != NULL;
}

/* Is this address, or this domain in an address, what the line is about? "a@x.example>b@y.example" is about each of the four. */
static bool
is_about(const char *whom, const char *wanted)
{
        size_t len = strlen(wanted);

        if (len == 0)
                return true;
        for (const char *at = strstr(whom, wanted); at != NULL; at = strstr(at + 1, wanted))
                if ((at == whom || is_border(at[-1])) && is_border(at[len]))
                        return true;
        return false;
}

static bool
matches(const struct exception *e, const struct log_scope *scope)
{
        size_t len = strlen(e->room);
        if (len > 0 && (strncmp(scope->room, e->room, len) != 0 || (scope->room[len] != '\0' && scope->room[len] != '.')))
                return false;
        return is_about(scope->whom, e->whom);
}

bool
log_wants(const struct log_scope *scope, enum log_level level)
{
        int wanted = atomic_load_explicit(&base_level, memory_order_relaxed);
        if (atomic_load_explicit(&exception_count, memory_order_relaxed) > 0) {
                pthread_rwlock_rdlock(&exceptions_lock);
                for (int i = 0; i < atomic_load(&exception_count); i++)
                        if (matches(&exceptions[i], scope))
                                wanted = exceptions[i].level;
                pthread_rwlock_unlock(&exceptions_lock);
        }
        return (int)level <= wanted;
}

/* What a peer sent must not forge lines or steer a terminal. */
static size_t
clean(char *out, size_t room, const char *in)
{
        size_t n = 0;
        for (; *in != '\0' && n + 6 < room; in++) {
                unsigned char c = (unsigned char)*in;
                bool control = c < 0x20 || c == 0x7f;
                if (atomic_load(&json) && (control || c == '"' || c == '\\'))
                        n += (size_t)snprintf(out + n, room - n, "\\u%04x", c);
                else if (control)
                        n += (size_t)snprintf(out + n, room - n, "\\x%02x", c);
                else
                        out[n++] = (char)c;
        }
        out[n] = '\0';
        return n;
}

void
log_write(const struct log_scope *scope, enum log_level level, const char *format, ...)
{
        char message[LINE], safe[LINE], whom[200], time[CLOCK_TEXT], line[LINE + 400];
        va_list args;
        va_start(args, format);
        vsnprintf(message, sizeof(message), format, args);
        va_end(args);
        clean(safe, sizeof(safe), message);
        clean(whom, sizeof(whom), scope->whom);
        clock_format(time, clock_wall_ms());

        int n;
        if (atomic_load(&json))
                n = snprintf(line, sizeof(line),
                        "{\"time\":\"%s\",\"level\":\"%s\",\"room\":\"%s\",\"whom\":\"%s\",\"text\":\"%s\"}\n", time, names[level],
                        scope->room, whom, safe);
        else
                n = snprintf(line, sizeof(line), "%s %s %s %s%s%s\n", time, names[level], scope->room, whom,
                        whom[0] != '\0' ? " " : "", safe);
        size_t len = n < (int)sizeof(line) ? (size_t)n : sizeof(line) - 1;
        line[len - 1] = '\n';
        /* A full disk or a closed terminal must not stop the server: what cannot be written is lost. */
        ssize_t written = write(atomic_load(&target), line, len);
        (void)written;
}

void
log_set_level(enum log_level level)
{
        atomic_store(&base_level, (int)level);
}

bool
log_set_exception(const char *room, const char *whom, int level)
{
        bool done = true;
        pthread_rwlock_wrlock(&exceptions_lock);
        int n = atomic_load(&exception_count), i = 0;
        while (i < n && (strcmp(exceptions[i].room, room) != 0 || strcmp(exceptions[i].whom, whom) != 0))
                i++;
        if (level < 0) {
                if (i < n) {
                        exceptions[i] = exceptions[n - 1];
                        atomic_store(&exception_count, n - 1);
                }
        } else if (i < EXCEPTIONS) {
                snprintf(exceptions[i].room, sizeof(exceptions[i].room), "%s", room);
                snprintf(exceptions[i].whom, sizeof(exceptions[i].whom), "%s", whom);
                exceptions[i].level = level;
                if (i == n)
                        atomic_store(&exception_count, n + 1);
        } else {
                done = false;
        }
        pthread_rwlock_unlock(&exceptions_lock);
        return done;
}

int
log_level_of(const char *name)
{
        for (int i = 0; i <= LOG_TRACE; i++)
                if (strcmp(names[i], name) == 0)
                        return i;
        return -1;
}

bool
log_set_target(const char *path)
{
        int fd = path == NULL ? STDERR_FILENO : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
        if (fd < 0)
                return false;
        if (atomic_load(&target) == STDERR_FILENO || fd == STDERR_FILENO) {
                atomic_store(&target, fd);
                return true;
        }
        /* Threads may be writing to the old descriptor: let its number point at the new file instead of closing it. */
        dup2(fd, atomic_load(&target));
        close(fd);
        return true;
}

void
log_set_json(bool on)
{
        atomic_store(&json, on);
}
