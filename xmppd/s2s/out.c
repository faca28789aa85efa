/*
 * out.c - from a connection we have made to a stream that carries our stanzas, as a table (RFC 6120, XEP-0178, XEP-0220)
 *
 * One stream serves all our domains where the other side takes dialback: each is proven when its first stanza waits. With SASL EXTERNAL the first
 * is proven by our certificate. A stream that was opened only to ask whether a key is genuine proves nothing until a stanza waits.
 */
#include "shared/base/text.h"
#include "shared/xmpp/ns.h"
#include "xmppd/s2s/s2s_private.h"

#include <stdio.h>

enum state { OPENING, WAITING, STARTING, SECURING, OFFERED, PROVING, PROVEN, OPEN };

enum event {
        HEADER,
        OLD_HEADER, /* from before XMPP 1.0: no features come */
        FEATURES,
        ENCRYPT,
        PROCEED,
        TLS_FAILURE,
        SECURED,
        PROVE_EXTERNAL,
        PROVE_DIALBACK,
        CHALLENGE,
        SUCCESS,
        FAILURE,
        RESULT,
        VERIFIED,
        SM,
        STANZA,
        OTHER
};

static const char *const states[] = { "opening", "waiting for features", "starting TLS", "securing", "offered",
        "proving by EXTERNAL", "proven", "open" };
static const char *const events[] = { "header", "header without version", "features", "encrypt", "proceed", "tls failure",
        "secured", "prove by EXTERNAL", "prove by dialback", "challenge", "success", "failure", "result", "verified",
        "stream management", "stanza", "other" };

static void apply(struct s2s *s2s, enum event event, const struct element *element, struct arena *arena);
static bool is_wanted(const struct s2s *s2s);

static struct peer_rules
rules_of(const struct s2s *s2s)
{
        return policy_peer(snapshot_now(), s2s->remote);
}

/* ---- headers, features, TLS ---- */

static void
open_stream(struct s2s *s2s)
{
        stream_open(s2s->stream, s2s->local, s2s->remote, NULL, "en", "1.0");
}

static bool
take_id(struct s2s *s2s, const struct element *header)
{
        const char *id = element_attribute(header, "id");

        if (id == NULL || strlen(id) >= sizeof(s2s->id)) {
                out_give_up(s2s, CAUSE_NOT_XMPP, "its stream header has no usable id");
                return false;
        }
        snprintf(s2s->id, sizeof(s2s->id), "%s", id);
        return true;
}

static void
take_header(struct s2s *s2s, const struct element *header, struct arena *arena)
{
        take_id(s2s, header);
}

/* Dialback declares itself by its namespace there (XEP-0220 2.1.1). */
static void
take_old_header(struct s2s *s2s, const struct element *header, struct arena *arena)
{
        struct peer_rules rules = rules_of(s2s);

        if (!take_id(s2s, header))
                return;
        attempt_note(s2s->attempt, STEP_STREAM, "from before XMPP 1.0: no features, dialback only");
        if (rules.tls == PEER_TLS_REQUIRED && !s2s_is_secure(s2s)) {
                out_give_up(s2s, CAUSE_TLS_NOT_OFFERED, "%s", "");
                return;
        }
        s2s->offers_dialback = true;
        out_go_on(s2s);
}

static bool
wants_tls(const struct s2s *s2s, const struct peer_rules *rules)
{
        return !s2s_is_secure(s2s) && rules->tls != PEER_TLS_NONE && s2s->offers_tls &&
                !(s2s->reach != NULL && s2s->reach->skips_tls);
}

/* By the rules for this domain: is the certificate good enough, or TLS needed that is not there? Gives the target up where not. */
static bool
is_safe_enough(struct s2s *s2s)
{
        char detail[300];
        enum cause cause = certificate_check(s2s, s2s->remote, detail, sizeof(detail));

        if (cause != CAUSE_NONE)
                out_give_up(s2s, cause, "%s", detail);
        return cause == CAUSE_NONE;
}

static bool
offers(const struct element *features, const char *name, const char *ns)
{
        return element_child(features, name, ns) != NULL;
}

static bool
offers_mechanism(const struct element *features, const char *wanted, struct arena *arena)
{
        const struct element *mechanisms = element_child(features, "mechanisms", NS_SASL);
        const struct element *each = mechanisms == NULL ? NULL : element_first(mechanisms);

        for (; each != NULL; each = element_next(each))
                if (element_is(each, "mechanism", NS_SASL) && strcmp(element_text(each, arena), wanted) == 0)
                        return true;
        return false;
}

