/* Messages: header access, building, printing, dialogs and session descriptions. */
#include "shared/base/mem.h"
#include "sipcomp/sip/dialog.h"
#include "sipcomp/sip/frame.h"
#include "sipcomp/sip/message.h"
#include "sipcomp/sip/sdp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The INVITE of a Microsoft client through an edge. */
static const char invite[] =
        "INVITE sip:alice@example.com SIP/2.0\r\n"
        "Record-Route: <sip:pool.lync.test:5061;transport=tls;lr;ms-route-sig=geYA>;tag=33080DF1\r\n"
        "Record-Route: <sip:edge.lync.test:5061;transport=tls;epid=46c4b2d3ac;lr;ms-key-info=lAA+/=;ms-route-sig=daf>\r\n"
        "Via: SIP/2.0/TLS edge.lync.test:5061;branch=z9hG4bK2DA3892F.D0429AA1;branched=FALSE\r\n"
        "v: SIP/2.0/TLS 10.30.66.57:37737;ms-received-port=37737;ms-received-cid=3E8A00\r\n"
        "Max-Forwards: 69\r\n"
        "f: \"Carol Weber\" <sip:carol@lync.test>;tag=9d5c2a38ba;epid=46c4b2d3ac\r\n"
        "t: <sip:alice@example.com>\r\n"
        "i: ce878a8bc0ca4c769ca729bc2f56a998\r\n"
        "CSeq: 1 INVITE\r\n"
        "m: <sip:carol@lync.test;opaque=user:epid:hYns;gruu>\r\n"
        "k: ms-embedded-first-message,\r\n timer\r\n"
        "Supported: com.microsoft.rtc-multiparty\r\n"
        "Session-Expires: 1800;refresher=uac\r\n"
        "c: application/SDP;call-type=im\r\n"
        "Content-Length: 5\r\n\r\n";

static struct sip_message *
must_parse(const char *head, const char *body)
{
        struct sip_fault fault;
        struct sip_message *message = sip_message_parse(head, strlen(head), body, strlen(body), &fault, NULL);
        if (message == NULL)
                fail_msg("%d %s", fault.status, fault.why);
        return message;
}

static void
reads_headers_under_all_their_names(void **state)
{
        struct sip_message *message = must_parse(invite, "v=0\r\n");
        const char *elements[SIP_LIST_MAX];

        assert_string_equal(message->from.display, "Carol Weber");
        assert_string_equal(message->from.tag, "9d5c2a38ba");
        assert_null(message->to.tag);
        assert_string_equal(message->via.branch, "z9hG4bK2DA3892F.D0429AA1");
        assert_string_equal(message->via.transport, "TLS");
        assert_int_equal(message->via.port, 5061);
        assert_int_equal(sip_message_list(message, "supported", elements, SIP_LIST_MAX), 3);
        assert_string_equal(elements[1], "timer");
        assert_true(sip_message_lists(message, "k", "TIMER"));
        assert_false(sip_message_lists(message, "Supported", "time"));
        assert_string_equal(sip_message_content_type(message), "application/sdp");
        assert_string_equal(sip_message_parameter(message, "Content-Type", "call-type"), "im");
        assert_int_equal(sip_message_number(message, "x", 86400), 1800);
        assert_int_equal(sip_message_number(message, "Session-Expires", 90), -2);
        assert_int_equal(sip_message_number(message, "Expires", 90), -1);
        assert_int_equal(message->body_len, 5);
        assert_string_equal(message->body, "v=0\r\n");
        sip_message_free(&message);
}

