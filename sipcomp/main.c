/*
 * main.c - start and stop of the gateway, read from top to bottom
 *
 * One worker does it all: a gateway spends its life waiting. The store's writer is the only other thread.
 */
#include "shared/base/buf.h"
#include "shared/base/err.h"
#include "shared/base/log.h"
#include "shared/control/daemon.h"
#include "shared/loop/signals.h"
#include "shared/loop/timer.h"
#include "shared/loop/worker.h"
#include "shared/store/store.h"
#include "sipcomp/admin/admin.h"
#include "sipcomp/bridge/gateway.h"
#include "sipcomp/settings.h"
#include "sipcomp/simple/simple.h"

#include <signal.h>
#include <unistd.h>

enum { STOP_MS = 3000 };

static const struct log_scope scope = { .room = "main" };

static struct {
        const char *file;
        struct worker *worker;
        struct store *store;
        struct config *config;
        struct gateway *gateway;
        bool is_stopping;
} program;

/* What the tables cannot check: routes and peers that fit together. */
static struct config *
load(struct buf *errors, struct buf *warnings)
{
        struct config *config = sipcomp_settings_read(program.file, errors, warnings);
        struct err err;
        if (config == NULL)
                return NULL;
        struct federation *federation = federation_new(config, NULL, &err);
        if (federation == NULL) {
                buf_printf(errors, "%s\n", err.text);
                config_unref(&config);
                return NULL;
        }
        federation_free(&federation);
        return config;
}

/* --- Reload. */

static int
reload(struct buf *text)
{
        struct buf errors = { 0 }, warnings = { 0 }, restart = { 0 };
        struct err err;
        int outcome = -1;

        daemon_tell_systemd("RELOADING=1");
        struct config *config = load(&errors, &warnings);
        daemon_log_lines(&scope, LOG_WARN, &warnings);
        if (config == NULL) {
                buf_put(text, buf_data(&errors), errors.len);
        } else if (gateway_reload(program.gateway, config, &err) != 0) {
                buf_puts(text, err.text);
        } else {
                if (config_needs_restart(sipcomp_settings_rules(), program.config, config, &restart))
                        buf_printf(text, "these settings take effect at the next start only: %s", buf_text(&restart));
                daemon_set_log(config);
                config_unref(&program.config);
                program.config = config_ref(config);
                outcome = 0;
        }
        daemon_log_lines(&scope, outcome == 0 ? LOG_WARN : LOG_ERROR, text);
        if (outcome == 0)
                log_info(&scope, "reloaded %s", program.file);
        else
                log_error(&scope, "the new configuration is refused, the old one stays in force");
        if (config != NULL)
                config_unref(&config);
        buf_free(&restart);
        buf_free(&errors);
        buf_free(&warnings);
        daemon_tell_systemd("READY=1");
        return outcome;
}

static void
reload_by_signal(int number)
{
        struct buf text = { 0 };
        if (!program.is_stopping)
                reload(&text);
        buf_free(&text);
}

/* --- Stop. */

/* All that was handed to the store before is on disk. */
static void
end(void *unused, enum store_outcome outcome)
{
        gateway_free(&program.gateway);
        worker_stop(program.worker);
}

static void
wait_for_store(void *unused)
{
        batch_commit(batch_new(program.store), end, NULL);
}

static void
stop(int number)
{
        if (program.is_stopping)
                _exit(EXIT_CLEAN); /* asked twice: at once; what was acknowledged is on disk */
        program.is_stopping = true;
        log_info(&scope, "stopping");
        daemon_tell_systemd("STOPPING=1");
        admin_stop();
        gateway_stop(program.gateway, STOP_MS, wait_for_store, NULL);
}

/* --- Start. */

static int
open_store(struct err *err)
{
        const struct section *top = config_top(program.config);
        struct store_options options = {
                .dir = config_text(top, "state-dir"),
                .program = "sipcomp",
                .format = SIMPLE_FORMAT,
                .tables = simple_tables,
                .map_mib = (size_t)config_number(section_of(top, "store"), "map-size"),
        };
        program.store = store_open(&options, err);
        return program.store == NULL ? -1 : 0;
}

static int
open_doors(struct err *err)
{
        program.gateway = gateway_new(program.config, program.store, err);
        if (program.gateway == NULL)
                return -1;
        return admin_start(config_text(config_top(program.config), "control"), program.gateway,
                &(struct admin_doors){ .reload = reload }, err);
}

static int
run(void)
{
        struct err err;
        int status = EXIT_CLEAN;

        daemon_set_log(program.config);
        program.worker = worker_new("main", 0);
        worker_enter(program.worker);
        if (open_store(&err) == 0 && open_doors(&err) == 0) {
                signal_watch(SIGTERM, stop);
                signal_watch(SIGINT, stop);
                signal_watch(SIGHUP, reload_by_signal);
                log_info(&scope, "ready domains=%zu", federation_count(gateway_federation(program.gateway)));
                daemon_tell_systemd("READY=1\nSTATUS=ready");
        } else {
                log_error(&scope, "cannot start: %s", err.text);
                status = EXIT_CANNOT_START;
                gateway_free(&program.gateway);
                worker_stop(program.worker);
        }
        worker_run(program.worker);
        if (program.store != NULL)
                store_close(&program.store);
        worker_free(&program.worker);
        if (status == EXIT_CLEAN)
                log_info(&scope, "stopped");
        return status;
}

int
main(int argc, char **argv)
{
        struct buf errors = { 0 }, warnings = { 0 };
        struct daemon_options options;
        int status;

        if (!daemon_read_options(&options, argc, argv, &status))
                return status;
        daemon_prepare();
        program.file = options.file;
        program.config = load(&errors, &warnings);
        daemon_print_lines("warning: ", &warnings);
        daemon_print_lines("", &errors);
        buf_free(&errors);
        buf_free(&warnings);
        if (program.config == NULL)
                return EXIT_CONFIGURATION;
        status = options.only_check ? EXIT_CLEAN : run();
        config_unref(&program.config);
        return status;
}
