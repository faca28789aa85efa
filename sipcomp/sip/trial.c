/*
 * trial.c - dials one hop as a flow would, and tells each step
 */
#include "sipcomp/sip/trial.h"

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "sipcomp/sip/sip_private.h"
#include "sipcomp/sip/transport_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { ALL_MS = 20 * 1000, ANSWER_MS = 8 * 1000, TEXT_MAX = 500, NAMES_SHOWN = 12 };

struct sip_trial {
        struct sip_transport *transport;
        struct sip_hop hop; /* its context is referenced */
        char *domain, *from;
        const struct sip_trial_events *events;
        void *owner;
        struct dns_query *query;
        struct address addresses[FLOW_ADDRESSES];
        size_t address_count, next_address;
        struct conn *conn;
        struct sip_framer framer;
        struct sip_message *request, *answer;
        struct timer timer; /* of the step */
        struct timer patience;
        struct chore finish;
        enum sip_cause cause;
        char detail[TEXT_MAX], subject[256];
        bool over;
};

/* --- telling */

static void __attribute__((format(printf, 3, 4))) pass(struct sip_trial *trial, enum sip_step step, const char *format, ...)
{
        char text[TEXT_MAX];
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof text, format, args);
        va_end(args);
        trial->events->step(trial->owner, step, SIP_CAUSE_NONE, text);
}

/* The cause that counts is the one that came furthest. */
static void __attribute__((format(printf, 3, 4))) fail(struct sip_trial *trial, enum sip_cause cause, const char *format, ...)
{
        char text[TEXT_MAX];
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof text, format, args);
        va_end(args);
        trial->events->step(trial->owner, sip_cause_row(cause)->step, cause, text);
        if (trial->cause != SIP_CAUSE_NONE && sip_cause_row(cause)->step < sip_cause_row(trial->cause)->step)
                return;
        trial->cause = cause;
        snprintf(trial->detail, sizeof trial->detail, "%s", text);
}

static void
free_trial(struct sip_trial *trial)
{
        timer_stop(&trial->timer);
        timer_stop(&trial->patience);
        worker_forget_chore(&trial->finish);
        dns_cancel(&trial->query);
        if (trial->conn != NULL)
                conn_free(&trial->conn);
        tls_context_unref(&trial->hop.tls);
        sip_message_free(&trial->request);
        sip_message_free(&trial->answer);
        mem_free(trial->domain);
        mem_free(trial->from);
        mem_free(trial);
}

static void
run_finish(struct chore *chore)
{
        struct sip_trial *trial = container_of(chore, struct sip_trial, finish);
        const struct sip_trial_end end = { .cause = trial->cause,
                .detail = trial->detail,
                .subject = trial->subject[0] != '\0' ? trial->subject : NULL,
                .answer = trial->answer,
                .addresses = trial->addresses,
                .address_count = trial->address_count };
        trial->events->done(trial->owner, &end);
        free_trial(trial);
}

/* At the end of this turn; whatever else happens until then is not told any more. */
static void
end(struct sip_trial *trial)
{
        trial->over = true;
        timer_stop(&trial->timer);
        timer_stop(&trial->patience);
        worker_at_turn_end(&trial->finish);
}

/* It went all the way: what other addresses did counts no more. */
static void
end_well(struct sip_trial *trial)
{
        trial->cause = SIP_CAUSE_NONE;
        trial->detail[0] = '\0';
        end(trial);
}

/* --- what it shows */

static const char *
date_of(char text[CLOCK_TEXT], int64_t seconds)
{
        clock_format(text, seconds * 1000);
        text[10] = '\0';
        return text;
}

static void
tell_chain(struct sip_trial *trial, const struct tls_peer *peer)
{
        char from[CLOCK_TEXT], until[CLOCK_TEXT];
        for (size_t i = 0; i < peer->chain_count; i++) {
                const struct tls_link *link = &peer->chain[i];
                date_of(from, link->not_before);
                date_of(until, link->not_after);
                if (link->problem != NULL)
                        fail(trial, sip_cause_of_fault(link->fault), "%.160s: %.160s (from %s to %s)", link->subject, link->problem,
                                from, until);
                else
                        pass(trial, SIP_STEP_CERTIFICATE, "%.160s: good, from %s to %s, issued by %.120s", link->subject, from,
                                until, link->issuer);
        }
}

