/*
 * Transactions over loopback: two layers, `near` that asks and `far` that answers, and a raw connection for what no layer of ours would send.
 */
#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "shared/loop/conn.h"
#include "shared/loop/timer.h"
#include "shared/loop/worker.h"
#include "sipcomp/sip/transaction_private.h"
#include "sipcomp/sip/transport_private.h"
#include "tests/unit/shared/tls/certs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What one side saw and how it behaves. */
struct side {
        struct sip_transactions *layer;
        int requests, acks, byes, cancels, unacks, backs; /* requests: other than BYE */
        uint64_t open;                                    /* the last request it left unanswered */
        int answer; /* what it answers at once; 0: nothing yet; -1: it hangs up; -2: it drops */
        int access;
        const char *carries; /* the name it accepts for its domains */
        struct sip_dialog *dialog;
        uint64_t last_flow;
};

struct outcome {
        int finals, status, provisionals;
        bool local, sent, take;
        struct sip_dialog *dialog;
        char warning[256];
};

static struct side near, far;
static struct outcome outcome;
static struct sip_hop hops[4];
static struct conn *raw;
static struct buf heard;
static bool raw_closed;
static struct cert root, near_cert, far_cert;
static struct tls_context *near_tls, *far_tls, *far_server;

static int
judge_access(void *owner, const struct sip_flow *flow, const struct sip_message *request)
{
        return ((struct side *)owner)->access;
}

static bool
judge_carry(void *owner, const char *domain, const struct tls_peer *peer, const struct address *address)
{
        struct side *side = owner;
        return peer != NULL ? side->carries != NULL && tls_peer_is(peer, side->carries) : true;
}

static void
take_request(void *owner, struct sip_server *server, const struct sip_message *request)
{
        struct side *side = owner;

        side->last_flow = request->flow;
        if (sip_message_is(request, "BYE")) {
                side->byes++;
                sip_server_status(server, 200);
                return;
        }
        side->requests++;
        if (side->answer == -1) {
                sip_flow_close(sip_server_flow(server));
        } else if (side->answer == -2) {
                sip_server_drop(server);
        } else if (side->answer == 0) {
                side->open = sip_server_id(server);
        } else {
                struct sip_message *response = sip_response_new(request, side->answer, NULL, NULL);
                sip_message_set_contact_user(response, "romeo");
                if (side->dialog == NULL && request->to.tag == NULL)
                        side->dialog = sip_dialog_of_server(request, response->to.tag, "romeo", NULL);
                sip_server_answer(server, response);
        }
}

static void
take_ack(void *owner, const struct sip_message *ack)
{
        ((struct side *)owner)->acks++;
}

static void
take_unacked(void *owner, const char *call_id, const char *local_tag)
{
        ((struct side *)owner)->unacks++;
}

static void
take_cancel(void *owner, uint64_t server)
{
        ((struct side *)owner)->cancels++;
}

static void
hear_back(void *owner, const char *domain)
{
        assert_string_equal(domain, "mantua.example");
        ((struct side *)owner)->backs++;
}

static const struct sip_user user = {
        .back = hear_back,
        .access = judge_access,
        .may_carry = judge_carry,
        .request = take_request,
        .acked = take_ack,
        .unacked = take_unacked,
        .cancelled = take_cancel,
};

static void
take_provisional(void *owner, const struct sip_message *response)
{
        ((struct outcome *)owner)->provisionals++;
}

static void
take_final(void *owner, struct sip_client *client, const struct sip_message *response, bool sent)
{
        struct outcome *o = owner;
        o->finals++;
        o->status = response->status;
        o->local = response->local;
        o->sent = sent;
        const char *warning = sip_message_get(response, "Warning");
        snprintf(o->warning, sizeof o->warning, "%s", warning != NULL ? warning : "");
        if (!response->local && response->status < 300 && sip_message_is(response, "INVITE")) {
                sip_dialog_free(&o->dialog);
                o->dialog = sip_dialog_of_client(sip_client_request(client), response, NULL);
                if (o->take)
                        sip_client_ack(client, sip_dialog_ack(o->dialog, response->cseq));
        }
}

