/* test_stream.c - streams over a socket pair: headers, errors, restarts, pauses, moving, the end */
#include "shared/xmpp/stream.h"

#include "shared/base/mem.h"
#include "shared/loop/worker.h"
#include "shared/xmpp/ns.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADER "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='a.example' version='1.0'>"

static const struct xml_limits limits = { .stanza_bytes = 1000, .depth = 8, .attributes = 8 };

struct fixture {
        struct worker *worker;
        struct stream *stream;
        struct timer step;
        int client;
        int steps;
        const char *const *script; /* pieces to send, one each 20 ms; NULL ends: then the client closes */
        const char *on_element;    /* what the owner does with an element of this name */
        char said[1000];           /* events */
        char came[4000];           /* what the client got */
        enum stream_condition peer_error;
};

static struct fixture now;

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void
say(const char *format, ...)
{
        size_t len = strlen(now.said);
        va_list args;
        va_start(args, format);
        vsnprintf(now.said + len, sizeof(now.said) - len, format, args);
        va_end(args);
}

static void
stop(void)
{
        timer_stop(&now.step);
        worker_stop(now.worker);
}

static void
see_opened(void *owner, struct element *header)
{
        const char *to = element_attribute(header, "to");
        say("open(%s) ", to != NULL ? to : "");
        stream_open(now.stream, "a.example", NULL, "id1", NULL, "1.0");
}

static void
see_element(void *owner, struct arena *arena, struct element *element, const struct xml_source *source)
{
        say("%s ", element->name);
        if (strcmp(element->name, "restart") == 0)
                stream_restart(now.stream, NULL);
        else if (strcmp(element->name, "pause") == 0)
                stream_pause(now.stream);
        else if (strcmp(element->name, "fail") == 0)
                stream_fail(now.stream, STREAM_CONFLICT, "a & b");
        else if (strcmp(element->name, "close") == 0)
                stream_close(now.stream);
        else if (strcmp(element->name, "free") == 0)
                stream_free(&now.stream);
        arena_free(&arena);
        if (now.stream == NULL)
                stop();
}

static void
see_closed(void *owner, const char *why)
{
        now.peer_error = stream_error_of_peer(now.stream);
        say("closed(%s)", why);
        now.stream = NULL;
        stop();
}

static const struct stream_events events = { .opened = see_opened, .element = see_element, .closed = see_closed };

static void
drain(void)
{
        struct pollfd fd = { .fd = now.client, .events = POLLIN };
        size_t len = strlen(now.came);
        while (poll(&fd, 1, 0) > 0) {
                ssize_t n = read(now.client, now.came + len, sizeof(now.came) - len - 1);
                if (n <= 0)
                        break;
                len += (size_t)n;
        }
}

static void
step(struct timer *timer)
{
        drain();
        if (now.script[now.steps] == NULL) {
                if (now.client >= 0)
                        shutdown(now.client, SHUT_WR);
                return;
        }
        const char *piece = now.script[now.steps++];
        if (strcmp(piece, "RESUME") == 0) {
                stream_resume(now.stream);
        } else if (strcmp(piece, "MOVE") == 0) {
                struct stream_parcel *parcel = stream_pack(&now.stream);
                now.stream = stream_unpack(&parcel, &events, NULL);
        } else {
                assert_int_equal(write(now.client, piece, strlen(piece)), strlen(piece));
        }
        timer_start(timer, 20, step);
}

/* A connected pair over loopback: conn wants TCP. */
static void
connect_pair(int fds[2])
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
        socklen_t len = sizeof(address);
        int listener = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(listener, 1), 0);
        assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
        fds[1] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(fds[1], (struct sockaddr *)&address, sizeof(address)), 0);
        fds[0] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        assert_true(fds[0] >= 0);
        close(listener);
}

static void
play(const char *content_ns, const char *const *script)
{
        int fds[2];

        now = (struct fixture){ .script = script };
        connect_pair(fds);
        now.client = fds[1];
        now.worker = worker_new("test", 0);
        worker_enter(now.worker);
        now.stream = stream_accept(fds[0], content_ns, &limits, &events, NULL);
        timer_start(&now.step, 0, step);
        worker_run(now.worker);
        drain();
        close(now.client);
        worker_free(&now.worker);
}

static void
opens_and_closes_politely(void **state)
{
        play(NS_CLIENT, (const char *const[]){ HEADER "<a/>", "<b/></stream:stream>", NULL });
        assert_string_equal(now.said, "open(a.example) a b closed(closed by peer)");
        assert_string_equal(now.came,
                "<?xml version='1.0'?><stream:stream xmlns=\"jabber:client\" xmlns:stream=\"http://etherx.jabber.org/streams\" "
                "from=\"a.example\" id=\"id1\" version=\"1.0\"></stream:stream>");
}