static void
a_response_repeats_byte_for_byte_what_was_signed(void **state)
{
        struct sip_message *message = must_parse(invite, "v=0\r\n");
        struct sip_message *response = sip_response_new(message, 200, NULL, "ourtag");
        struct buf text = { 0 };

        sip_message_set_body(response, "application/sdp", "abc", 3);
        sip_message_print(response, &text);
        assert_string_equal(buf_text(&text),
                "SIP/2.0 200 OK\r\n"
                "Via: SIP/2.0/TLS edge.lync.test:5061;branch=z9hG4bK2DA3892F.D0429AA1;branched=FALSE\r\n"
                "Via: SIP/2.0/TLS 10.30.66.57:37737;ms-received-port=37737;ms-received-cid=3E8A00\r\n"
                "Record-Route: <sip:pool.lync.test:5061;transport=tls;lr;ms-route-sig=geYA>;tag=33080DF1\r\n"
                "Record-Route: <sip:edge.lync.test:5061;transport=tls;epid=46c4b2d3ac;lr;ms-key-info=lAA+/=;ms-route-sig=daf>\r\n"
                "From: \"Carol Weber\" <sip:carol@lync.test>;tag=9d5c2a38ba;epid=46c4b2d3ac\r\n"
                "To: <sip:alice@example.com>;tag=ourtag\r\n"
                "Call-ID: ce878a8bc0ca4c769ca729bc2f56a998\r\n"
                "CSeq: 1 INVITE\r\n"
                "Content-Type: application/sdp\r\n"
                "Content-Length: 3\r\n\r\nabc");
        buf_free(&text);
        sip_message_free(&response);
        sip_message_free(&message);
}

static void
nothing_can_be_injected(void **state)
{
        struct sip_message *request =
                sip_request_new("MESSAGE", "sip:bob@ocs.test", "Eve\"\r\nX: y", "sip:alice@example.com", "sip:bob@ocs.test");
        struct buf text = { 0 };

        sip_message_add(request, "Subject", "a\r\nb: c");
        sip_message_print(request, &text);
        assert_null(strstr(buf_text(&text), "\r\nX:"));
        assert_null(strstr(buf_text(&text), "\r\nb:"));
        assert_non_null(strstr(buf_text(&text), "From: \"Eve\\\"  X: y\" <sip:alice@example.com>;tag="));
        buf_free(&text);
        sip_message_free(&request);
}

static void
what_we_print_we_can_read(void **state)
{
        struct sip_message *request =
                sip_request_new("SUBSCRIBE", "sip:bob@ocs.test", NULL, "sip:alice@example.com", "sip:bob@ocs.test");
        struct buf text = { 0 };
        struct sip_framer framer = { 0 };
        struct sip_frame frame;

        sip_message_prepend(request, "Via", "SIP/2.0/TLS sip.example.com:5061;branch=z9hG4bKx");
        sip_message_add(request, "Event", "presence");
        sip_message_set(request, "Event", "presence;id=1");
        sip_message_set_body(request, "text/plain", "hello", 5);
        sip_message_print(request, &text);
        assert_int_equal(sip_frame_next(&framer, buf_data(&text), text.len, &frame), SIP_FRAME_MESSAGE);
        assert_int_equal(frame.used, text.len);
        struct sip_fault fault;
        struct sip_message *again = sip_message_parse(frame.head, frame.head_len, frame.body, frame.body_len, &fault, NULL);
        assert_non_null(again);
        assert_string_equal(sip_message_get(again, "o"), "presence;id=1");
        assert_string_equal(again->call_id, request->call_id);
        assert_string_equal(again->body, "hello");
        sip_message_free(&again);
        sip_message_free(&request);
        buf_free(&text);
}

static void
a_response_without_phrase_keeps_its_first_header(void **state)
{
        struct sip_message *message =
                must_parse("SIP/2.0 200\r\nVia: SIP/2.0/TCP a.test;branch=z9hG4bKx\r\nFrom: <sip:a@a.test>;tag=1\r\n"
                           "To: <sip:b@b.test>;tag=2\r\nCall-ID: x\r\nCSeq: 3 BYE\r\nContent-Length: 0\r\n\r\n",
                        "");
        assert_int_equal(message->status, 200);
        assert_string_equal(message->reason, "");
        assert_string_equal(message->method, "BYE");
        assert_string_equal(message->via.branch, "z9hG4bKx");
        sip_message_free(&message);
}

