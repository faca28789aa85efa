/*
 * transfer.c - many accounts at once, as JSON lines
 *
 * Deriving keys from passwords is what takes time, so it is done once for each different password, on all processors. Accounts of one file
 * with the same password share a salt: whoever reads the store learns that they have the same password, and nothing else.
 */
#include "shared/base/clock.h"
#include "shared/base/map.h"
#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "xmppd/ctl/ctl.h"
#include "xmppd/user/account_json.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 512 << 20, COMPLAINTS_MAX = 20, THREADS_MAX = 64, CHUNK_ACCOUNTS = 1000, CHUNK_BYTES = 512 << 10 };

struct secret {
        const char *password;
        struct scram_keys sha1, sha256;
        bool ok;
};

struct entry {
        struct account account;
        const char *password;
        int line;
};

struct import {
        struct ctl *ctl;
        const char *name; /* of the file */
        struct arena *arena;
        struct entry *entries;
        size_t count, room;
        struct secret *secrets;
        size_t secret_count;
        struct map *jids, *mails;
        int complaints;
};

static void
complain(struct import *import, int line, const char *what)
{
        if (import->complaints++ < COMPLAINTS_MAX)
                fprintf(stderr, "%s:%d: %s\n", import->name, line, what);
}

static int
read_all(const char *path, struct buf *out, struct err *err)
{
        int rc = -1, fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return err_set(err, "%s: %s", path, strerror(errno));
        for (;;) {
                ssize_t n = read(fd, buf_reserve(out, 1 << 20), 1 << 20);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0) {
                        err_set(err, "%s: %s", path, strerror(errno));
                        break;
                }
                if (n == 0) {
                        rc = 0;
                        break;
                }
                buf_added(out, (size_t)n);
                if (out->len > FILE_MAX) {
                        err_set(err, "%s: larger than %d MiB: import it in parts", path, FILE_MAX >> 20);
                        break;
                }
        }
        if (fd != STDIN_FILENO)
                close(fd);
        return rc;
}

static void
read_entry(struct import *import, const char *text, size_t len, int line)
{
        struct entry entry = { .line = line };
        struct jid jid, mail;
        const char *first;
        struct err err;
        struct json *json = json_parse(import->arena, text, len, &err);

        if (json == NULL) {
                complain(import, line, err.text);
                return;
        }
        const char *type = json_member_text(json, "type");
        if (type != NULL && strcmp(type, "user") != 0) {
                complain(import, line, "type: only \"user\" can be imported");
                return;
        }
        if (account_read_json(json, import->arena, &entry.account, &entry.password, &err) != 0) {
                complain(import, line, err.text);
                return;
        }
        jid_parse(&jid, import->arena, entry.account.jid);
        if (!ctl_has_domain(import->ctl, jid.domain)) {
                complain(import, line,
                        arena_printf(import->arena, "%s is not a domain of this server: add a section domain \"%s\" first",
                                jid.domain, jid.domain));
                return;
        }
        if (account_mail_is_elsewhere(import->ctl->top, &entry.account, &err))
                complain(import, line, err.text);
        if (map_get_str(import->jids, entry.account.jid) != NULL) {
                complain(import, line, arena_printf(import->arena, "%s stands in this file twice", entry.account.jid));
                return;
        }
        if (account_read_mail(&mail, import->arena, entry.account.mail) &&
                (first = map_put_str(import->mails, mail.full, (void *)entry.account.jid)) != NULL)
                complain(import, line,
                        arena_printf(import->arena, "the mail address %s is that of %s in this file too", mail.full, first));
        map_put_str(import->jids, entry.account.jid, import);
        if (import->count == import->room) {
                import->room = import->room == 0 ? 256 : import->room * 2;
                import->entries = mem_resize(import->entries, import->room, sizeof(*import->entries));
        }
        import->entries[import->count++] = entry;
}

static void
read_entries(struct import *import, const struct buf *file)
{
        const char *at = file->len > 0 ? buf_data(file) : "", *end = at + file->len;
        int line = 1;

        for (; at < end; line++) {
                const char *stop = memchr(at, '\n', (size_t)(end - at));
                size_t len = (size_t)((stop != NULL ? stop : end) - at);
                size_t blank = 0;
                while (blank < len && (at[blank] == ' ' || at[blank] == '\t' || at[blank] == '\r'))
                        blank++;
                if (blank < len)
                        read_entry(import, at, len, line);
                at += len + 1;
        }
}

