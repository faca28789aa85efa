/*
 * in.c - from the first byte of another server to a domain it has proven, as a table (RFC 6120, XEP-0178, XEP-0220)
 *
 * A stream proves domains by SASL EXTERNAL, one, or by dialback, as many as it likes. With the first claim it moves to the home of the domain
 * it claims, and stays there: what is asked about further domains goes to their homes and comes back by letter.
 */
#include "shared/base/mem.h"
#include "shared/base/random.h"
#include "shared/base/text.h"
#include "shared/xmpp/ns.h"
#include "xmppd/route/home.h"
#include "xmppd/s2s/s2s_private.h"

#include <stdio.h>

enum { SASL_FAILURES = 3, ID_BYTES = 16, SETTLING_MS = 500 };

enum state { CONNECTED, OFFERED, SECURING, MOVING, PROVEN, OPEN };

enum event {
        HEADER,
        STARTTLS,
        SECURED,
        BIDI,
        AUTH,
        EXTERNAL_HOLDS,
        CLAIM,
        CLAIM_HOLDS,
        HOME,
        HOME_PROVEN,
        VERIFY,
        SM,
        STANZA,
        OTHER
};

static const char *const states[] = { "connected", "offered", "securing", "moving", "proven", "open" };
static const char *const events[] = { "header", "starttls", "secured", "bidi", "auth", "external holds", "claim", "claim holds",
        "home", "home, proven", "verify", "stream management", "stanza", "other" };

static void apply(struct s2s *s2s, enum event event, const struct element *element, struct arena *arena);

static struct peer_rules
rules_of(const struct s2s *s2s)
{
        return policy_peer(snapshot_now(), s2s->remote != NULL ? s2s->remote : "");
}

/* ---- headers and features ---- */

bool
in_may_come(struct s2s *s2s, const char *remote)
{
        struct policy_verdict verdict = policy_decide(snapshot_now(), remote, POLICY_IN);
        const struct domain *known = snapshot_domain(remote);

        if (known != NULL || s2s_is_ours(remote)) {
                s2s_fail(s2s, STREAM_INVALID_FROM, CAUSE_DENIED, "%s is a domain of this server", remote);
                return false;
        }
        if (!verdict.is_allowed) {
                if (s2s->remote == NULL)
                        s2s->remote = mem_strdup(remote);
                if (s2s->attempt == NULL) /* else the end of the stream is logged with it */
                        log_info(&s2s->log, "refused by policy: %s (%s)", verdict.rule, verdict.place);
                attempt_fail(s2s->attempt, CAUSE_DENIED, "%s (%s)", verdict.rule, verdict.place);
                s2s_fail(s2s, STREAM_POLICY_VIOLATION, CAUSE_NONE, "federation with %s is not allowed here", remote);
        }
        return verdict.is_allowed;
}

/* Where only we may connect, the other server has to be able to ask whether our keys are right, or no stream of ours would ever be proven by
 * dialback (XEP-0220 2.2). Its stream can do nothing else: what would prove its domain is refused by in_may_come. */
static bool
may_verify(const char *remote)
{
        return policy_decide(snapshot_now(), remote, POLICY_OUT).is_allowed && policy_peer(snapshot_now(), remote).dialback;
}

/* Takes the domains of their header. False: the stream has been ended. */
static bool
take_header(struct s2s *s2s, const struct element *header)
{
        struct arena *arena = arena_new(512);
        const char *local = s2s_domain(arena, header, "to"), *remote = s2s_domain(arena, header, "from");
        bool is_good = false;

        if (element_attribute(header, "to") != NULL && (local == NULL || !s2s_is_ours(local))) {
                s2s_fail(s2s, STREAM_HOST_UNKNOWN, CAUSE_HOST_UNKNOWN, "%.200s is no domain of this server",
                        element_attribute(header, "to"));
        } else if (element_attribute(header, "from") != NULL && remote == NULL) {
                s2s_fail(s2s, STREAM_IMPROPER_ADDRESSING, CAUSE_NO_DOMAIN, "'from' is not a domain name");
        } else if (s2s->of != NULL && (remote == NULL || !text_equal(remote, s2s->remote))) {
                s2s_fail(s2s, STREAM_INVALID_FROM, CAUSE_NONE, "another domain was proven on this stream");
        } else if (remote == NULL || may_verify(remote) || in_may_come(s2s, remote)) {
                mem_free(s2s->local);
                s2s->local = mem_strdup(local);
                if (!text_equal(remote, s2s->remote)) {
                        mem_free(s2s->remote);
                        s2s->remote = mem_strdup(remote);
                        log_scope_set(&s2s->log, "s2s.in", "%s#%llu", remote, (unsigned long long)s2s->serial);
                }
                is_good = true;
        }
        arena_free(&arena);
        return is_good;
}

