/*
 * explain.c - why a domain is reached or not
 *
 * What this server decides by itself (whose domain it is, policy) is answered at once; otherwise the home of the domain tries it (explain_try.c). The
 * verdict is that of the first thing that fails on the way there.
 */
#include "shared/base/mem.h"
#include "shared/xmpp/jid.h"
#include "xmppd/admin/explain_private.h"
#include "xmppd/component/component.h"
#include "xmppd/route/home.h"
#include "xmppd/route/policy.h"
#include "xmppd/user/mail.h"

#include <stdio.h>
#include <string.h>

enum { PATIENCE_MS = 40 * 1000 };

/* ---- the document ---- */

/* With the domain in the place of DOMAIN: what is to be typed can be copied. */
static void
write_advice(struct json_writer *json, const char *advice, const char *domain)
{
        static const char name[] = "DOMAIN";
        struct buf text = { 0 };

        for (const char *at; (at = strstr(advice, name)) != NULL; advice = at + sizeof(name) - 1) {
                buf_put(&text, advice, (size_t)(at - advice));
                buf_puts(&text, domain);
        }
        buf_puts(&text, advice);
        json_put_text(json, "advice", text.len > 0 ? buf_text(&text) : NULL);
        buf_free(&text);
}

void
explain_write_verdict(struct explanation *explanation, const struct verdict *verdict)
{
        struct json_writer *json = &explanation->json;

        json_put_text(json, "cause", verdict->code);
        json_put_bool(json, "fault", verdict->is_fault);
        json_put_text(json, "step", verdict->step);
        json_put_text(json, "sentence", verdict->sentence);
        write_advice(json, verdict->advice != NULL ? verdict->advice : "", explanation->domain);
}

void
explain_write_step(struct json_writer *json, int64_t ms, enum step step, enum cause cause, const char *text)
{
        json_open_object(json, NULL);
        json_put_number(json, "ms", ms);
        json_put_text(json, "step", step_name(step));
        json_put_text(json, "cause", cause == CAUSE_NONE ? NULL : cause_row(cause)->code);
        json_put_text(json, "text", text);
        json_close_object(json);
}

static void
write_policy(struct json_writer *json, const char *name, const struct policy_verdict *policy)
{
        json_open_object(json, name);
        json_put_bool(json, "allowed", policy->is_allowed);
        json_put_text(json, "rule", policy->rule);
        json_put_text(json, "place", policy->place);
        json_close_object(json);
}

static struct explanation *
new_explanation(struct control_request *request, const char *domain, const char *local, const char *kind)
{
        struct explanation *explanation = MEM_NEW(explanation);

        explanation->main = worker_here();
        explanation->request = request;
        explanation->domain = mem_strdup(domain);
        explanation->local = local == NULL ? NULL : mem_strdup(local);
        explanation->json.out = &explanation->out;
        json_open_object(&explanation->json, NULL);
        json_put_text(&explanation->json, "domain", domain);
        json_put_text(&explanation->json, "kind", kind);
        return explanation;
}

/* On the main thread. */
static void
finish(struct explanation *explanation)
{
        timer_stop(&explanation->patience);
        if (explanation->request != NULL)
                common_answer(explanation->request, &explanation->out);
        buf_free(&explanation->out);
        mem_free(explanation->domain);
        mem_free(explanation->local);
        mem_free(explanation);
}

static void
come_back(struct letter *letter)
{
        finish(container_of(letter, struct explanation, letter));
}

void
explain_send_back(struct explanation *explanation)
{
        json_close_object(&explanation->json);
        explanation->letter.open = come_back;
        worker_post(explanation->main, &explanation->letter);
}

static void
give_up(struct timer *timer)
{
        struct explanation *explanation = container_of(timer, struct explanation, patience);

        control_refuse(explanation->request,
                "%s: nothing came of the attempt within %d s; the log of the server says how far it got", explanation->domain,
                PATIENCE_MS / 1000);
        explanation->request = NULL;
}

