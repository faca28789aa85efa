/* test_privacy.c - what a privacy list lets pass (XEP-0016), the blocking list in it (XEP-0191), and lists as the store has them */
#include "xmppd/user/privacy_private.h"

#include "shared/base/mem.h"
#include "xmppd/route/home.h"
#include "xmppd/route/snapshot.h"
#include "xmppd/user/subscription.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

enum { RULES_MAX = 5, ALLOW = 0, DENY = 1 };

/* One line of a list. */
struct line {
        uint32_t order;
        int denies;
        enum rule_type type;
        const char *value;
        uint8_t kinds; /* 0: everything */
};

#define TO(order, action, value, kinds)               \
        {                                             \
                order, action, RULE_JID, value, kinds \
        }
#define GROUP(order, action, value, kinds)              \
        {                                               \
                order, action, RULE_GROUP, value, kinds \
        }
#define WITH(order, action, value, kinds)                      \
        {                                                      \
                order, action, RULE_SUBSCRIPTION, value, kinds \
        }
#define EVERYBODY(order, action, kinds)              \
        {                                            \
                order, action, RULE_ANY, NULL, kinds \
        }
#define MESSAGES RULE_MESSAGE
#define IQS      RULE_IQ
#define SEES     RULE_PRESENCE_IN
#define SHOWS    RULE_PRESENCE_OUT

static struct privacy_list *
make_list(const char *name, const struct line *lines)
{
        struct privacy_list *list = privacy_list_new(name, RULES_MAX);
        struct arena *arena = arena_new(1024);

        for (size_t i = 0; i < RULES_MAX && lines[i].order > 0; i++) {
                struct rule rule = {
                        .order = lines[i].order, .type = lines[i].type, .denies = lines[i].denies, .value = lines[i].value
                };
                struct jid jid;
                rule.kinds = lines[i].kinds != 0 ? lines[i].kinds : RULE_WHOLE;
                if (rule.type == RULE_JID) {
                        assert_true(jid_parse(&jid, arena, rule.value));
                        rule.value = jid.full;
                }
                privacy_list_add(list, &rule);
        }
        arena_free(&arena);
        assert_true(privacy_list_seal(list));
        return list;
}

static void
an_address_catches_itself_and_what_is_inside_it(void **state)
{
        static const struct {
                const char *entry, *address;
                bool caught;
        } rows[] = {
                { "a@b.example/r", "a@b.example/r", true },
                { "a@b.example/r", "a@b.example/s", false },
                { "a@b.example/r", "a@b.example", false },
                { "a@b.example", "a@b.example/r", true },
                { "A@B.example", "a@b.example", true },
                { "a@b.example", "c@b.example", false },
                { "a@b.example", "b.example", false },
                { "a@b.example", "a@c.b.example", false },
                { "b.example/r", "a@b.example/r", true },
                { "b.example/r", "b.example/r", true },
                { "b.example/r", "a@b.example", false },
                { "b.example/r", "a@b.example/s", false },
                { "b.example/r", "a@c.b.example/r", false },
                { "b.example", "a@b.example/r", true },
                { "b.example", "a@b.example", true },
                { "b.example", "b.example", true },
                { "b.example", "b.example/r", true },
                { "b.example", "a@c.b.example", true },
                { "b.example", "c.b.example/r", true },
                { "b.example", "a@d.c.b.example/r", true },
                { "b.example", "a@bb.example", false },
                { "b.example", "example", false },
                { "c.b.example", "a@b.example", false },
        };
        for (size_t i = 0; i < array_len(rows); i++) {
                struct arena *arena = arena_new(512);
                struct line lines[RULES_MAX] = { TO(1, DENY, rows[i].entry, 0) };
                struct privacy_list *list = make_list("x", lines);
                struct jid jid;
                assert_true(jid_parse(&jid, arena, rows[i].address));
                if ((privacy_list_find(list, &jid, NULL, RULE_REST) != NULL) != rows[i].caught)
                        fail_msg("%s and %s", rows[i].entry, rows[i].address);
                privacy_list_free(&list);
                arena_free(&arena);
        }
}