static bool
answer_header(struct s2s *s2s, const struct element *header)
{
        bool has_version = element_attribute(header, "version") != NULL;

        if (!take_header(s2s, header))
                return false;
        random_hex(s2s->id, ID_BYTES);
        attempt_note(s2s->attempt, STEP_STREAM, "from=%s to=%s%s", s2s->remote != NULL ? s2s->remote : "?",
                s2s->local != NULL ? s2s->local : "?", has_version ? "" : ", before XMPP 1.0: dialback only");
        stream_open(s2s->stream, s2s->local, s2s->remote, s2s->id, has_version ? "en" : NULL, has_version ? "1.0" : NULL);
        return true;
}

static bool
offers_tls(const struct s2s *s2s, const struct peer_rules *rules)
{
        return !s2s_is_secure(s2s) && rules->tls != PEER_TLS_NONE && snapshot_now()->s2s_server != NULL;
}

/* XEP-0178 3: only when the certificate has been found good for the domain that is claimed. */
static bool
offers_external(struct s2s *s2s, const struct peer_rules *rules)
{
        char detail[300];

        return s2s->remote != NULL && s2s->local != NULL && rules->external_in && s2s_is_secure(s2s) &&
                certificate_judge(s2s, s2s->remote, detail, sizeof(detail)) == CAUSE_NONE;
}

static void
offer_early(struct s2s *s2s, const struct element *header, struct arena *arena)
{
        struct peer_rules rules;

        if (!answer_header(s2s, header) || element_attribute(header, "version") == NULL)
                return;
        rules = rules_of(s2s);
        struct buf *out = conn_output(stream_conn(s2s->stream));
        buf_puts(out, "<stream:features>");
        if (offers_tls(s2s, &rules))
                buf_printf(
                        out, "<starttls xmlns=\"" NS_TLS "\">%s</starttls>", rules.tls == PEER_TLS_REQUIRED ? "<required/>" : "");
        if (s2s_is_secure(s2s) || rules.tls != PEER_TLS_REQUIRED) {
                if (offers_external(s2s, &rules))
                        buf_puts(out, "<mechanisms xmlns=\"" NS_SASL "\"><mechanism>EXTERNAL</mechanism></mechanisms>");
                if (rules.dialback)
                        buf_puts(out, "<dialback xmlns=\"" NS_DIALBACK_FEATURE "\"><errors/></dialback>");
                buf_puts(out, "<bidi xmlns=\"" NS_BIDI_FEATURE "\"/>");
                ledger_offer(out);
        }
        buf_puts(out, "</stream:features>");
}

static void
settle(struct timer *timer)
{
        struct s2s *s2s = container_of(timer, struct s2s, settling);

        timer_stop(timer);
        remote_flush(s2s->of);
}

bool
in_is_settling(const struct s2s *s2s)
{
        return timer_is_running(&s2s->settling);
}

/* Only streams that have proven the domain count for it: one may be here because it has claimed this domain in vain, and then proven another. */
static bool
has_enough(const struct remote *at, const char *domain)
{
        int64_t count = 0;

        for (LIST_EACH(s2s, &at->ins, struct s2s, in_remote))
                count += s2s->is_open && s2s_has_proven(s2s, domain);
        return count >= limit_value(LIMIT_S2S_STREAMS);
}

void
in_prove(struct s2s *s2s, struct pair *pair, enum proof proof)
{
        if (!s2s->is_open && has_enough(s2s->of, pair->remote)) {
                limit_note(LIMIT_S2S_STREAMS);
                s2s_fail(s2s, STREAM_RESOURCE_CONSTRAINT, CAUSE_LIMIT, "this domain has enough streams to here");
                return;
        }
        pair->theirs = proof;
        if (s2s->has_bidi)
                pair->ours = proof;
        bool is_first = !s2s->is_open;
        s2s_open(s2s);
        ticket_settle(&s2s->ticket);
        attempt_end(s2s->attempt, true);
        s2s->attempt = NULL;
        if (is_first && s2s->has_bidi && config_bool(snapshot_section("s2s"), "sm"))
                timer_start(&s2s->settling, SETTLING_MS, settle);
        if (is_first)
                log_info(&s2s->log, "open to=%s proof=%s tls=%s", pair->local, s2s_proof_name(proof),
                        s2s_is_secure(s2s) ? tls_session_version(conn_tls(stream_conn(s2s->stream))) : "none");
        else
                log_info(&s2s->log, "also %s to=%s proof=%s", pair->remote, pair->local, s2s_proof_name(proof));
        if (text_equal(pair->remote, s2s->remote))
                remote_has_come(s2s->of);
}