static void
read_features(struct s2s *s2s, const struct element *features, struct arena *arena)
{
        s2s->offers_tls = offers(features, "starttls", NS_TLS);
        s2s->offers_external = offers_mechanism(features, "EXTERNAL", arena);
        /* COMPAT: servers that know dialback without announcing it; a refusal costs one round trip. */
        s2s->offers_dialback = offers(features, "dialback", NS_DIALBACK_FEATURE) || !s2s->offers_external;
        s2s->offers_bidi = offers(features, "bidi", NS_BIDI_FEATURE);
        s2s->offers_sm = offers(features, "sm", NS_SM);
}

static void
take_features(struct s2s *s2s, const struct element *features, struct arena *arena)
{
        struct peer_rules rules = rules_of(s2s);

        read_features(s2s, features, arena);
        attempt_note(s2s->attempt, STEP_STREAM, "it offers%s%s%s%s%s", s2s->offers_tls ? " STARTTLS" : "",
                s2s->offers_external ? " EXTERNAL" : "", offers(features, "dialback", NS_DIALBACK_FEATURE) ? " dialback" : "",
                s2s->offers_bidi ? " bidi" : "", s2s->offers_sm ? " sm" : "");
        if (wants_tls(s2s, &rules)) {
                apply(s2s, ENCRYPT, NULL, NULL);
                return;
        }
        if (!is_safe_enough(s2s))
                return;
        bool may_answer = policy_decide(snapshot_now(), s2s->remote, POLICY_IN).is_allowed;
        if (s2s->offers_bidi && !s2s->has_bidi && may_answer) {
                stream_send_text(s2s->stream, "<bidi xmlns=\"" NS_BIDI "\"/>"); /* XEP-0288 2.2 */
                s2s->has_bidi = true;
        }
        out_go_on(s2s);
}

static void
ask_for_tls(struct s2s *s2s, const struct element *element, struct arena *arena)
{
        stream_send_text(s2s->stream, "<starttls xmlns=\"" NS_TLS "\"/>");
}

static void
secure(struct s2s *s2s, const struct element *element, struct arena *arena)
{
        char ascii[256];

        jid_domain_to_ascii(ascii, s2s->remote);
        stream_restart(s2s->stream, NULL);
        conn_start_tls(stream_conn(s2s->stream), snapshot_s2s_client(s2s->local), TLS_CLIENT, ascii);
}

static void
refuse_tls(struct s2s *s2s, const struct element *element, struct arena *arena)
{
        out_give_up(s2s, CAUSE_TLS_REFUSED, "%s", "");
}

static void
note_tls(struct s2s *s2s, const struct element *element, struct arena *arena)
{
        certificate_note(s2s);
        open_stream(s2s);
}

/* ---- proving who we are ---- */

static void
send_external(struct s2s *s2s, const struct element *element, struct arena *arena)
{
        size_t len = strlen(s2s->local);
        char *text = arena_alloc(arena, text_base64_size(len));

        /* XEP-0178 3: "=" would do where the header has `from`; the name is understood by all. */
        struct buf *out = conn_output(stream_conn(s2s->stream));
        buf_printf(out, "<auth xmlns=\"" NS_SASL "\" mechanism=\"EXTERNAL\">%s</auth>", text_base64(text, s2s->local, len));
}

static void
restart(struct s2s *s2s, const struct element *element, struct arena *arena)
{
        struct pair *pair = s2s_add_pair(s2s, s2s->local, s2s->remote);

        attempt_note(s2s->attempt, STEP_AUTHENTICATION, "EXTERNAL: our certificate was accepted for %s", s2s->local);
        pair->ours = PROOF_EXTERNAL;
        stream_restart(s2s->stream, NULL);
        open_stream(s2s);
}

/* XEP-0178 3: then dialback, on this stream, or where it ends, on another. */
static void
take_failure(struct s2s *s2s, const struct element *failure, struct arena *arena)
{
        const struct element *condition = element_first(failure);

        attempt_fail(s2s->attempt, CAUSE_EXTERNAL, "EXTERNAL: %s", condition != NULL ? condition->name : "failure");
        s2s->offers_external = false;
        if (s2s->reach != NULL)
                s2s->reach->skips_external = true;
        if (!rules_of(s2s).dialback) {
                out_give_up(s2s, CAUSE_EXTERNAL, "%s", condition != NULL ? condition->name : "");
                return;
        }
        s2s->offers_dialback = true;
        out_go_on(s2s);
}