/* found: the order of the rule that decides; 0: none does. */
static void
the_first_rule_in_order_that_is_about_it_decides(void **state)
{
        static const struct {
                struct line lines[RULES_MAX];
                const char *address;
                int subscription; /* -1: not in the roster */
                const char *group;
                uint8_t kind;
                uint32_t found;
        } rows[] = {
                /* the order, not the place, nor how exactly the address is named */
                { { TO(2, DENY, "a@b.example", 0), TO(1, ALLOW, "b.example", 0) }, "a@b.example/r", -1, NULL, MESSAGES, 1 },
                { { TO(1, DENY, "a@b.example", 0), TO(2, ALLOW, "a@b.example/r", 0) }, "a@b.example/r", -1, NULL, MESSAGES, 1 },
                { { TO(9, DENY, "a@b.example", 0), EVERYBODY(3, ALLOW, 0) }, "a@b.example", -1, NULL, MESSAGES, 3 },
                { { TO(2, DENY, "a@b.example", 0), EVERYBODY(3, ALLOW, 0) }, "a@b.example", -1, NULL, MESSAGES, 2 },
                { { TO(2, DENY, "a@b.example", 0), EVERYBODY(3, ALLOW, 0) }, "c@b.example", -1, NULL, MESSAGES, 3 },
                { { TO(4294967295u, DENY, "a@b.example", 0) }, "a@b.example", -1, NULL, MESSAGES, 4294967295u },
                /* nothing is about it */
                { { TO(2, DENY, "a@b.example", 0) }, "c@b.example", -1, NULL, MESSAGES, 0 },
                { { { 0 } }, "a@b.example", -1, NULL, MESSAGES, 0 },
                /* kinds */
                { { TO(1, DENY, "a@b.example", MESSAGES) }, "a@b.example", -1, NULL, MESSAGES, 1 },
                { { TO(1, DENY, "a@b.example", MESSAGES) }, "a@b.example", -1, NULL, IQS, 0 },
                { { TO(1, DENY, "a@b.example", IQS) }, "a@b.example", -1, NULL, IQS, 1 },
                { { TO(1, DENY, "a@b.example", IQS) }, "a@b.example", -1, NULL, MESSAGES, 0 },
                { { TO(1, DENY, "a@b.example", SEES) }, "a@b.example", -1, NULL, SEES, 1 },
                { { TO(1, DENY, "a@b.example", SEES) }, "a@b.example", -1, NULL, SHOWS, 0 },
                { { TO(1, DENY, "a@b.example", SHOWS) }, "a@b.example", -1, NULL, SHOWS, 1 },
                { { TO(1, DENY, "a@b.example", SHOWS) }, "a@b.example", -1, NULL, SEES, 0 },
                { { TO(1, DENY, "a@b.example", MESSAGES | IQS) }, "a@b.example", -1, NULL, IQS, 1 },
                /* all four are not everything: what leaves and what asks is none of them */
                { { TO(1, DENY, "a@b.example", MESSAGES | IQS | SEES | SHOWS) }, "a@b.example", -1, NULL, RULE_REST, 0 },
                { { TO(1, DENY, "a@b.example", 0) }, "a@b.example", -1, NULL, RULE_REST, 1 },
                { { TO(1, DENY, "a@b.example", 0) }, "a@b.example", -1, NULL, SHOWS, 1 },
                /* several rules for one address */
                { { TO(1, ALLOW, "a@b.example", IQS), TO(2, DENY, "a@b.example", 0) }, "a@b.example", -1, NULL, IQS, 1 },
                { { TO(1, ALLOW, "a@b.example", IQS), TO(2, DENY, "a@b.example", 0) }, "a@b.example", -1, NULL, MESSAGES, 2 },
                { { TO(3, ALLOW, "a@b.example", SEES), TO(1, DENY, "a@b.example", MESSAGES), TO(2, DENY, "a@b.example", SEES) },
                        "a@b.example/r", -1, NULL, SEES, 2 },
                { { TO(1, ALLOW, "a@b.example", IQS), EVERYBODY(2, DENY, 0) }, "a@b.example", -1, NULL, MESSAGES, 2 },
                /* groups */
                { { GROUP(1, DENY, "Enemies", 0) }, "a@b.example", SUBSCRIBED_BOTH, "Enemies", MESSAGES, 1 },
                { { GROUP(1, DENY, "Enemies", 0) }, "a@b.example", SUBSCRIBED_BOTH, "Friends", MESSAGES, 0 },
                { { GROUP(1, DENY, "Enemies", 0) }, "a@b.example", SUBSCRIBED_BOTH, NULL, MESSAGES, 0 },
                { { GROUP(1, DENY, "Enemies", 0) }, "a@b.example", -1, NULL, MESSAGES, 0 },
                { { GROUP(1, DENY, "Enemies", SHOWS) }, "a@b.example", SUBSCRIBED_BOTH, "Enemies", SEES, 0 },
                { { GROUP(1, ALLOW, "Friends", 0), EVERYBODY(2, DENY, 0) }, "a@b.example", SUBSCRIBED_TO, "Friends", MESSAGES, 1 },
                { { GROUP(1, ALLOW, "Friends", 0), EVERYBODY(2, DENY, 0) }, "a@b.example", SUBSCRIBED_TO, "Enemies", MESSAGES, 2 },
                { { TO(2, ALLOW, "a@b.example", 0), GROUP(1, DENY, "Enemies", 0) }, "a@b.example", SUBSCRIBED_TO, "Enemies", IQS,
                        1 },
                { { TO(1, ALLOW, "a@b.example", 0), GROUP(2, DENY, "Enemies", 0) }, "a@b.example", SUBSCRIBED_TO, "Enemies", IQS,
                        1 },
                /* subscriptions */
                { { WITH(1, DENY, "none", 0) }, "a@b.example", -1, NULL, MESSAGES, 1 },
                { { WITH(1, DENY, "none", 0) }, "a@b.example", SUBSCRIPTION_NONE, NULL, MESSAGES, 1 },
                { { WITH(1, DENY, "none", 0) }, "a@b.example", PENDING_IN, NULL, MESSAGES, 1 },
                { { WITH(1, DENY, "none", 0) }, "a@b.example", SUBSCRIBED_TO, NULL, MESSAGES, 0 },
                { { WITH(1, DENY, "to", 0) }, "a@b.example", SUBSCRIBED_TO, NULL, MESSAGES, 1 },
                { { WITH(1, DENY, "to", 0) }, "a@b.example", SUBSCRIBED_BOTH, NULL, MESSAGES, 0 },
                { { WITH(1, DENY, "from", 0) }, "a@b.example", SUBSCRIBED_FROM, NULL, MESSAGES, 1 },
                { { WITH(1, DENY, "from", 0) }, "a@b.example", SUBSCRIBED_FROM | PENDING_OUT, NULL, MESSAGES, 1 },
                { { WITH(1, ALLOW, "both", 0), EVERYBODY(2, DENY, 0) }, "a@b.example", SUBSCRIBED_BOTH, NULL, MESSAGES, 1 },
                { { WITH(1, ALLOW, "both", 0), EVERYBODY(2, DENY, 0) }, "a@b.example", SUBSCRIBED_FROM, NULL, MESSAGES, 2 },
        };
        for (size_t i = 0; i < array_len(rows); i++) {
                struct arena *arena = arena_new(512);
                struct privacy_list *list = make_list("x", rows[i].lines);
                struct item *item = rows[i].subscription >= 0 ? item_new("a@b.example") : NULL;
                struct jid jid;

                if (item != NULL)
                        item->state = (uint8_t)rows[i].subscription;
                if (rows[i].group != NULL)
                        item_set_groups(item, &rows[i].group, 1);
                assert_true(jid_parse(&jid, arena, rows[i].address));
                const struct rule *rule = privacy_list_find(list, &jid, item, rows[i].kind);
                if ((rule != NULL ? rule->order : 0) != rows[i].found)
                        fail_msg("row %zu: rule %u instead of %u", i, rule != NULL ? (unsigned)rule->order : 0,
                                (unsigned)rows[i].found);
                item_free(&item);
                privacy_list_free(&list);
                arena_free(&arena);
        }
}

