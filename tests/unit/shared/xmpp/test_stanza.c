/* test_stanza.c - parsing, changing, sealing, deriving, answering */
#include "shared/xmpp/stanza.h"

#include "shared/base/mem.h"
#include "shared/xmpp/ns.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static const struct xml_limits limits = { .stanza_bytes = 100000, .depth = 64, .attributes = 64 };

static struct element *
parse_element(const char *text, struct arena **arena)
{
        enum xml_problem problem;
        struct element *element = xml_parse_document(text, strlen(text), &limits, arena, &problem);
        assert_non_null(element);
        return element;
}

static struct stanza *
parse(const char *text)
{
        struct arena *arena;
        enum stanza_problem problem;
        struct element *element = parse_element(text, &arena);
        struct stanza *stanza = stanza_new_parsed(arena, element, NULL, &problem);
        assert_non_null(stanza);
        assert_int_equal(problem, STANZA_FINE);
        return stanza;
}

static void
assert_stanza(struct stanza *stanza, const char *expected)
{
        struct buf out = { 0 };
        stanza_write(&out, stanza);
        assert_string_equal(buf_text(&out), expected);
        buf_free(&out);
}

static void
knows_kinds_and_types(void **state)
{
        static const struct {
                const char *text;
                enum stanza_kind kind;
                enum stanza_type type;
        } rows[] = {
                { "<message xmlns='jabber:client'/>", STANZA_MESSAGE, MESSAGE_NORMAL },
                { "<message xmlns='jabber:client' type='normal'/>", STANZA_MESSAGE, MESSAGE_NORMAL },
                { "<message xmlns='jabber:server' type='chat'/>", STANZA_MESSAGE, MESSAGE_CHAT },
                { "<message xmlns='jabber:client' type='groupchat'/>", STANZA_MESSAGE, MESSAGE_GROUPCHAT },
                { "<message xmlns='jabber:client' type='headline'/>", STANZA_MESSAGE, MESSAGE_HEADLINE },
                { "<message xmlns='jabber:client' type='error'/>", STANZA_MESSAGE, MESSAGE_ERROR },
                { "<message xmlns='jabber:client' type='what'/>", STANZA_MESSAGE, MESSAGE_NORMAL },
                { "<presence xmlns='jabber:client'/>", STANZA_PRESENCE, PRESENCE_AVAILABLE },
                { "<presence xmlns='jabber:client' type='unavailable'/>", STANZA_PRESENCE, PRESENCE_UNAVAILABLE },
                { "<presence xmlns='jabber:client' type='subscribe'/>", STANZA_PRESENCE, PRESENCE_SUBSCRIBE },
                { "<presence xmlns='jabber:client' type='subscribed'/>", STANZA_PRESENCE, PRESENCE_SUBSCRIBED },
                { "<presence xmlns='jabber:client' type='unsubscribe'/>", STANZA_PRESENCE, PRESENCE_UNSUBSCRIBE },
                { "<presence xmlns='jabber:client' type='unsubscribed'/>", STANZA_PRESENCE, PRESENCE_UNSUBSCRIBED },
                { "<presence xmlns='jabber:client' type='probe'/>", STANZA_PRESENCE, PRESENCE_PROBE },
                { "<presence xmlns='jabber:client' type='error'/>", STANZA_PRESENCE, PRESENCE_ERROR },
                { "<iq xmlns='jabber:client' type='get' id='1'/>", STANZA_IQ, IQ_GET },
                { "<iq xmlns='jabber:client' type='set' id='1'/>", STANZA_IQ, IQ_SET },
                { "<iq xmlns='jabber:client' type='result' id='1'/>", STANZA_IQ, IQ_RESULT },
                { "<iq xmlns='jabber:client' type='error' id='1'/>", STANZA_IQ, IQ_ERROR },
        };
        for (size_t i = 0; i < array_len(rows); i++) {
                struct stanza *stanza = parse(rows[i].text);
                assert_int_equal(stanza->kind, rows[i].kind);
                assert_int_equal(stanza->type, rows[i].type);
                stanza_unref(&stanza);
        }
}