static void
become_open(struct s2s *s2s, enum proof proof)
{
        struct reach *reach = s2s->reach;

        log_info(&s2s->log, "open from=%s proof=%s tls=%s", s2s->local, s2s_proof_name(proof),
                s2s_is_secure(s2s) ? tls_session_version(conn_tls(stream_conn(s2s->stream))) : "none");
        s2s_open(s2s);
        s2s->reach = NULL;
        s2s->attempt = NULL;
        if (reach != NULL)
                reach_succeeded(reach);
}

/* Whom we have dialled is who answers dialback for the domain too; its certificate was looked at where the rules want one (XEP-0288 2.2). */
static void
trust_both_ways(struct s2s *s2s, struct pair *pair)
{
        if (s2s->has_bidi)
                pair->theirs = pair->ours;
}

static void
carry(struct s2s *s2s, struct pair *pair)
{
        bool is_first = !s2s->is_open;

        trust_both_ways(s2s, pair);
        if (is_first)
                become_open(s2s, pair->ours);
        else
                log_info(&s2s->log, "also from=%s proof=%s", pair->local, s2s_proof_name(pair->ours));
        if (is_first && s2s->of != NULL && s2s->offers_sm)
                ledger_begin(s2s);
        if (s2s->of != NULL)
                remote_flush(s2s->of);
}

static void
take_late_features(struct s2s *s2s, const struct element *features, struct arena *arena)
{
        bool has_tls = s2s->offers_tls;

        read_features(s2s, features, arena);
        s2s->offers_tls = has_tls;
        carry(s2s, s2s_pair(s2s, s2s->local, s2s->remote));
        out_go_on(s2s);
}

/* Where stanzas go both ways, so do claims (XEP-0288 2.2). */
static void
take_claim(struct s2s *s2s, const struct element *result, struct arena *arena)
{
        struct question *question = claim_read(s2s, result, arena);

        if (question != NULL)
                claim_settle(s2s, question);
}

/* The answer to a claim of ours (XEP-0220 2.1.1). */
static void
take_result(struct s2s *s2s, const struct element *result, struct arena *arena)
{
        const char *local = s2s_domain(arena, result, "to"), *remote = s2s_domain(arena, result, "from");
        const char *type = element_attribute(result, "type");
        struct pair *pair = local == NULL || remote == NULL ? NULL : s2s_pair(s2s, local, remote);

        if (type == NULL && s2s->has_bidi && s2s->is_open) {
                take_claim(s2s, result, arena);
                return;
        }
        if (pair == NULL || pair->ours != PROOF_ASKED || type == NULL) {
                s2s_fail(s2s, STREAM_NOT_AUTHORIZED, CAUSE_NONE, "an answer that nobody has asked for");
                return;
        }
        if (strcmp(type, "valid") == 0) {
                attempt_note(s2s->attempt, STEP_AUTHENTICATION, "dialback: %s is proven", local);
                pair->ours = PROOF_DIALBACK;
                carry(s2s, pair);
                return;
        }
        char detail[200];
        enum cause cause = strcmp(type, "error") == 0 ? CAUSE_DIALBACK_ERROR : CAUSE_DIALBACK;
        dialback_read_error(result, detail, sizeof(detail));
        pair->ours = PROOF_REFUSED;
        if (s2s->reach != NULL)
                out_give_up(s2s, cause, "%s", detail);
        else
                remote_refused(s2s->of, local, cause, detail);
}

/* It was opened for a question only, and that is answered: it stays for a while, and carries stanzas when there are any. */
static void
rest_or_go_on(struct s2s *s2s)
{
        struct reach *reach = s2s->reach;

        out_go_on(s2s);
        if (s2s->state != OFFERED || reach == NULL || s2s->reach != reach || is_wanted(s2s) || question_awaits(s2s))
                return;
        s2s->reach = NULL;
        s2s->attempt = NULL;
        reach_succeeded(reach);
        s2s_rest(s2s);
}