static void
every_required_extension_that_is_unknown_is_named(void **state)
{
        struct sip_message *message = must_parse(invite, "");
        struct sip_fault fault;

        assert_true(sip_message_check(message, &fault));
        sip_message_add(message, "Require", "com.microsoft.rtc-multiparty, timer");
        sip_message_add(message, "Require", "100rel");
        assert_false(sip_message_check(message, &fault));
        assert_int_equal(fault.status, 420);
        assert_string_equal(fault.header, "Unsupported: com.microsoft.rtc-multiparty, 100rel");
        sip_message_free(&message);
}

static void
a_via_with_our_name_and_port_is_a_loop(void **state)
{
        struct sip_message *message = must_parse(invite, "");
        assert_true(sip_message_has_looped(message, "EDGE.lync.test", 5061));
        assert_false(sip_message_has_looped(message, "edge.lync.test", 5062));
        assert_false(sip_message_has_looped(message, "lync.test", 5061));
        sip_message_free(&message);
}

/* --- dialogs */

static void
print_request(struct sip_message *request, struct buf *text)
{
        buf_clear(text);
        sip_message_print(request, text);
        sip_message_free(&request);
}

static void
a_dialog_of_theirs_answers_along_the_route_in_order(void **state)
{
        struct sip_message *message = must_parse(invite, "");
        struct sip_dialog *dialog = sip_dialog_of_server(message, "ourtag", "alice", "sip.example.com");
        struct buf text = { 0 };

        print_request(sip_dialog_request(dialog, "BYE", false), &text);
        assert_string_equal(buf_text(&text),
                "BYE sip:carol@lync.test;opaque=user:epid:hYns;gruu SIP/2.0\r\n"
                "Max-Forwards: 70\r\n"
                "Route: <sip:pool.lync.test:5061;transport=tls;lr;ms-route-sig=geYA>;tag=33080DF1\r\n"
                "Route: <sip:edge.lync.test:5061;transport=tls;epid=46c4b2d3ac;lr;ms-key-info=lAA+/=;ms-route-sig=daf>\r\n"
                "From: <sip:alice@example.com>;tag=ourtag\r\n"
                "To: \"Carol Weber\" <sip:carol@lync.test>;tag=9d5c2a38ba;epid=46c4b2d3ac\r\n"
                "Call-ID: ce878a8bc0ca4c769ca729bc2f56a998\r\n"
                "CSeq: 1 BYE\r\n"
                "Content-Length: 0\r\n\r\n");
        buf_free(&text);
        sip_dialog_free(&dialog);
        sip_message_free(&message);
}

static const char ok_head[] =
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS sip.example.com:5061;branch=z9hG4bKx\r\nFrom: <sip:alice@example.com>;tag=a\r\n"
        "To: <sip:carol@lync.test>;epid=b8;tag=b\r\nCall-ID: c\r\nCSeq: 4 INVITE\r\n"
        "Record-Route: <sip:pool.lync.test;lr>, <sip:edge.lync.test;lr>\r\n"
        "Record-Route: <sip:sip.example.com:5060;transport=tcp;lr>\r\n"
        "Contact: <sip:carol@lync.test;gruu?Subject=x>\r\nContent-Length: 0\r\n\r\n";

static struct sip_message *
our_invite(void)
{
        struct sip_message *request = sip_request_bare("INVITE", "sip:carol@lync.test");
        sip_message_add(request, "From", "<sip:alice@example.com>;tag=a");
        sip_message_add(request, "To", "<sip:carol@lync.test>");
        sip_message_add(request, "Call-ID", "c");
        sip_message_add(request, "CSeq", "4 INVITE");
        sip_message_set_contact_user(request, "alice");
        assert_true(sip_message_complete(request));
        return request;
}

