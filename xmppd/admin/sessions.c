/*
 * sessions.c - what is going on
 */
#include "shared/base/mem.h"
#include "shared/loop/worker.h"
#include "xmppd/admin/admin_private.h"
#include "xmppd/c2s/c2s.h"
#include "xmppd/component/component.h"
#include "xmppd/route/home.h"
#include "xmppd/route/snapshot.h"
#include "xmppd/s2s/s2s.h"
#include "xmppd/sasl/throttle.h"
#include "xmppd/user/caps.h"
#include "xmppd/user/session.h"
#include "xmppd/user/mail.h"
#include "xmppd/user/user.h"

static void
write_session(void *arg, struct session *session)
{
        struct json_writer *json = arg;
        const char *name = caps_name(session);
        char edge[120];

        session->edge->describe(session->edge_owner, edge, sizeof(edge));
        json_open_object(json, NULL);
        json_put_text(json, "jid", session->jid.full);
        json_put_text(json, "connection", edge);
        json_put_text(json, "presence", session->presence == NULL ? "none" : "available");
        json_put_number(json, "priority", session->priority);
        json_put_number(json, "opened", session->opened);
        json_put_number(json, "worker", worker_index(worker_here()) + 1);
        json_put_text(json, "client", name != NULL ? name : "");
        json_close_object(json);
}

static void
list_sessions_here(void *arg)
{
        user_each_session(write_session, &inquiry_part(arg)->lists[0].json);
}

static void
answer_sessions(void *arg)
{
        inquiry_answer(arg, "sessions", NULL);
}

void
admin_sessions(struct control_request *request, int argc, char *const *argv)
{
        home_visit_all(list_sessions_here, answer_sessions, inquiry_new(request));
}

static void
write_component(void *arg, const char *domain, const char *peer, uint64_t in, uint64_t out, int64_t opened)
{
        struct json_writer *json = arg;

        json_open_object(json, NULL);
        json_put_text(json, "domain", domain);
        json_put_text(json, "peer", peer);
        json_put_number(json, "in", (int64_t)in);
        json_put_number(json, "out", (int64_t)out);
        json_put_number(json, "opened", opened);
        json_close_object(json);
}

static void
list_components_here(void *arg)
{
        component_each(write_component, &inquiry_part(arg)->lists[0].json);
}

static void
answer_components(void *arg)
{
        inquiry_answer(arg, "components", NULL);
}

void
admin_components(struct control_request *request, int argc, char *const *argv)
{
        home_visit_all(list_components_here, answer_components, inquiry_new(request));
}

static void
count_session(void *arg, struct session *session)
{
        ++*(uint64_t *)arg;
}

static void
count_component(void *arg, const char *domain, const char *peer, uint64_t in, uint64_t out, int64_t opened)
{
        ++*(uint64_t *)arg;
}

static void
count_here(void *arg)
{
        struct inquiry_part *part = inquiry_part(arg);

        user_each_session(count_session, &part->sessions);
        component_each(count_component, &part->components);
        c2s_count(&part->streams, &part->negotiating);
        s2s_count(&part->s2s_streams, &part->s2s_negotiating);
}

static void
write_domains(struct json_writer *json)
{
        size_t at = 0;
        const struct domain *domain;

        json_open_array(json, "domains");
        while ((domain = map_next(snapshot_now()->domains, &at)) != NULL) {
                json_open_object(json, NULL);
                json_put_text(json, "name", domain->name);
                json_put_text(json, "kind", domain->kind == DOMAIN_LOCAL ? "local" : domain->sip ? "sip" : "component");
                json_close_object(json);
        }
        json_close_array(json);
}

static void
write_store(struct json_writer *json)
{
        struct store_counters counters;

        store_counters(admin_store, &counters);
        json_open_object(json, "store");
        json_put_number(json, "commits", (int64_t)counters.commits);
        json_put_number(json, "batches", (int64_t)counters.batches);
        json_put_number(json, "failed", (int64_t)counters.failed);
        json_put_number(json, "bytes", (int64_t)counters.bytes);
        json_put_number(json, "longest-commit-us", (int64_t)counters.commit_us_max);
        json_close_object(json);
}

static void
write_logins(struct json_writer *json)
{
        struct throttle_counters counters;

        throttle_counters(&counters);
        json_open_object(json, "logins");
        json_put_number(json, "refused", (int64_t)counters.refused);
        json_put_number(json, "delayed", (int64_t)counters.delayed);
        json_put_number(json, "longest-delay-ms", (int64_t)counters.longest_ms);
        json_close_object(json);
}

static void
answer_status(void *arg)
{
        struct inquiry *inquiry = arg;
        struct inquiry_part sum = { 0 };
        struct buf out = { 0 };
        struct json_writer json = { .out = &out };

        for (int i = 0; i < home_count(); i++) {
                sum.sessions += inquiry->parts[i].sessions;
                sum.streams += inquiry->parts[i].streams;
                sum.negotiating += inquiry->parts[i].negotiating;
                sum.components += inquiry->parts[i].components;
                sum.s2s_streams += inquiry->parts[i].s2s_streams;
                sum.s2s_negotiating += inquiry->parts[i].s2s_negotiating;
        }
        json_open_object(&json, NULL);
        json_put_text(&json, "version", PACKAGE_VERSION);
        json_put_number(&json, "workers", home_count());
        json_put_number(&json, "sessions", (int64_t)sum.sessions);
        json_put_number(&json, "streams", (int64_t)sum.streams);
        json_put_number(&json, "negotiating", (int64_t)sum.negotiating);
        json_put_number(&json, "components", (int64_t)sum.components);
        json_put_number(&json, "s2s", (int64_t)sum.s2s_streams);
        json_put_number(&json, "s2s-negotiating", (int64_t)sum.s2s_negotiating);
        json_put_number(&json, "mail-dropped", (int64_t)mail_dropped());
        write_domains(&json);
        write_logins(&json);
        write_store(&json);
        admin_write_long_handlers(&json);
        json_close_object(&json);
        common_answer(inquiry->request, &out);
        mem_free(inquiry);
}

void
admin_status(struct control_request *request, int argc, char *const *argv)
{
        home_visit_all(count_here, answer_status, inquiry_new(request));
}