static void
take_verified(struct s2s *s2s, const struct element *verified, struct arena *arena)
{
        const char *local = s2s_domain(arena, verified, "to"), *remote = s2s_domain(arena, verified, "from");
        const char *id = element_attribute(verified, "id"), *type = element_attribute(verified, "type");
        char detail[200] = "";

        if (local == NULL || !text_equal(remote, s2s->remote) || id == NULL || type == NULL) {
                s2s_fail(s2s, STREAM_IMPROPER_ADDRESSING, CAUSE_NONE, "db:verify needs 'from', 'to', 'id' and 'type'");
                return;
        }
        enum cause cause = strcmp(type, "valid") == 0 ? CAUSE_NONE
                : strcmp(type, "invalid") == 0        ? CAUSE_DIALBACK_KEY
                                                      : CAUSE_DIALBACK_UNREACHABLE;
        if (cause != CAUSE_NONE)
                dialback_read_error(verified, detail, sizeof(detail));
        enum cause beneath = dialback_is_unknown_there(verified) ? CAUSE_HOST_UNKNOWN : CAUSE_NONE;
        if (s2s->of == NULL || !question_take_answer(s2s, local, id, cause, beneath, detail))
                s2s_fail(s2s, STREAM_NOT_AUTHORIZED, CAUSE_NONE, "an answer that nobody has asked for");
        else
                rest_or_go_on(s2s);
}

static void
manage(struct s2s *s2s, const struct element *element, struct arena *arena)
{
        ledger_take(s2s, element);
}

static void
refuse_challenge(struct s2s *s2s, const struct element *element, struct arena *arena)
{
        stream_send_text(s2s->stream, "<abort xmlns=\"" NS_SASL "\"/>");
}

static void
claim(struct s2s *s2s, const struct element *element, struct arena *arena)
{
        struct pair *pair = s2s_add_pair(s2s, s2s->local, s2s->remote);

        dialback_claim(s2s, pair);
}

static const struct step_row rows[] = {
        /* in         when            act                 then */
        { OPENING, HEADER, take_header, WAITING },
        { OPENING, OLD_HEADER, take_old_header, OFFERED },
        { WAITING, FEATURES, take_features, OFFERED },
        { OFFERED, ENCRYPT, ask_for_tls, STARTING },
        { STARTING, PROCEED, secure, SECURING },
        { STARTING, TLS_FAILURE, refuse_tls, STARTING },
        { SECURING, SECURED, note_tls, OPENING },
        { OPENING, SECURED, note_tls, OPENING }, /* TLS from the first byte */
        { OFFERED, PROVE_EXTERNAL, send_external, PROVING },
        { PROVING, CHALLENGE, refuse_challenge, PROVING },
        { PROVING, SUCCESS, restart, PROVEN },
        { PROVING, FAILURE, take_failure, OFFERED },
        { PROVEN, HEADER, take_header, PROVEN },
        { PROVEN, FEATURES, take_late_features, OPEN },
        { OFFERED, PROVE_DIALBACK, claim, OPEN },
        { OFFERED, VERIFIED, take_verified, OFFERED },
        { OPEN, VERIFIED, take_verified, OPEN },
        { OPEN, RESULT, take_result, OPEN },
        { OPEN, SM, manage, OPEN },
};

static const struct steps steps = { rows, array_len(rows), states, events };

