/*
 * What a certificate proves: each fault that a chain can have, seen from both sides, and whom its names stand for (RFC 9525).
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "shared/base/clock.h"
#include "shared/tls/session.h"
#include "shared/tls/tls_private.h"
#include "tests/unit/shared/tls/certs.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

static struct cert root, other_root, ours;

static int
make_certs(void **state)
{
        root = cert_make(&(struct cert_wish){ .name = "root", .is_ca = 1 });
        other_root = cert_make(&(struct cert_wish){ .name = "other-root", .is_ca = 1 });
        ours = cert_make(&(struct cert_wish){ .name = "ours", .san = "DNS:ours.example", .issuer = &root });
        return 0;
}

static int
remove_certs(void **state)
{
        cert_free(&root);
        cert_free(&other_root);
        cert_free(&ours);
        certs_remove();
        return 0;
}

/* Two sessions, of which one shows what the test made and the other trusts `root`. */
struct meeting {
        struct tls_session *asks, *shows;
};

/* A context of ours refuses a certificate that has expired, as it should; here it must be shown none the less. */
static void
show(struct tls_context *context, const struct cert *shown, const struct cert *above, size_t count)
{
        SSL_CTX *ssl = tls_context_ssl(context);

        assert_int_equal(SSL_CTX_use_certificate(ssl, shown->x509), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(ssl, shown->key), 1);
        for (size_t i = count; above != NULL && i-- > 0;)
                assert_int_equal(SSL_CTX_add1_chain_cert(ssl, above[i].x509), 1);
}

static void
turn(struct tls_session *session, struct buf *in, struct buf *out, enum tls_progress *progress)
{
        tls_session_feed(session, buf_data(in), in->len);
        if (*progress == TLS_MORE)
                *progress = tls_session_handshake(session, out);
        tls_session_settle(session);
        buf_drop(in, in->len);
}

/* shows_as: TLS_CLIENT is a server that connects to us. */
static const struct tls_peer *
meet(struct meeting *meeting, enum tls_side shows_as, const struct cert *shown, const struct cert *above, size_t count)
{
        enum tls_side asks_as = shows_as == TLS_CLIENT ? TLS_SERVER : TLS_CLIENT;
        struct tls_options asking = { .certificate = ours.path, .trust = root.path, .ask = TLS_ASK_OPTIONAL };
        struct tls_options showing = { .ciphers = "DEFAULT@SECLEVEL=0" };
        enum tls_progress progress[2] = { TLS_MORE, TLS_MORE };
        struct buf wire[2] = { { 0 }, { 0 } };
        struct err err;
        struct tls_context *asker = tls_context_new(asks_as, &asking, &err), *shower = tls_context_new(shows_as, &showing, &err);

        show(shower, shown, above, count);
        meeting->asks = tls_session_new(asker, asks_as, NULL);
        meeting->shows = tls_session_new(shower, shows_as, NULL);
        for (int i = 0; i < 6; i++) {
                turn(meeting->shows, &wire[0], &wire[1], &progress[0]);
                turn(meeting->asks, &wire[1], &wire[0], &progress[1]);
        }
        assert_int_equal(progress[1], TLS_DONE);
        buf_free(&wire[0]);
        buf_free(&wire[1]);
        tls_context_unref(&asker);
        tls_context_unref(&shower);
        /* What is read a second time is the same. */
        struct tls_peer before = *tls_session_peer(meeting->asks);
        tls_session_forget_peer(meeting->asks);
        const struct tls_peer *peer = tls_session_peer(meeting->asks);
        assert_int_equal(peer->chain_count, before.chain_count);
        assert_int_equal(peer->name_count, before.name_count);
        assert_int_equal(peer->fault, before.fault);
        assert_string_equal(peer->problem, before.problem);
        assert_memory_equal(peer->digest, before.digest, sizeof(before.digest));
        return peer;
}

static void
part(struct meeting *meeting)
{
        tls_session_free(&meeting->asks);
        tls_session_free(&meeting->shows);
}

/* ---- faults ---- */