static void
answers_what_is_wrong_with_the_error_of_the_rfc(void **state)
{
        static const struct {
                const char *bytes, *condition;
        } rows[] = {
                { "<stream:stream xmlns='jabber:client' xmlns:stream='u:other' version='1.0'>", "invalid-namespace" },
                { "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>",
                        "invalid-namespace" },
                { "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>", "invalid-namespace" },
                { "<s:stream xmlns='jabber:client' xmlns:s='http://etherx.jabber.org/streams' version='1.0'>",
                        "bad-namespace-prefix" },
                { "<stream:flow xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>",
                        "bad-format" },
                { "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>", "unsupported-version" },
                { "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='0.9'>",
                        "unsupported-version" },
                { "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='x'>",
                        "unsupported-version" },
                { "<?xml version='1.0' encoding='iso-8859-1'?>" HEADER, "unsupported-encoding" },
                { "hello world <", "not-well-formed" },
                { HEADER "<a></b>", "not-well-formed" },
                { HEADER "<p:a/>", "not-well-formed" },
                { HEADER "<!-- -->", "restricted-xml" },
                { HEADER "text", "bad-format" },
                { HEADER "<a><a><a><a><a><a><a><a><a>", "policy-violation" },
                { HEADER "<fail/>", "conflict" },
        };
        for (size_t i = 0; i < array_len(rows); i++) {
                char expected[200];
                play(NS_CLIENT, (const char *const[]){ rows[i].bytes, NULL });
                snprintf(expected, sizeof(expected), "<stream:error><%s xmlns=\"urn:ietf:params:xml:ns:xmpp-streams\"/>",
                        rows[i].condition);
                if (strstr(now.came, expected) == NULL || strstr(now.came, "<stream:stream ") == NULL)
                        fail_msg("%s\ngave\n%s", rows[i].bytes, now.came);
                assert_non_null(strstr(now.came, "</stream:error></stream:stream>"));
                /* Where there is no stream at all, what was said in its place is told. */
                bool is_xml = rows[i].bytes[0] == '<';
                assert_non_null(strstr(now.said, is_xml ? "closed(stream error" : "closed(no XML, but \"hello"));
        }
}

static void
an_error_text_is_escaped_and_nothing_is_heard_after_it(void **state)
{
        play(NS_CLIENT, (const char *const[]){ HEADER "<fail/><a/>", "<b/>", NULL });
        assert_non_null(strstr(now.came, ">a &amp; b</text>"));
        assert_string_equal(now.said, "open(a.example) fail closed(stream error conflict: a & b)");
}

static void
a_higher_version_is_taken(void **state)
{
        play(NS_CLIENT,
                (const char *const[]){
                        "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.9'>",
                        "</stream:stream>", NULL });
        assert_string_equal(now.said, "open() closed(closed by peer)");
}

static void
a_restart_takes_what_was_sent_ahead(void **state)
{
        play(NS_CLIENT, (const char *const[]){ HEADER "<restart/><?xml version='1.0'?>" HEADER "<a/>", "</stream:stream>", NULL });
        assert_string_equal(now.said, "open(a.example) restart open(a.example) a closed(closed by peer)");
}

static void
a_pause_holds_back_what_follows(void **state)
{
        play(NS_CLIENT, (const char *const[]){ HEADER "<pause/><a/>", "<b/>", "RESUME", "</stream:stream>", NULL });
        assert_string_equal(now.said, "open(a.example) pause a b closed(closed by peer)");
}

static void
a_paused_stream_moves_with_its_input(void **state)
{
        play(NS_CLIENT, (const char *const[]){ HEADER "<pause/><a/><b", "MOVE", "/>", "</stream:stream>", NULL });
        assert_string_equal(now.said, "open(a.example) pause a b closed(closed by peer)");
}

static void
our_own_end_waits_for_the_others(void **state)
{
        play(NS_CLIENT, (const char *const[]){ HEADER "<close/><a/>", "<b/></stream:stream>", NULL });
        assert_string_equal(now.said, "open(a.example) close closed(closed by peer)");
        assert_non_null(strstr(now.came, "</stream:stream>"));
}

static void
the_others_error_is_told_at_the_end(void **state)
{
        play(NS_CLIENT,
                (const char *const[]){ HEADER
                        "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
                        "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>replaced</text></stream:error></stream:stream>",
                        NULL });
        assert_string_equal(now.said, "open(a.example) closed(stream error from peer: conflict (replaced))");
        assert_int_equal(now.peer_error, STREAM_CONFLICT);
        play(NS_CLIENT, (const char *const[]){ HEADER "<stream:error><odd xmlns='urn:odd'/></stream:error>", NULL });
        assert_int_equal(now.peer_error, STREAM_UNDEFINED_CONDITION);
        play(NS_CLIENT, (const char *const[]){ HEADER "</stream:stream>", NULL });
        assert_int_equal(now.peer_error, STREAM_CONDITIONS);
}

static void
an_owner_may_let_go_from_inside_an_event(void **state)
{
        play(NS_CLIENT, (const char *const[]){ HEADER "<free/><a/>", NULL });
        assert_string_equal(now.said, "open(a.example) free ");
}

static void
a_component_needs_no_version(void **state)
{
        play(NS_COMPONENT,
                (const char *const[]){
                        "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='c'>",
                        "</stream:stream>", NULL });
        assert_string_equal(now.said, "open(c) closed(closed by peer)");
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(opens_and_closes_politely),
                cmocka_unit_test(answers_what_is_wrong_with_the_error_of_the_rfc),
                cmocka_unit_test(an_error_text_is_escaped_and_nothing_is_heard_after_it),
                cmocka_unit_test(a_higher_version_is_taken),
                cmocka_unit_test(a_restart_takes_what_was_sent_ahead),
                cmocka_unit_test(a_pause_holds_back_what_follows),
                cmocka_unit_test(a_paused_stream_moves_with_its_input),
                cmocka_unit_test(our_own_end_waits_for_the_others),
                cmocka_unit_test(the_others_error_is_told_at_the_end),
                cmocka_unit_test(an_owner_may_let_go_from_inside_an_event),
                cmocka_unit_test(a_component_needs_no_version),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