static const struct sip_client_events events = { .provisional = take_provisional, .final = take_final };

/* --- the stage */

static bool (*script)(int turn);
static struct timer tick;
static int turn;
static bool with_tls;
static unsigned ping_ms; /* 0: what is usual */
static int pings, pongs; /* that raw heard; how many of them it answers */

static size_t
hear_raw(void *owner, const char *bytes, size_t len)
{
        buf_put(&heard, bytes, len);
        if (len == 4 && memcmp(bytes, "\r\n\r\n", 4) == 0 && pings++ < pongs)
                conn_send(raw, "\r\n", 2);
        return len;
}

static void
raw_gone(void *owner, const char *why)
{
        raw = NULL;
        raw_closed = true;
}

static const struct conn_events raw_events = { .data = hear_raw, .closed = raw_gone };

static void
raw_say(const char *text)
{
        conn_send(raw, text, strlen(text));
}

static struct sip_client *
call(const char *method, size_t hop_count)
{
        struct sip_message *request = sip_request_new(
                method, "sip:romeo@mantua.example", "Juliet", "sip:juliet@verona.example", "sip:romeo@mantua.example");
        struct sip_target target = { .domain = "mantua.example", .hops = hops, .hop_count = hop_count };
        sip_message_set_contact_user(request, "juliet");
        return sip_client_start(near.layer, request, &target, &events, &outcome);
}

static void
end_play(void)
{
        if (raw != NULL)
                conn_free(&raw);
        sip_transactions_free(&near.layer);
        sip_transactions_free(&far.layer);
        sip_dialog_free(&far.dialog);
        sip_dialog_free(&outcome.dialog);
        worker_stop(worker_here());
}

static void
ask_script(struct timer *timer)
{
        if (!script(turn++) && turn < 1000)
                timer_start(timer, 10, ask_script);
        else
                end_play();
}

static void
begin(struct letter *letter)
{
        struct address address;
        struct err err;

        near.layer = sip_transactions_new(
                &(struct sip_transport_options){ .fqdn = "sip.verona.example", .tls = near_tls }, &user, &near);
        far.layer =
                sip_transactions_new(&(struct sip_transport_options){ .fqdn = "sip.mantua.example", .tls = far_tls }, &user, &far);
        transactions_set_t1(near.layer, 5);
        transactions_set_t1(far.layer, 5);
        if (ping_ms > 0)
                transport_set_ping(sip_transactions_transport(far.layer), ping_ms);
        assert_int_equal(address_parse(&address, "127.0.0.1:0", &err), 0);
        const struct sip_listen listen = { .name = "test",
                .address = address,
                .wire = with_tls ? SIP_TLS : SIP_TCP,
                .tls = with_tls ? far_server : NULL,
                .ask = with_tls ? TLS_ASK_REQUIRED : TLS_ASK_NONE };
        assert_int_equal(sip_transport_listen(sip_transactions_transport(far.layer), &listen, 1, &err), 0);
        hops[0] = (struct sip_hop){ .host = "127.0.0.1", .wire = with_tls ? SIP_TLS : SIP_TCP };
        hops[0].port = sip_transport_port(sip_transactions_transport(far.layer), hops[0].wire);
        if (!with_tls) {
                assert_true(address_from_host(&address, "127.0.0.1", hops[0].port));
                raw = conn_dial(&address, 1000, &raw_events, NULL);
        }
        timer_start(&tick, 0, ask_script);
}

static void
play_on(bool (*what)(int), bool tls)
{
        struct worker *worker = worker_new("test", 0);
        struct letter letter = { .open = begin };

        script = what;
        turn = 0;
        with_tls = tls;
        raw_closed = false;
        worker_post(worker, &letter);
        worker_run(worker);
        worker_free(&worker);
        buf_free(&heard);
        assert_true(turn < 1000);
        near = far = (struct side){ 0 };
        pings = pongs = 0;
        outcome = (struct outcome){ 0 };
}