/* Keys */

struct share {
        pthread_t thread;
        struct import *import;
        size_t first, step;
};

static void *
derive_share(void *arg)
{
        struct share *share = arg;

        for (size_t i = share->first; i < share->import->secret_count; i += share->step) {
                struct secret *secret = &share->import->secrets[i];
                secret->ok = scram_derive(&secret->sha1, DIGEST_SHA1, secret->password) &&
                        scram_derive(&secret->sha256, DIGEST_SHA256, secret->password);
        }
        return NULL;
}

static void
derive_all(struct import *import)
{
        struct share shares[THREADS_MAX];
        long processors = sysconf(_SC_NPROCESSORS_ONLN);
        size_t count = processors < 1 ? 1 : processors > THREADS_MAX ? THREADS_MAX : (size_t)processors, started = 1;

        for (size_t i = 0; i < count; i++)
                shares[i] = (struct share){ .import = import, .first = i, .step = count };
        while (started < count && pthread_create(&shares[started].thread, NULL, derive_share, &shares[started]) == 0)
                started++;
        /* What no thread could be had for is done here. */
        derive_share(&shares[0]);
        for (size_t i = started; i < count; i++)
                derive_share(&shares[i]);
        for (size_t i = 1; i < started; i++)
                pthread_join(shares[i].thread, NULL);
}

static void
make_keys(struct import *import)
{
        struct map *seen = map_new();

        import->secrets = arena_alloc(import->arena, (import->count + 1) * sizeof(*import->secrets));
        for (size_t i = 0; i < import->count; i++) {
                const char *password = import->entries[i].password;
                if (password == NULL || map_get_str(seen, password) != NULL)
                        continue;
                struct secret *secret = &import->secrets[import->secret_count++];
                secret->password = password;
                map_put_str(seen, password, secret);
        }
        derive_all(import);
        for (size_t i = 0; i < import->count; i++) {
                struct entry *entry = &import->entries[i];
                const struct secret *secret = entry->password != NULL ? map_get_str(seen, entry->password) : NULL;
                if (secret == NULL)
                        continue;
                if (!secret->ok)
                        complain(import, entry->line,
                                "this password cannot be used: it is empty, too long, or holds characters that SASLprep forbids");
                entry->account.sha1 = secret->sha1;
                entry->account.sha256 = secret->sha256;
        }
        map_free(&seen);
}

/* Nothing is written while something in the file cannot be: an account that exists is not replaced. */
static int
look_for_existing(struct import *import)
{
        struct jid jid;
        struct err err;

        if (!ctl_store_exists(import->ctl))
                return DONE;
        struct store *store = ctl_open_store(import->ctl, true);
        if (store == NULL)
                return REFUSED;
        for (size_t i = 0; i < import->count; i++) {
                jid_parse(&jid, import->arena, import->entries[i].account.jid);
                if (account_id(store, &jid) != 0)
                        complain(import, import->entries[i].line, arena_printf(import->arena, "%s exists", jid.full));
                else if (account_mail_is_taken(store, NULL, &import->entries[i].account, &err))
                        complain(import, import->entries[i].line, err.text);
        }
        store_read_end(store);
        store_close(&store);
        return DONE;
}

/* Writing */

/* One command with as many accounts as fit. Returns how many, 0: refused, -1: the server is not running. */
static int
send_chunk(struct import *import, size_t from)
{
        const char *argv[CHUNK_ACCOUNTS + 2] = { "user", "add" };
        struct buf text = { 0 }, answer = { 0 };
        struct json_writer json = { .out = &text };
        size_t starts[CHUNK_ACCOUNTS];
        int count = 0;

        while (from + (size_t)count < import->count && count < CHUNK_ACCOUNTS && text.len < CHUNK_BYTES) {
                starts[count] = text.len;
                json.is_behind_value = false;
                account_write_json(&json, &import->entries[from + (size_t)count].account, true);
                buf_putc(&text, '\0');
                count++;
        }
        for (int i = 0; i < count; i++)
                argv[2 + i] = buf_data(&text) + starts[i];
        int rc = ctl_ask(import->ctl, 2 + count, argv, &answer);
        buf_free(&text);
        buf_free(&answer);
        return rc == 1 ? count : rc;
}

