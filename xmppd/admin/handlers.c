/*
 * handlers.c - which handlers take more than their share of CPU time: for the status, and a line in the log now and then
 */
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/loop/handler.h"
#include "xmppd/admin/admin.h"
#include "xmppd/admin/admin_private.h"
#include "xmppd/route/home.h"

enum { LINES_MS = 60 * 1000 };

static const struct log_scope scope = { .room = "main" };

/* Of the main thread, which also has a loop. */
static struct worker *
worker_at(int i)
{
        return i < home_count() ? home_worker(i) : worker_here();
}

void
admin_write_long_handlers(struct json_writer *json)
{
        struct long_handler all[HANDLER_NAMES];

        json_open_array(json, "long-handlers");
        for (int i = 0; i <= home_count(); i++) {
                size_t count = handler_long(worker_at(i), all);
                for (size_t j = 0; j < count; j++) {
                        json_open_object(json, NULL);
                        json_put_text(json, "worker", worker_name(worker_at(i)));
                        json_put_text(json, "handler", all[j].name);
                        json_put_number(json, "count", (int64_t)all[j].count);
                        json_put_number(json, "longest-ms", (int64_t)(all[j].longest_us / 1000));
                        json_close_object(json);
                }
        }
        json_close_array(json);
}

void
admin_watch_handlers(void)
{
        static uint64_t told, told_at;
        struct long_handler all[HANDLER_NAMES];
        uint64_t total = 0, now = clock_mono_ms();

        if (told_at != 0 && now - told_at < LINES_MS)
                return;
        for (int i = 0; i <= home_count(); i++) {
                size_t count = handler_long(worker_at(i), all);
                for (size_t j = 0; j < count; j++)
                        total += all[j].count;
        }
        if (total == told)
                return;
        log_warn(&scope, "%llu handlers took more than %d ms of CPU time; xmppctl status says which",
                (unsigned long long)(total - told), HANDLER_LONG_MS);
        told = total;
        told_at = now;
}
