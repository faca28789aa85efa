/*
 * directory.c - logins in line for the directory
 *
 * Each worker has a line for each domain and its share of the threads, so nothing is shared between workers but the pool, which is made so large
 * that directories which do not answer leave threads for others.
 */
#include "xmppd/directory/directory.h"

#include "shared/base/list.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/base/text.h"
#include "shared/loop/offload.h"
#include "xmppd/directory/directory_private.h"
#include "xmppd/route/home.h"
#include "xmppd/route/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX = 500, POOL = 4, POOL_MAX = 512 };

static const struct log_scope scope = { .room = "directory" };

/* Of one domain, on one worker. Lives as long as the worker: there are no more of them than domains. */
struct line {
        struct line *next;
        struct list waiting;
        unsigned running;
        bool is_left; /* the worker ends; the last job frees it */
        char domain[];
};

struct directory_login {
        struct offload job;
        struct link in_line;
        struct line *line;
        struct snapshot *snapshot; /* whose settings are used */
        const struct section *section;
        struct arena *arena;
        char *user, *password;
        directory_done *done;
        void *owner; /* NULL with done: it has gone */
        struct directory_answer answer;
};

static _Thread_local struct line *lines;

void
directory_start(const struct section *top)
{
        const struct section *section = NULL;
        unsigned long threads = POOL;
        char text[16];

        while ((section = section_next(top, "directory", section)) != NULL)
                threads += (unsigned long)config_number(section, "at-most") + (unsigned long)home_count();
        snprintf(text, sizeof(text), "%lu", threads < POOL_MAX ? threads : POOL_MAX);
        setenv("UV_THREADPOOL_SIZE", text, 0);
        setenv("LDAPNOINIT", "1", 1); /* the settings are in our file, not in ldap.conf or in somebody's home */
}

static const struct section *
section_for(const char *domain)
{
        return section_titled(config_top(snapshot_now()->config), "directory", domain);
}

bool
directory_serves(const char *domain)
{
        return section_for(domain) != NULL;
}

static struct line *
line_of(const char *domain)
{
        size_t len = strlen(domain);

        for (struct line *line = lines; line != NULL; line = line->next)
                if (strcmp(line->domain, domain) == 0)
                        return line;
        struct line *line = mem_new(sizeof(*line) + len + 1);
        memcpy(line->domain, domain, len + 1);
        line->next = lines;
        lines = line;
        return line;
}

/* This worker's share of the threads; at least one. */
static unsigned
share_of(const struct section *section)
{
        unsigned all = (unsigned)config_number(section, "at-most"), workers = (unsigned)home_count();

        return workers == 0 || all <= workers ? 1 : (all + workers - 1) / workers;
}

static void
free_login(struct directory_login *login)
{
        struct arena *arena = login->arena;

        mem_wipe(login->password, strlen(login->password));
        snapshot_unref(&login->snapshot);
        arena_free(&arena);
}

static void
ask(struct offload *job)
{
        struct directory_login *login = container_of(job, struct directory_login, job);

        directory_ask(login->section, login->user, login->password, login->arena, &login->answer);
}

static void start_next(struct line *line);

static void
tell(struct directory_login *login)
{
        const struct directory_answer *answer = &login->answer;

        if (answer->outcome == DIRECTORY_DOWN)
                log_warn(&scope, "%s: no answer: %s", login->line->domain, answer->why);
        else if (answer->outcome == DIRECTORY_REFUSED)
                log_info(&scope, "%s: user=%s refused: %s", login->line->domain, login->user, answer->why);
        if (login->done != NULL)
                login->done(login->owner, answer->outcome, answer->mail, answer->name);
}

static void
finish(struct offload *job)
{
        struct directory_login *login = container_of(job, struct directory_login, job);
        struct line *line = login->line;

        line->running--;
        tell(login);
        free_login(login);
        if (line->is_left && line->running == 0)
                mem_free(line);
        else if (!line->is_left)
                start_next(line);
}

static void
start_next(struct line *line)
{
        while (line->waiting.first != NULL) {
                struct directory_login *login = container_of(line->waiting.first, struct directory_login, in_line);
                if (line->running >= share_of(login->section))
                        return;
                list_remove(&line->waiting, &login->in_line);
                line->running++;
                offload_start(&login->job);
        }
}

void
directory_stop(void)
{
        for (struct line *line = lines, *next; line != NULL; line = next) {
                next = line->next;
                line->is_left = true;
                if (line->running == 0)
                        mem_free(line);
        }
        lines = NULL;
}

static void
do_nothing(struct offload *job)
{
}

/* Refused without a question: told later all the same, as every answer is. */
static void
refuse(struct offload *job)
{
        struct directory_login *login = container_of(job, struct directory_login, job);

        tell(login);
        free_login(login);
}

struct directory_login *
directory_check(const char *domain, const char *user, const char *password, directory_done *done, void *owner)
{
        struct arena *arena = arena_new(1024);
        struct directory_login *login = ARENA_NEW(arena, login);

        *login = (struct directory_login){
                .arena = arena,
                .line = line_of(domain),
                .snapshot = snapshot_ref((struct snapshot *)snapshot_now()),
                .section = section_for(domain),
                .user = arena_strdup(arena, user),
                .password = arena_strdup(arena, password),
                .done = done,
                .owner = owner,
                .job = { .work = ask, .done = finish },
        };
        if (login->section == NULL || login->line->waiting.count >= LINE_MAX) {
                snprintf(login->answer.why, sizeof(login->answer.why), "%s",
                        login->section == NULL ? "it has just been taken out of the configuration" : "too many logins wait for it");
                login->answer.outcome = DIRECTORY_DOWN;
                login->job = (struct offload){ .work = do_nothing, .done = refuse };
                offload_start(&login->job);
        } else {
                list_append(&login->line->waiting, &login->in_line);
                start_next(login->line);
        }
        return login;
}

void
directory_forget(struct directory_login **where)
{
        struct directory_login *login = *where;

        *where = NULL;
        if (login == NULL)
                return;
        login->done = NULL;
        if (login->in_line.next == NULL && login->in_line.prev == NULL && login->line->waiting.first != &login->in_line)
                return; /* the pool has it */
        list_remove(&login->line->waiting, &login->in_line);
        free_login(login);
}