struct fault_case {
        const char *what;
        struct cert_wish leaf, above; /* above.name NULL: issued by leaf.issuer, or by itself */
        bool is_above_kept_back;
        enum tls_fault fault;
        size_t at; /* in the chain */
        bool is_for_servers;
};

static void
judge(const struct fault_case *c, enum tls_side shows_as)
{
        struct cert above = c->above.name != NULL ? cert_make(&c->above) : (struct cert){ 0 };
        struct cert_wish wish = c->leaf;
        struct meeting meeting;

        if (above.x509 != NULL)
                wish.issuer = &above;
        struct cert leaf = cert_make(&wish);
        const struct tls_peer *peer =
                meet(&meeting, shows_as, &leaf, above.x509 != NULL && !c->is_above_kept_back ? &above : NULL, 1);
        if (peer->fault != c->fault || peer->is_for_servers != c->is_for_servers || peer->valid != (c->fault == TLS_FAULT_NONE))
                fail_msg("%s, shown by the %s: valid=%d for-servers=%d fault=%d (%s)", c->what,
                        shows_as == TLS_CLIENT ? "one that connects" : "one we connect to", peer->valid, peer->is_for_servers,
                        peer->fault, peer->problem);
        assert_int_equal(peer->fault == TLS_FAULT_NONE, peer->problem[0] == '\0');
        for (size_t i = 0; i < peer->chain_count; i++) {
                enum tls_fault expected = i == c->at ? peer->fault : TLS_FAULT_NONE;
                if (peer->chain[i].fault != expected && !(i != c->at && c->leaf.is_forged))
                        fail_msg("%s: certificate %zu (%s): fault %d", c->what, i, peer->chain[i].subject, peer->chain[i].fault);
                assert_int_equal(peer->chain[i].fault == TLS_FAULT_NONE, peer->chain[i].problem == NULL);
                assert_true(peer->not_after <= peer->chain[i].not_after);
        }
        part(&meeting);
        cert_free(&leaf);
        if (above.x509 != NULL)
                cert_free(&above);
}

static void
names_each_fault_and_its_certificate(void **state)
{
        const struct fault_case cases[] = {
                { "good", { .name = "leaf", .issuer = &root }, .is_for_servers = true },
                { "good, two purposes", { .name = "leaf", .usage = "serverAuth,clientAuth", .issuer = &root },
                        .is_for_servers = true },
                { "good, below an intermediate", { .name = "leaf" }, { .name = "above", .issuer = &root, .is_ca = 1 },
                        .is_for_servers = true },
                { "serverAuth only", { .name = "leaf", .usage = "serverAuth", .issuer = &root }, .is_for_servers = true },
                { "serverAuth only, and so is the intermediate", { .name = "leaf", .usage = "serverAuth" },
                        { .name = "above", .usage = "serverAuth", .issuer = &root, .is_ca = 1 }, .is_for_servers = true },
                { "no purpose, intermediate serverAuth only", { .name = "leaf" },
                        { .name = "above", .usage = "serverAuth", .issuer = &root, .is_ca = 1 }, .is_for_servers = true },
                { "expired", { .name = "leaf", .issuer = &root, .from_day = -30, .to_day = -3 }, .fault = TLS_FAULT_EXPIRED,
                        .is_for_servers = true },
                { "expired, serverAuth only",
                        { .name = "leaf", .usage = "serverAuth", .issuer = &root, .from_day = -30, .to_day = -3 },
                        .fault = TLS_FAULT_EXPIRED, .is_for_servers = true },
                { "not yet", { .name = "leaf", .issuer = &root, .from_day = 3, .to_day = 30 }, .fault = TLS_FAULT_NOT_YET,
                        .is_for_servers = true },
                { "self-signed", { .name = "leaf" }, .fault = TLS_FAULT_SELF_SIGNED, .is_for_servers = true },
                { "self-signed, serverAuth only", { .name = "leaf", .usage = "serverAuth" }, .fault = TLS_FAULT_SELF_SIGNED,
                        .is_for_servers = true },
                { "unknown root", { .name = "leaf", .issuer = &other_root }, .fault = TLS_FAULT_UNKNOWN_AUTHORITY,
                        .is_for_servers = true },
                { "unknown root, serverAuth only", { .name = "leaf", .usage = "serverAuth", .issuer = &other_root },
                        .fault = TLS_FAULT_UNKNOWN_AUTHORITY, .is_for_servers = true },
                { "intermediate not sent", { .name = "leaf" }, { .name = "above", .issuer = &root, .is_ca = 1 },
                        .is_above_kept_back = true, .fault = TLS_FAULT_UNKNOWN_AUTHORITY, .is_for_servers = true },
                { "intermediate expired", { .name = "leaf" },
                        { .name = "above", .issuer = &root, .is_ca = 1, .from_day = -30, .to_day = -3 }, .fault = TLS_FAULT_EXPIRED,
                        .at = 1, .is_for_servers = true },
                { "signed by one that may not", { .name = "leaf" }, { .name = "above", .issuer = &root },
                        .fault = TLS_FAULT_NOT_AN_AUTHORITY, .at = 1 },
                { "forged", { .name = "leaf", .issuer = &root, .is_forged = 1 }, .fault = TLS_FAULT_SIGNATURE,
                        .is_for_servers = true },
                { "weak signature", { .name = "leaf", .issuer = &root, .has_weak_signature = 1 }, .fault = TLS_FAULT_WEAK,
                        .is_for_servers = true },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                judge(&cases[i], TLS_CLIENT);
                judge(&cases[i], TLS_SERVER);
        }
}