static void
ask_home(struct explanation *explanation, void (*visit)(struct letter *letter))
{
        timer_start(&explanation->patience, PATIENCE_MS, give_up);
        explanation->letter.open = visit;
        worker_post(home_of_domain(explanation->domain), &explanation->letter);
}

/* ---- a domain that is not reached by s2s ---- */

static void
conclude(struct explanation *explanation, const struct verdict *verdict)
{
        explain_write_verdict(explanation, verdict);
        explain_send_back(explanation);
}

static void
see_component(void *arg, const char *domain, const char *peer, uint64_t in, uint64_t out, int64_t opened)
{
        const char **wanted = arg;

        if (*wanted != NULL && strcmp(domain, *wanted) == 0)
                *wanted = NULL;
}

static void
look_for_component(struct letter *letter)
{
        struct explanation *explanation = container_of(letter, struct explanation, letter);
        const struct domain *domain = snapshot_domain(explanation->domain);
        const char *missing = explanation->domain;
        bool is_sip = domain != NULL && domain->sip;
        char sentence[SENTENCE_MAX];

        component_each(see_component, &missing);
        snprintf(sentence, sizeof(sentence), "%.255s: %s %s", explanation->domain,
                is_sip ? "a SIP domain: the gateway sipcomp speaks for it, and"
                       : "a domain of this server, served by a component, which",
                missing == NULL ? "is connected" : "is not connected");
        conclude(explanation,
                &(struct verdict){ is_sip ? "sip" : "component", missing == NULL ? NULL : "connect", sentence,
                        is_sip && missing != NULL
                                ? "Start sipcomp; when it runs, xmppctl explain DOMAIN asks it, and it walks the whole way."
                                : is_sip
                                ? "xmppctl could not ask it for the rest of the way: sipcomp-control in xmppd.conf must be control of sipcomp.conf."
                                : "xmppctl components shows which are connected; its own log says why this one is not.",
                        missing != NULL });
}

static void
explain_own(struct control_request *request, const struct domain *domain)
{
        char sentence[SENTENCE_MAX];
        struct explanation *explanation = new_explanation(request, domain->name, NULL,
                domain->kind == DOMAIN_LOCAL ? "local"
                        : domain->sip        ? "sip"
                                             : "component");

        if (domain->kind == DOMAIN_COMPONENT) {
                ask_home(explanation, look_for_component);
                return;
        }
        snprintf(sentence, sizeof(sentence), "%.255s: a domain of this server: its users are here, no other server is asked",
                domain->name);
        conclude(explanation,
                &(struct verdict){ "local", NULL, sentence,
                        "xmppctl user list DOMAIN shows its users; xmppctl probe signs in as one.", false });
}

/* Names that policy knows beside the domains of the snapshot: mail domains, chat services. */
static bool
is_own_name(const struct policy_verdict *policy)
{
        static const char *const rules[] = { "xmpp-policy", "default-policy", "xmpp-federation.enabled" };

        for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
                if (strcmp(policy->kind, rules[i]) == 0)
                        return false;
        return true;
}

/* policy NULL: it is known from the users' addresses only. */
static void
explain_name(struct control_request *request, const char *name, const struct policy_verdict *policy)
{
        struct explanation *explanation = new_explanation(request, name, NULL, policy != NULL ? policy->kind : "email");
        char sentence[SENTENCE_MAX];

        if (policy != NULL)
                snprintf(sentence, sizeof(sentence), "%.255s: a name of this server (%.255s at %.255s): no other server is asked",
                        name, policy->kind, policy->place == NULL ? "default" : policy->place);
        else
                snprintf(sentence, sizeof(sentence), "%.255s: the domain of mail addresses of users here: no other server is asked",
                        name);
        conclude(explanation, &(struct verdict){ "local", NULL, sentence, NULL, false });
}

