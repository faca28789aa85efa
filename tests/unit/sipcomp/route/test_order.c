/* Static routes: which one fits, and in which order its hops are tried. */
#include "shared/base/mem.h"
#include "sipcomp/route/order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static uint32_t drawn;

/* Always draws the same number, as far as it fits. */
static uint32_t
draw(uint32_t below)
{
        return drawn < below ? drawn : below - 1;
}

static void
reads_patterns(void **state)
{
        static const struct {
                const char *pattern, *domain;
        } rows[] = {
                { ".com.domaina.*", "domaina.com" }, { ".COM.DomainA.*", "domaina.com" }, { ".test.lync.eu.*", "eu.lync.test" },
                { "domaina.com", "domaina.com" },    { ".test.*", "test" },               { ".com.domaina", NULL },
                { ".*", NULL },                      { "..com.*", NULL },                 { "a..b", NULL },
                { "", NULL },                        { "a b.com", NULL },
        };
        for (size_t i = 0; i < array_len(rows); i++) {
                char domain[256];
                bool fits = route_pattern_domain(domain, rows[i].pattern);
                assert_int_equal(fits, rows[i].domain != NULL);
                if (fits)
                        assert_string_equal(domain, rows[i].domain);
        }
}

static void
matches_whole_labels_longest_first(void **state)
{
        static const struct static_route routes[] = { { .domain = "a.com" }, { .domain = "b.a.com" }, { .domain = "com" } };
        assert_ptr_equal(route_match(routes, 3, "a.com"), &routes[0]);
        assert_ptr_equal(route_match(routes, 3, "x.b.a.com"), &routes[1]);
        assert_ptr_equal(route_match(routes, 3, "x.a.com"), &routes[0]);
        assert_ptr_equal(route_match(routes, 3, "xa.com"), &routes[2]);
        assert_ptr_equal(route_match(routes, 2, "A.COM"), &routes[0]);
        assert_null(route_match(routes, 2, "xa.com"));
        assert_null(route_match(routes, 0, "a.com"));
}

static void
tries_priorities_in_order_and_draws_by_weight(void **state)
{
        static const struct route_hop hops[] = {
                { { .host = "backup" }, 2, 5 }, { { .host = "light" }, 1, 1 }, { { .host = "heavy" }, 1, 9 }, { { .host = "zero" }, 1, 0 },
        };
        static const struct {
                uint32_t drawn;
                const char *order[4];
        } rows[] = {
                { 0, { "zero", "light", "heavy", "backup" } },
                { 1, { "light", "heavy", "zero", "backup" } },
                { 5, { "heavy", "light", "zero", "backup" } },
        };
        for (size_t i = 0; i < array_len(rows); i++) {
                struct sip_hop out[8];
                drawn = rows[i].drawn;
                assert_int_equal(route_order(hops, 4, out, 8, draw), 4);
                for (int j = 0; j < 4; j++)
                        assert_string_equal(out[j].host, rows[i].order[j]);
        }
        struct sip_hop out[2];
        assert_int_equal(route_order(hops, 4, out, 2, draw), 2);
        assert_int_equal(route_order(hops, 0, out, 2, draw), 0);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(reads_patterns),
                cmocka_unit_test(matches_whole_labels_longest_first),
                cmocka_unit_test(tries_priorities_in_order_and_draws_by_weight),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
