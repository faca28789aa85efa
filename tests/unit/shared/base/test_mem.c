/* test_mem.c - memory that is always there, and what happens when our own code is wrong */
#include "shared/base/mem.h"
#include "shared/base/panic.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

static void
new_memory_is_clear(void **state)
{
        unsigned char *bytes = mem_array(100, 30);
        for (int i = 0; i < 3000; i++)
                assert_int_equal(bytes[i], 0);
        mem_free(bytes);

        void *nothing = mem_new(0);
        assert_non_null(nothing);
        mem_free(nothing);
        mem_free(NULL);
}

static void
resizing_keeps_what_was_there(void **state)
{
        int *numbers = mem_resize(NULL, 3, sizeof *numbers);
        for (int i = 0; i < 3; i++)
                numbers[i] = i;
        numbers = mem_resize(numbers, 3000, sizeof *numbers);
        for (int i = 0; i < 3; i++)
                assert_int_equal(numbers[i], i);
        mem_free(numbers);
}

static void
copies_are_our_own(void **state)
{
        char source[] = "balcony";
        char *copy = mem_strdup(source), *empty = mem_dup(NULL, 0);
        source[0] = 'x';
        assert_string_equal(copy, "balcony");
        assert_non_null(empty);
        mem_free(copy);
        mem_free(empty);
}

static void
secrets_are_compared_and_wiped(void **state)
{
        char a[] = "secret", b[] = "secret";
        assert_true(mem_equal_secret(a, b, 6));
        b[5] = 'x';
        assert_false(mem_equal_secret(a, b, 6));
        assert_true(mem_equal_secret(a, b, 5));
        mem_wipe(a, 6);
        assert_memory_equal(a, "\0\0\0\0\0\0", 6);
}

struct holder {
        int before;
        char member;
};

static void
a_member_leads_to_its_holder(void **state)
{
        struct holder holder;
        assert_ptr_equal(container_of(&holder.member, struct holder, member), &holder);
}

/* True if the process that runs this function is stopped by abort(). */
static bool
aborts(void (*function)(void))
{
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                /* The record it leaves is not for this test's output. */
                close(STDERR_FILENO);
                signal(SIGABRT, SIG_DFL);
                function();
                _exit(0);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void
break_a_promise(void)
{
        must(array_len("ab") == 2);
}

static void
keep_a_promise(void)
{
        must(array_len("ab") == 3);
}

static void
ask_for_more_than_there_can_be(void)
{
        mem_free(mem_array(SIZE_MAX / 2, 3));
}

static void
our_mistakes_stop_the_process(void **state)
{
        assert_true(aborts(break_a_promise));
        assert_false(aborts(keep_a_promise));
        assert_true(aborts(ask_for_more_than_there_can_be));
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(new_memory_is_clear),
                cmocka_unit_test(resizing_keeps_what_was_there),
                cmocka_unit_test(copies_are_our_own),
                cmocka_unit_test(secrets_are_compared_and_wiped),
                cmocka_unit_test(a_member_leads_to_its_holder),
                cmocka_unit_test(our_mistakes_stop_the_process),
        };
        return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}