static void
play(bool (*what)(int))
{
        play_on(what, false);
}

/* --- requests of ours */

static bool
ask_and_hear(int at)
{
        if (at == 0) {
                far.answer = 202;
                call("MESSAGE", 1);
                assert_int_equal(outcome.finals, 0);
        }
        if (outcome.finals == 0)
                return false;
        assert_int_equal(outcome.status, 202);
        assert_false(outcome.local);
        assert_true(outcome.sent);
        assert_int_equal(far.requests, 1);
        assert_int_equal(sip_client_count(near.layer), 0);
        return true;
}

static void
a_request_gets_its_answer(void **state)
{
        play(ask_and_hear);
}

static bool
wait_in_vain(int at)
{
        if (at == 0)
                call("MESSAGE", 1);
        if (outcome.finals == 0)
                return false;
        assert_int_equal(outcome.status, 408);
        assert_true(outcome.local || far.requests == 1);
        assert_true(outcome.sent);
        return true;
}

static void
silence_ends_with_408(void **state)
{
        play(wait_in_vain);
}

static bool
lose_connection(int at)
{
        if (at == 0) {
                far.answer = -1;
                call("MESSAGE", 1);
        }
        if (outcome.finals == 0)
                return false;
        assert_int_equal(outcome.status, 503);
        assert_true(outcome.local);
        assert_true(outcome.sent);
        return true;
}

static void
a_lost_connection_fails_at_once(void **state)
{
        play(lose_connection);
}

/* Whoever was at its end may have begun anew and know nothing of our dialogs. */
static bool
lose_and_find_again(int at)
{
        if (at == 0) {
                far.answer = -1;
                call("MESSAGE", 1);
        }
        return outcome.finals == 1 && near.backs == 1;
}

static void
where_a_connection_broke_under_a_request_we_ask_again(void **state)
{
        play(lose_and_find_again);
}

static bool
find_no_route(int at)
{
        if (at == 0)
                call("INVITE", 0);
        if (outcome.finals == 0)
                return false;
        assert_int_equal(outcome.status, 503);
        assert_false(outcome.sent);
        return true;
}

static void
no_route_is_503(void **state)
{
        play(find_no_route);
}

static bool
try_the_second(int at)
{
        if (at == 0) {
                far.answer = 200;
                hops[1] = hops[0];
                hops[0].port = 1;
                call("MESSAGE", 2);
        }
        if (outcome.finals == 0)
                return false;
        assert_int_equal(outcome.status, 200);
        assert_true(sip_transport_shuns(sip_transactions_transport(near.layer), &hops[0]));
        assert_false(sip_transport_shuns(sip_transactions_transport(near.layer), &hops[1]));
        return true;
}

static void
the_next_hop_is_tried_when_one_cannot_be_reached(void **state)
{
        play(try_the_second);
}

static bool
ask_twice_where_invited(int at)
{
        if (at == 0) {
                far.answer = -1;
                hops[1] = hops[0];
                call("SUBSCRIBE", 2);
        }
        if (outcome.finals == 0)
                return false;
        assert_int_equal(outcome.status, 503);
        assert_int_equal(far.requests, 2);
        return true;
}

static void
a_subscribe_without_answer_goes_to_the_next_hop(void **state)
{
        play(ask_twice_where_invited);
}

static bool
call_and_take(int at)
{
        if (at == 0) {
                far.answer = 200;
                outcome.take = true;
                call("INVITE", 1);
        }
        if (far.acks == 0)
                return false;
        assert_int_equal(outcome.finals, 1);
        assert_int_equal(outcome.status, 200);
        assert_non_null(outcome.dialog);
        assert_int_equal(far.byes, 0);
        return true;
}

static void
an_invite_is_acknowledged(void **state)
{
        play(call_and_take);
}