/* As a user's certificate it may serve; as a server's it does not, whoever connects. */
static void
refuses_what_is_for_clients_only_whoever_connects(void **state)
{
        const struct fault_case leaf = { "clientAuth only", { .name = "leaf", .usage = "clientAuth", .issuer = &root },
                .is_for_servers = false };
        const struct fault_case above = { "intermediate clientAuth only", { .name = "leaf", .usage = "serverAuth,clientAuth" },
                { .name = "above", .usage = "clientAuth", .issuer = &root, .is_ca = 1 }, .is_for_servers = false };
        const struct fault_case mixed = { "serverAuth below clientAuth", { .name = "leaf", .usage = "serverAuth" },
                { .name = "above", .usage = "clientAuth", .issuer = &root, .is_ca = 1 }, .is_for_servers = false };
        struct meeting meeting;

        for (int side = 0; side < 2; side++) {
                enum tls_side shows_as = side == 0 ? TLS_CLIENT : TLS_SERVER;
                struct fault_case cases[] = { leaf, above, mixed };
                for (size_t i = 0; i < 3; i++) {
                        struct cert issuer = cases[i].above.name != NULL ? cert_make(&cases[i].above) : (struct cert){ 0 };
                        if (issuer.x509 != NULL)
                                cases[i].leaf.issuer = &issuer;
                        struct cert shown = cert_make(&cases[i].leaf);
                        const struct tls_peer *peer = meet(&meeting, shows_as, &shown, issuer.x509 != NULL ? &issuer : NULL, 1);
                        assert_false(peer->is_for_servers);
                        /* Only as clients are the first two what they say. */
                        assert_int_equal(peer->valid, shows_as == TLS_CLIENT && i < 2);
                        assert_int_equal(peer->fault, peer->valid ? TLS_FAULT_NONE : TLS_FAULT_PURPOSE);
                        part(&meeting);
                        cert_free(&shown);
                        if (issuer.x509 != NULL)
                                cert_free(&issuer);
                }
        }
}

static void
tells_when_the_first_of_the_chain_expires(void **state)
{
        struct cert above =
                cert_make(&(struct cert_wish){ .name = "above", .issuer = &root, .is_ca = 1, .from_day = -1, .to_day = 20 });
        struct cert leaf = cert_make(&(struct cert_wish){ .name = "leaf", .issuer = &above, .from_day = -1, .to_day = 90 });
        int64_t now = clock_wall_ms() / 1000;
        unsigned char digest[32];
        struct meeting meeting;
        const struct tls_peer *peer = meet(&meeting, TLS_CLIENT, &leaf, &above, 1);

        assert_true(peer->valid);
        assert_int_equal(peer->chain_count, 3);
        assert_string_equal(peer->chain[0].subject, "CN=leaf");
        assert_string_equal(peer->chain[0].issuer, "CN=above");
        assert_string_equal(peer->chain[2].subject, "CN=root");
        assert_true(peer->not_after > now + 19 * 86400 && peer->not_after < now + 21 * 86400);
        X509_digest(leaf.x509, EVP_sha256(), digest, NULL);
        assert_true(tls_peer_has_pin(peer, digest));
        digest[31] ^= 1;
        assert_false(tls_peer_has_pin(peer, digest));
        part(&meeting);
        cert_free(&leaf);
        cert_free(&above);
}