/* Everything is denied to lync.test, which speaks SIP, and to b.example, which does not. */
static void
a_block_is_one_sided_for_a_sip_contact(void **state)
{
        static const struct {
                enum privacy_kind kind;
                bool sip, other;
        } rows[] = {
                { PRIVACY_MESSAGE_IN, true, true },
                { PRIVACY_MESSAGE_ERROR_IN, false, true },
                { PRIVACY_IQ_IN, true, true },
                { PRIVACY_IQ_ANSWER_IN, false, true },
                { PRIVACY_PRESENCE_IN, false, true },
                { PRIVACY_PRESENCE_OUT, true, true },
                { PRIVACY_SUBSCRIBE_IN, true, true },
                { PRIVACY_ANSWER_IN, false, true },
                { PRIVACY_REST_OUT, false, true },
        };
        static const struct line blocks[RULES_MAX] = { TO(1, DENY, "c@lync.test", 0), TO(2, DENY, "b.example", 0) };
        static const struct line kinds[RULES_MAX] = { TO(1, DENY, "c@lync.test", SEES) };
        struct arena *arena = arena_new(512);
        struct privacy_list *list = make_list("x", blocks), *narrow = make_list("y", kinds);
        struct user user = { .default_list = list };
        struct jid sip, other;

        assert_true(jid_parse(&user.jid, arena, "juliet@capulet.example"));
        assert_true(jid_parse(&sip, arena, "c@lync.test/sip") && jid_parse(&other, arena, "a@b.example/r"));
        for (size_t i = 0; i < array_len(rows); i++) {
                assert_int_equal(privacy_denies(&user, NULL, &sip, rows[i].kind), rows[i].sip);
                assert_int_equal(privacy_denies(&user, NULL, &other, rows[i].kind), rows[i].other);
        }
        /* A rule about one kind says what it means. */
        assert_non_null(privacy_list_denies(&user, narrow, &sip, NULL, PRIVACY_PRESENCE_IN));
        assert_null(privacy_list_denies(&user, narrow, &sip, NULL, PRIVACY_PRESENCE_OUT));
        privacy_list_free(&list);
        privacy_list_free(&narrow);
        arena_free(&arena);
}