static int
write_to_store(struct import *import)
{
        struct store *store = ctl_open_store(import->ctl, false);

        if (store == NULL)
                return REFUSED;
        enum store_outcome outcome = STORE_DONE;
        for (size_t i = 0; i < import->count && outcome == STORE_DONE;) {
                struct batch *batch = batch_new(store);
                for (int n = 0; n < CHUNK_ACCOUNTS && i < import->count; n++, i++)
                        account_add(batch, &import->entries[i].account);
                outcome = batch_commit_wait(batch);
        }
        store_close(&store);
        return outcome == STORE_DONE ? DONE : refuse("the store could not be written: is the disk full?");
}

static int
write_accounts(struct import *import)
{
        size_t done = 0;

        while (done < import->count) {
                int n = send_chunk(import, done);
                if (n < 0 && done == 0)
                        return write_to_store(import);
                if (n <= 0)
                        return refuse(
                                "%zu of %zu accounts were imported, then the server stopped taking them", done, import->count);
                done += (size_t)n;
        }
        return DONE;
}

static int
run(struct import *import)
{
        if (import->complaints == 0)
                make_keys(import);
        if (import->complaints == 0 && look_for_existing(import) != DONE)
                return REFUSED;
        if (import->complaints > 0)
                return refuse("nothing was imported: %d of the lines in %s cannot be taken", import->complaints, import->name);
        return write_accounts(import);
}

int
import_accounts(struct ctl *ctl, const struct line *line)
{
        struct import import = {
                .ctl = ctl, .name = line->words[0], .arena = arena_new(65536), .jids = map_new(), .mails = map_new()
        };
        struct buf file = { 0 };
        struct err err;
        uint64_t began = clock_mono_ms();
        int status;

        if (read_all(import.name, &file, &err) != 0) {
                status = refuse("%s", err.text);
        } else {
                read_entries(&import, &file);
                status = run(&import);
        }
        if (status == DONE && ctl->json)
                printf("{\"accounts\":%zu,\"ms\":%llu}\n", import.count, (unsigned long long)(clock_mono_ms() - began));
        else if (status == DONE)
                printf("%zu accounts imported in %.1f s\n", import.count, (double)(clock_mono_ms() - began) / 1000);
        map_free(&import.jids);
        map_free(&import.mails);
        mem_free(import.entries);
        arena_free(&import.arena);
        buf_free(&file);
        return status;
}

/* Export */

static bool
write_line(void *arg, const struct account *account)
{
        FILE *out = arg;
        struct buf text = { 0 };
        struct json_writer json = { .out = &text };

        account_write_json(&json, account, true);
        fprintf(out, "%s\n", buf_text(&text));
        buf_free(&text);
        return !ferror(out);
}

int
export_accounts(struct ctl *ctl, const struct line *line)
{
        const char *path = line->words[0];
        bool to_stdout = strcmp(path, "-") == 0;

        if (!ctl_store_exists(ctl))
                return refuse("%s: there is no store yet", ctl_state_dir(ctl));
        /* It holds keys: for nobody else's eyes. */
        int fd = to_stdout ? STDOUT_FILENO : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        FILE *out = fd < 0 ? NULL : to_stdout ? stdout : fdopen(fd, "w");
        if (out == NULL)
                return refuse("%s: %s", path, strerror(errno));
        struct store *store = ctl_open_store(ctl, true);
        if (store == NULL) {
                if (!to_stdout)
                        fclose(out);
                return REFUSED;
        }
        account_each(store, NULL, write_line, out);
        store_read_end(store);
        store_close(&store);
        bool failed = ferror(out) != 0 || fflush(out) != 0;
        if (!to_stdout && fclose(out) != 0)
                failed = true;
        return failed ? refuse("%s: could not be written: is the disk full?", path) : DONE;
}
