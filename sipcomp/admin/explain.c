/*
 * explain.c - `explain DOMAIN`: the whole way to a SIP domain, step by step, and which step fails
 *
 * All hops are tried at the same time, beside the connections that are there; the verdict is that of the first thing that fails on the way. What only
 * raises a doubt counts where nothing else is wrong.
 */
#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "sipcomp/admin/explain_private.h"
#include "sipcomp/dialect/diagnostics.h"
#include "sipcomp/simple/failure.h"

#include <stdio.h>
#include <string.h>

enum { EXPLANATIONS_MAX = 64 };

static struct list explanations;

/* --- the end */

static void
conclude(struct explanation *explanation, const struct explain_verdict *verdict)
{
        list_remove(&explanations, &explanation->link);
        explain_finish(explanation, verdict);
}

/* Of the hops the first one that serves, or else the first. */
static const struct explain_verdict *
verdict_of_hops(const struct explanation *explanation)
{
        for (size_t i = 0; i < explanation->try_count; i++)
                if (explanation->tries[i].verdict.cause == SIP_CAUSE_NONE)
                        return &explanation->tries[i].verdict;
        return &explanation->tries[0].verdict;
}

void
explain_settle(struct explanation *explanation)
{
        if (--explanation->pending > 0)
                return;
        explain_late(explanation);
        const struct explain_verdict *verdict = &explanation->xmpp;
        if (verdict->cause == SIP_CAUSE_NONE)
                verdict = explanation->try_count > 0 ? verdict_of_hops(explanation) : &explanation->route;
        if (verdict->cause == SIP_CAUSE_NONE && explanation->doubt.cause != SIP_CAUSE_NONE)
                verdict = &explanation->doubt;
        conclude(explanation, verdict);
}

/* --- the hops */

void
explain_name_subject(const struct explain_try *try, struct explain_verdict *verdict, const char *shown)
{
        const char *subjects[FEDERATION_SUBJECTS];
        size_t count = federation_subjects(gateway_federation(try->explanation->gateway), try->explanation->domain, subjects);
        const char *subject = shown != NULL ? shown : count > 0 ? subjects[0] : try->hop.host;

        snprintf(verdict->subject, sizeof(verdict->subject), "%s", subject);
        snprintf(verdict->host, sizeof(verdict->host), "%s", try->hop.host);
}

static void
hear_step(void *owner, enum sip_step step, enum sip_cause cause, const char *text)
{
        struct explain_try *try = owner;
        explain_note(try->explanation, &try->notes, step, cause, "%s", text);
}

/* What the other side says of its reasons is worth more than what the table says of the status. */
static void
take_reasons(struct explain_try *try, const struct sip_message *answer)
{
        struct diagnostics found;
        char text[FAILURE_TEXT];

        snprintf(try->verdict.detail, sizeof(try->verdict.detail), "%s", failure_text(text, answer, NULL));
        if (!diagnostics_read(&found, answer))
                return;
        explain_note(
                try->explanation, &try->notes, SIP_STEP_ANSWER, SIP_CAUSE_NONE, "it says: %s \"%s\"", found.header, found.said);
        if (found.advice != NULL)
                snprintf(try->verdict.advice, sizeof(try->verdict.advice), "%s", found.advice);
}

/* Edges call on connections of their own: without a sip-peer not even a NOTIFY is taken on them. */
static void
ask_for_peer(struct explain_try *try, const struct sip_trial_end *end)
{
        struct explanation *explanation = try->explanation;
        const char *subjects[FEDERATION_SUBJECTS];

        if (try->hop.wire != SIP_TLS ||
                federation_subjects(gateway_federation(explanation->gateway), explanation->domain, subjects) > 0)
                return;
        if (explanation->doubt.cause != SIP_CAUSE_NO_PEER)
                explain_note(explanation, &explanation->after, SIP_STEP_INCOMING, SIP_CAUSE_NO_PEER,
                        "its certificate is %s; no sip-peer speaks for the domain",
                        end->subject != NULL ? end->subject : "unknown");
        explain_blame(&explanation->doubt, SIP_CAUSE_NO_PEER, "%s", "");
        explain_name_subject(try, &explanation->doubt, end->subject);
}