static void
the_user_and_his_server_are_never_kept_out(void **state)
{
        static const struct line everybody[RULES_MAX] = { EVERYBODY(1, DENY, 0) };
        static const struct {
                const char *address;
                bool denied;
        } rows[] = { { "juliet@capulet.example", false }, { "juliet@capulet.example/balcony", false }, { "capulet.example", false },
                { "nurse@capulet.example", true }, { "echo.capulet.example", true } };
        struct arena *arena = arena_new(512);
        struct privacy_list *list = make_list("x", everybody);
        struct user user = { .default_list = list };

        assert_true(jid_parse(&user.jid, arena, "juliet@capulet.example"));
        for (size_t i = 0; i < array_len(rows); i++) {
                struct jid jid;
                assert_true(jid_parse(&jid, arena, rows[i].address));
                assert_int_equal(privacy_denies(&user, NULL, &jid, PRIVACY_MESSAGE_IN), rows[i].denied);
        }
        privacy_list_free(&list);
        arena_free(&arena);
}

static void
the_list_a_session_has_chosen_stands_alone(void **state)
{
        static const struct line one[RULES_MAX] = { TO(1, DENY, "a@b.example", 0) };
        static const struct line other[RULES_MAX] = { TO(1, DENY, "c@d.example", 0) };
        struct arena *arena = arena_new(512);
        struct privacy_list *by_default = make_list("x", one), *chosen = make_list("y", other);
        struct user user = { .default_list = by_default };
        struct session plain = { .user = &user }, choosy = { .user = &user, .active = chosen };
        struct jid a, c;

        assert_true(jid_parse(&user.jid, arena, "juliet@capulet.example"));
        assert_true(jid_parse(&a, arena, "a@b.example") && jid_parse(&c, arena, "c@d.example"));
        assert_true(privacy_denies(&user, NULL, &a, PRIVACY_IQ_IN));
        assert_true(privacy_denies(&user, &plain, &a, PRIVACY_IQ_IN));
        assert_false(privacy_denies(&user, &choosy, &a, PRIVACY_IQ_IN));
        assert_true(privacy_denies(&user, &choosy, &c, PRIVACY_IQ_IN));
        assert_false(privacy_denies(&user, &plain, &c, PRIVACY_IQ_IN));
        user.default_list = NULL;
        assert_false(privacy_denies(&user, &plain, &a, PRIVACY_IQ_IN));
        privacy_list_free(&by_default);
        privacy_list_free(&chosen);
        arena_free(&arena);
}

