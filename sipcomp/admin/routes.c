/*
 * routes.c - `routes DOMAIN`: how its hops are found, in the order in which the next request would try them, and how each of them is
 */
#include "shared/base/json.h"
#include "shared/base/list.h"
#include "shared/base/mem.h"
#include "shared/control/common.h"
#include "sipcomp/admin/admin_private.h"
#include "sipcomp/route/search.h"

#include <string.h>

/* A question that waits for DNS. */
struct question {
        struct link link;
        struct control_request *request;
        struct gateway *gateway;
        char domain[256];
        struct sip_search *search;
        struct buf out;
        struct json_writer json;
};

static struct list questions;

static void
free_question(struct question *question)
{
        route_search_end(&question->search);
        list_remove(&questions, &question->link);
        buf_free(&question->out);
        mem_free(question);
}

static void
put_hop(struct question *question, const struct sip_hop *hop)
{
        static const char *const states[] = { [SIP_HOP_UNTRIED] = "untried", [SIP_HOP_UP] = "up", [SIP_HOP_DOWN] = "down" };
        struct sip_transport *transport = sip_transactions_transport(gateway_transactions(question->gateway));
        struct json_writer *json = &question->json;
        struct sip_hop_report report;

        sip_transport_report(transport, hop, &report);
        json_open_object(json, NULL);
        json_put_text(json, "host", hop->host);
        json_put_number(json, "port", hop->port);
        json_put_text(json, "transport", hop->wire == SIP_TCP ? "tcp" : "tls");
        json_put_text(json, "state", states[report.state]);
        if (report.state != SIP_HOP_UNTRIED)
                json_put_number(json, "since", (int64_t)(report.since_ms / 1000));
        if (report.why[0] != '\0')
                json_put_text(json, "why", report.why);
        if (report.probe_in_ms > 0)
                json_put_number(json, "next_probe", (int64_t)(report.probe_in_ms / 1000));
        json_close_object(json);
}

static void
put_subjects(struct question *question)
{
        const char *subjects[FEDERATION_SUBJECTS];
        size_t count = federation_subjects(gateway_federation(question->gateway), question->domain, subjects);
        json_open_array(&question->json, "subjects");
        for (size_t i = 0; i < count; i++)
                json_put_text(&question->json, NULL, subjects[i]);
        json_close_array(&question->json);
}

static void
note_step(void *arg, bool is_found, const char *text)
{
        struct question *question = arg;
        json_put_text(&question->json, NULL, text);
}

static void
answer(void *arg, const struct sip_hop *hops, size_t count, const char *why)
{
        struct question *question = arg;
        struct json_writer *json = &question->json;

        question->search = NULL;
        json_close_array(json);
        json_open_array(json, "hops");
        for (size_t i = 0; i < count; i++)
                put_hop(question, &hops[i]);
        json_close_array(json);
        if (count == 0)
                json_put_text(json, "why", why);
        put_subjects(question);
        json_close_object(json);
        common_answer(question->request, &question->out);
        free_question(question);
}

void
routes_tell(struct gateway *gateway, struct control_request *request, int argc, char *const *argv)
{
        const struct foreign_domain *domain = argc == 1 ? federation_domain(gateway_federation(gateway), argv[0]) : NULL;
        if (argc != 1) {
                control_refuse(request, "routes DOMAIN");
                return;
        }
        if (domain == NULL) {
                control_refuse(request, "there is no sip-domain \"%.100s\"; define it in federation.conf", argv[0]);
                return;
        }
        struct question *question = MEM_NEW(question);
        question->request = request;
        question->gateway = gateway;
        strcpy(question->domain, domain->name);
        question->json.out = &question->out;
        list_append(&questions, &question->link);
        json_open_object(&question->json, NULL);
        json_put_text(&question->json, "domain", domain->name);
        json_open_array(&question->json, "steps");
        struct route_wish wish = { .domain = domain->name, .noted = note_step };
        struct sip_search *search = route_search(gateway_federation(gateway), &wish, answer, question);
        if (search != NULL) /* otherwise the question is answered and gone */
                question->search = search;
}

void
routes_stop(void)
{
        for (LIST_EACH(question, &questions, struct question, link))
                free_question(question);
}