static void
offer_late(struct s2s *s2s, const struct element *header, struct arena *arena)
{
        struct peer_rules rules = rules_of(s2s);

        if (!answer_header(s2s, header))
                return;
        struct buf *out = conn_output(stream_conn(s2s->stream));
        buf_puts(out, "<stream:features>");
        if (rules.dialback) /* for further domains */
                buf_puts(out, "<dialback xmlns=\"" NS_DIALBACK_FEATURE "\"><errors/></dialback>");
        ledger_offer(out);
        buf_puts(out, "</stream:features>");
        /* The header that came before authentication may have named no domain of ours. */
        struct pair *pair = s2s->local == NULL ? NULL : s2s_add_pair(s2s, s2s->local, s2s->remote);
        if (pair != NULL)
                in_prove(s2s, pair, PROOF_EXTERNAL);
}

/* ---- TLS ---- */

static void
start_tls(struct s2s *s2s, const struct element *element, struct arena *arena)
{
        struct peer_rules rules = rules_of(s2s);
        char name[256];

        if (!offers_tls(s2s, &rules)) {
                stream_send_text(s2s->stream, "<failure xmlns=\"" NS_TLS "\"/>");
                stream_close(s2s->stream); /* RFC 6120 5.4.2.2 */
                return;
        }
        stream_send_text(s2s->stream, "<proceed xmlns=\"" NS_TLS "\"/>");
        stream_restart(s2s->stream, NULL);
        bool has_name = s2s->local != NULL && jid_domain_to_ascii(name, s2s->local);
        conn_start_tls(stream_conn(s2s->stream), snapshot_now()->s2s_server, TLS_SERVER, has_name ? name : NULL);
}

static void
note_tls(struct s2s *s2s, const struct element *element, struct arena *arena)
{
        certificate_note(s2s);
}

bool
in_is_safe_enough(struct s2s *s2s, const char *remote)
{
        char detail[300], text[800];
        enum cause cause = certificate_check(s2s, remote, detail, sizeof(detail));

        if (cause == CAUSE_NONE)
                return true;
        if (cause == CAUSE_TLS_NOT_OFFERED) {
                s2s_fail(s2s, STREAM_POLICY_VIOLATION, cause, "TLS is required here for %s", remote);
                return false;
        }
        attempt_fail(s2s->attempt, cause, "%s", detail);
        attempt_sentence(text, sizeof(text), remote, cause, detail);
        s2s_fail(s2s, STREAM_NOT_AUTHORIZED, CAUSE_NONE, "%s", text);
        return false;
}

/* ---- SASL EXTERNAL (XEP-0178 3) ---- */

static void
refuse_external(struct s2s *s2s, const char *condition, const char *why)
{
        attempt_note(s2s->attempt, STEP_AUTHENTICATION, "EXTERNAL refused: %s", why);
        log_info(&s2s->log, "EXTERNAL refused: %s", why);
        struct buf *out = conn_output(stream_conn(s2s->stream));
        buf_printf(out, "<failure xmlns=\"" NS_SASL "\"><%s/></failure>", condition);
        if (++s2s->failures >= SASL_FAILURES)
                s2s_fail(s2s, STREAM_POLICY_VIOLATION, CAUSE_NONE, "too many failed attempts");
}

/* The identity that is asked for: the domain of the stream header, or one named in the response. */
static bool
is_own_identity(const struct s2s *s2s, const char *response)
{
        char decoded[JID_PART_MAX + 1], prepared[JID_PART_MAX + 1];

        if (response[0] == '\0' || strcmp(response, "=") == 0)
                return true;
        if (strlen(response) > sizeof(decoded))
                return false;
        int64_t len = text_unbase64(decoded, response, strlen(response));
        if (len <= 0 || len > JID_PART_MAX || memchr(decoded, '\0', (size_t)len) != NULL)
                return false;
        decoded[len] = '\0';
        return jid_prepare_domain(prepared, decoded) && strcmp(prepared, s2s->remote) == 0;
}

