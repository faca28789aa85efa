/*
 * Two sessions talk through two buffers: what each side learns about the other, and how bad certificates and bad bytes end.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "shared/tls/session.h"
#include "tests/unit/shared/tls/certs.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct cert root, other_root, server, wildcard, client, stranger, expired, future;

static int
make_certs(void **state)
{
        root = cert_make(&(struct cert_wish){ .name = "root", .is_ca = 1 });
        other_root = cert_make(&(struct cert_wish){ .name = "other-root", .is_ca = 1 });
        server = cert_make(&(struct cert_wish){
                .name = "server", .san = "DNS:capulet.example,DNS:im.capulet.example", .usage = "serverAuth", .issuer = &root });
        wildcard = cert_make(
                &(struct cert_wish){ .name = "wildcard", .san = "DNS:*.verona.example", .usage = "serverAuth", .issuer = &root });
        client = cert_make(&(struct cert_wish){ .name = "edge.partner.example",
                .san = "DNS:partner.example,otherName:1.3.6.1.5.5.7.8.5;UTF8:romeo@montague.example,otherName:1.3.6.1.5.5.7.8.7;IA5:_xmpp-server.montague.example",
                .usage = "serverAuth",
                .issuer = &root });
        stranger = cert_make(&(struct cert_wish){ .name = "stranger", .issuer = &other_root });
        expired = cert_make(&(struct cert_wish){ .name = "expired", .issuer = &root, .from_day = -30, .to_day = -3 });
        future = cert_make(&(struct cert_wish){ .name = "future", .issuer = &root, .from_day = 3, .to_day = 30 });
        return 0;
}

static int
remove_certs(void **state)
{
        struct cert *all[] = { &root, &other_root, &server, &wildcard, &client, &stranger, &expired, &future };

        for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
                cert_free(all[i]);
        certs_remove();
        return 0;
}

struct pair {
        struct tls_session *server, *client;
        struct buf to_server, to_client;
        enum tls_progress server_progress, client_progress;
};

static void
step(struct tls_session *session, struct buf *in, struct buf *out, enum tls_progress *progress)
{
        tls_session_feed(session, buf_data(in), in->len);
        if (*progress == TLS_MORE)
                *progress = tls_session_handshake(session, out);
        tls_session_settle(session);
        buf_drop(in, in->len);
}

static void
connect_pair(struct pair *pair, struct tls_context *server_side, struct tls_context *client_side, const char *name)
{
        *pair = (struct pair){ .server = tls_session_new(server_side, TLS_SERVER, NULL),
                .client = tls_session_new(client_side, TLS_CLIENT, name) };
        for (int i = 0; i < 6; i++) {
                step(pair->client, &pair->to_client, &pair->to_server, &pair->client_progress);
                step(pair->server, &pair->to_server, &pair->to_client, &pair->server_progress);
        }
}

static void
free_pair(struct pair *pair)
{
        tls_session_free(&pair->server);
        tls_session_free(&pair->client);
        buf_free(&pair->to_server);
        buf_free(&pair->to_client);
}

static struct tls_context *
must_make(enum tls_side side, struct tls_options options)
{
        struct err err = { "" };
        struct tls_context *context = tls_context_new(side, &options, &err);

        assert_string_equal(err.text, "");
        assert_non_null(context);
        return context;
}

static void
both_sides_learn_names_and_share_channel_bindings(void **state)
{
        static const char *const alpn[] = { "xmpp-client", NULL };
        struct tls_context *server_side = must_make(TLS_SERVER,
                (struct tls_options){ .certificate = server.path, .trust = root.path, .ask = TLS_ASK_OPTIONAL, .alpn = alpn });
        struct tls_context *client_side =
                must_make(TLS_CLIENT, (struct tls_options){ .certificate = client.path, .trust = root.path, .alpn = alpn });
        unsigned char a[64], b[64];
        struct pair pair;

        connect_pair(&pair, server_side, client_side, "capulet.example");
        assert_int_equal(pair.server_progress, TLS_DONE);
        assert_int_equal(pair.client_progress, TLS_DONE);

        const struct tls_peer *peer = tls_session_peer(pair.server);
        assert_true(peer->has_certificate);
        assert_true(peer->valid); /* although it is for servers only */
        assert_string_equal(peer->version, "TLSv1.3");
        assert_string_equal(peer->alpn, "xmpp-client");
        assert_string_equal(peer->subject, "CN=edge.partner.example");
        assert_int_equal(peer->name_count, 4);
        assert_int_equal(peer->names[0].kind, TLS_NAME_CN);
        assert_string_equal(peer->names[1].text, "partner.example");
        assert_int_equal(peer->names[2].kind, TLS_NAME_XMPP_ADDR);
        assert_string_equal(peer->names[2].text, "romeo@montague.example");
        assert_int_equal(peer->names[3].kind, TLS_NAME_SRV);
        assert_string_equal(peer->names[3].text, "_xmpp-server.montague.example");
        assert_true(tls_peer_is(peer, "Partner.EXAMPLE"));
        assert_true(tls_peer_is(peer, "edge.partner.example"));
        assert_false(tls_peer_is(peer, "other.partner.example"));
        assert_true(tls_peer_is(tls_session_peer(pair.client), "im.capulet.example"));

        assert_true(tls_session_exporter(pair.server, a));
        assert_true(tls_session_exporter(pair.client, b));
        assert_memory_equal(a, b, 32);
        size_t unique = tls_session_unique(pair.server, a);
        assert_true(unique >= 12);
        assert_int_equal(tls_session_unique(pair.client, b), unique);
        assert_memory_equal(a, b, unique);
        assert_int_equal(tls_session_end_point(pair.server, a), 32);
        assert_int_equal(tls_session_end_point(pair.client, b), 32);
        assert_memory_equal(a, b, 32);
        free_pair(&pair);
        tls_context_unref(&server_side);
        tls_context_unref(&client_side);
}