/* Who shows a hundred certificates makes us check a dozen. */
static void
a_chain_has_an_end(void **state)
{
        struct cert chain[16];
        struct meeting meeting;

        for (size_t count = 10; count <= 16; count += 6) {
                for (size_t i = 0; i < count; i++) {
                        char name[20];
                        snprintf(name, sizeof(name), "link-%zu", i);
                        chain[i] = cert_make(&(struct cert_wish){
                                .name = name, .issuer = i == 0 ? &root : &chain[i - 1], .is_ca = i + 1 < count });
                }
                const struct tls_peer *peer = meet(&meeting, TLS_CLIENT, &chain[count - 1], chain, count - 1);
                assert_int_equal(peer->valid, count == 10);
                assert_true(peer->chain_count <= TLS_CHAIN_MAX);
                part(&meeting);
                for (size_t i = 0; i < count; i++)
                        cert_free(&chain[i]);
        }
}

/* ---- names ---- */

static void
stands_for_the_domains_it_names_and_no_other(void **state)
{
#define UTF8 "!" /* an XmppAddr that OpenSSL's notation cannot write */
#define XMPP "otherName:1.3.6.1.5.5.7.8.5;UTF8:"
#define SRV  "otherName:1.3.6.1.5.5.7.8.7;IA5:"
        const struct {
                const char *cn, *san, *prepared, *ascii; /* ascii NULL: as prepared */
                bool allow_cn, covers;
        } cases[] = {
                { "x", "DNS:capulet.example", "capulet.example", NULL, false, true },
                { "x", "DNS:CAPULET.Example", "capulet.example", NULL, false, true },
                { "x", "DNS:a.example,DNS:capulet.example", "capulet.example", NULL, false, true },
                { "x", "DNS:capulet.example", "im.capulet.example", NULL, false, false },
                { "x", "DNS:im.capulet.example", "capulet.example", NULL, false, false },
                { "x", "DNS:capulet.example.evil.example", "capulet.example", NULL, false, false },
                { "x", "DNS:evilcapulet.example", "capulet.example", NULL, false, false },
                /* RFC 9525 6.3: the wildcard is the whole left-most label and stands for one. */
                { "x", "DNS:*.capulet.example", "im.capulet.example", NULL, false, true },
                { "x", "DNS:*.capulet.example", "capulet.example", NULL, false, false },
                { "x", "DNS:*.capulet.example", "a.im.capulet.example", NULL, false, false },
                { "x", "DNS:*.capulet.example", ".capulet.example", NULL, false, false },
                { "x", "DNS:i*.capulet.example", "im.capulet.example", NULL, false, false },
                { "x", "DNS:im.*.example", "im.capulet.example", NULL, false, false },
                { "x", "DNS:*.*.example", "im.capulet.example", NULL, false, false },
                { "x", "DNS:*.example", "capulet.example", NULL, false, false },
                { "x", "DNS:*", "capulet.example", NULL, false, false },
                { "x", "DNS:*.capulet.example", "xn--bcher-kva.capulet.example", NULL, false, true },
                { "x", "DNS:*.0.0.1", "127.0.0.1", NULL, false, false },
                { "x", SRV "_xmpp-server.capulet.example", "capulet.example", NULL, false, true },
                { "x", SRV "_XMPP-Server.Capulet.example", "capulet.example", NULL, false, true },
                { "x", SRV "_xmpps-server.capulet.example", "capulet.example", NULL, false, true },
                { "x", SRV "_xmpp-client.capulet.example", "capulet.example", NULL, false, false },
                { "x", SRV "_sip.capulet.example", "capulet.example", NULL, false, false },
                { "x", SRV "capulet.example", "capulet.example", NULL, false, false },
                { "x", XMPP "capulet.example", "capulet.example", NULL, false, true },
                { "x", XMPP "juliet@capulet.example", "capulet.example", NULL, false, false },
                { "x", XMPP "capulet.example/x", "capulet.example", NULL, false, false },
                { "x", "URI:xmpp:capulet.example", "capulet.example", NULL, false, false },
                { "x", "email:a@capulet.example", "capulet.example", NULL, false, false },
                /* IDN: A-labels in dNSName and SRVName, Unicode in XmppAddr. */
                { "x", "DNS:xn--bcher-kva.example", "b\303\274cher.example", "xn--bcher-kva.example", false, true },
                { "x", SRV "_xmpp-server.xn--bcher-kva.example", "b\303\274cher.example", "xn--bcher-kva.example", false, true },
                { "x", UTF8 "b\303\274cher.example", "b\303\274cher.example", "xn--bcher-kva.example", false, true },
                { "x", UTF8 "bucher.example", "b\303\274cher.example", "xn--bcher-kva.example", false, false },
                /* A CN by the switch, and only where it is all there is. */
                { "capulet.example", NULL, "capulet.example", NULL, false, false },
                { "capulet.example", NULL, "capulet.example", NULL, true, true },
                { "*.capulet.example", NULL, "im.capulet.example", NULL, true, true },
                { "capulet.example", "email:a@b.example", "capulet.example", NULL, true, true },
                { "capulet.example", "DNS:other.example", "capulet.example", NULL, true, false },
                { "capulet.example", XMPP "other.example", "capulet.example", NULL, true, false },
                { "capulet.example", SRV "_sip.other.example", "capulet.example", NULL, true, false },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                const char *ascii = cases[i].ascii != NULL ? cases[i].ascii : cases[i].prepared;
                bool is_raw = cases[i].san != NULL && cases[i].san[0] == '!';
                struct cert leaf = cert_make(&(struct cert_wish){ .name = cases[i].cn,
                        .san = is_raw ? NULL : cases[i].san,
                        .xmpp_addr = is_raw ? cases[i].san + 1 : NULL,
                        .issuer = &root });
                struct meeting meeting;
                const struct tls_peer *peer = meet(&meeting, TLS_CLIENT, &leaf, NULL, 0);
                if (tls_peer_names_domain(peer, cases[i].prepared, ascii, cases[i].allow_cn) != cases[i].covers)
                        fail_msg("CN=%s, %s: %s", cases[i].cn, cases[i].san, cases[i].prepared);
                part(&meeting);
                cert_free(&leaf);
        }
}