static void
refuses_and_says_which_answer_is_due(void **state)
{
        static const struct {
                const char *text;
                enum stanza_problem problem;
                const char *answer;
        } rows[] = {
                { "<foo xmlns='jabber:client'/>", STANZA_NOT_A_STANZA, NULL },
                { "<message xmlns='u:x'/>", STANZA_NOT_A_STANZA, NULL },
                { "<presence xmlns='jabber:client' type='available' id='9'/>", STANZA_BAD_TYPE,
                        "<presence type=\"error\" id=\"9\"><error type=\"modify\"><bad-request xmlns=\"urn:ietf:params:xml:ns:xmpp-stanzas\"/></error></presence>" },
                { "<iq xmlns='jabber:client' id='1'/>", STANZA_BAD_TYPE,
                        "<iq type=\"error\" id=\"1\"><error type=\"modify\"><bad-request xmlns=\"urn:ietf:params:xml:ns:xmpp-stanzas\"/></error></iq>" },
                { "<iq xmlns='jabber:client' type='get'/>", STANZA_BAD_TYPE,
                        "<iq type=\"error\"><error type=\"modify\"><bad-request xmlns=\"urn:ietf:params:xml:ns:xmpp-stanzas\"/></error></iq>" },
                { "<iq xmlns='jabber:client' type='result'/>", STANZA_BAD_TYPE, NULL },
                { "<message xmlns='jabber:client' to='@@' id='5'/>", STANZA_BAD_ADDRESS,
                        "<message type=\"error\" id=\"5\"><error type=\"modify\"><jid-malformed xmlns=\"urn:ietf:params:xml:ns:xmpp-stanzas\"/></error></message>" },
                { "<message xmlns='jabber:client' from='a@' type='error'/>", STANZA_BAD_ADDRESS, NULL },
        };
        for (size_t i = 0; i < array_len(rows); i++) {
                struct arena *arena;
                enum stanza_problem problem;
                struct element *element = parse_element(rows[i].text, &arena);
                assert_null(stanza_new_parsed(arena, element, NULL, &problem));
                assert_int_equal(problem, rows[i].problem);
                struct stanza *answer = stanza_refusal(element, problem, NULL);
                if (rows[i].answer == NULL)
                        assert_null(answer);
                else
                        assert_stanza(answer, rows[i].answer);
                stanza_unref(&answer);
                arena_free(&arena);
        }
}

static void
shows_its_head_and_keeps_the_rest(void **state)
{
        struct stanza *s = parse(
                "<message xmlns='jabber:client' from='A@b.example/R' to='c@d' id='i' type='chat' xml:lang='de' extra='1'><body>x</body></message>");
        assert_string_equal(s->from.full, "a@b.example/R");
        assert_string_equal(s->to.full, "c@d");
        assert_string_equal(s->id, "i");
        assert_string_equal(s->lang, "de");
        assert_string_equal(stanza_kind_name(s), "message");
        assert_string_equal(stanza_type_name(s), "chat");
        assert_string_equal(stanza_payload(s)->name, "body");
        struct jid to;
        assert_true(jid_parse(&to, s->arena, "e@f/'<"));
        stanza_set_to(s, &to);
        stanza_set_from(s, NULL);
        stanza_set_id(s, "j");
        assert_stanza(
                s, "<message type=\"chat\" id=\"j\" to=\"e@f/&apos;&lt;\" xml:lang=\"de\" extra=\"1\"><body>x</body></message>");
        stanza_unref(&s);
}

static void
a_type_that_means_normal_is_passed_on_as_written(void **state)
{
        struct stanza *s = parse("<message xmlns='jabber:client' type='normal'/>"), *kept = stanza_keep(s);
        struct stanza *derived = stanza_derive(kept, NULL, NULL);
        assert_stanza(derived, "<message type=\"normal\"/>");
        derived->type = MESSAGE_CHAT;
        assert_stanza(derived, "<message type=\"chat\"/>");
        stanza_unref(&derived);
        stanza_unref(&kept);
        stanza_unref(&s);
}

static void
plain_bytes_leave_as_they_came(void **state)
{
        static const char text[] = "<message xmlns='jabber:client'><body   a = '1' >x&#65;</body></message>";
        struct arena *arena;
        enum stanza_problem problem;
        struct element *element = parse_element(text, &arena);
        struct xml_source source = { .inside = "<body   a = '1' >x&#65;</body>", .inside_len = 30, .plain = true };
        struct stanza *s = stanza_new_parsed(arena, element, &source, &problem);
        assert_stanza(s, "<message><body   a = '1' >x&#65;</body></message>");
        stanza_unref(&s);

        /* But not once a child was taken out. */
        element = parse_element(text, &arena);
        s = stanza_new_parsed(arena, element, &source, &problem);
        element_add(s->arena, s->element, "x", "u:x");
        stanza_strip(s, stanza_payload(s));
        assert_stanza(s, "<message><x xmlns=\"u:x\"/></message>");
        stanza_unref(&s);
}

