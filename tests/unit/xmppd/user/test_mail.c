/* test_mail.c - what is rewritten at the border, and what passes as it is */
#include "xmppd/user/mail.h"

#include "shared/base/mem.h"
#include "xmppd/extend/extension.h"
#include "xmppd/route/home.h"
#include "xmppd/settings.h"
#include "xmppd/user/account.h"
#include "xmppd/user/tables.h"
#include "xmppd/user/user_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#define CONFIG                                                                                          \
        "c2s { tls = none  listen-tls = { } }\ncomponents { secret = s }\ndomain \"imp.example\" { }\n" \
        "sip-domain \"sip.example\" { type = lync }\nxmpp-peer \"peer.example\" { }\n"

static const struct extension *const no_extensions[] = { NULL };
static char dir[64];
static struct store *store;
static struct worker *self;
static struct arena *arena;

static void
put_in_force(const char *email)
{
        struct buf errors = { 0 }, warnings = { 0 };
        char path[100];

        snprintf(path, sizeof(path), "%s/xmppd.conf", dir);
        FILE *out = fopen(path, "w");
        assert_non_null(out);
        fprintf(out, "%s%s\n", CONFIG, email);
        fclose(out);
        struct snapshot *snapshot = settings_load(path, &errors, &warnings);
        unlink(path);
        assert_string_equal(buf_text(&errors), "");
        buf_free(&errors);
        buf_free(&warnings);
        snapshot_put_in_force(snapshot, NULL, NULL);
        snapshot_unref(&snapshot);
}

static void
add(const char *jid, const char *mail)
{
        struct account account = { .jid = jid, .mail = mail, .created = 1 };
        struct batch *batch = batch_new(store);

        account_add(batch, &account);
        assert_int_equal(batch_commit_wait(batch), STORE_DONE);
}

static int
open_house(void **state)
{
        struct err err = { "" };
        snprintf(dir, sizeof(dir), "/tmp/test_mail.XXXXXX");
        if (mkdtemp(dir) == NULL)
                return -1;
        struct store_options options = user_store_options(dir);
        options.map_mib = 64;
        options.no_sync = true;
        store = store_open(&options, &err);
        if (store == NULL)
                return -1;
        arena = arena_new(4096);
        self = worker_new("test", 0);
        worker_enter(self);
        home_set_workers(&self, 1);
        user_start(store);
        extend_start(no_extensions);
        add("juliet@imp.example", "J.Capulet@mail.example");
        add("nurse@imp.example", NULL);
        add("peter@imp.example", "peter@peer.example");
        add("sampson@imp.example", "sampson@sip.example");
        add("gregory@imp.example", "o'gregory@mail.example");
        return 0;
}

static int
close_house(void **state)
{
        static const char *const names[] = { "data.mdb", "lock.mdb", "owner" };
        char path[128];

        snapshot_leave();
        worker_free(&self);
        store_close(&store);
        arena_free(&arena);
        for (size_t i = 0; i < array_len(names); i++) {
                snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
                unlink(path);
        }
        return rmdir(dir);
}

static struct stanza *
parse(const char *xml)
{
        struct stanza *stanza = stanza_read_document(xml, strlen(xml));

        assert_non_null(stanza);
        return stanza;
}

static void
expect_xml(struct stanza *stanza, const char *expected)
{
        struct buf out = { 0 };

        assert_non_null(stanza);
        stanza_write(&out, stanza);
        assert_string_equal(buf_text(&out), expected);
        buf_free(&out);
        stanza_unref(&stanza);
}

#define HEAD "<message xmlns='jabber:client' "

static void
nothing_happens_while_it_is_off(void **state)
{
        put_in_force("email { domains = { mail.example } }");
        struct stanza *stanza =
                parse(HEAD "from='juliet@imp.example/x' to='a@b.example'><x xmlns='y' jid='juliet@imp.example'/></message>");
        assert_ptr_equal(mail_leave(stanza), stanza);
        assert_string_equal(stanza->from.full, "juliet@imp.example/x");
        assert_false(mail_is_domain("mail.example"));
        stanza_unref(&stanza);
}

static void
users_have_the_addresses_that_they_can_have(void **state)
{
        static const char *const cases[][2] = {
                { "juliet@imp.example/x", "j.capulet@mail.example/x" },
                { "juliet@imp.example", "j.capulet@mail.example" },
                { "nurse@imp.example/x", "nurse@imp.example/x" },
                { "gregory@imp.example/x", "gregory@imp.example/x" }, /* no JID */
                { "peter@imp.example/x", "peter@imp.example/x" },     /* of a domain that is another server's */
                { "sampson@imp.example/x", "sampson@imp.example/x" },
                { "nobody@imp.example/x", "nobody@imp.example/x" },
                { "imp.example", "imp.example" },
        };
        char text[200];

        put_in_force("email { enabled = true }");
        for (size_t i = 0; i < array_len(cases); i++) {
                snprintf(text, sizeof(text), HEAD "from='%s' to='a@b.example'/>", cases[i][0]);
                struct stanza *stanza = mail_leave(parse(text));
                assert_string_equal(stanza->from.full, cases[i][1]);
                stanza_unref(&stanza);
        }
        assert_true(mail_is_domain("mail.example"));
        assert_false(mail_is_domain("peer.example"));
        assert_false(mail_is_domain("sip.example"));
        assert_false(mail_is_domain("imp.example"));
        assert_false(mail_is_domain("other.example"));
}