static void
apply(struct s2s *s2s, enum event event, const struct element *element, struct arena *arena)
{
        if (!steps_apply(&steps, s2s, event, element, arena))
                stream_fail(s2s->stream, event == STANZA ? STREAM_NOT_AUTHORIZED : STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
}

/* ---- what can be done now ---- */

static bool
is_wanted(const struct s2s *s2s)
{
        return s2s->of == NULL || remote_wants(s2s->of, s2s->local);
}

static void
prove_first(struct s2s *s2s)
{
        struct peer_rules rules = rules_of(s2s);
        struct arena *arena = arena_new(512);

        if (rules.external_out && s2s->offers_external && s2s_is_secure(s2s) && !(s2s->reach != NULL && s2s->reach->skips_external))
                apply(s2s, PROVE_EXTERNAL, NULL, arena);
        else if (rules.dialback && s2s->offers_dialback)
                apply(s2s, PROVE_DIALBACK, NULL, arena);
        else if (s2s->reach != NULL && s2s->reach->skips_external)
                out_give_up(s2s, CAUSE_EXTERNAL, "%s", "");
        else
                out_give_up(s2s, CAUSE_NO_WAY, "%s", "");
        arena_free(&arena);
}

void
out_go_on(struct s2s *s2s)
{
        if (s2s->stream == NULL || stream_is_closing(s2s->stream))
                return;
        if ((s2s->state == OFFERED || s2s->state == OPEN) && s2s->offers_dialback)
                question_ask_all(s2s);
        /* The stream of EXTERNAL starts anew, and an answer would fall into the gap. */
        if (s2s->state == OFFERED && is_wanted(s2s) && (s2s->of == NULL || !question_awaits(s2s)))
                prove_first(s2s);
}

bool
out_takes(struct s2s *s2s, const char *local)
{
        struct pair *pair = s2s_pair(s2s, local, s2s->remote);

        if (s2s->stream == NULL || stream_is_closing(s2s->stream))
                return false;
        if (pair != NULL && (proof_holds(pair->ours) || pair->ours == PROOF_ASKED))
                return true;
        if (s2s->state != OPEN || strcmp(s2s->local, local) == 0) {
                out_go_on(s2s);
                return strcmp(s2s->local, local) == 0 && s2s->state != OPEN;
        }
        /* Another domain of ours on the same stream (XEP-0220 2.5): by dialback, where the other side knows it. */
        if (pair != NULL || !s2s->is_open || !s2s->offers_dialback || !rules_of(s2s).dialback)
                return false;
        pair = s2s_add_pair(s2s, local, s2s->remote);
        if (pair != NULL)
                dialback_claim(s2s, pair);
        return pair != NULL;
}

bool
out_asks(struct s2s *s2s)
{
        if (s2s->stream == NULL || stream_is_closing(s2s->stream))
                return false;
        out_go_on(s2s);
        return s2s->offers_dialback || s2s->state < OFFERED;
}

/* ---- events of the stream ---- */

static enum event
event_of(const struct element *element)
{
        static const struct {
                const char *name, *ns;
                enum event event;
        } known[] = {
                { "features", NS_STREAM, FEATURES },
                { "proceed", NS_TLS, PROCEED },
                { "failure", NS_TLS, TLS_FAILURE },
                { "challenge", NS_SASL, CHALLENGE },
                { "success", NS_SASL, SUCCESS },
                { "failure", NS_SASL, FAILURE },
                { "result", NS_DIALBACK, RESULT },
                { "verify", NS_DIALBACK, VERIFIED },
                { NULL, NS_SM, SM },
                { NULL, XML_CONTENT_NS, STANZA },
        };

        for (size_t i = 0; i < array_len(known); i++)
                if (element_is(element, known[i].name, known[i].ns))
                        return known[i].event;
        return OTHER;
}

void
out_see_header(struct s2s *s2s, struct element *header)
{
        apply(s2s, element_attribute(header, "version") != NULL ? HEADER : OLD_HEADER, header, NULL);
}

void
out_see_secured(struct s2s *s2s)
{
        apply(s2s, SECURED, NULL, NULL);
}

void
out_see_element(struct s2s *s2s, const struct element *element, struct arena *arena)
{
        apply(s2s, event_of(element), element, arena);
}

bool
out_is_securing(const struct s2s *s2s)
{
        return s2s->state == SECURING;
}

bool
out_is_offered(const struct s2s *s2s)
{
        return s2s->state == OFFERED || s2s->state == OPEN;
}

const char *
out_state(const struct s2s *s2s)
{
        return states[(int)s2s->state];
}

struct s2s *
out_new(struct reach *reach, int fd)
{
        struct s2s *s2s = s2s_new(false, fd, reach->local, reach->domain);

        log_scope_set(&s2s->log, "s2s.out", "%s#%llu", reach->domain, (unsigned long long)s2s->serial);
        s2s->reach = reach;
        s2s->attempt = reach->attempt;
        s2s->of = reach->remote;
        if (s2s->of != NULL)
                list_append(&s2s->of->outs, &s2s->in_remote);
        if (stream_is_closing(s2s->stream))
                return s2s; /* this worker stops */
        if (reach->is_direct)
                conn_start_tls(stream_conn(s2s->stream), snapshot_s2s_client(reach->local), TLS_CLIENT, reach->ascii);
        else
                open_stream(s2s);
        return s2s;
}