static void
a_derived_head_outlives_its_origin(void **state)
{
        struct stanza *s =
                parse("<presence xmlns='jabber:client' from='a@b/c' id='1'><show>away</show><priority> -5 </priority></presence>");
        struct arena *arena = arena_new(256);
        struct jid to;
        assert_true(jid_parse(&to, arena, "x@y"));
        struct stanza *one = stanza_derive(s, &s->from, &to);
        struct stanza *two = stanza_derive(one, NULL, &to);
        stanza_unref(&s);
        arena_free(&arena);
        stanza_set_id(two, NULL);
        two->type = PRESENCE_UNAVAILABLE;
        assert_stanza(one, "<presence id=\"1\" from=\"a@b/c\" to=\"x@y\"><show>away</show><priority> -5 </priority></presence>");
        stanza_unref(&one);
        assert_int_equal(stanza_priority(two), -5);
        assert_stanza(two, "<presence type=\"unavailable\" to=\"x@y\"><show>away</show><priority> -5 </priority></presence>");
        stanza_unref(&two);
}

static void
priority_is_a_small_number_or_nothing(void **state)
{
        static const struct {
                const char *inside;
                int priority;
        } rows[] = {
                { "", 0 },
                { "<priority/>", 0 },
                { "<priority>1</priority>", 1 },
                { "<priority>-128</priority>", -128 },
                { "<priority>127</priority>", 127 },
                { "<priority>128</priority>", 0 },
                { "<priority>1x</priority>", 0 },
                { "<priority>99999999999999999999</priority>", 0 },
                { "<priority xmlns='u:x'>5</priority>", 0 },
        };
        for (size_t i = 0; i < array_len(rows); i++) {
                char text[200];
                snprintf(text, sizeof text, "<presence xmlns='jabber:client'>%s</presence>", rows[i].inside);
                struct stanza *s = parse(text);
                assert_int_equal(stanza_priority(s), rows[i].priority);
                stanza_unref(&s);
        }
}

static void
answers_go_back(void **state)
{
        struct stanza *iq =
                parse("<iq xmlns='jabber:client' type='get' id='7' from='a@b/c' to='d'><ping xmlns='urn:xmpp:ping'/></iq>");
        struct stanza *result = stanza_result(iq);
        assert_stanza(result, "<iq type=\"result\" id=\"7\" from=\"d\" to=\"a@b/c\"/>");
        struct stanza *error = stanza_error(iq, ITEM_NOT_FOUND, "No <such> thing");
        assert_stanza(error,
                "<iq type=\"error\" id=\"7\" from=\"d\" to=\"a@b/c\"><ping xmlns=\"urn:xmpp:ping\"/><error type=\"cancel\">"
                "<item-not-found xmlns=\"urn:ietf:params:xml:ns:xmpp-stanzas\"/>"
                "<text xmlns=\"urn:ietf:params:xml:ns:xmpp-stanzas\" xml:lang=\"en\">No &lt;such&gt; thing</text></error></iq>");
        assert_null(stanza_error(result, BAD_REQUEST, NULL));
        assert_null(stanza_error(error, BAD_REQUEST, NULL));
        stanza_unref(&iq);
        stanza_unref(&result);
        stanza_unref(&error);
}

static void
names_of_conditions_are_found_again(void **state)
{
        for (int i = 0; i < STANZA_CONDITIONS; i++)
                assert_int_equal(stanza_condition_of(stanza_condition_name((enum stanza_condition)i)), i);
        assert_int_equal(stanza_condition_of("nonsense"), -1);
        for (int i = 0; i < STREAM_CONDITIONS; i++)
                assert_int_equal(stream_condition_of(stream_condition_name((enum stream_condition)i)), i);
        assert_int_equal(stream_condition_of("nonsense"), -1);
        assert_string_equal(stanza_condition_type(RECIPIENT_UNAVAILABLE), "wait");
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(knows_kinds_and_types),
                cmocka_unit_test(refuses_and_says_which_answer_is_due),
                cmocka_unit_test(shows_its_head_and_keeps_the_rest),
                cmocka_unit_test(a_type_that_means_normal_is_passed_on_as_written),
                cmocka_unit_test(plain_bytes_leave_as_they_came),
                cmocka_unit_test(a_derived_head_outlives_its_origin),
                cmocka_unit_test(priority_is_a_small_number_or_nothing),
                cmocka_unit_test(answers_go_back),
                cmocka_unit_test(names_of_conditions_are_found_again),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
