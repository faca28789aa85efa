/* test_component.c - streams of components over real sockets, with a client that speaks plain bytes; two workers, so that streams move */
#include "xmppd/component/component.h"

#include "shared/base/digest.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/base/text.h"
#include "shared/loop/worker.h"
#include "shared/xmpp/ns.h"
#include "shared/xmpp/pledge.h"
#include "xmppd/extend/extension.h"
#include "xmppd/extend/server.h"
#include "xmppd/route/home.h"
#include "xmppd/route/route.h"
#include "xmppd/settings.h"
#include "xmppd/xep/all.h"

#include <arpa/inet.h>
#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

enum { WORKERS = 2, PATIENCE_MS = 10000 };

static struct worker *workers[WORKERS], *self;
static struct snapshot *snapshot;
static int port;
static struct pledge *_Atomic held; /* of a message to hold@capulet.example */
static atomic_int to_accounts;

/* ---- the house around the room ---- */

static int
free_port(void)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t len = sizeof(address);
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        int rc = bind(fd, (struct sockaddr *)&address, len) != 0 || getsockname(fd, (struct sockaddr *)&address, &len) != 0;
        close(fd);
        return rc ? 0 : ntohs(address.sin_port);
}

static void
keep_or_refuse(struct stanza *stanza)
{
        atomic_fetch_add(&to_accounts, 1);
        if (strcmp(stanza->to.local, "hold") == 0) {
                pledge_hold(stanza->pledge); /* as a batch that is not on disk yet */
                atomic_store(&held, stanza->pledge);
        } else {
                route_error(stanza, SERVICE_UNAVAILABLE, NULL);
        }
        stanza_unref(&stanza);
}

static struct snapshot *
load(const char *components)
{
        char path[] = "/tmp/test_component.XXXXXX";
        struct buf errors = { 0 }, warnings = { 0 };
        int fd = mkstemp(path);
        dprintf(fd,
                "domain \"capulet.example\" { }\nc2s { tls = none  listen = { }  listen-tls = { } }\n"
                "components { listen = { \"127.0.0.1:%d\" }  secret = \"common\" }\nlimits { max-component-queue = 65536 }\n%s",
                port, components);
        close(fd);
        struct snapshot *loaded = settings_load(path, &errors, &warnings);
        unlink(path);
        if (loaded == NULL)
                fprintf(stderr, "%s", buf_text(&errors));
        buf_free(&errors);
        buf_free(&warnings);
        return loaded;
}

static const char usual[] =
        "component \"echo.example\" { secret = \"sesame\" }\ncomponent \"other.example\" { secret = \"open\" }\n"
        "sip-domain \"lync.test\" { type = lync }\nsip-domain \"ocs.test\" { type = ocs }\n";

/* Runs a function on the main worker and waits until it says it is done. */
struct errand {
        struct letter letter;
        void (*run)(void);
};
static sem_t done;

static void
run_errand(struct letter *letter)
{
        container_of(letter, struct errand, letter)->run();
}

static void
on_main(void (*run)(void))
{
        struct errand errand = { .letter.open = run_errand, .run = run };
        worker_post(self, &errand.letter);
        sem_wait(&done);
}

static void
say_done(void *unused)
{
        sem_post(&done);
}

static void
open_doors(void)
{
        struct err err;

        snapshot_put_in_force(snapshot, say_done, NULL);
        must(component_listen(snapshot, &err) == 0);
}

static int
open_house(void **state)
{
        sem_init(&done, 0, 0);
        port = free_port();
        extend_start(xep_all);
        snapshot = load(usual);
        if (snapshot == NULL)
                return -1;
        for (int i = 0; i < WORKERS; i++)
                workers[i] = worker_new("worker", i);
        home_set_workers(workers, WORKERS);
        route_set_doors(&(struct route_doors){ server_receive, keep_or_refuse, component_receive, NULL });
        self = worker_new("main", -1);
        worker_start(self);
        for (int i = 0; i < WORKERS; i++)
                worker_start(workers[i]);
        on_main(open_doors);
        return 0;
}

static void
leave(void *unused)
{
        snapshot_leave();
        worker_stop(worker_here());
}

static void
close_streams(void *unused)
{
        component_stop_streams();
}

static void
leave_main(void *unused)
{
        snapshot_leave();
        worker_stop(self);
        sem_post(&done);
}

static void
leave_all(void *unused)
{
        home_visit_all(leave, leave_main, NULL);
}

static void
close_doors(void)
{
        component_stop_listening();
        home_visit_all(close_streams, leave_all, NULL);
}