static void
check_external(struct s2s *s2s, const struct element *auth, struct arena *arena)
{
        struct peer_rules rules = rules_of(s2s);
        const char *mechanism = element_attribute(auth, "mechanism");

        if (!s2s_is_secure(s2s) && rules.tls == PEER_TLS_REQUIRED)
                refuse_external(s2s, "encryption-required", "TLS is required");
        else if (mechanism == NULL || strcmp(mechanism, "EXTERNAL") != 0)
                refuse_external(s2s, "invalid-mechanism", "another mechanism was asked for");
        else if (!offers_external(s2s, &rules))
                refuse_external(s2s, "not-authorized", "it was not offered");
        else if (!is_own_identity(s2s, element_text(auth, arena)))
                refuse_external(s2s, "invalid-authzid", "another domain than that of the stream was asked for");
        else if (in_may_come(s2s, s2s->remote))
                apply(s2s, EXTERNAL_HOLDS, NULL, NULL);
}

/* ---- moving to the home of the domain ---- */

static void
arrive(struct s2s *s2s)
{
        s2s->of = remote_get(s2s->remote);
        if (s2s->of == NULL) {
                s2s_fail(s2s, STREAM_RESOURCE_CONSTRAINT, CAUSE_LIMIT, "too many domains at once");
                return;
        }
        list_append(&s2s->of->ins, &s2s->in_remote);
        attempts_add(&s2s->of->attempts, s2s->attempt);
        apply(s2s, s2s->question != NULL ? HOME : HOME_PROVEN, NULL, NULL);
}

static void
unpack(struct letter *letter)
{
        struct s2s *s2s = container_of(letter, struct s2s, letter);

        s2s_join(s2s);
        s2s->stream = stream_unpack(&s2s->parcel, &s2s_events, s2s);
        s2s_restart_deadline(s2s);
        if (s2s_is_stopping())
                stream_fail(s2s->stream, STREAM_SYSTEM_SHUTDOWN, NULL);
        else
                arrive(s2s);
}

/* At the end of the turn the parser is at rest: nothing of the stream is in any hand. */
static void
leave(struct chore *chore)
{
        struct s2s *s2s = container_of(chore, struct s2s, moving);
        struct worker *home = home_of_domain(s2s->remote);

        if (stream_is_closing(s2s->stream))
                return;
        if (on_home(home)) {
                stream_resume(s2s->stream);
                arrive(s2s);
                return;
        }
        timer_stop(&s2s->timer);
        s2s_leave(s2s);
        s2s->parcel = stream_pack(&s2s->stream);
        s2s->letter.open = unpack;
        worker_post(home, &s2s->letter);
}

static void
move_home(struct s2s *s2s, const struct element *element, struct arena *arena)
{
        stream_pause(s2s->stream);
        s2s->moving.run = leave;
        worker_at_turn_end(&s2s->moving);
}

static void
succeed_external(struct s2s *s2s, const struct element *element, struct arena *arena)
{
        attempt_note(s2s->attempt, STEP_AUTHENTICATION, "EXTERNAL: the certificate names %s", s2s->remote);
        stream_send_text(s2s->stream, "<success xmlns=\"" NS_SASL "\"/>");
        stream_restart(s2s->stream, NULL);
}

/* ---- dialback: claims of domains (claim.c) ---- */

static void
claim_first(struct s2s *s2s, const struct element *result, struct arena *arena)
{
        struct question *question = claim_read(s2s, result, arena);

        if (question == NULL)
                return;
        mem_free(s2s->remote);
        s2s->remote = mem_strdup(question->remote);
        log_scope_set(&s2s->log, "s2s.in", "%s#%llu", s2s->remote, (unsigned long long)s2s->serial);
        s2s->question = question;
        apply(s2s, CLAIM_HOLDS, NULL, NULL);
}

static void
settle_first(struct s2s *s2s, const struct element *element, struct arena *arena)
{
        struct question *question = s2s->question;

        s2s->question = NULL;
        claim_settle(s2s, question);
}

static void
claim_another(struct s2s *s2s, const struct element *result, struct arena *arena)
{
        struct question *question = claim_read(s2s, result, arena);

        if (question != NULL)
                claim_settle(s2s, question);
}

static void
answer_verify(struct s2s *s2s, const struct element *verify, struct arena *arena)
{
        dialback_answer(s2s, verify, arena);
}

/* ---- what else there is ---- */

/* XEP-0288 2.2: before anything is proven. */
static void
take_bidi(struct s2s *s2s, const struct element *element, struct arena *arena)
{
        s2s->has_bidi = true;
}

static void
manage(struct s2s *s2s, const struct element *element, struct arena *arena)
{
        ledger_take(s2s, element);
        if (timer_is_running(&s2s->settling) && s2s->ledger != NULL)
                settle(&s2s->settling);
}