static void
see_hop(void *owner, const struct sip_trial_end *end)
{
        struct explain_try *try = owner;
        struct explanation *explanation = try->explanation;
        enum sip_cause cause = end->cause;

        try->trial = NULL;
        for (size_t i = 0; i < end->address_count && i < EXPLAIN_ADDRESSES; i++)
                address_format_host(try->addresses[try->address_count++], &end->addresses[i]);
        if (explanation->by_name && cause != SIP_CAUSE_NONE && sip_cause_row(cause)->step <= SIP_STEP_CONNECT)
                cause = SIP_CAUSE_NO_SRV;
        if (cause != SIP_CAUSE_NONE) {
                explain_blame(&try->verdict, cause, "%s port %u: %s", try->hop.host, try->hop.port, end->detail);
                explain_name_subject(try, &try->verdict, end->subject);
                if (end->answer != NULL)
                        take_reasons(try, end->answer);
        } else {
                ask_for_peer(try, end);
        }
        explain_settle(explanation);
}

static const struct sip_trial_events hop_events = { hear_step, see_hop };

static void
try_hop(struct explanation *explanation, const struct sip_hop *hop)
{
        struct sip_transport *transport = sip_transactions_transport(gateway_transactions(explanation->gateway));
        struct explain_try *try = &explanation->tries[explanation->try_count++];
        const struct sip_trial_wish wish = { .hop = hop, .domain = explanation->domain, .from = explanation->local };

        try->explanation = explanation;
        try->hop = *hop;
        explain_note(explanation, &try->notes, SIP_STEP_ROUTE, SIP_CAUSE_NONE, "hop %s port %u over %s", hop->host, hop->port,
                sip_wire_name(hop->wire));
        explanation->pending++;
        try->trial = sip_trial_start(transport, &wish, &hop_events, try);
}

/* --- the route */

static enum sip_cause
cause_of_route(const struct explanation *explanation, const char *why)
{
        if (strstr(why, "not offered") != NULL)
                return SIP_CAUSE_NOT_OFFERED;
        return strstr(why, "look-up failed") != NULL ? SIP_CAUSE_DNS_FAILED : SIP_CAUSE_NO_SRV;
}

static void
hear_way(void *arg, bool is_found, const char *text)
{
        struct explanation *explanation = arg;
        enum sip_step step = text[0] == '_' ? SIP_STEP_DNS : SIP_STEP_ROUTE;

        explanation->by_name |= text_starts(text, "no SRV record: ");
        explain_note(explanation, &explanation->before, step, SIP_CAUSE_NONE, "%s", text);
}

static void
see_hops(void *arg, const struct sip_hop *hops, size_t count, const char *why)
{
        struct explanation *explanation = arg;

        explanation->search = NULL;
        for (size_t i = 0; i < count && i < array_len(explanation->tries); i++)
                try_hop(explanation, &hops[i]);
        if (count == 0) {
                enum sip_cause cause = cause_of_route(explanation, why);
                explain_note(explanation, &explanation->before, sip_cause_row(cause)->step, cause, "%s", why);
                explain_blame(&explanation->route, cause, "%s", why);
        }
        explain_ourselves(explanation, hops, count);
        explain_settle(explanation);
}

/* --- the beginning */