static void
bytes_arrive_whole_however_they_are_cut(void **state)
{
        struct tls_context *server_side = must_make(TLS_SERVER, (struct tls_options){ .certificate = server.path });
        struct tls_context *client_side = must_make(TLS_CLIENT, (struct tls_options){ .trust = root.path });
        static char sent[70000], got[80000];
        struct pair pair;
        size_t have = 0;

        for (size_t i = 0; i < sizeof(sent); i++)
                sent[i] = (char)(i * 7 + i / 251);
        connect_pair(&pair, server_side, client_side, NULL);
        assert_true(tls_session_write(pair.client, sent, sizeof(sent), &pair.to_server));
        for (size_t piece = 1; pair.to_server.len > 0; piece = piece * 3 % 1999 + 1) {
                size_t len = piece < pair.to_server.len ? piece : pair.to_server.len;
                tls_session_feed(pair.server, buf_data(&pair.to_server), len);
                /* A small room: the session keeps what it has not looked at. */
                ssize_t n = tls_session_read(pair.server, got + have, 100, &pair.to_client);
                assert_true(n >= 0);
                have += (size_t)n;
                tls_session_settle(pair.server);
                buf_drop(&pair.to_server, len);
        }
        for (ssize_t n; (n = tls_session_read(pair.server, got + have, 5000, &pair.to_client)) > 0;)
                have += (size_t)n;
        tls_session_settle(pair.server);
        assert_true(tls_session_is_drained(pair.server));
        assert_int_equal(have, sizeof(sent));
        assert_memory_equal(sent, got, have);

        tls_session_close(pair.client, &pair.to_server);
        tls_session_feed(pair.server, buf_data(&pair.to_server), pair.to_server.len);
        assert_int_equal(tls_session_read(pair.server, got, 100, &pair.to_client), -1);
        assert_string_equal(tls_session_problem(pair.server), "closed by peer");
        assert_true(tls_session_write(pair.server, "last words", 10, &pair.to_client));
        free_pair(&pair);
        tls_context_unref(&server_side);
        tls_context_unref(&client_side);
}