static void
a_dialog_of_ours_goes_back_the_route_without_our_own_entry(void **state)
{
        struct sip_message *request = our_invite(), *response = must_parse(ok_head, "");
        struct sip_dialog *dialog = sip_dialog_of_client(request, response, "sip.example.com");
        struct buf text = { 0 };

        print_request(sip_dialog_ack(dialog, 4), &text);
        assert_string_equal(buf_text(&text),
                "ACK sip:carol@lync.test;gruu SIP/2.0\r\n"
                "Max-Forwards: 70\r\n"
                "Route: <sip:edge.lync.test;lr>\r\n"
                "Route: <sip:pool.lync.test;lr>\r\n"
                "From: <sip:alice@example.com>;tag=a\r\n"
                "To: <sip:carol@lync.test>;epid=b8;tag=b\r\n"
                "Call-ID: c\r\n"
                "CSeq: 4 ACK\r\n"
                "Content-Length: 0\r\n\r\n");
        print_request(sip_dialog_request(dialog, "MESSAGE", true), &text);
        assert_non_null(strstr(buf_text(&text), "CSeq: 5 MESSAGE\r\n"));
        struct arena *arena = arena_new(512);
        struct sip_uri next;
        assert_true(sip_dialog_next(dialog, arena, &next));
        assert_string_equal(next.host, "edge.lync.test");
        arena_free(&arena);
        buf_free(&text);
        sip_dialog_free(&dialog);
        sip_message_free(&request);
        sip_message_free(&response);
}

static void
a_strict_router_becomes_the_request_uri(void **state)
{
        struct sip_message *request = our_invite(), *response = must_parse(ok_head, "");
        sip_message_set(response, "Record-Route", "<sip:last.test;lr>, <sip:strict.test;x=y>");
        struct sip_dialog *dialog = sip_dialog_of_client(request, response, NULL);
        struct buf text = { 0 };

        print_request(sip_dialog_request(dialog, "BYE", false), &text);
        const char *start = "BYE sip:strict.test;x=y SIP/2.0\r\nMax-Forwards: 70\r\nRoute: <sip:last.test;lr>\r\n"
                            "Route: <sip:carol@lync.test;gruu>\r\n";
        assert_memory_equal(buf_text(&text), start, strlen(start));
        buf_free(&text);
        sip_dialog_free(&dialog);
        sip_message_free(&request);
        sip_message_free(&response);
}

static void
counters_only_go_up_and_targets_follow_the_contact(void **state)
{
        struct sip_message *first = must_parse(invite, "");
        struct sip_dialog *dialog = sip_dialog_of_server(first, "ourtag", "alice", NULL);

        assert_int_equal(sip_dialog_receive(dialog, first), 500);
        struct sip_message *next = sip_message_copy(first);
        sip_message_set(next, "CSeq", "7 INVITE");
        sip_message_set(next, "Contact", "<sip:new@lync.test>");
        next->flow = 12;
        assert_true(sip_message_complete(next));
        assert_true(sip_dialog_matches(dialog, next));
        assert_int_equal(sip_dialog_receive(dialog, next), 0);
        assert_string_equal(dialog->target, "sip:new@lync.test");
        assert_int_equal(dialog->flow, 12);
        assert_int_equal(sip_dialog_receive(dialog, next), 500);
        sip_message_free(&next);
        sip_message_free(&first);
        sip_dialog_free(&dialog);
}

static void
a_stored_dialog_comes_back_whole(void **state)
{
        struct sip_message *message = must_parse(invite, "");
        struct sip_dialog *dialog = sip_dialog_of_server(message, "ourtag", "alice", NULL);
        struct buf record = { 0 }, before = { 0 }, after = { 0 };

        sip_dialog_encode(dialog, &record);
        struct cursor cursor = cursor_on(buf_data(&record), record.len);
        struct sip_dialog *again = sip_dialog_decode(&cursor);
        assert_non_null(again);
        assert_true(decode_ok(&cursor));
        assert_int_equal(again->remote_cseq, 1);
        print_request(sip_dialog_request(dialog, "NOTIFY", true), &before);
        print_request(sip_dialog_request(again, "NOTIFY", true), &after);
        assert_string_equal(buf_text(&before), buf_text(&after));
        for (size_t len = 0; len < record.len; len++) {
                struct cursor part = cursor_on(buf_data(&record), len);
                assert_null(sip_dialog_decode(&part));
        }
        buf_free(&record);
        buf_free(&before);
        buf_free(&after);
        sip_dialog_free(&again);
        sip_dialog_free(&dialog);
        sip_message_free(&message);
}

/* --- session descriptions */