static void
tell_names(struct sip_trial *trial, const struct tls_peer *peer)
{
        struct buf names = { 0 };
        for (size_t i = 0; i < peer->name_count && i < NAMES_SHOWN; i++)
                if (i == 0 || !text_equal_nocase(peer->names[i].text, peer->names[0].text)) /* the CN is mostly a dNSName too */
                        buf_printf(&names, "%s%.100s", i > 0 ? ", " : "", peer->names[i].text);
        if (peer->name_count > 0) {
                snprintf(trial->subject, sizeof trial->subject, "%s", peer->names[0].text);
                pass(trial, SIP_STEP_CERTIFICATE, "its names: %s", buf_text(&names));
        }
        buf_free(&names);
}

/* --- the question */

static void
give_up_answer(struct timer *timer)
{
        struct sip_trial *trial = container_of(timer, struct sip_trial, timer);
        fail(trial, SIP_CAUSE_NO_ANSWER, "nothing within %d s", ANSWER_MS / 1000);
        end(trial);
}

static void
ask(struct sip_trial *trial)
{
        char via[400], contact[400], branch[SIP_BRANCH_TEXT];
        struct arena *arena = arena_new(256);
        const char *to = arena_printf(arena, "sip:%s", trial->domain), *from = arena_printf(arena, "sip:%s", trial->from);
        const char *fqdn = trial->transport->fqdn;
        unsigned port = sip_transport_port(trial->transport, trial->hop.wire);
        struct buf text = { 0 };

        snprintf(via, sizeof via, "SIP/2.0/%s %s:%u;branch=%s", sip_wire_name(trial->hop.wire), fqdn, port, sip_new_branch(branch));
        snprintf(contact, sizeof contact, "<sip:%s:%u;transport=%s>", fqdn, port, trial->hop.wire == SIP_TLS ? "tls" : "tcp");
        trial->request = sip_request_new("OPTIONS", to, NULL, from, to);
        sip_message_add(trial->request, "Accept", "application/sdp, application/pidf+xml");
        sip_message_complete(trial->request);
        message_print(trial->request, &(struct print_extra){ .via = via, .contact = contact }, &text);
        conn_send(trial->conn, buf_data(&text), text.len);
        buf_free(&text);
        arena_free(&arena);
        timer_start(&trial->timer, ANSWER_MS, give_up_answer);
}

/* OPTIONS to a bare domain is a question not everybody likes; whoever refuses it with one of these is there all the same. */
static enum sip_cause
cause_of_status(int status)
{
        if (status == 401 || status == 407)
                return SIP_CAUSE_PASSWORD;
        if (status == 403 || status == 603)
                return SIP_CAUSE_FORBIDDEN;
        return status == 408 || status >= 500 ? SIP_CAUSE_PEER_TROUBLE : SIP_CAUSE_NONE;
}

static void
take_answer(struct sip_trial *trial, struct sip_message *message)
{
        bool is_ours = message->status >= 200 && text_equal(message->call_id, trial->request->call_id);
        enum sip_cause cause = cause_of_status(message->status);

        if (!is_ours) {
                sip_message_free(&message);
                return;
        }
        trial->answer = message;
        if (cause != SIP_CAUSE_NONE) {
                fail(trial, cause, "OPTIONS is answered %d %.100s", message->status, message->reason);
                end(trial);
                return;
        }
        pass(trial, SIP_STEP_ANSWER, "OPTIONS is answered %d %.100s", message->status, message->reason);
        end_well(trial);
}

/* --- what conn tells */