static bool
call_and_leave(int at)
{
        if (at == 0) {
                far.answer = 200;
                call("INVITE", 1);
        }
        if (far.byes == 0)
                return false;
        assert_int_equal(far.acks, 1);
        return true;
}

static void
a_call_the_user_does_not_take_is_ended(void **state)
{
        play(call_and_leave);
}

static struct sip_client *calling;

static bool
cancel_it(int at)
{
        if (at == 0)
                calling = call("INVITE", 1);
        if (at == 3) {
                assert_int_equal(far.requests, 1);
                sip_client_cancel(calling);
        }
        if (outcome.finals == 0)
                return false;
        assert_int_equal(outcome.status, 487);
        assert_false(outcome.local);
        assert_int_equal(far.cancels, 1);
        assert_null(sip_server_find(far.layer, far.open));
        return true;
}

static void
an_invite_is_cancelled(void **state)
{
        play(cancel_it);
}

static bool
forget_it(int at)
{
        if (at == 0)
                calling = call("INVITE", 1);
        if (at == 3)
                sip_client_forget(&calling);
        if (far.cancels == 0)
                return false;
        assert_int_equal(outcome.finals, 0);
        return true;
}

static void
a_forgotten_invite_is_cancelled(void **state)
{
        play(forget_it);
}

static bool
run_out_of_patience(int at)
{
        if (at == 0)
                transactions_set_t1(far.layer, 500), call("INVITE", 1);
        if (at == 3) {
                struct sip_server *server = sip_server_find(far.layer, far.open);
                sip_server_answer(server, sip_response_new(sip_server_request(server), 183, NULL, NULL));
        }
        if (far.cancels == 0)
                return false;
        assert_int_equal(outcome.finals, 1);
        assert_int_equal(outcome.status, 408);
        assert_true(outcome.local);
        assert_int_equal(outcome.provisionals, 1);
        return true;
}

static void
an_invite_without_end_is_given_up_and_cancelled(void **state)
{
        play(run_out_of_patience);
}

/* --- requests of theirs, byte by byte */

#define HEAD(method, branch, number, tag)                                                                                          \
        method " sip:romeo@mantua.example SIP/2.0\r\nVia: SIP/2.0/TCP pc.verona.example;branch=" branch "\r\nMax-Forwards: 70\r\n" \
               "From: <sip:juliet@verona.example>;tag=a\r\nTo: <sip:romeo@mantua.example>" tag "\r\nCall-ID: c1\r\nCSeq: " number  \
               " " method "\r\nContact: <sip:juliet@pc.verona.example>\r\n"

static size_t
count(const char *text)
{
        size_t n = 0;
        for (const char *at = heard.len > 0 ? buf_text(&heard) : ""; (at = strstr(at, text)) != NULL; at++)
                n++;
        return n;
}

static bool
repeat(int at)
{
        if (at == 0) {
                far.answer = 200;
                raw_say(HEAD("MESSAGE", "z9hG4bKone", "7", ";tag=b") "Content-Length: 0\r\n\r\n");
                raw_say(HEAD("MESSAGE", "z9hG4bKone", "7", ";tag=b") "Content-Length: 0\r\n\r\n");
                raw_say(HEAD("MESSAGE", "z9hG4bKtwo", "7", ";tag=b") "Content-Length: 0\r\n\r\n");
        }
        if (count("SIP/2.0 200 OK") < 3)
                return false;
        assert_int_equal(far.requests, 1);
        assert_int_equal(count("branch=z9hG4bKone"), 2);
        assert_int_equal(count("branch=z9hG4bKtwo"), 1);
        return true;
}

static void
a_repeated_request_gets_the_stored_answer(void **state)
{
        play(repeat);
}

static bool
never_acknowledge(int at)
{
        if (at == 0) {
                far.answer = 200;
                raw_say(HEAD("INVITE", "z9hG4bKone", "1", "") "Content-Length: 0\r\n\r\n");
        }
        if (far.unacks == 0)
                return false;
        assert_int_equal(count("SIP/2.0 100 Trying"), 1);
        assert_true(count("SIP/2.0 200 OK") >= 7);
        return true;
}

