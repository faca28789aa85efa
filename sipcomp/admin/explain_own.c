/*
 * explain_own.c - our own side of the way: the stream to the XMPP server, our certificate and name, our public port, and what was refused of late
 */
#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "sipcomp/admin/explain_private.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { LATE_MS = 3600 * 1000 };

#define SRV "_sipfederationtls._tcp"

/* --- the component stream */

static enum sip_cause
cause_of_stream(const char *why, enum stream_condition refusal)
{
        switch (refusal) {
        case STREAM_NOT_AUTHORIZED:
                return SIP_CAUSE_XMPP_SECRET;
        case STREAM_HOST_UNKNOWN:
        case STREAM_HOST_GONE:
                return SIP_CAUSE_XMPP_UNKNOWN;
        case STREAM_CONFLICT:
                return SIP_CAUSE_XMPP_TAKEN;
        default:
                return text_starts(why, "cannot connect") || strstr(why, "timed out") != NULL || strstr(why, "no address") != NULL
                        ? SIP_CAUSE_XMPP_UNREACHABLE
                        : SIP_CAUSE_XMPP_DOWN;
        }
}

void
explain_xmpp(struct explanation *explanation)
{
        const struct section *xmpp = section_of(gateway_settings(explanation->gateway), "xmpp");
        const char *host = config_text(xmpp, "host");
        int port = (int)config_number(xmpp, "port");
        enum stream_condition refusal;

        if (gateway_is_attached(explanation->gateway, explanation->domain)) {
                explain_note(explanation, &explanation->before, SIP_STEP_XMPP, SIP_CAUSE_NONE, "the stream to %s port %d is up",
                        host, port);
                return;
        }
        const char *why = gateway_trouble(explanation->gateway, explanation->domain, &refusal);
        enum sip_cause cause = cause_of_stream(why, refusal);
        explain_note(explanation, &explanation->before, SIP_STEP_XMPP, cause, "%s port %d: %s", host, port, why);
        explain_blame(&explanation->xmpp, cause, "%s port %d: %s", host, port, why);
}

/* --- certificate and listener */

static void
doubt(struct explanation *explanation, enum sip_cause cause, const char *text)
{
        explain_note(explanation, &explanation->own, SIP_STEP_OURSELVES, cause, "%s", text);
        explain_blame(&explanation->doubt, cause, "%s", text);
}

static void
look_at_certificate(struct explanation *explanation, bool is_strict)
{
        struct sip_transport *transport = sip_transactions_transport(gateway_transactions(explanation->gateway));
        const struct tls_context *tls = sip_transport_tls(transport);
        const char *fqdn = sip_transport_fqdn(transport);
        char text[EXPLAIN_TEXT];

        if (tls == NULL)
                return; /* the trial says so */
        snprintf(text, sizeof(text), "our certificate %s %s", tls_context_covers(tls, fqdn) ? "names" : "does not name", fqdn);
        if (!tls_context_covers(tls, fqdn))
                doubt(explanation, SIP_CAUSE_OWN_NAME, text);
        else
                explain_note(explanation, &explanation->own, SIP_STEP_OURSELVES, SIP_CAUSE_NONE, "%s", text);
        if (tls_context_is_for_clients(tls))
                explain_note(
                        explanation, &explanation->own, SIP_STEP_OURSELVES, SIP_CAUSE_NONE, "our certificate is for clients too");
        else if (is_strict)
                doubt(explanation, SIP_CAUSE_OWN_PURPOSE, "its extended key usage lacks clientAuth");
        else
                explain_note(explanation, &explanation->own, SIP_STEP_OURSELVES, SIP_CAUSE_NONE,
                        "the extended key usage of our certificate lacks clientAuth, which some servers ask for");
}

/* --- our public port */

static void
pass_step(void *owner, enum sip_step step, enum sip_cause cause, const char *text)
{
}

/* Silence may be a firewall that lets nobody out and in again; a refusal is none. */
static void
see_port(void *owner, const struct sip_trial_end *end)
{
        struct explain_try *try = owner;
        struct explanation *explanation = try->explanation;
        char text[EXPLAIN_TEXT];

        try->trial = NULL;
        snprintf(text, sizeof(text), "%s port %u: %s", try->hop.host, try->hop.port,
                end->cause == SIP_CAUSE_NONE ? "can be reached from here" : end->detail);
        if (end->cause == SIP_CAUSE_NO_ADDRESS)
                doubt(explanation, SIP_CAUSE_OWN_ADDRESS, text);
        else if (end->cause == SIP_CAUSE_REFUSED)
                doubt(explanation, SIP_CAUSE_OWN_PORT, text);
        else
                explain_note(explanation, &explanation->own, SIP_STEP_OURSELVES, SIP_CAUSE_NONE, "%s%s", text,
                        end->cause == SIP_CAUSE_NONE ? "" : "; whether partners reach it has to be tried from outside");
        explain_settle(explanation);
}