static void
hear_connected(void *owner)
{
        struct sip_trial *trial = owner;
        struct tls_context *tls = transport_client_tls(trial->transport, &trial->hop);
        struct address literal;
        char text[ADDRESS_TEXT];

        if (trial->over)
                return;
        pass(trial, SIP_STEP_CONNECT, "%s: connected", address_format(text, conn_peer_address(trial->conn)));
        if (trial->domain == NULL) {
                end_well(trial);
        } else if (trial->hop.wire == SIP_TCP) {
                ask(trial);
        } else if (tls == NULL) {
                fail(trial, SIP_CAUSE_NO_TLS_HERE, "tls { certificate } is not set");
                end(trial);
        } else {
                conn_start_tls(
                        trial->conn, tls, TLS_CLIENT, address_from_host(&literal, trial->hop.host, 0) ? NULL : trial->hop.host);
        }
}

static void
hear_secured(void *owner)
{
        struct sip_trial *trial = owner;
        const struct tls_peer *peer = conn_peer(trial->conn);

        if (trial->over)
                return;
        pass(trial, SIP_STEP_TLS, "%s %s", peer->version, peer->cipher);
        if (!peer->has_certificate) {
                fail(trial, SIP_CAUSE_NO_CERTIFICATE, "none was shown");
                end(trial);
                return;
        }
        tell_chain(trial, peer);
        tell_names(trial, peer);
        if (!peer->valid) {
                if (trial->cause == SIP_CAUSE_NONE || sip_cause_row(trial->cause)->step != SIP_STEP_CERTIFICATE)
                        fail(trial, sip_cause_of_fault(peer->fault), "%s", peer->problem);
                end(trial);
                return;
        }
        if (!transport_may_carry(trial->transport, &trial->hop, trial->domain, peer, conn_peer_address(trial->conn))) {
                fail(trial, SIP_CAUSE_NOT_ALLOWED,
                        "%s is neither the name dialled, where that alone counts, nor that of a sip-peer for %s", trial->subject,
                        trial->domain);
                end(trial);
                return;
        }
        pass(trial, SIP_STEP_PEER, "%s",
                !trial->hop.named_by_dns && tls_peer_is(peer, trial->hop.host) ? "the certificate is for the name that was dialled"
                                                                               : "a sip-peer allows this certificate");
        ask(trial);
}

static size_t
hear_data(void *owner, const char *bytes, size_t len)
{
        struct sip_trial *trial = owner;
        size_t taken = 0;

        while (taken < len && !trial->over) {
                struct sip_frame frame;
                struct sip_fault fault;
                enum sip_framing found = sip_frame_next(&trial->framer, bytes + taken, len - taken, &frame);
                if (found == SIP_FRAME_MORE)
                        return taken;
                taken += frame.used;
                if (found == SIP_FRAME_EMPTY || found == SIP_FRAME_PING)
                        continue;
                struct sip_message *message = found != SIP_FRAME_MESSAGE
                        ? NULL
                        : sip_message_parse(frame.head, frame.head_len, frame.body, frame.body_len, &fault, NULL);
                if (message != NULL) {
                        take_answer(trial, message);
                        continue;
                }
                fail(trial, SIP_CAUSE_NOT_SIP, "%s", found == SIP_FRAME_MESSAGE ? fault.why : frame.why);
                end(trial);
        }
        return len;
}

static bool dial_next(struct sip_trial *trial);

static void
hear_closed(void *owner, const char *why)
{
        struct sip_trial *trial = owner;
        const struct tls_session *tls = conn_tls(trial->conn);
        bool has_asked = trial->request != NULL;
        char text[ADDRESS_TEXT];

        if (trial->over) {
                trial->conn = NULL;
                return;
        }
        if (has_asked && tls != NULL && tls_session_is_refused(tls))
                fail(trial, SIP_CAUSE_OUR_CERTIFICATE, "%s", why); /* TLS 1.3 says so after the handshake */
        else if (has_asked)
                fail(trial, SIP_CAUSE_CLOSED, "%s", why);
        else if (tls != NULL)
                fail(trial, sip_cause_of_handshake(tls, why), "%s", why);
        else
                fail(trial, sip_cause_of_connect(why), "%s: %s", address_format(text, &trial->addresses[trial->next_address - 1]),
                        why);
        trial->conn = NULL;
        if (has_asked || !dial_next(trial))
                end(trial);
}