static void
a_2xx_is_repeated_until_its_ack_and_given_up_in_the_end(void **state)
{
        play(never_acknowledge);
}

/* The To tag of the first answer with this status line. */
static void
copy_tag(char *tag, size_t room, const char *status)
{
        const char *at = strstr(buf_text(&heard), status);
        at = at != NULL ? strstr(at, "\r\nTo: ") : NULL;
        at = at != NULL ? strstr(at, ";tag=") : NULL;
        assert_non_null(at);
        snprintf(tag, room, "%.*s", (int)strcspn(at + 5, "\r;"), at + 5);
}

static bool
cancel_raw(int at)
{
        if (at == 0) {
                raw_say(HEAD("INVITE", "z9hG4bKone", "1", "") "Content-Length: 0\r\n\r\n");
                raw_say(HEAD("CANCEL", "z9hG4bKone", "1", "") "Content-Length: 0\r\n\r\n");
                raw_say(HEAD("CANCEL", "z9hG4bKone", "1", "") "Content-Length: 0\r\n\r\n");
                raw_say(HEAD("CANCEL", "z9hG4bKother", "1", "") "Content-Length: 0\r\n\r\n");
        }
        if (count("SIP/2.0 481") == 0)
                return false;
        /* The user never heard of it: both came in one piece. */
        assert_int_equal(far.requests, 0);
        assert_int_equal(far.cancels, 0);
        assert_int_equal(count("SIP/2.0 487"), 1);
        assert_int_equal(count("SIP/2.0 200 OK"), 2);
        char of_cancel[64], of_invite[64];
        copy_tag(of_cancel, sizeof of_cancel, "SIP/2.0 200 OK");
        copy_tag(of_invite, sizeof of_invite, "SIP/2.0 487");
        assert_string_equal(of_cancel, of_invite);
        return true;
}

static void
cancel_ends_an_invite_once_and_nothing_else(void **state)
{
        play(cancel_raw);
}

static bool
talk_strangely(int at)
{
        if (at == 0) {
                far.answer = 200;
                raw_say("\r\n\r\n");
                raw_say(HEAD("BENOTIFY", "z9hG4bKone", "1", "") "Content-Length: 0\r\n\r\n");
                raw_say(HEAD("ACK", "z9hG4bKtwo", "1", ";tag=x") "Content-Length: 0\r\n\r\n");
                raw_say("SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP sip.mantua.example;branch=z9hG4bKnone\r\nFrom: <sip:a@b.example>;tag=1\r\n"
                        "To: <sip:c@d.example>;tag=2\r\nCall-ID: x\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n");
                raw_say(HEAD("MESSAGE", "z9hG4bKthree", "2", "") "Content-Length: -1\r\n\r\n");
        }
        if (!raw_closed)
                return false;
        assert_memory_equal(buf_text(&heard), "\r\nSIP/2.0 400 Bad Request\r\n", 27);
        assert_int_equal(count("SIP/2.0 "), 1);
        assert_int_equal(far.acks, 0);
        return true;
}

static void
pings_are_answered_and_what_needs_no_answer_gets_none(void **state)
{
        play(talk_strangely);
}

/* RFC 3261 8.2.2.2: the same request by another way, while the first is under way; and a text that was safe already is not taken twice. */
static bool
come_by_two_ways(int at)
{
        static const char *const methods[] = { "SUBSCRIBE", "INVITE", "OPTIONS" };
        char text[1000];
        if (at == 0) {
                for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
                        for (char way = 'a'; way <= 'b'; way++) {
                                snprintf(text, sizeof text,
                                        "%s sip:romeo@mantua.example SIP/2.0\r\nVia: SIP/2.0/TCP a.example;branch=z9hG4bK%c%zu\r\n"
                                        "From: <sip:juliet@verona.example>;tag=1\r\nTo: <sip:romeo@mantua.example>\r\nCall-ID: x\r\n"
                                        "CSeq: %zu %s\r\nContact: <sip:j@a.example>\r\nEvent: presence\r\nContent-Length: 0\r\n\r\n",
                                        methods[i], way, i, i + 1, methods[i]);
                                raw_say(text);
                        }
                return false;
        }
        if (at < 5)
                return false;
        assert_int_equal(count("SIP/2.0 482"), 3);
        assert_int_equal(far.requests, 3);
        return true;
}

