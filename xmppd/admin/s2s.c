/*
 * s2s.c - streams with other servers, and the domains at the other end
 */
#include "shared/base/mem.h"
#include "xmppd/admin/admin_private.h"
#include "xmppd/route/home.h"
#include "xmppd/s2s/s2s.h"

static void
write_stream(void *arg, const struct s2s_view *view)
{
        struct json_writer *json = arg;

        json_open_object(json, NULL);
        json_put_text(json, "remote", view->remote);
        json_put_text(json, "local", view->local);
        json_put_text(json, "direction", view->is_bidirectional ? "both" : view->is_incoming ? "in" : "out");
        json_put_text(json, "state", view->state);
        json_put_text(json, "peer", view->peer);
        json_put_text(json, "tls", view->tls);
        json_put_text(json, "proof", view->proof);
        json_put_bool(json, "sm", view->has_sm);
        json_put_number(json, "in", (int64_t)view->in);
        json_put_number(json, "out", (int64_t)view->out);
        json_put_number(json, "opened", view->opened);
        json_put_number(json, "idle", (int64_t)(view->silent_ms / 1000));
        json_close_object(json);
}

/* Why the last attempt did not succeed; NULL: it did, or there was none. */
static const char *
last_cause(const struct attempts *attempts)
{
        enum cause cause = CAUSE_NONE;

        for (LIST_EACH(each, &attempts->list, struct attempt, in_attempts))
                cause = each->cause;
        return cause == CAUSE_NONE ? NULL : cause_row(cause)->code;
}

static void
write_remote(void *arg, const struct s2s_remote_view *view)
{
        struct json_writer *json = arg;

        json_open_object(json, NULL);
        json_put_text(json, "domain", view->domain);
        json_put_number(json, "waiting", (int64_t)view->waiting);
        json_put_number(json, "retry-ms", (int64_t)view->retry_ms);
        json_put_text(json, "cause", last_cause(view->attempts));
        json_close_object(json);
}

static void
list_here(void *arg)
{
        struct inquiry_part *part = inquiry_part(arg);

        s2s_each(write_stream, &part->lists[0].json);
        s2s_each_remote(write_remote, &part->lists[1].json);
}

static void
answer(void *arg)
{
        inquiry_answer(arg, "streams", "domains");
}

void
admin_s2s(struct control_request *request, int argc, char *const *argv)
{
        home_visit_all(list_here, answer, inquiry_new(request));
}