static void
a_name_with_a_nul_is_none_and_hides_the_cn(void **state)
{
        static const char name[] = "capulet.example\0.evil.example";
        struct cert leaf = cert_make(
                &(struct cert_wish){ .name = "capulet.example", .dns = name, .dns_len = sizeof(name) - 1, .issuer = &root });
        struct meeting meeting;
        const struct tls_peer *peer = meet(&meeting, TLS_CLIENT, &leaf, NULL, 0);

        assert_int_equal(peer->name_count, 1);
        assert_int_equal(peer->names[0].kind, TLS_NAME_CN);
        assert_false(tls_peer_names_domain(peer, "capulet.example", "capulet.example", false));
        assert_false(tls_peer_names_domain(peer, "capulet.example", "capulet.example", true));
        part(&meeting);
        cert_free(&leaf);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(names_each_fault_and_its_certificate),
                cmocka_unit_test(refuses_what_is_for_clients_only_whoever_connects),
                cmocka_unit_test(tells_when_the_first_of_the_chain_expires),
                cmocka_unit_test(a_chain_has_an_end),
                cmocka_unit_test(stands_for_the_domains_it_names_and_no_other),
                cmocka_unit_test(a_name_with_a_nul_is_none_and_hides_the_cn),
        };
        return cmocka_run_group_tests(tests, make_certs, remove_certs);
}
