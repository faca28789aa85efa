/*
 * control.c - the control socket of a running server
 *
 * A client sends one command after the other; while one is being answered, nothing more is read from it. A request outlives a client that
 * goes away and the socket itself: its answer then goes nowhere.
 */
#include "shared/control/control.h"

#include "shared/base/list.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/control/words.h"
#include "shared/loop/conn.h"
#include "shared/loop/listener.h"
#include "shared/loop/worker.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CLIENTS_MAX = 64, LINE_MAX_BYTES = 960 << 10, WORDS_MAX = 8192, SENTENCE_MAX = 2048 };

struct control {
        struct worker *worker;
        struct listener *listener;
        const struct control_command *commands;
        struct list clients;
        struct log_scope log;
};

struct client {
        struct link in_control;
        struct control *control;
        struct conn *conn;
        struct control_request *request; /* being answered; NULL: none */
};

struct control_request {
        struct arena *arena;   /* holds the words and the request itself */
        struct client *client; /* NULL: has gone away */
};

static void
free_client(struct client *client)
{
        if (client->request != NULL)
                client->request->client = NULL;
        list_remove(&client->control->clients, &client->in_control);
        mem_free(client);
}

static void
send_answer(struct client *client, const char *word, const char *bytes, size_t len)
{
        char head[40];

        snprintf(head, sizeof(head), "%s %zu\n", word, len);
        conn_send(client->conn, head, strlen(head));
        conn_send(client->conn, bytes, len);
}

/* How many of the words are the command's name; 0: not this one. */
static int
match_name(const char *name, int argc, char *const *argv)
{
        const char *blank = strchr(name, ' ');

        if (blank == NULL)
                return argc >= 1 && strcmp(argv[0], name) == 0 ? 1 : 0;
        size_t len = (size_t)(blank - name);
        return argc >= 2 && strlen(argv[0]) == len && memcmp(argv[0], name, len) == 0 && strcmp(argv[1], blank + 1) == 0 ? 2 : 0;
}

static void
run(struct client *client, const char *line, size_t len)
{
        struct arena *arena = arena_new(1024);
        struct control_request *request = ARENA_NEW(arena, request);
        struct err err;
        int argc = 0;

        *request = (struct control_request){ .arena = arena, .client = client };
        client->request = request;
        conn_pause(client->conn);
        char **argv = words_split(arena, line, len, WORDS_MAX, &argc, &err);
        if (argv == NULL) {
                control_refuse(request, "%s", err.text);
                return;
        }
        for (const struct control_command *at = client->control->commands; at->name != NULL; at++) {
                int words = match_name(at->name, argc, argv);
                if (words == 0)
                        continue;
                log_debug(&client->control->log, "command %s", at->name);
                at->run(request, argc - words, argv + words);
                return;
        }
        control_refuse(request, "unknown command \"%.60s\": this server does not know it", argc > 0 ? argv[0] : "");
}

static size_t
take_line(void *owner, const char *bytes, size_t len)
{
        struct client *client = owner;
        const char *end = memchr(bytes, '\n', len);
        const char *too_long = "the command is too long";

        if (client->request != NULL)
                return 0;
        if (end == NULL && len <= LINE_MAX_BYTES)
                return 0;
        if (end == NULL) {
                send_answer(client, "no", too_long, strlen(too_long));
                conn_close(client->conn);
                return len;
        }
        run(client, bytes, (size_t)(end - bytes));
        return (size_t)(end - bytes) + 1;
}

static void
client_gone(void *owner, const char *why)
{
        free_client(owner);
}

static const struct conn_events events = { .data = take_line, .closed = client_gone };

static void
accept_client(void *owner, int fd, const struct address *peer)
{
        struct control *control = owner;

        if (control->clients.count >= CLIENTS_MAX) {
                close(fd);
                return;
        }
        struct client *client = MEM_NEW(client);
        client->control = control;
        client->conn = conn_accept(fd, &events, client);
        list_append(&control->clients, &client->in_control);
}

/* Whoever could replace the socket could also answer in our place. */
static int
check_directory(const char *path, struct err *err)
{
        const char *slash = strrchr(path, '/');
        struct stat st;

        if (slash == NULL || slash == path)
                return 0;
        char *dir = mem_strdup(path);
        dir[slash - path] = '\0';
        int rc = 0;
        if (mkdir(dir, 0755) != 0 && errno != EEXIST)
                rc = err_set(err, "%s: cannot make the directory of the control socket: %s", dir, strerror(errno));
        else if (stat(dir, &st) != 0)
                rc = err_set(err, "%s: %s", dir, strerror(errno));
        else if ((st.st_mode & S_IWOTH) != 0 && (st.st_mode & S_ISVTX) == 0)
                rc = err_set(err, "%s: everyone may write to the directory of the control socket: chmod o-w it", dir);
        mem_free(dir);
        return rc;
}

struct control *
control_open(const char *path, const struct control_command *commands, struct err *err)
{
        if (check_directory(path, err) != 0)
                return NULL;
        struct control *control = MEM_NEW(control);
        control->worker = worker_here();
        control->commands = commands;
        log_scope_set(&control->log, "control", "%s", path);
        control->listener = listener_open_unix(path, accept_client, control, err);
        if (control->listener != NULL)
                return control;
        mem_free(control);
        return NULL;
}

void
control_close(struct control **where)
{
        struct control *control = *where;

        *where = NULL;
        if (control == NULL)
                return;
        must(on_home(control->worker));
        listener_close(&control->listener);
        for (LIST_EACH(client, &control->clients, struct client, in_control)) {
                conn_free(&client->conn);
                free_client(client);
        }
        mem_free(control);
}

void
control_answer(struct control_request *request, bool ok, const char *bytes, size_t len)
{
        struct client *client = request->client;
        struct arena *arena = request->arena;

        if (client != NULL) {
                must(client->request == request);
                client->request = NULL;
                send_answer(client, ok ? "ok" : "no", bytes, len);
                conn_resume(client->conn);
        }
        arena_free(&arena);
}

void
control_tell(struct control_request *request, const char *bytes, size_t len)
{
        if (request->client != NULL)
                send_answer(request->client, "yet", bytes, len);
}

size_t
control_waiting(const struct control_request *request)
{
        return request->client != NULL ? conn_queued(request->client->conn) : 0;
}

bool
control_is_deserted(const struct control_request *request)
{
        return request->client == NULL;
}

void
control_refuse(struct control_request *request, const char *format, ...)
{
        char text[SENTENCE_MAX];
        va_list args;

        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        control_answer(request, false, text, strlen(text));
}