static void
tell_definition(struct explanation *explanation, const struct foreign_domain *domain)
{
        const struct section *section = section_titled(gateway_settings(explanation->gateway), "sip-domain", domain->name);
        const struct dialect *dialect = domain->dialect;
        const char *subjects[FEDERATION_SUBJECTS];
        size_t count = federation_subjects(gateway_federation(explanation->gateway), domain->name, subjects);
        bool tcp = !dialect->tls_only || (domain->direct && dialect->tcp_if_direct);

        explain_note(explanation, &explanation->before, SIP_STEP_DEFINITION, SIP_CAUSE_NONE,
                "sip-domain \"%s\" at %s, type %s%s: %s; %s", domain->name,
                section != NULL ? section_place(section, NULL) : "federation.conf", dialect->name, domain->direct ? ", direct" : "",
                tcp ? "TLS or TCP" : "TLS only",
                dialect->pager ? "messages in sessions, single ones where these are refused" : "messages in sessions");
        if (count == 0 && tcp)
                explain_note(explanation, &explanation->before, SIP_STEP_DEFINITION, SIP_CAUSE_NONE,
                        "no sip-peer speaks for it; over TCP the address of a hop does");
        for (size_t i = 0; i < count; i++)
                explain_note(explanation, &explanation->before, SIP_STEP_DEFINITION, SIP_CAUSE_NONE,
                        "sip-peer \"%s\" may speak for it", subjects[i]);
}

static void
begin(struct explanation *explanation, const struct foreign_domain *domain)
{
        const struct route_wish wish = { .domain = domain->name, .noted = hear_way };

        tell_definition(explanation, domain);
        explain_xmpp(explanation);
        explanation->pending = 1; /* the search */
        /* The answer may come before the call returns, and end it all. */
        struct sip_search *search = route_search(gateway_federation(explanation->gateway), &wish, see_hops, explanation);
        if (search != NULL)
                explanation->search = search;
}

/* DOMAIN [--from LOCAL] [--watch]; a sentence where they make no sense. */
static const char *
read_words(struct explanation *explanation, int argc, char *const *argv)
{
        const char *local = config_list_item(gateway_settings(explanation->gateway), "local-domains", 0);

        if (argc < 1 || strlen(argv[0]) >= sizeof(explanation->domain))
                return "explain DOMAIN [--from LOCAL] [--watch]";
        for (int i = 1; i < argc; i++) {
                if (text_equal(argv[i], "--watch"))
                        explanation->is_watched = true;
                else if (text_equal(argv[i], "--from") && i + 1 < argc)
                        local = argv[++i];
                else
                        return "explain DOMAIN [--from LOCAL] [--watch]";
        }
        if (!federation_is_local(gateway_federation(explanation->gateway), local))
                return "--from: this is none of local-domains (sipcomp.conf): nobody may be asked in its name";
        strcpy(explanation->domain, argv[0]);
        snprintf(explanation->local, sizeof(explanation->local), "%s", local);
        return NULL;
}

void
explain_tell(struct gateway *gateway, struct control_request *request, int argc, char *const *argv)
{
        if (explanations.count >= EXPLANATIONS_MAX) {
                control_refuse(request, "%d explanations are under way: try again when they are over", EXPLANATIONS_MAX);
                return;
        }
        struct explanation *explanation = MEM_NEW(explanation);
        explanation->gateway = gateway;
        const char *wrong = read_words(explanation, argc, argv);
        if (wrong != NULL) {
                control_refuse(request, "%s", wrong);
                mem_free(explanation);
                return;
        }
        const struct foreign_domain *domain = federation_domain(gateway_federation(gateway), explanation->domain);
        explanation->request = request;
        explanation->kind = "sip";
        explanation->began = clock_mono_ms();
        list_append(&explanations, &explanation->link);
        if (domain != NULL) {
                begin(explanation, domain);
                return;
        }
        struct explain_verdict verdict = { .cause = SIP_CAUSE_NO_DOMAIN };
        explain_note(
                explanation, &explanation->before, SIP_STEP_DEFINITION, SIP_CAUSE_NO_DOMAIN, "no section sip-domain has this name");
        explain_late(explanation);
        conclude(explanation, &verdict);
}

void
explain_stop(void)
{
        for (LIST_EACH(explanation, &explanations, struct explanation, link)) {
                list_remove(&explanations, &explanation->link);
                explain_free(explanation);
        }
}