static const struct sip_trial_events port_events = { pass_step, see_port };

static void
try_port(struct explanation *explanation, enum sip_wire wire)
{
        struct sip_transport *transport = sip_transactions_transport(gateway_transactions(explanation->gateway));
        struct explain_try *try = &explanation->public_port;

        if (!sip_transport_listens(transport, wire)) {
                doubt(explanation, SIP_CAUSE_OWN_LISTENER,
                        wire == SIP_TLS ? "no listen section has transport = tls" : "no listen section has transport = tcp");
                return;
        }
        try->explanation = explanation;
        try->hop = (struct sip_hop){ .port = sip_transport_port(transport, wire), .wire = SIP_TCP };
        snprintf(try->hop.host, sizeof(try->hop.host), "%s", sip_transport_fqdn(transport));
        explanation->pending++;
        try->trial = sip_trial_start(transport, &(struct sip_trial_wish){ .hop = &try->hop }, &port_events, try);
}

/* --- the record by which a Microsoft edge finds us (3.3 of the dialects) */

static void
see_srv(void *owner, enum dns_outcome outcome, const struct dns_target *targets, size_t count)
{
        struct explain_srv *of = owner;
        struct explanation *explanation = of->explanation;
        const char *fqdn = sip_transport_fqdn(sip_transactions_transport(gateway_transactions(explanation->gateway)));
        char text[EXPLAIN_TEXT];

        explanation->srv[of->i] = NULL;
        if (outcome == DNS_CANCELLED)
                return;
        if (outcome == DNS_FOUND && count > 0 && strcasecmp(targets[0].host, fqdn) != 0) {
                snprintf(text, sizeof(text), SRV ".%s leads to %s, not to %s", of->local, targets[0].host, fqdn);
                doubt(explanation, SIP_CAUSE_OWN_SRV, text);
        } else {
                explain_note(explanation, &explanation->own, SIP_STEP_OURSELVES, SIP_CAUSE_NONE, SRV ".%s: %s", of->local,
                        outcome == DNS_FOUND && count > 0
                                ? "leads to us"
                                : "no record is seen from here; an edge finds us by it, unless it has our name by hand");
        }
        explain_settle(explanation);
}

static void
look_up_ourselves(struct explanation *explanation)
{
        const struct section *top = gateway_settings(explanation->gateway);
        size_t count = config_list_count(top, "local-domains");

        for (size_t i = 0; i < count && i < EXPLAIN_LOCALS; i++) {
                struct explain_srv *of = &explanation->srv_of[i];
                char name[300];
                *of = (struct explain_srv){ .explanation = explanation, .i = i };
                snprintf(of->local, sizeof(of->local), "%s", config_list_item(top, "local-domains", i));
                snprintf(name, sizeof(name), SRV ".%s", of->local);
                explanation->pending++;
                struct dns_query *query = dns_lookup_srv(gateway_dns(explanation->gateway), name, see_srv, of);
                if (query != NULL)
                        explanation->srv[i] = query;
        }
}

void
explain_ourselves(struct explanation *explanation, const struct sip_hop *hops, size_t count)
{
        const struct foreign_domain *domain = federation_domain(gateway_federation(explanation->gateway), explanation->domain);
        enum sip_wire wire = count > 0 ? hops[0].wire : SIP_TLS;
        bool is_strict = domain->dialect->tls_only;

        if (wire == SIP_TLS)
                look_at_certificate(explanation, is_strict);
        try_port(explanation, wire);
        if (is_strict && !domain->dialect->default_domain && !domain->direct)
                look_up_ourselves(explanation);
}

/* --- of late */

/* Since when a connection of theirs stands that may speak for the domain, and has spoken; 0: there is none. */
static int64_t
last_visit(const struct explanation *explanation)
{
        struct sip_transport *transport = sip_transactions_transport(gateway_transactions(explanation->gateway));
        const struct sip_flow *flow;
        int64_t last = 0;

        for (size_t at = 0; (flow = sip_transport_each(transport, &at)) != NULL;) {
                struct sip_flow_view view;
                sip_flow_look(flow, &view);
                if (view.is_outgoing || !view.is_ready || view.received == 0 || view.opened < last)
                        continue;
                if (federation_may_speak(gateway_federation(explanation->gateway), explanation->domain, sip_flow_peer(flow),
                            view.wire == SIP_TCP, view.address, NULL))
                        last = view.opened;
        }
        return last;
}