static void
reads_session_descriptions(void **state)
{
        static const struct {
                const char *body;
                enum sip_sdp_kind kind;
                bool html;
        } rows[] = {
                { "v=0\r\no=- 0 0 IN IP4 10.30.66.57\r\ns=session\r\nc=IN IP4 10.30.66.57\r\nt=0 0\r\nm=message 5060 sip null\r\n"
                  "a=accept-types:text/plain multipart/alternative text/html\r\n",
                        SIP_SDP_IM, true },
                { "v=0\nm=message 5060 sip sip:carol@lync.test", SIP_SDP_IM, false },
                { "v=0\r\nm=x-ms-message 5060 sip null\r\na=accept-types:*\r\n", SIP_SDP_IM, true },
                { "v=0\r\nm=message 0 sip null\r\n", SIP_SDP_OTHER, false },
                { "v=0\r\nm=message 5060 TCP/MSRP *\r\n", SIP_SDP_OTHER, false },
                { "v=0\r\nm=audio 5060 RTP/AVP 0\r\n", SIP_SDP_OTHER, false },
                { "v=0\r\nm=message 5060 sip null\r\nm=audio 5060 RTP/AVP 0\r\n", SIP_SDP_OTHER, false },
                { "v=0\r\nm=message 5060 sip null\r\nm=message 5060 sip null\r\n", SIP_SDP_OTHER, false },
                { "v=0\r\n", SIP_SDP_OTHER, false },
                { "v=0\r\nm=message 99999 sip null\r\n", SIP_SDP_BAD, false },
                { "v=0\r\nm=message -1 sip null\r\n", SIP_SDP_BAD, false },
                { "m=message 5060 sip null\r\n", SIP_SDP_BAD, false },
                { "hello", SIP_SDP_BAD, false },
                { "", SIP_SDP_BAD, false },
                { "v=0\r\nm=\r\n", SIP_SDP_BAD, false },
        };
        struct arena *arena = arena_new(1024);
        for (size_t i = 0; i < array_len(rows); i++) {
                struct sip_sdp sdp;
                if (sip_sdp_read(&sdp, arena, rows[i].body, strlen(rows[i].body)) != rows[i].kind)
                        fail_msg("%s", rows[i].body);
                assert_int_equal(sip_sdp_accepts(&sdp, "text/html"), rows[i].html);
        }
        arena_free(&arena);
}

static void
writes_exactly_the_lines_of_an_im_offer(void **state)
{
        struct buf out = { 0 };
        sip_sdp_write(&out, "192.0.2.10", "null", sip_sdp_accept_types);
        assert_string_equal(buf_text(&out),
                "v=0\r\no=- 0 0 IN IP4 192.0.2.10\r\ns=session\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=message 5060 sip null\r\n"
                "a=accept-types:text/plain text/html multipart/alternative application/im-iscomposing+xml\r\n");
        buf_clear(&out);
        sip_sdp_write(&out, "2001:db8::1", "sip:alice@example.com", "text/plain");
        assert_non_null(strstr(buf_text(&out), "c=IN IP6 2001:db8::1\r\n"));
        buf_free(&out);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(reads_headers_under_all_their_names),
                cmocka_unit_test(a_response_repeats_byte_for_byte_what_was_signed),
                cmocka_unit_test(nothing_can_be_injected),
                cmocka_unit_test(what_we_print_we_can_read),
                cmocka_unit_test(a_response_without_phrase_keeps_its_first_header),
                cmocka_unit_test(every_required_extension_that_is_unknown_is_named),
                cmocka_unit_test(a_via_with_our_name_and_port_is_a_loop),
                cmocka_unit_test(a_dialog_of_theirs_answers_along_the_route_in_order),
                cmocka_unit_test(a_dialog_of_ours_goes_back_the_route_without_our_own_entry),
                cmocka_unit_test(a_strict_router_becomes_the_request_uri),
                cmocka_unit_test(counters_only_go_up_and_targets_follow_the_contact),
                cmocka_unit_test(a_stored_dialog_comes_back_whole),
                cmocka_unit_test(reads_session_descriptions),
                cmocka_unit_test(writes_exactly_the_lines_of_an_im_offer),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
