/* Which of a user's resources a watcher sees. The state that goes to the room below is caught here. */
#include "shared/base/mem.h"
#include "sipcomp/bridge/bridge_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct {
        bool open;
        char activity[32], note[32];
} seen;

void
simple_state(struct simple *simple, const struct pair *pair, bool open, const char *activity, const char *note)
{
        seen.open = open;
        snprintf(seen.activity, sizeof(seen.activity), "%s", activity);
        snprintf(seen.note, sizeof(seen.note), "%s", note == NULL ? "" : note);
}

static const struct pair pair = { .local = "alice@example.com", .foreign = "carol@lync.test", .domain = "lync.test" };
static struct gateway gateway;
static struct edge edge = { .gateway = &gateway };

static int
set_up(void **state)
{
        edge.crowds = map_new();
        return 0;
}

static int
tear_down(void **state)
{
        crowd_forget_all(&edge);
        map_free(&edge.crowds);
        return 0;
}

/* resource NULL: from the bare address; show NULL: unavailable. What is shown then, as "open:note". */
static const char *
says(const char *resource, int priority, const char *show, const char *note)
{
        static char shown[80];
        struct arena *arena = arena_new(512);
        struct jid from, to;

        assert_true(jid_make(&from, arena, "alice", "example.com", resource));
        assert_true(jid_parse(&to, arena, "carol@lync.test"));
        struct stanza *presence = stanza_new(STANZA_PRESENCE, show == NULL ? PRESENCE_UNAVAILABLE : PRESENCE_AVAILABLE, &from, &to);
        if (show != NULL && show[0] != '\0')
                element_add_text(presence->arena, presence->element, "show", XML_CONTENT_NS, show);
        if (note != NULL)
                element_add_text(presence->arena, presence->element, "status", XML_CONTENT_NS, note);
        if (priority != 0) {
                char text[12];
                snprintf(text, sizeof(text), "%d", priority);
                element_add_text(presence->arena, presence->element, "priority", XML_CONTENT_NS, text);
        }
        crowd_presence(&edge, &pair, presence, &dialect_lync);
        stanza_unref(&presence);
        arena_free(&arena);
        snprintf(shown, sizeof(shown), "%s:%s", seen.open ? "open" : "closed", seen.note);
        return shown;
}

static void
the_highest_priority_is_shown(void **state)
{
        assert_string_equal(says("balcony", 1, "", "low"), "open:low");
        assert_string_equal(says("orchard", 5, "dnd", "high"), "open:high");
        assert_string_equal(says("balcony", 3, "chat", "still low"), "open:high");
        assert_string_equal(says("orchard", 2, "", "lowered"), "open:still low");
}

static void
of_equals_the_most_available_is_shown_then_the_latest(void **state)
{
        assert_string_equal(says("a", 0, "away", "away"), "open:away");
        assert_string_equal(says("b", 0, "xa", "xa"), "open:away");
        assert_string_equal(says("c", 0, "", "here"), "open:here");
        assert_string_equal(says("d", 0, "chat", "chatty"), "open:chatty");
        assert_string_equal(says("e", 0, "dnd", "busy"), "open:chatty");
        assert_string_equal(says("f", 0, "chat", "chatty too"), "open:chatty too");
        assert_string_equal(says("d", 0, "chat", "again"), "open:again");
        assert_string_equal(says("g", 0, "strange", "as good as none"), "open:again");
}

static void
who_leaves_is_forgotten(void **state)
{
        assert_string_equal(says("balcony", 1, "", "one"), "open:one");
        assert_string_equal(says("orchard", 2, "", "two"), "open:two");
        assert_string_equal(says("nowhere", 0, NULL, NULL), "open:two");
        assert_string_equal(says("orchard", 0, NULL, NULL), "open:one");
        assert_string_equal(says("balcony", 0, NULL, NULL), "closed:");
        assert_int_equal(map_count(edge.crowds), 0);
}

static void
a_bare_address_that_leaves_takes_all_along(void **state)
{
        assert_string_equal(says(NULL, 1, "", "bare"), "open:bare");
        assert_string_equal(says("balcony", 2, "", "one"), "open:one");
        assert_string_equal(says(NULL, 3, "", "bare again"), "open:bare again");
        assert_string_equal(says(NULL, 0, NULL, NULL), "closed:");
        assert_int_equal(map_count(edge.crowds), 0);
}

static void
negative_priorities_count_as_absent(void **state)
{
        assert_string_equal(says("bot", -1, "chat", "never"), "closed:");
        assert_string_equal(says("balcony", 0, "dnd", "seen"), "open:seen");
        assert_string_equal(says("balcony", 0, NULL, NULL), "closed:");
        assert_int_equal(map_count(edge.crowds), 1);
}

static void
of_too_many_resources_the_oldest_goes(void **state)
{
        char name[16], note[16];

        says("first", 127, "", "first");
        for (int i = 1; i < RESOURCE_MAX; i++) {
                snprintf(name, sizeof(name), "r%d", i);
                assert_string_equal(says(name, 0, "", name), "open:first");
        }
        snprintf(note, sizeof(note), "open:%s", "last");
        assert_string_equal(says("last", 0, "", "last"), note);
}

static void
a_domain_whose_stream_broke_is_forgotten(void **state)
{
        says("balcony", 0, "", "x");
        crowd_forget_all(&edge);
        assert_int_equal(map_count(edge.crowds), 0);
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                CASE(the_highest_priority_is_shown),
                CASE(of_equals_the_most_available_is_shown_then_the_latest),
                CASE(who_leaves_is_forgotten),
                CASE(a_bare_address_that_leaves_takes_all_along),
                CASE(negative_priorities_count_as_absent),
                CASE(of_too_many_resources_the_oldest_goes),
                CASE(a_domain_whose_stream_broke_is_forgotten),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