static void
deny(struct control_request *request, const char *domain, const struct policy_verdict *policy, enum policy_direction direction)
{
        enum cause cause = cause_of_policy(policy);
        const struct cause_row *row = cause_row(cause);
        struct explanation *explanation = new_explanation(request, domain, NULL, "xmpp");
        char sentence[SENTENCE_MAX];

        snprintf(sentence, sizeof(sentence), "%.255s: %s: %s is decided by %.255s at %.255s", domain, row->sentence,
                direction == POLICY_OUT ? "a stream to it (out)" : "a stream from it (in)", policy->rule,
                policy->place == NULL ? "default" : policy->place);
        explain_write_verdict(explanation, &(struct verdict){ row->code, step_name(STEP_POLICY), sentence, row->advice, true });
        json_open_array(&explanation->json, "steps");
        explain_write_step(&explanation->json, 0, STEP_POLICY, cause, policy->rule);
        json_close_array(&explanation->json);
        explain_send_back(explanation);
}

static void
explain_foreign(struct control_request *request, const char *domain, const char *local, bool is_watched)
{
        struct policy_verdict out = policy_decide(snapshot_now(), domain, POLICY_OUT),
                              in = policy_decide(snapshot_now(), domain, POLICY_IN);

        if (!out.is_allowed && is_own_name(&out)) {
                explain_name(request, domain, &out);
                return;
        }
        if (!out.is_allowed) {
                deny(request, domain, &out, POLICY_OUT);
                return;
        }
        if (!in.is_allowed) {
                deny(request, domain, &in, POLICY_IN);
                return;
        }
        struct explanation *explanation = new_explanation(request, domain, local, "xmpp");
        explanation->is_watched = is_watched;
        json_open_object(&explanation->json, "policy");
        write_policy(&explanation->json, "out", &out);
        write_policy(&explanation->json, "in", &in);
        json_close_object(&explanation->json);
        ask_home(explanation, explain_try);
}

/* explain DOMAIN [--from LOCAL] [--watch]; an address counts as its domain. */
static bool
read_words(struct control_request *request, struct arena *arena, int argc, char *const *argv, const struct domain **from,
        bool *is_watched)
{
        struct jid jid;

        *from = NULL;
        *is_watched = false;
        for (int i = 1; i < argc; i++) {
                if (strcmp(argv[i], "--watch") == 0) {
                        *is_watched = true;
                } else if (strcmp(argv[i], "--from") == 0 && i + 1 < argc) {
                        i++;
                        *from = jid_parse(&jid, arena, argv[i]) ? snapshot_domain(jid.domain) : NULL;
                        if (*from == NULL || (*from)->sip) {
                                control_refuse(request, "%.200s: no domain in whose name this server can speak by XMPP", argv[i]);
                                return false;
                        }
                } else {
                        control_refuse(request, "explain: unknown word %.60s", argv[i]);
                        return false;
                }
        }
        return true;
}

static void
explain(struct control_request *request, const char *domain, const struct domain *from, bool is_watched)
{
        const struct domain *own = snapshot_domain(domain);

        if (own != NULL)
                explain_own(request, own);
        else if (mail_is_domain(domain))
                explain_name(request, domain, NULL);
        else
                explain_foreign(request, domain, from == NULL ? NULL : from->name, is_watched);
}

void
admin_explain(struct control_request *request, int argc, char *const *argv)
{
        struct arena *arena = arena_new(1024);
        const struct domain *from;
        struct jid jid;
        bool is_watched;

        if (argc < 1 || !jid_parse(&jid, arena, argv[0]))
                control_refuse(request, "%.200s: %s: %s", argc < 1 ? "" : argv[0], cause_row(CAUSE_NO_DOMAIN)->sentence,
                        cause_row(CAUSE_NO_DOMAIN)->advice);
        else if (read_words(request, arena, argc, argv, &from, &is_watched))
                explain(request, jid.domain, from, is_watched);
        arena_free(&arena);
}