static void
a_request_that_comes_by_two_ways_is_done_once(void **state)
{
        play(come_by_two_ways);
}

static void
say_text(char way, const char *text)
{
        char message[1000];
        snprintf(message, sizeof message,
                "MESSAGE sip:romeo@mantua.example SIP/2.0\r\nVia: SIP/2.0/TCP a.example;branch=z9hG4bK%c\r\n"
                "From: <sip:juliet@verona.example>;tag=1\r\nTo: <sip:romeo@mantua.example>\r\nCall-ID: x\r\n"
                "CSeq: 1 MESSAGE\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s",
                way, strlen(text), text);
        raw_say(message);
}

/* The sender's other server asks again since the answer did not reach the first. Some programs never change their numbers. */
static bool
say_it_twice(int at)
{
        if (at == 0) {
                far.answer = 200;
                say_text('a', "one");
                say_text('b', "one");
                say_text('c', "two");
        }
        if (count("SIP/2.0 200") < 3)
                return false;
        assert_int_equal(far.requests, 2);
        return true;
}

static void
a_text_that_comes_by_two_ways_is_taken_once(void **state)
{
        play(say_it_twice);
}

static struct sip_flow *
kept_flow(void)
{
        size_t at = 0;
        struct sip_flow *flow = sip_transport_each(sip_transactions_transport(far.layer), &at);
        if (flow != NULL)
                sip_flow_keep(flow);
        return flow;
}

static bool
never_answer_pings(int at)
{
        kept_flow();
        assert_false(raw_closed);
        return pings >= 3;
}

static void
a_connection_with_dialogs_is_pinged(void **state)
{
        ping_ms = 240;
        play(never_answer_pings);
        ping_ms = 0;
}

/* The third is not answered any more. An answer is no beginning of a message, whose end could be missed. */
static bool
answer_pings(int at)
{
        const struct sip_flow *flow = kept_flow();
        if (at == 0)
                pongs = 2;
        if (flow != NULL)
                assert_int_equal(flow->message_since, 0);
        if (!raw_closed)
                return false;
        assert_int_equal(pings, 3);
        return true;
}

static void
who_ceases_to_answer_pings_is_gone(void **state)
{
        ping_ms = 1200;
        play(answer_pings);
        ping_ms = 0;
}

/* Who has said nothing that is for us is not waited for half an hour. */
static bool
keep_silent(int at)
{
        return raw_closed;
}

static bool
say_something_first(int at)
{
        if (at == 0) {
                far.answer = 200;
                say_text('a', "one");
        }
        assert_false(raw_closed);
        return at > 40;
}

static void
silence_ends_a_strangers_connection_soon(void **state)
{
        ping_ms = 240;
        play(keep_silent);
        play(say_something_first);
        ping_ms = 0;
}

/* RFC 3261 7.5: line ends may stand before a message, and come in whatever pieces. */
static bool
say_half_a_ping(int at)
{
        const struct sip_flow *flow = kept_flow();
        if (at == 0)
                raw_say("\r\n");
        if (at < 5)
                return false;
        if (at == 5) {
                assert_non_null(flow);
                assert_int_equal(flow->message_since, 0);
                raw_say("\r\n");
        }
        return strcmp(buf_text(&heard), "\r\n") == 0;
}

static void
half_a_ping_is_no_message_that_does_not_end(void **state)
{
        play(say_half_a_ping);
}