static int
close_house(void **state)
{
        on_main(close_doors);
        worker_join(self);
        for (int i = 0; i < WORKERS; i++) {
                worker_join(workers[i]);
                worker_free(&workers[i]);
        }
        worker_free(&self);
        snapshot_unref(&snapshot);
        return 0;
}

/* ---- the client ---- */

static int
say_hello(const char *domain)
{
        struct sockaddr_in address = {
                .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)
        };
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
                return -1;
        dprintf(fd, "<stream:stream xmlns='" NS_COMPONENT "' xmlns:stream='" NS_STREAM "' to='%s' version='1.0' xml:lang='en'>",
                domain);
        return fd;
}

/* Reads until the text is there (its end is returned), the peer closes or patience ends (both NULL). */
static const char *
hear(int fd, const char *text)
{
        static _Thread_local char seen[65536];
        size_t len = 0;
        struct pollfd ready = { .fd = fd, .events = POLLIN };

        while (poll(&ready, 1, PATIENCE_MS) > 0 && len < sizeof(seen) - 1) {
                ssize_t n = read(fd, seen + len, 1);
                if (n <= 0)
                        return NULL;
                len += (size_t)n;
                seen[len] = '\0';
                size_t wanted = strlen(text);
                if (len >= wanted && memcmp(seen + len - wanted, text, wanted) == 0)
                        return seen;
        }
        return NULL;
}

static bool
is_ended(int fd)
{
        char c;
        struct pollfd ready = { .fd = fd, .events = POLLIN };
        if (hear(fd, "</stream:stream>") == NULL)
                return false;
        shutdown(fd, SHUT_WR);
        bool ended = poll(&ready, 1, PATIENCE_MS) > 0 && read(fd, &c, 1) == 0;
        close(fd);
        return ended;
}

static void
shake(int fd, const char *secret)
{
        char id[64] = "", text[128], hex[64];
        unsigned char digest[DIGEST_MAX];
        const char *header = hear(fd, " id=\"");
        if (header == NULL)
                return;
        for (size_t i = 0; i < sizeof(id) - 1 && read(fd, &id[i], 1) == 1 && id[i] != '"'; i++)
                ;
        *strchrnul(id, '"') = '\0';
        hear(fd, ">");
        snprintf(text, sizeof(text), "%s%s", id, secret);
        digest_of(DIGEST_SHA1, text, strlen(text), digest);
        dprintf(fd, "<handshake>%s</handshake>", text_hex(hex, digest, 20));
}

/* The stream before this one may not be gone yet: it tries until there is no conflict. */
static int
connect_component(const char *domain, const char *secret)
{
        for (int i = 0; i < 200; i++) {
                int fd = say_hello(domain);
                shake(fd, secret);
                if (hear(fd, "<handshake/>") != NULL)
                        return fd;
                close(fd);
                usleep(10000);
        }
        return -1;
}

static bool
fails_with(int fd, const char *condition)
{
        char text[128];
        snprintf(text, sizeof(text), "<stream:error><%s xmlns=\"" NS_STREAM_ERRORS "\"/>", condition);
        return hear(fd, text) != NULL && is_ended(fd);
}

static void
each_domain_has_a_stream_of_its_own(void **state)
{
        int echo = connect_component("echo.example", "sesame"), other = connect_component("OTHER.example", "open");
        int lync = connect_component("lync.test", "common"), ocs = connect_component("ocs.test", "common");
        assert_true(echo >= 0 && other >= 0 && lync >= 0 && ocs >= 0);
        dprintf(lync, "<message from='carol@lync.test/x' to='bob@ocs.test' id='1'><body>across</body></message>");
        assert_true(hear(ocs, "<body>across</body></message>") != NULL);
        dprintf(other, "<message from='a@other.example' to='echo.example' id='2'/>");
        assert_true(hear(echo, "<message id=\"2\" from=\"a@other.example\" to=\"echo.example\"/>") != NULL);
        close(echo);
        close(other);
        close(lync);
        close(ocs);
}