/* The server asks for a certificate; how it sees each client. */
static void
the_owner_hears_what_is_wrong_with_a_certificate(void **state)
{
        const struct {
                const char *certificate, *problem;
                bool has;
        } cases[] = {
                { NULL, "no certificate", false },
                { stranger.path, "unable to get local issuer certificate (CN=stranger)", true },
                { client.path, "", true },
        };
        struct tls_context *server_side = must_make(
                TLS_SERVER, (struct tls_options){ .certificate = server.path, .trust = root.path, .ask = TLS_ASK_OPTIONAL });

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct tls_context *client_side =
                        must_make(TLS_CLIENT, (struct tls_options){ .certificate = cases[i].certificate, .trust = root.path });
                struct pair pair;
                connect_pair(&pair, server_side, client_side, NULL);
                assert_int_equal(pair.server_progress, TLS_DONE);
                const struct tls_peer *peer = tls_session_peer(pair.server);
                assert_int_equal(peer->has_certificate, cases[i].has);
                assert_string_equal(peer->problem, cases[i].problem);
                assert_int_equal(peer->valid, cases[i].has && cases[i].problem[0] == '\0');
                assert_int_equal(tls_peer_is(peer, "partner.example"), peer->valid);
                free_pair(&pair);
                tls_context_unref(&client_side);
        }
        tls_context_unref(&server_side);
}

static void
does_not_start_with_a_certificate_out_of_its_dates(void **state)
{
        struct tls_options options = { .certificate = expired.path };
        struct err err = { "" };

        /* We do not start with such a certificate ourselves, and say so. */
        assert_null(tls_context_new(TLS_SERVER, &options, &err));
        assert_non_null(strstr(err.text, "expired.pem: the certificate has expired on "));
        options.certificate = future.path;
        assert_null(tls_context_new(TLS_SERVER, &options, &err));
        assert_non_null(strstr(err.text, "not valid yet"));
}

static void
an_expired_client_is_named_with_its_date(void **state)
{
        struct tls_context *server_side = must_make(
                TLS_SERVER, (struct tls_options){ .certificate = server.path, .trust = root.path, .ask = TLS_ASK_OPTIONAL });
        struct cert late =
                cert_make(&(struct cert_wish){ .name = "late", .san = "DNS:partner.example", .issuer = &root, .seconds = 2 });
        struct tls_context *client_side =
                must_make(TLS_CLIENT, (struct tls_options){ .certificate = late.path, .trust = root.path });
        struct pair pair;

        sleep(3);
        connect_pair(&pair, server_side, client_side, NULL);
        assert_int_equal(pair.server_progress, TLS_DONE);
        const struct tls_peer *peer = tls_session_peer(pair.server);
        assert_false(peer->valid);
        assert_int_equal(strncmp(peer->problem, "expired on 20", 13), 0);
        assert_non_null(strstr(peer->problem, "(CN=late)"));
        assert_false(tls_peer_is(peer, "partner.example"));
        free_pair(&pair);
        cert_free(&late);
        tls_context_unref(&server_side);
        tls_context_unref(&client_side);
}

static void
required_means_no_session_without_a_certificate(void **state)
{
        struct tls_context *server_side = must_make(
                TLS_SERVER, (struct tls_options){ .certificate = server.path, .trust = root.path, .ask = TLS_ASK_REQUIRED });
        struct tls_context *client_side = must_make(TLS_CLIENT, (struct tls_options){ .trust = root.path });
        struct pair pair;
        char got[10];

        connect_pair(&pair, server_side, client_side, NULL);
        assert_int_equal(pair.server_progress, TLS_FAILED);
        assert_string_equal(tls_session_problem(pair.server), "TLS: peer did not return a certificate");
        /* In TLS 1.3 the client hears of it by the alert that follows. */
        assert_int_equal(tls_session_read(pair.client, got, sizeof(got), &pair.to_server), -1);
        assert_true(tls_session_is_refused(pair.client));
        assert_false(tls_session_is_refused(pair.server));
        free_pair(&pair);
        tls_context_unref(&server_side);
        tls_context_unref(&client_side);
}