static void
equal_orders_are_refused(void **state)
{
        struct privacy_list *list = privacy_list_new("x", 2);
        privacy_list_add(list, &(struct rule){ .order = 7, .kinds = RULE_WHOLE });
        privacy_list_add(list, &(struct rule){ .order = 7, .kinds = RULE_WHOLE, .denies = true });
        assert_false(privacy_list_seal(list));
        privacy_list_free(&list);
}

/* "order value" of each rule. */
static void
assert_rules(const struct privacy_list *list, const char *wanted)
{
        struct buf text = { 0 };
        for (size_t i = 0; i < list->count; i++)
                buf_printf(&text, "%s%u%s%s", i > 0 ? " " : "", (unsigned)list->rules[i].order, list->rules[i].denies ? "-" : "+",
                        list->rules[i].value != NULL ? list->rules[i].value : "");
        assert_string_equal(list->count > 0 ? buf_text(&text) : "", wanted);
        buf_free(&text);
}

static void
blocks_come_first_and_the_rest_stays(void **state)
{
        static const struct {
                struct line lines[RULES_MAX];
                const char *block[3];
                const char *then;
        } rows[] = {
                { { { 0 } }, { "a@b" }, "1-a@b" },
                { { { 0 } }, { "a@b", "c@d", "a@b" }, "1-a@b 2-c@d" },
                { { TO(1, DENY, "a@b", 0) }, { "c@d" }, "1-a@b 2-c@d" },
                { { TO(1, DENY, "a@b", 0) }, { "a@b" }, "1-a@b" },
                { { TO(5, DENY, "a@b", 0), EVERYBODY(9, ALLOW, 0) }, { "c@d", "e@f" }, "5-a@b 6-c@d 7-e@f 9+" },
                { { TO(5, DENY, "a@b", 0), EVERYBODY(6, ALLOW, 0) }, { "c@d" }, "1-a@b 2-c@d 3+" },
                { { EVERYBODY(6, ALLOW, 0) }, { "c@d", "e@f" }, "4-c@d 5-e@f 6+" },
                { { EVERYBODY(1, ALLOW, 0) }, { "c@d", "e@f" }, "1-c@d 2-e@f 3+" },
                { { TO(4294967295u, DENY, "a@b", 0) }, { "c@d" }, "1-a@b 2-c@d" },
                /* one that stood behind others moves, one about some kinds only is another matter */
                { { TO(3, ALLOW, "b", 0), TO(4, DENY, "a@b", 0) }, { "a@b" }, "2-a@b 3+b" },
                { { TO(3, DENY, "a@b", MESSAGES) }, { "a@b" }, "2-a@b 3-a@b" },
        };
        for (size_t i = 0; i < array_len(rows); i++) {
                struct arena *arena = arena_new(512);
                struct privacy_list *old = rows[i].lines[0].order > 0 ? make_list("x", rows[i].lines) : NULL;
                struct jid jids[3];
                size_t count = 0;
                while (count < 3 && rows[i].block[count] != NULL) {
                        assert_true(jid_parse(&jids[count], arena, rows[i].block[count]));
                        count++;
                }
                struct privacy_list *list = privacy_list_block(old, "fresh", jids, count);
                assert_string_equal(list->name, old != NULL ? "x" : "fresh");
                assert_rules(list, rows[i].then);
                for (size_t n = 0; n < count; n++)
                        assert_true(privacy_list_blocks(list, jids[n].full));
                privacy_list_free(&list);
                privacy_list_free(&old);
                arena_free(&arena);
        }
}

