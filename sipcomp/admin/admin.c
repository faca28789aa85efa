/*
 * admin.c - the commands of the control socket; those that are longer have files of their own
 */
#include "sipcomp/admin/admin.h"

#include "shared/base/json.h"
#include "shared/base/mem.h"
#include "shared/control/common.h"
#include "sipcomp/admin/admin_private.h"

static struct admin_doors doors;
static struct control *control;
static struct gateway *gateway;

static void
put_counters(struct json_writer *json, const char *domain)
{
        struct simple_counters counters;
        gateway_counters(gateway, domain, &counters);
        json_put_number(json, "watches", (int64_t)counters.watches);
        json_put_number(json, "watchers", (int64_t)counters.watchers);
        json_put_number(json, "sessions", (int64_t)counters.sessions);
        json_put_number(json, "waiting_texts", (int64_t)counters.waiting_texts);
}

void
admin_put_domains(struct json_writer *json)
{
        const struct federation *federation = gateway_federation(gateway);
        json_open_array(json, "domains");
        for (size_t i = 0; i < federation_count(federation); i++) {
                const struct foreign_domain *domain = federation_at(federation, i);
                json_open_object(json, NULL);
                json_put_text(json, "domain", domain->name);
                json_put_text(json, "type", domain->dialect->name);
                json_put_text(json, "description", domain->description);
                json_put_bool(json, "attached", gateway_is_attached(gateway, domain->name));
                put_counters(json, domain->name);
                json_close_object(json);
        }
        json_close_array(json);
}

static void
put_connections(struct json_writer *json)
{
        struct sip_transport *transport = sip_transactions_transport(gateway_transactions(gateway));
        struct sip_flow *flow;
        json_open_array(json, "connections");
        for (size_t at = 0; (flow = sip_transport_each(transport, &at)) != NULL;)
                json_put_text(json, NULL, sip_flow_text(flow));
        json_close_array(json);
}

static void
tell_status(struct control_request *request, int argc, char *const *argv)
{
        struct buf out = { 0 };
        struct json_writer json = { .out = &out };
        json_open_object(&json, NULL);
        json_put_text(&json, "program", "sipcomp");
        put_counters(&json, NULL);
        json_put_number(&json, "requests_under_way", (int64_t)sip_client_count(gateway_transactions(gateway)));
        json_put_number(&json, "requests_unanswered", (int64_t)sip_server_count(gateway_transactions(gateway)));
        admin_put_domains(&json);
        put_connections(&json);
        json_close_object(&json);
        common_answer(request, &out);
}

static void
tell_dialogs(struct control_request *request, int argc, char *const *argv)
{
        dialogs_tell(gateway, request, argc, argv);
}

static void
tell_peers(struct control_request *request, int argc, char *const *argv)
{
        peers_tell(gateway, request, argc, argv);
}

static void
explain(struct control_request *request, int argc, char *const *argv)
{
        explain_tell(gateway, request, argc, argv);
}

static void
trace(struct control_request *request, int argc, char *const *argv)
{
        trace_tell(gateway, request, argc, argv);
}

static void
tell_routes(struct control_request *request, int argc, char *const *argv)
{
        routes_tell(gateway, request, argc, argv);
}

static void
reload(struct control_request *request, int argc, char *const *argv)
{
        common_reload(request, doors.reload);
}

/* clang-format off */
static const struct control_command commands[] = {
        { "status", tell_status }, { "dialogs", tell_dialogs }, { "peers", tell_peers }, { "routes", tell_routes }, { "trace", trace }, { "explain", explain }, { "reload", reload }, { "log", common_log }, { 0 },
};
/* clang-format on */

int
admin_start(const char *socket_path, struct gateway *of, const struct admin_doors *all, struct err *err)
{
        gateway = of;
        doors = *all;
        control = control_open(socket_path, commands, err);
        return control == NULL ? -1 : 0;
}

void
admin_stop(void)
{
        routes_stop();
        trace_stop();
        explain_stop();
        if (control != NULL)
                control_close(&control);
}