static const struct conn_events conn_events = {
        .connected = hear_connected, .secured = hear_secured, .data = hear_data, .closed = hear_closed
};

/* --- the beginning */

static bool
dial_next(struct sip_trial *trial)
{
        if (trial->next_address == trial->address_count)
                return false;
        trial->conn = conn_dial(&trial->addresses[trial->next_address++], FLOW_CONNECT_MS, &conn_events, trial);
        return true;
}

static void
hear_addresses(void *owner, enum dns_outcome outcome, const struct address *addresses, size_t count)
{
        struct sip_trial *trial = owner;
        struct buf text = { 0 };
        char one[ADDRESS_TEXT];

        trial->query = NULL;
        if (trial->over || outcome == DNS_CANCELLED)
                return;
        trial->address_count = outcome != DNS_FOUND ? 0 : count < FLOW_ADDRESSES ? count : FLOW_ADDRESSES;
        if (trial->address_count == 0) {
                fail(trial, outcome == DNS_FAILED ? SIP_CAUSE_DNS_FAILED : SIP_CAUSE_NO_ADDRESS, "%s: %s", trial->hop.host,
                        outcome == DNS_FAILED ? "the look-up failed" : "no A and no AAAA record");
                end(trial);
                return;
        }
        memcpy(trial->addresses, addresses, trial->address_count * sizeof *addresses);
        for (size_t i = 0; i < trial->address_count; i++)
                buf_printf(&text, "%s%s", i > 0 ? ", " : "", address_format_host(one, &addresses[i]));
        pass(trial, SIP_STEP_DNS, "%s: %s", trial->hop.host, buf_text(&text));
        buf_free(&text);
        dial_next(trial);
}

static void
give_up(struct timer *timer)
{
        struct sip_trial *trial = container_of(timer, struct sip_trial, patience);
        bool in_tls = trial->conn != NULL && conn_tls(trial->conn) != NULL;
        bool in_dns = trial->address_count == 0;

        fail(trial,
                in_dns           ? SIP_CAUSE_DNS_FAILED
                        : in_tls ? SIP_CAUSE_TLS_SILENT
                                 : SIP_CAUSE_SILENT,
                "nothing within %d s", ALL_MS / 1000);
        end(trial);
}

static void
begin(struct chore *chore)
{
        struct sip_trial *trial = container_of(chore, struct sip_trial, finish);
        struct address literal;

        trial->finish.run = run_finish;
        if (address_from_host(&literal, trial->hop.host, trial->hop.port)) {
                trial->addresses[0] = literal;
                trial->address_count = 1;
                dial_next(trial);
        } else if (trial->transport->dns == NULL) {
                hear_addresses(trial, DNS_FAILED, NULL, 0);
        } else {
                /* The answer may come before the call returns; there is no query then. */
                struct dns_query *query =
                        dns_lookup(trial->transport->dns, trial->hop.host, trial->hop.port, hear_addresses, trial);
                if (query != NULL)
                        trial->query = query;
        }
}

struct sip_trial *
sip_trial_start(
        struct sip_transport *transport, const struct sip_trial_wish *wish, const struct sip_trial_events *events, void *owner)
{
        struct sip_trial *trial = MEM_NEW(trial);
        trial->transport = transport;
        trial->hop = *wish->hop;
        if (wish->hop->tls != NULL)
                trial->hop.tls = tls_context_ref(wish->hop->tls);
        trial->domain = mem_strdup(wish->domain);
        trial->from = mem_strdup(wish->from);
        trial->events = events;
        trial->owner = owner;
        timer_start(&trial->patience, ALL_MS, give_up);
        trial->finish.run = begin;
        worker_at_turn_end(&trial->finish);
        return trial;
}

void
sip_trial_cancel(struct sip_trial **where)
{
        struct sip_trial *trial = *where;
        if (trial == NULL)
                return;
        *where = NULL;
        free_trial(trial);
}