static void
unblocking_takes_blocks_and_nothing_else(void **state)
{
        static const struct line lines[RULES_MAX] = { TO(1, DENY, "a@b", 0), TO(2, DENY, "c@d", 0), TO(3, DENY, "a@b", MESSAGES),
                TO(4, ALLOW, "a@b", 0), EVERYBODY(5, DENY, 0) };
        struct arena *arena = arena_new(512);
        struct privacy_list *old = make_list("x", lines);
        struct jid jid;

        assert_true(jid_parse(&jid, arena, "a@b"));
        struct privacy_list *list = privacy_list_unblock(old, &jid, 1);
        assert_rules(list, "2-c@d 3-a@b 4+a@b 5-");
        assert_false(privacy_list_blocks(list, "a@b"));
        privacy_list_free(&list);
        list = privacy_list_unblock(old, NULL, 0);
        assert_rules(list, "3-a@b 4+a@b 5-");
        privacy_list_free(&list);
        privacy_list_free(&old);
        arena_free(&arena);
}

static void
a_list_comes_back_from_its_record(void **state)
{
        static const struct line lines[RULES_MAX] = { TO(4, DENY, "a@b", MESSAGES | SHOWS), GROUP(2, ALLOW, "Friends", 0),
                WITH(3, DENY, "none", IQS), EVERYBODY(9, DENY, 0) };
        struct privacy_list *list = make_list("at work", lines);
        struct buf out = { 0 };
        bool is_default = false;

        privacy_record_write(&out, list, true);
        struct privacy_list *again = privacy_record_read(buf_data(&out), out.len, &is_default);
        assert_non_null(again);
        assert_true(is_default);
        assert_string_equal(again->name, "at work");
        assert_rules(again, "2+Friends 3-none 4-a@b 9-");
        assert_int_equal(again->rules[1].kinds, RULE_IQ);
        assert_int_equal(again->rules[2].kinds, RULE_MESSAGE | RULE_PRESENCE_OUT);
        assert_true(again->needs_roster);
        privacy_list_free(&again);
        for (size_t len = 0; len < out.len; len++)
                assert_null(privacy_record_read(buf_data(&out), len, &is_default));
        buf_putc(&out, 'x');
        assert_null(privacy_record_read(buf_data(&out), out.len, &is_default));
        buf_data(&out)[0] = 99;
        assert_null(privacy_record_read(buf_data(&out), out.len - 1, &is_default));
        buf_free(&out);
        privacy_list_free(&list);
}

static struct worker *self;

static void
stop(void *unused)
{
        worker_stop(self);
}

/* lync.test is a SIP domain. */
static int
open_house(void **state)
{
        struct snapshot *snapshot = snapshot_new(NULL);

        self = worker_new("test", 0);
        worker_enter(self);
        home_set_workers(&self, 1);
        snapshot_add_domain(snapshot, DOMAIN_COMPONENT, "lync.test")->sip = true;
        snapshot_put_in_force(snapshot, stop, NULL);
        snapshot_unref(&snapshot);
        worker_run(self);
        return 0;
}

static int
close_house(void **state)
{
        snapshot_leave();
        worker_free(&self);
        return 0;
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_address_catches_itself_and_what_is_inside_it),
                cmocka_unit_test(the_first_rule_in_order_that_is_about_it_decides),
                cmocka_unit_test(a_block_is_one_sided_for_a_sip_contact),
                cmocka_unit_test(the_user_and_his_server_are_never_kept_out),
                cmocka_unit_test(the_list_a_session_has_chosen_stands_alone),
                cmocka_unit_test(equal_orders_are_refused),
                cmocka_unit_test(blocks_come_first_and_the_rest_stays),
                cmocka_unit_test(unblocking_takes_blocks_and_nothing_else),
                cmocka_unit_test(a_list_comes_back_from_its_record),
        };
        return cmocka_run_group_tests(tests, open_house, close_house);
}
