/*
 * main.c - start and stop of the server, read from top to bottom
 *
 * The main thread runs a worker of its own for what belongs to nobody: signals, the configuration, listening sockets, the control socket and
 * the watch over the other workers. Clients and components live on the others.
 */
#include "shared/base/buf.h"
#include "shared/base/err.h"
#include "shared/base/log.h"
#include "shared/control/daemon.h"
#include "shared/loop/signals.h"
#include "shared/loop/timer.h"
#include "shared/loop/worker.h"
#include "shared/store/journal.h"
#include "shared/store/store.h"
#include "xmppd/admin/admin.h"
#include "xmppd/c2s/c2s.h"
#include "xmppd/component/component.h"
#include "xmppd/directory/directory.h"
#include "xmppd/extend/extension.h"
#include "xmppd/extend/server.h"
#include "xmppd/route/home.h"
#include "xmppd/route/resolver.h"
#include "xmppd/route/route.h"
#include "xmppd/route/snapshot.h"
#include "xmppd/s2s/s2s.h"
#include "xmppd/sasl/sasl.h"
#include "xmppd/settings.h"
#include "xmppd/user/account.h"
#include "xmppd/user/sm.h"
#include "xmppd/user/tables.h"
#include "xmppd/user/user.h"
#include "xmppd/xep/all.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { WORKERS_MAX = 64, WATCH_MS = 50, BUSY_MS = 100, STOP_MS = 8000, POLL_MS = 10, DRAINS = 2 };

static const struct log_scope scope = { .room = "main" };

static struct {
        const char *file;
        struct worker *self;
        struct worker *workers[WORKERS_MAX];
        int worker_count;
        struct store *store;
        struct timer watch, patience;
        uint64_t patience_ends;
        atomic_uint_least64_t streams_left, drains_left;
        int drains;
        bool is_stopping;
} server;

static struct snapshot *
load(const char *file)
{
        struct buf errors = { 0 }, warnings = { 0 };
        struct snapshot *snapshot = settings_load(file, &errors, &warnings);

        daemon_print_lines("warning: ", &warnings);
        daemon_print_lines("", &errors);
        buf_free(&errors);
        buf_free(&warnings);
        return snapshot;
}

static int
open_store(const struct snapshot *snapshot, struct err *err)
{
        const struct section *top = config_top(snapshot->config);
        struct store_options options = user_store_options(config_text(top, "state-dir"));

        options.map_mib = (size_t)config_number(section_of(top, "store"), "map-size");
        server.store = store_open(&options, err);
        return server.store == NULL ? -1 : 0;
}

static void
make_workers(const struct snapshot *snapshot)
{
        int64_t wanted = config_number(config_top(snapshot->config), "workers");
        long processors = sysconf(_SC_NPROCESSORS_ONLN);

        server.worker_count = (int)(wanted > 0 ? wanted : processors > 0 ? processors : 1);
        if (server.worker_count > WORKERS_MAX)
                server.worker_count = WORKERS_MAX;
        for (int i = 0; i < server.worker_count; i++) {
                char name[32];
                snprintf(name, sizeof(name), "worker-%d", i + 1);
                server.workers[i] = worker_new(name, i);
        }
        home_set_workers(server.workers, server.worker_count);
}

/* A handler that takes long delays everyone on its worker: say which one it was. */
static void
watch_workers(struct timer *timer)
{
        for (int i = 0; i < server.worker_count; i++) {
                uint64_t ms = worker_busy_ms(server.workers[i]);
                if (ms >= BUSY_MS && ms < BUSY_MS + WATCH_MS)
                        log_warn(&scope, "%s has been in one handler for %llu ms", worker_name(server.workers[i]),
                                (unsigned long long)ms);
        }
        admin_watch_handlers();
        timer_start(timer, WATCH_MS, watch_workers);
}

static void
take_settings(void *unused)
{
        c2s_take_settings();
        component_check_streams();
        s2s_take_settings();
}