static const struct step_row rows[] = {
        /* in          when            act               then */
        { CONNECTED, HEADER, offer_early, OFFERED },
        { OFFERED, STARTTLS, start_tls, SECURING },
        { SECURING, SECURED, note_tls, CONNECTED },
        { CONNECTED, SECURED, note_tls, CONNECTED }, /* TLS from the first byte */
        { OFFERED, BIDI, take_bidi, OFFERED },
        { OFFERED, AUTH, check_external, OFFERED },
        { OFFERED, EXTERNAL_HOLDS, move_home, MOVING },
        { MOVING, HOME_PROVEN, succeed_external, PROVEN },
        { PROVEN, HEADER, offer_late, OPEN },
        { OFFERED, CLAIM, claim_first, OFFERED },
        { OFFERED, CLAIM_HOLDS, move_home, MOVING },
        { MOVING, HOME, settle_first, OPEN },
        { OFFERED, VERIFY, answer_verify, OFFERED },
        { OPEN, VERIFY, answer_verify, OPEN },
        { OPEN, CLAIM, claim_another, OPEN }, /* XEP-0220 2.5: further domains */
        { OPEN, SM, manage, OPEN },
};

static const struct steps steps = { rows, array_len(rows), states, events };

static void
refuse(struct s2s *s2s, enum event event)
{
        if (!s2s->is_open && (event == STANZA || event == SM))
                s2s_fail(s2s, STREAM_NOT_AUTHORIZED, CAUSE_NONE, "no domain was proven yet");
        else if (event == HEADER || event == OTHER || event == STANZA)
                s2s_fail(s2s, STREAM_UNSUPPORTED_STANZA_TYPE, CAUSE_NONE, "%s", "");
        else
                s2s_fail(s2s, STREAM_NOT_AUTHORIZED, CAUSE_NONE, "not at this point of the negotiation");
}

static void
apply(struct s2s *s2s, enum event event, const struct element *element, struct arena *arena)
{
        if (!steps_apply(&steps, s2s, event, element, arena))
                refuse(s2s, event);
}

static enum event
event_of(const struct element *element)
{
        if (element_is(element, "starttls", NS_TLS))
                return STARTTLS;
        if (element_is(element, "auth", NS_SASL))
                return AUTH;
        if (element_is(element, "bidi", NS_BIDI))
                return BIDI;
        if (element_is(element, "result", NS_DIALBACK))
                return CLAIM;
        if (element_is(element, "verify", NS_DIALBACK))
                return VERIFY;
        if (element_is(element, NULL, NS_SM))
                return SM;
        return strcmp(element->ns, XML_CONTENT_NS) == 0 ? STANZA : OTHER;
}

void
in_see_header(struct s2s *s2s, struct element *header)
{
        apply(s2s, HEADER, header, NULL);
}

void
in_see_secured(struct s2s *s2s)
{
        apply(s2s, SECURED, NULL, NULL);
}

void
in_see_element(struct s2s *s2s, const struct element *element, struct arena *arena)
{
        apply(s2s, event_of(element), element, arena);
}

void
in_see_closed(struct s2s *s2s)
{
        ticket_return(&s2s->ticket);
        if (s2s->of == NULL) {
                remote_post_attempt(s2s->remote, s2s->attempt);
                return;
        }
        attempt_end(s2s->attempt, false);
        list_remove(&s2s->of->ins, &s2s->in_remote);
        ledger_lost(s2s, false);
        remote_lost(s2s);
}

const char *
in_state(const struct s2s *s2s)
{
        return states[(int)s2s->state];
}

void
s2s_accept(int fd, bool is_direct, const struct ticket *ticket)
{
        struct s2s *s2s = s2s_new(true, fd, NULL, NULL);
        char peer[ADDRESS_TEXT];

        address_format(peer, conn_peer_address(stream_conn(s2s->stream)));
        log_scope_set(&s2s->log, "s2s.in", "%s#%llu", peer, (unsigned long long)s2s->serial);
        s2s->ticket = *ticket;
        s2s->attempt = attempt_new(true, NULL);
        attempt_note(s2s->attempt, STEP_CONNECT, "from %s%s", peer, is_direct ? ", TLS from the first byte" : "");
        if (!is_direct || stream_is_closing(s2s->stream))
                return;
        if (snapshot_now()->s2s_server == NULL)
                s2s_close(s2s);
        else
                conn_start_tls(stream_conn(s2s->stream), snapshot_now()->s2s_server, TLS_SERVER, NULL);
}