static bool
come_from_elsewhere(int at)
{
        if (at == 0) {
                far.answer = 200;
                far.access = 403;
                raw_say(HEAD("MESSAGE", "z9hG4bKone", "1", "") "Content-Length: 0\r\n\r\n");
                raw_say(HEAD("CANCEL", "z9hG4bKone", "1", "") "Content-Length: 0\r\n\r\n");
                raw_say(HEAD("BENOTIFY", "z9hG4bKtwo", "2", "") "Content-Length: 0\r\n\r\n");
        }
        if (count("SIP/2.0 403") < 2)
                return false;
        assert_int_equal(far.requests, 0);
        return true;
}

static void
who_may_not_speak_is_refused(void **state)
{
        play(come_from_elsewhere);
}

static bool
meet_itself(int at)
{
        if (at == 0)
                raw_say("MESSAGE sip:romeo@mantua.example SIP/2.0\r\nVia: SIP/2.0/TCP a.example;branch=z9hG4bKx\r\n"
                        "Via: SIP/2.0/TLS SIP.mantua.example:5061;branch=z9hG4bKy\r\nFrom: <sip:a@b.example>;tag=1\r\nTo: <sip:c@d.example>\r\n"
                        "Call-ID: x\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n");
        return count("SIP/2.0 482") == 1;
}

static void
a_request_that_was_here_before_is_a_loop(void **state)
{
        play(meet_itself);
}

/* --- TLS */

static bool
answer_on_their_connection(int at)
{
        if (at == 0) {
                far.answer = 200;
                far.carries = near.carries = "verona.example";
                near.carries = "mantua.example";
                outcome.take = true;
                call("INVITE", 1);
        }
        if (far.acks == 1 && far.byes == 0 && outcome.finals == 1) {
                /* far has no listener to dial at near: its BYE must take the connection near has made. */
                struct sip_hop back = { .host = "edge.verona.example", .port = 5061, .wire = SIP_TLS };
                struct sip_target target = { .domain = "verona.example", .hops = &back, .hop_count = 1 };
                far.byes = 100;
                near.answer = 200;
                sip_client_start(far.layer, sip_dialog_request(far.dialog, "BYE", false), &target, &events, &outcome);
        }
        if (outcome.finals < 2)
                return false;
        assert_int_equal(outcome.status, 200);
        assert_int_equal(near.byes, 1);
        return true;
}

static void
a_request_in_a_dialog_takes_the_connection_of_the_peer(void **state)
{
        play_on(answer_on_their_connection, true);
}

static bool
meet_the_wrong_one(int at)
{
        if (at == 0) {
                far.answer = 200;
                near.carries = "padua.example";
                call("MESSAGE", 1);
        }
        if (outcome.finals == 0)
                return false;
        assert_int_equal(outcome.status, 503);
        assert_false(outcome.sent);
        assert_int_equal(far.requests, 0);
        assert_non_null(strstr(outcome.warning, "neither for this name"));
        return true;
}

static void
a_certificate_of_somebody_else_is_not_trusted(void **state)
{
        play_on(meet_the_wrong_one, true);
}

/* --- which hop first */

static void
a_dialog_prefers_what_it_names_only_among_what_is_ours_to_dial(void **state)
{
        static const char *const subjects[] = { "pool.mantua.example" };
        static const struct {
                struct sip_place wanted;
                const char *first;
                size_t count;
                unsigned port;
        } rows[] = {
                { { "b.mantua.example", 5061 }, "b.mantua.example", 2, 5061 },
                { { "b.mantua.example", 0 }, "b.mantua.example", 2, 5061 },
                { { "b.mantua.example", 9 }, "a.mantua.example", 2, 5061 },
                { { "pool.mantua.example", 5065 }, "pool.mantua.example", 3, 5065 },
                { { "victim.example", 25 }, "a.mantua.example", 2, 5061 },
                { { "127.0.0.1", 0 }, "a.mantua.example", 2, 5061 },
                { { "", 0 }, "a.mantua.example", 2, 5061 },
        };
        for (size_t i = 0; i < array_len(rows); i++) {
                struct sip_hop order[3] = {
                        { .host = "a.mantua.example", .port = 5061, .wire = SIP_TLS },
                        { .host = "b.mantua.example", .port = 5061, .wire = SIP_TLS },
                };
                assert_int_equal(sip_hops_prefer(order, 2, &rows[i].wanted, subjects, 1), rows[i].count);
                assert_string_equal(order[0].host, rows[i].first);
                assert_int_equal(order[0].port, rows[i].port);
        }
}