static void
the_certificate_follows_the_name_asked_for(void **state)
{
        struct tls_context *server_side = must_make(TLS_SERVER, (struct tls_options){ .certificate = server.path });
        struct tls_context *verona = must_make(TLS_SERVER, (struct tls_options){ .certificate = wildcard.path });
        struct tls_context *client_side = must_make(TLS_CLIENT, (struct tls_options){ .trust = root.path });
        const struct {
                const char *name, *subject;
        } cases[] = {
                { "im.verona.example", "CN=wildcard" },
                { "IM.Verona.example", "CN=wildcard" },
                { "a.b.verona.example", "CN=server" },
                { "verona.example", "CN=server" },
                { "capulet.example", "CN=server" },
                { NULL, "CN=server" },
        };

        tls_context_add_name(server_side, "*.verona.example", verona);
        tls_context_unref(&verona);
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct pair pair;
                connect_pair(&pair, server_side, client_side, cases[i].name);
                assert_string_equal(tls_session_peer(pair.client)->subject, cases[i].subject);
                free_pair(&pair);
        }
        assert_true(tls_context_covers(server_side, "capulet.example"));
        assert_false(tls_context_covers(server_side, "server"));
        tls_context_unref(&server_side);
        tls_context_unref(&client_side);
}

static void
garbage_and_old_versions_end_the_handshake(void **state)
{
        struct tls_context *server_side = must_make(TLS_SERVER, (struct tls_options){ .certificate = server.path });
        struct tls_context *old = must_make(TLS_CLIENT, (struct tls_options){ .min_version = "1.0", .max_version = "1.1" });
        struct pair pair;

        connect_pair(&pair, server_side, old, NULL);
        assert_int_equal(pair.server_progress, TLS_FAILED);
        assert_string_equal(tls_session_problem(pair.server), "TLS: unsupported protocol");
        assert_true(tls_session_is_unlike(pair.server));
        assert_false(tls_session_is_clear(pair.server) || tls_session_is_refused(pair.server));
        assert_int_equal(pair.client_progress, TLS_FAILED);
        free_pair(&pair);

        pair = (struct pair){ .server = tls_session_new(server_side, TLS_SERVER, NULL) };
        buf_puts(&pair.to_server, "<?xml version='1.0'?><stream:stream xmlns='jabber:client'>");
        step(pair.server, &pair.to_server, &pair.to_client, &pair.server_progress);
        assert_int_equal(pair.server_progress, TLS_FAILED);
        assert_true(strncmp(tls_session_problem(pair.server), "TLS: ", 5) == 0);
        free_pair(&pair);
        tls_context_unref(&server_side);
        tls_context_unref(&old);
}

static void
a_file_that_does_not_fit_is_named(void **state)
{
        struct err err;
        char bad[220];

        assert_int_equal(tls_check_certificate("/nonexistent/a.pem", NULL, &err), -1);
        assert_string_equal(err.text, "/nonexistent/a.pem: No such file or directory");
        assert_int_equal(tls_check_certificate(server.path, client.path, &err), -1);
        assert_non_null(strstr(err.text, "belongs to another certificate"));
        assert_int_equal(tls_check_certificate("/dev/null", NULL, &err), -1);
        assert_non_null(strstr(err.text, "/dev/null: no usable certificate in it"));
        struct cert only_client = cert_make(&(struct cert_wish){ .name = "only-client", .usage = "clientAuth", .issuer = &root });
        assert_int_equal(tls_check_certificate(only_client.path, NULL, &err), -1);
        assert_non_null(strstr(err.text, "serverAuth"));
        cert_free(&only_client);
        assert_int_equal(tls_check_certificate(server.path, NULL, &err), 0);
        snprintf(bad, sizeof(bad), "%s", "1.4");
        assert_null(tls_context_new(TLS_SERVER, &(struct tls_options){ .min_version = bad }, &err));
        assert_non_null(strstr(err.text, "1.4: not a TLS version"));
        assert_null(tls_context_new(TLS_SERVER, &(struct tls_options){ .ciphers = "NO-SUCH" }, &err));
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(both_sides_learn_names_and_share_channel_bindings),
                cmocka_unit_test(bytes_arrive_whole_however_they_are_cut),
                cmocka_unit_test(the_owner_hears_what_is_wrong_with_a_certificate),
                cmocka_unit_test(does_not_start_with_a_certificate_out_of_its_dates),
                cmocka_unit_test(an_expired_client_is_named_with_its_date),
                cmocka_unit_test(required_means_no_session_without_a_certificate),
                cmocka_unit_test(the_certificate_follows_the_name_asked_for),
                cmocka_unit_test(garbage_and_old_versions_end_the_handshake),
                cmocka_unit_test(a_file_that_does_not_fit_is_named),
        };
        return cmocka_run_group_tests(tests, make_certs, remove_certs);
}