static void
addresses_inside_are_found(void **state)
{
        static const char *const cases[][2] = {
                { "<x xmlns='y'><item jid='juliet@imp.example/x'/></x>",
                        "<x xmlns=\"y\"><item jid=\"j.capulet@mail.example/x\"/></x>" },
                { "<x xmlns='y'><invite to='juliet@imp.example'/></x>",
                        "<x xmlns=\"y\"><invite to=\"j.capulet@mail.example\"/></x>" },
                { "<jingle xmlns='y' initiator='juliet@imp.example/x'/>",
                        "<jingle xmlns=\"y\" initiator=\"j.capulet@mail.example/x\"/>" },
                { "<x xmlns='jabber:x:data'><field type='jid-multi'><value>nurse@imp.example</value><value>juliet@imp.example</value></field></x>",
                        "<x xmlns=\"jabber:x:data\"><field type=\"jid-multi\"><value>nurse@imp.example</value>"
                        "<value>j.capulet@mail.example</value></field></x>" },
                /* Texts, other attributes, others' addresses. */
                { "<body>juliet@imp.example</body>", "<body>juliet@imp.example</body>" },
                { "<x xmlns='jabber:x:data'><field type='text-single'><value>juliet@imp.example</value></field></x>", NULL },
                { "<x xmlns='y' name='juliet@imp.example' jid='nurse@imp.example' from='a@b.example'/>", NULL },
                { "<x xmlns='y' jid='@imp.example' to='juliet@imp.example@imp.example'/>", NULL },
        };
        char text[500], expected[500];
        struct jid from, to;

        put_in_force("email { enabled = true }");
        assert_true(jid_parse(&from, arena, "nurse@imp.example") && jid_parse(&to, arena, "a@b.example"));
        for (size_t i = 0; i < array_len(cases); i++) {
                snprintf(text, sizeof(text), HEAD "from='nurse@imp.example' to='a@b.example'>%s</message>", cases[i][0]);
                /* Just read, and sealed by who has sent it to others too, whose copy stays as it is. */
                struct stanza *fresh = mail_leave(parse(text)), *sealed = parse(text), *derived = stanza_derive(sealed, &from, &to);
                struct stanza *left = mail_leave(stanza_ref(derived));
                bool is_same = cases[i][1] == NULL || strstr(cases[i][1], "j.cap") == NULL;
                assert_true((left == derived) == is_same);
                assert_null(strstr(sealed->inside, "j.capulet"));
                snprintf(expected, sizeof(expected), "<message from=\"nurse@imp.example\" to=\"a@b.example\">%s</message>",
                        cases[i][1] != NULL ? cases[i][1] : sealed->inside);
                expect_xml(fresh, expected);
                expect_xml(left, expected);
                stanza_unref(&derived);
                stanza_unref(&sealed);
        }
}

static void
what_comes_in_is_told_from_what_is_dropped(void **state)
{
        put_in_force("email { enabled = true }");
        uint64_t before = mail_dropped();
        struct stanza *stanza = mail_enter(parse(
                HEAD "from='a@b.example' to='J.Capulet@mail.example/x'><x xmlns='y' jid='j.capulet@mail.example'/></message>"));
        assert_true(stanza != NULL && stanza->to_mail);
        expect_xml(stanza,
                "<message from=\"a@b.example\" to=\"juliet@imp.example/x\"><x xmlns=\"y\" jid=\"juliet@imp.example\"/></message>");
        assert_null(mail_enter(parse(HEAD "from='a@b.example' to='juliet@imp.example/x'/>")));
        assert_int_equal(mail_dropped(), before + 1);
        stanza = mail_enter(parse(HEAD "from='a@b.example' to='nurse@imp.example/x'/>"));
        assert_true(stanza != NULL && !stanza->to_mail);
        stanza_unref(&stanza);

        put_in_force("email { enabled = true  change-over = \"2999-12-31\" }");
        stanza = mail_enter(parse(HEAD "from='a@b.example' to='juliet@imp.example/x'/>"));
        assert_true(stanza != NULL && !stanza->to_mail);
        stanza_unref(&stanza);
        put_in_force("email { enabled = true  change-over = \"2001-12-31\" }");
        assert_null(mail_enter(parse(HEAD "from='a@b.example' to='juliet@imp.example/x'/>")));
        assert_int_equal(mail_dropped(), before + 2);
}

static void
answers_come_from_the_address_that_was_asked(void **state)
{
        static const char *const seen[] = { "juliet@imp.example/x", "j.capulet@mail.example/x" };
        char text[200];

        put_in_force("email { enabled = true  change-over = \"2999-12-31\" }");
        for (int i = 0; i < 6; i++) {
                snprintf(text, sizeof(text),
                        "<iq xmlns='jabber:client' type='get' id='1' from='a@b.example/y' to='%s'><q xmlns='z'/></iq>",
                        seen[i % 2]);
                struct stanza *stanza = mail_enter(parse(text));
                assert_string_equal(stanza->to.full, seen[0]);
                stanza_unref(&stanza);
                stanza = mail_leave(
                        parse("<iq xmlns='jabber:client' type='result' id='1' from='juliet@imp.example/x' to='a@b.example/y'/>"));
                assert_string_equal(stanza->from.full, seen[i % 2]);
                stanza_unref(&stanza);
                /* That is nothing to others. */
                stanza = mail_leave(
                        parse("<iq xmlns='jabber:client' type='result' id='1' from='juliet@imp.example/x' to='b@b.example/y'/>"));
                assert_string_equal(stanza->from.full, seen[1]);
                stanza_unref(&stanza);
        }
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(nothing_happens_while_it_is_off),
                cmocka_unit_test(users_have_the_addresses_that_they_can_have),
                cmocka_unit_test(addresses_inside_are_found),
                cmocka_unit_test(what_comes_in_is_told_from_what_is_dropped),
                cmocka_unit_test(answers_come_from_the_address_that_was_asked),
        };
        return cmocka_run_group_tests(tests, open_house, close_house);
}