/* All ports or none: a refused configuration leaves the old ones as they were. */
static int
open_ports(const struct snapshot *snapshot, struct err *err)
{
        bool all = c2s_listen(snapshot, err) == 0 && s2s_listen(snapshot, err) == 0 && component_listen(snapshot, err) == 0;

        c2s_settle_ports(all);
        s2s_settle_ports(all);
        component_settle_ports(all);
        return all ? 0 : -1;
}

static int
reload(struct buf *text)
{
        struct buf errors = { 0 }, warnings = { 0 };
        struct snapshot *snapshot = settings_load(server.file, &errors, &warnings);
        struct buf restart = { 0 };
        struct err err;
        int outcome = -1;

        daemon_tell_systemd("RELOADING=1");
        daemon_log_lines(&scope, LOG_WARN, &warnings);
        if (snapshot == NULL) {
                buf_put(text, buf_data(&errors), errors.len);
                daemon_log_lines(&scope, LOG_ERROR, &errors);
                log_error(&scope, "the new configuration is refused, the old one stays in force");
                goto out;
        }
        if (open_ports(snapshot, &err) != 0) {
                buf_puts(text, err.text);
                log_error(&scope, "%s; the old configuration stays in force", err.text);
                goto out;
        }
        if (config_needs_restart(settings_rules(), snapshot_now()->config, snapshot->config, &restart)) {
                log_warn(&scope, "these settings take effect at the next start only: %s", buf_text(&restart));
                buf_printf(text, "these settings take effect at the next start only: %s", buf_text(&restart));
        }
        daemon_set_log(snapshot->config);
        snapshot_put_in_force(snapshot, NULL, NULL);
        home_visit_all(take_settings, NULL, NULL);
        log_info(&scope, "reloaded %s", server.file);
        outcome = 0;
out:
        snapshot_unref(&snapshot);
        buf_free(&restart);
        buf_free(&errors);
        buf_free(&warnings);
        daemon_tell_systemd("READY=1");
        return outcome;
}

/*
 * Stopping: streams get their closing handshake; then two rounds through all mailboxes and the writer of the store, the second for what the
 * first has set off; then each worker gives back what it holds and ends, and the main loop does.
 */
static void
end_main(void *unused)
{
        snapshot_leave();
        worker_stop(server.self);
}

static void
end_worker(void *unused)
{
        s2s_stop();
        resolver_stop();
        user_stop();
        directory_stop();
        snapshot_leave();
        worker_stop(worker_here());
}

static void
close_streams(void *unused)
{
        c2s_stop_streams();
        component_stop_streams();
        s2s_stop_streams();
}

static void
count_streams(void *unused)
{
        uint64_t streams, negotiating;

        c2s_count(&streams, &negotiating);
        atomic_fetch_add(&server.streams_left, streams);
        s2s_count(&streams, &negotiating);
        atomic_fetch_add(&server.streams_left, streams);
}

static void
note_drained(void *unused, enum store_outcome outcome)
{
        atomic_fetch_sub(&server.drains_left, 1);
}

static void
drain_here(void *unused)
{
        batch_commit(batch_new(server.store), note_drained, NULL);
}

static void
drain_or_end(struct timer *timer)
{
        if (atomic_load(&server.drains_left) > 0) {
                timer_start(timer, POLL_MS, drain_or_end);
        } else if (server.drains++ < DRAINS) {
                atomic_store(&server.drains_left, (uint64_t)server.worker_count);
                home_visit_all(drain_here, NULL, NULL);
                timer_start(timer, POLL_MS, drain_or_end);
        } else {
                home_visit_all(end_worker, end_main, NULL);
        }
}

static void look_for_streams(struct timer *timer);

static void
drain_or_wait(void *unused)
{
        if (atomic_load(&server.streams_left) == 0 || worker_now() >= server.patience_ends)
                drain_or_end(&server.patience);
        else
                timer_start(&server.patience, POLL_MS, look_for_streams);
}

static void
look_for_streams(struct timer *timer)
{
        atomic_store(&server.streams_left, 0);
        home_visit_all(count_streams, drain_or_wait, NULL);
}

static void
begin_wait(void *unused)
{
        look_for_streams(&server.patience);
}