/* Whose hop is at this place? NULL: none of this domain's. */
static const struct explain_try *
hop_at(const struct explanation *explanation, const char *place)
{
        for (size_t i = 0; i < explanation->try_count; i++)
                for (size_t k = 0; k < explanation->tries[i].address_count; k++)
                        if (text_equal(explanation->tries[i].addresses[k], place))
                                return &explanation->tries[i];
        return NULL;
}

/* A connection that ended before a word was said, from where the domain has a hop: most likely it was this one. */
static void
tell_connection(struct explanation *explanation, const struct refusal *refusal, const struct explain_try *try)
{
        const struct sip_cause_row *row = sip_cause_row(refusal->cause);
        struct explain_verdict *doubt = &explanation->doubt;
        struct buf advice = { 0 };
        char when[CLOCK_TEXT];

        explain_note(explanation, &explanation->after, SIP_STEP_INCOMING, SIP_CAUSE_TURNED_AWAY,
                "a connection from %s, where it has a hop, at %s, %llu time%s: %s", refusal->place,
                clock_format(when, refusal->last), (unsigned long long)refusal->count, refusal->count == 1 ? "" : "s",
                row->sentence);
        if (doubt->cause != SIP_CAUSE_NONE)
                return;
        explain_blame(doubt, SIP_CAUSE_TURNED_AWAY, "a connection from %s: %s", refusal->place, row->sentence);
        explain_name_subject(try, doubt, NULL);
        sip_cause_fill(&advice, row->advice,
                &(struct sip_case){ .domain = explanation->domain, .host = try->hop.host, .subject = doubt->subject });
        snprintf(doubt->advice, sizeof(doubt->advice), "%s", buf_text(&advice));
        buf_free(&advice);
}

static void
tell_request(struct explanation *explanation, const struct refusal *refusal, enum sip_cause cause)
{
        const char *what = refusal->what != NULL ? refusal->what : "a request";
        char when[CLOCK_TEXT];

        explain_note(explanation, &explanation->after, SIP_STEP_INCOMING, cause, "%s at %s, %s, %llu time%s: %s", what,
                clock_format(when, refusal->last), refusal->place, (unsigned long long)refusal->count,
                refusal->count == 1 ? "" : "s", refusal->why);
        explain_blame(&explanation->doubt, cause, "%s %s %s: %s", what, cause == SIP_CAUSE_TURNED_AWAY ? "from" : "to",
                refusal->place, refusal->why);
}

void
explain_late(struct explanation *explanation)
{
        const struct refusals *refusals =
                sip_transport_refusals(sip_transactions_transport(gateway_transactions(explanation->gateway)));
        int64_t now = clock_wall_ms(), visit = last_visit(explanation);
        int64_t granted = gateway_granted(explanation->gateway, explanation->domain);
        const struct refusal *refusal;
        char when[CLOCK_TEXT];

        for (size_t at = 0; (refusal = refusals_each(refusals, &at)) != NULL;) {
                bool is_ours = refusal->domain != NULL && strcasecmp(refusal->domain, explanation->domain) == 0;
                const struct explain_try *try = refusal->kind == REFUSAL_CONNECTION ? hop_at(explanation, refusal->place) : NULL;
                bool is_over = refusal->kind == REFUSAL_ANSWER && refusal->status >= 500 && refusal->status < 600 &&
                        granted > refusal->last; /* trouble of theirs; what else they refuse may concern one person */
                if (now - refusal->last > LATE_MS || is_over)
                        continue;
                if (is_ours && refusal->kind == REFUSAL_ANSWER)
                        tell_request(explanation, refusal, SIP_CAUSE_TURNED_US_AWAY);
                else if (is_ours && refusal->kind == REFUSAL_REQUEST && visit <= refusal->last)
                        tell_request(explanation, refusal, SIP_CAUSE_TURNED_AWAY);
                else if (try != NULL && refusal->cause != SIP_CAUSE_NONE && visit <= refusal->last)
                        tell_connection(explanation, refusal, try);
        }
        if (visit != 0)
                explain_note(explanation, &explanation->after, SIP_STEP_INCOMING, SIP_CAUSE_NONE,
                        "it has reached us: a connection of its stands since %s", clock_format(when, visit));
}