static void
strangers_and_liars_are_refused(void **state)
{
        int fd = say_hello("echo.example");
        shake(fd, "wrong");
        assert_true(fails_with(fd, "not-authorized"));
        assert_true(fails_with(say_hello("capulet.example"), "host-unknown"));
        assert_true(fails_with(say_hello("nobody.example"), "host-unknown"));
        assert_true(fails_with(say_hello("not a domain"), "host-unknown"));
        fd = say_hello("echo.example");
        dprintf(fd, "<message from='a@echo.example' to='b@capulet.example'/>");
        assert_true(fails_with(fd, "not-authorized"));

        int first = connect_component("echo.example", "sesame"), second = say_hello("echo.example");
        assert_true(first >= 0);
        shake(second, "sesame");
        assert_true(fails_with(second, "conflict"));
        dprintf(first, "<message from='a@capulet.example' to='b@capulet.example'/>");
        assert_true(fails_with(first, "invalid-from"));
        first = connect_component("echo.example", "sesame");
        dprintf(first, "<message to='b@capulet.example'/>");
        assert_true(fails_with(first, "improper-addressing"));
        first = connect_component("echo.example", "sesame");
        dprintf(first, "<presents from='a@echo.example' to='b@capulet.example'/>");
        assert_true(fails_with(first, "unsupported-stanza-type"));
        first = connect_component("echo.example", "sesame");
        dprintf(first, "<message from='a@echo.example' to='a@b@c' id='m'/>");
        assert_true(hear(first, "<jid-malformed") != NULL);
        dprintf(first, "<iq type='get' from='a@echo.example' to='capulet.example' id='q'/>");
        assert_true(hear(first, "<bad-request") != NULL);
        close(first);
        assert_int_equal(atomic_load(&to_accounts), 0);
}

static void
a_ping_is_answered_when_what_came_before_is_handled(void **state)
{
        struct pollfd ready = { .events = POLLIN };
        int echo = connect_component("echo.example", "sesame");
        dprintf(echo,
                "<message from='a@echo.example' to='hold@capulet.example'/>"
                "<iq type='get' id='p1' from='echo.example' to='capulet.example'><ping xmlns='" NS_PING "'/></iq>"
                "<iq type='get' id='v1' from='echo.example' to='capulet.example'><query xmlns='" NS_VERSION "'/></iq>"
                "<iq type='get' id='p2' from='echo.example' to='capulet.example'><ping xmlns='" NS_PING "'/></iq>");
        assert_true(hear(echo, "</query></iq>") != NULL); /* what vouches for nothing does not wait */
        ready.fd = echo;
        assert_true(poll(&ready, 1, 200) == 0);
        while (atomic_load(&held) == NULL)
                usleep(1000);
        pledge_release(atomic_load(&held));
        const char *answers = hear(echo, "<iq type=\"result\" id=\"p2\" from=\"capulet.example\" to=\"echo.example\"/>");
        assert_true(answers != NULL && strstr(answers, "id=\"p1\"") != NULL);
        close(echo);
}

static void
an_absent_component_is_answered_for_and_may_come_again(void **state)
{
        int echo = connect_component("echo.example", "sesame");
        dprintf(echo, "<message from='a@echo.example' to='b@other.example' id='1'><body>there?</body></message>");
        assert_true(hear(echo, "<remote-server-not-found") != NULL);
        close(echo);
        int again = connect_component("echo.example", "sesame");
        assert_true(again >= 0);
        close(again);
}

static void
one_that_does_not_read_is_let_go(void **state)
{
        int echo = connect_component("echo.example", "sesame"), other = connect_component("other.example", "open");
        static char text[60001];
        memset(text, 'x', sizeof(text) - 1);
        /* Kernel buffers take some; then the bound is reached and the rest comes back. */
        for (int i = 0; i < 400; i++)
                dprintf(echo, "<message from='a@echo.example' to='b@other.example' id='%d'><body>%s</body></message>", i, text);
        assert_true(hear(echo, "<remote-server-not-found") != NULL);
        close(echo);
        close(other);
}

static struct snapshot *next;

static void
check_here(void *unused)
{
        component_check_streams();
}

static void
reload(void)
{
        snapshot_put_in_force(next, NULL, NULL);
        home_visit_all(check_here, say_done, NULL);
}

static void
a_domain_that_is_taken_away_ends_its_stream_only(void **state)
{
        int gone = connect_component("other.example", "open"), stays = connect_component("echo.example", "sesame");
        assert_true(gone >= 0 && stays >= 0);
        next = load("component \"echo.example\" { secret = \"sesame\" }\n");
        assert_non_null(next);
        on_main(reload);
        snapshot_unref(&next);
        assert_true(fails_with(gone, "host-gone"));
        dprintf(stays, "<iq type='get' id='p' from='echo.example' to='capulet.example'><ping xmlns='" NS_PING "'/></iq>");
        assert_non_null(hear(stays, "id=\"p\""));
        close(stays);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_domain_has_a_stream_of_its_own),
                cmocka_unit_test(strangers_and_liars_are_refused),
                cmocka_unit_test(a_ping_is_answered_when_what_came_before_is_handled),
                cmocka_unit_test(an_absent_component_is_answered_for_and_may_come_again),
                cmocka_unit_test(one_that_does_not_read_is_let_go),
                cmocka_unit_test(a_domain_that_is_taken_away_ends_its_stream_only),
        };
        return cmocka_run_group_tests(tests, open_house, close_house);
}
