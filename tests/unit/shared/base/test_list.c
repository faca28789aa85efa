/* test_list.c - intrusive lists */
#include "shared/base/list.h"

#include <stdlib.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

struct thing {
        int number;
        struct link link;
};

static int
sum_in_order(struct list *list)
{
        int sum = 0;
        for (LIST_EACH(thing, list, struct thing, link))
                sum = sum * 10 + thing->number;
        return sum;
}

static void
keeps_the_order_of_both_ends(void **state)
{
        struct list list = { 0 };
        struct thing things[] = { { .number = 1 }, { .number = 2 }, { .number = 3 }, { .number = 4 } };
        assert_true(list_is_empty(&list));
        list_append(&list, &things[1].link);
        list_append(&list, &things[2].link);
        list_prepend(&list, &things[0].link);
        list_append(&list, &things[3].link);
        assert_int_equal(sum_in_order(&list), 1234);
        assert_int_equal(list.count, 4);
        assert_false(list_is_empty(&list));
}

static void
lets_go_of_any_place_and_takes_back(void **state)
{
        struct list list = { 0 };
        struct thing things[] = { { .number = 1 }, { .number = 2 }, { .number = 3 } };
        for (int i = 0; i < 3; i++)
                list_append(&list, &things[i].link);
        list_remove(&list, &things[1].link);
        assert_int_equal(sum_in_order(&list), 13);
        list_remove(&list, &things[2].link);
        assert_ptr_equal(list.last, &things[0].link);
        list_append(&list, &things[1].link);
        list_remove(&list, &things[0].link);
        assert_int_equal(sum_in_order(&list), 2);
        list_remove(&list, &things[1].link);
        assert_true(list_is_empty(&list));
        assert_null(list.last);
        assert_int_equal(list.count, 0);
}

static void
items_may_be_freed_while_walking(void **state)
{
        struct list list = { 0 };
        for (int i = 0; i < 10; i++) {
                struct thing *thing = MEM_NEW(thing);
                thing->number = i;
                list_append(&list, &thing->link);
        }
        for (LIST_EACH(odd, &list, struct thing, link)) {
                if (odd->number % 2 == 1) {
                        list_remove(&list, &odd->link);
                        mem_free(odd);
                }
        }
        assert_int_equal(list.count, 5);
        for (LIST_EACH(thing, &list, struct thing, link)) {
                assert_int_equal(thing->number % 2, 0);
                list_remove(&list, &thing->link);
                mem_free(thing);
        }
        assert_true(list_is_empty(&list));
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(keeps_the_order_of_both_ends),
                cmocka_unit_test(lets_go_of_any_place_and_takes_back),
                cmocka_unit_test(items_may_be_freed_while_walking),
        };
        return cmocka_run_group_tests_name("list", tests, NULL, NULL);
}