static struct tls_context *
make_context(enum tls_side side, const struct cert *cert)
{
        struct err err = { "" };
        struct tls_context *context = tls_context_new(
                side, &(struct tls_options){ .certificate = cert->path, .trust = root.path, .ask = TLS_ASK_REQUIRED }, &err);
        assert_string_equal(err.text, "");
        return context;
}

static int
make_certs(void **state)
{
        root = cert_make(&(struct cert_wish){ .name = "root", .is_ca = 1 });
        near_cert = cert_make(&(struct cert_wish){ .name = "verona", .san = "DNS:verona.example", .issuer = &root });
        far_cert = cert_make(&(struct cert_wish){ .name = "mantua", .san = "DNS:mantua.example", .issuer = &root });
        near_tls = make_context(TLS_CLIENT, &near_cert);
        far_tls = make_context(TLS_CLIENT, &far_cert);
        far_server = make_context(TLS_SERVER, &far_cert);
        return 0;
}

static int
remove_certs(void **state)
{
        cert_free(&root);
        cert_free(&near_cert);
        cert_free(&far_cert);
        tls_context_unref(&near_tls);
        tls_context_unref(&far_tls);
        tls_context_unref(&far_server);
        certs_remove();
        return 0;
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_request_gets_its_answer),
                cmocka_unit_test(silence_ends_with_408),
                cmocka_unit_test(a_lost_connection_fails_at_once),
                cmocka_unit_test(where_a_connection_broke_under_a_request_we_ask_again),
                cmocka_unit_test(no_route_is_503),
                cmocka_unit_test(the_next_hop_is_tried_when_one_cannot_be_reached),
                cmocka_unit_test(a_subscribe_without_answer_goes_to_the_next_hop),
                cmocka_unit_test(an_invite_is_acknowledged),
                cmocka_unit_test(a_call_the_user_does_not_take_is_ended),
                cmocka_unit_test(an_invite_is_cancelled),
                cmocka_unit_test(a_forgotten_invite_is_cancelled),
                cmocka_unit_test(an_invite_without_end_is_given_up_and_cancelled),
                cmocka_unit_test(a_repeated_request_gets_the_stored_answer),
                cmocka_unit_test(a_2xx_is_repeated_until_its_ack_and_given_up_in_the_end),
                cmocka_unit_test(cancel_ends_an_invite_once_and_nothing_else),
                cmocka_unit_test(pings_are_answered_and_what_needs_no_answer_gets_none),
                cmocka_unit_test(a_request_that_comes_by_two_ways_is_done_once),
                cmocka_unit_test(a_text_that_comes_by_two_ways_is_taken_once),
                cmocka_unit_test(a_connection_with_dialogs_is_pinged),
                cmocka_unit_test(silence_ends_a_strangers_connection_soon),
                cmocka_unit_test(who_ceases_to_answer_pings_is_gone),
                cmocka_unit_test(half_a_ping_is_no_message_that_does_not_end),
                cmocka_unit_test(who_may_not_speak_is_refused),
                cmocka_unit_test(a_request_that_was_here_before_is_a_loop),
                cmocka_unit_test(a_request_in_a_dialog_takes_the_connection_of_the_peer),
                cmocka_unit_test(a_certificate_of_somebody_else_is_not_trusted),
                cmocka_unit_test(a_dialog_prefers_what_it_names_only_among_what_is_ours_to_dial),
        };
        return cmocka_run_group_tests(tests, make_certs, remove_certs);
}