static void
stop(int signal_number)
{
        if (server.is_stopping)
                _exit(EXIT_CLEAN); /* asked twice: at once; what was acknowledged is on disk */
        server.is_stopping = true;
        server.patience_ends = worker_now() + STOP_MS;
        log_info(&scope, "stopping");
        daemon_tell_systemd("STOPPING=1");
        timer_stop(&server.watch);
        c2s_stop_listening();
        s2s_stop_listening();
        component_stop_listening();
        admin_stop();
        home_visit_all(close_streams, begin_wait, NULL);
}

static void
reload_by_signal(int signal_number)
{
        struct buf text = { 0 };

        reload(&text);
        buf_free(&text);
}

/* Everything that can go wrong for the world's reasons, before the first client is let in. */
static int
open_doors(const struct snapshot *snapshot, struct err *err)
{
        const struct section *top = config_top(snapshot->config);

        if (admin_start(config_text(top, "control"), server.store, &(struct admin_doors){ .reload = reload }, err) != 0)
                return -1;
        return open_ports(snapshot, err);
}

/* What is rare otherwise: letters of different workers that meet in another order, a disk that is slow or fails. */
static void
obey_tests(void)
{
        const char *seed = getenv("TEST_DELAY_LETTERS"), *commit = getenv("TEST_SLOW_COMMITS"), *sync = getenv("TEST_SLOW_SYNCS");

        if (seed != NULL)
                mailbox_delay_at_random((unsigned)atoi(seed));
        if (commit != NULL)
                store_make_slow(server.store, (unsigned)atoi(commit));
        if (sync != NULL)
                journal_make_slow((unsigned)atoi(sync));
}

static int
run(struct snapshot *snapshot)
{
        struct err err;
        int status = EXIT_CLEAN;

        daemon_set_log(snapshot->config);
        if (open_store(snapshot, &err) != 0) {
                log_error(&scope, "cannot start: %s", err.text);
                return EXIT_CANNOT_START;
        }
        obey_tests();
        make_workers(snapshot);
        directory_start(config_top(snapshot->config));
        sasl_start(server.store);
        account_index_all(server.store);
        user_start(server.store);
        route_set_doors(&(struct route_doors){ server_receive, user_receive, component_receive, s2s_send });
        server.self = worker_new("main", -1);
        worker_enter(server.self);
        snapshot_put_in_force(snapshot, NULL, NULL);
        s2s_start(server.store);
        bool is_ready = sm_start(config_text(config_top(snapshot->config), "state-dir"), &err) == 0;
        for (int i = 0; i < server.worker_count; i++)
                worker_start(server.workers[i]);

        if (is_ready && open_doors(snapshot, &err) == 0) {
                signal_watch(SIGTERM, stop);
                signal_watch(SIGINT, stop);
                signal_watch(SIGHUP, reload_by_signal);
                timer_start(&server.watch, WATCH_MS, watch_workers);
                log_info(&scope, "ready workers=%d", server.worker_count);
                daemon_tell_systemd("READY=1\nSTATUS=ready");
        } else {
                log_error(&scope, "cannot start: %s", err.text);
                status = EXIT_CANNOT_START;
                stop(0);
        }
        worker_run(server.self);

        for (int i = 0; i < server.worker_count; i++) {
                worker_join(server.workers[i]);
                worker_free(&server.workers[i]);
        }
        worker_free(&server.self);
        sasl_stop();
        store_close(&server.store);
        if (status == EXIT_CLEAN)
                log_info(&scope, "stopped");
        return status;
}

int
main(int argc, char **argv)
{
        struct daemon_options options;
        int status;

        if (!daemon_read_options(&options, argc, argv, &status))
                return status;
        daemon_prepare();
        extend_start(xep_all);
        server.file = options.file;
        struct snapshot *snapshot = load(server.file);
        if (snapshot == NULL)
                return EXIT_CONFIGURATION;
        status = options.only_check ? EXIT_CLEAN : run(snapshot);
        snapshot_unref(&snapshot);
        return status;
}
