/* The control socket: a loop that answers on one thread, control_ask on another. */
#include "shared/control/control.h"

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/loop/timer.h"
#include "shared/loop/worker.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[] = "/tmp/test-control-XXXXXX";
static char path[60];

/* The server's side */

static struct worker *server;
static struct control *control;
static struct control_request *kept;
static struct timer late;

static void
echo(struct control_request *request, int argc, char *const *argv)
{
        struct buf out = { 0 };

        for (int i = 0; i < argc; i++)
                buf_printf(&out, "<%s>", argv[i]);
        control_answer(request, true, buf_text(&out), out.len);
        buf_free(&out);
}

static void
refuse(struct control_request *request, int argc, char *const *argv)
{
        control_refuse(request, "no, because of %d words", argc);
}

static void
answer_kept(struct timer *timer)
{
        control_answer(kept, true, "late", 4);
        kept = NULL;
}

static void
answer_later(struct control_request *request, int argc, char *const *argv)
{
        kept = request;
        timer_start(&late, 50, answer_kept);
}

static void
answer_never(struct control_request *request, int argc, char *const *argv)
{
        kept = request;
}

static void
tell(struct control_request *request, int argc, char *const *argv)
{
        control_tell(request, "first", 5);
        control_tell(request, "second\nline", 11);
        control_tell(request, "", 0);
        control_answer(request, true, "all", 3);
}

static const struct control_command commands[] = {
        { "tell", tell },
        { "echo", echo },
        { "user add", echo },
        { "refuse", refuse },
        { "later", answer_later },
        { "never", answer_never },
        { 0 },
};

static void
end_server(struct letter *letter)
{
        control_close(&control);
        if (kept != NULL)
                control_answer(kept, true, "to nobody", 9);
        kept = NULL;
        worker_stop(server);
        mem_free(letter);
}

static int
start_server(void **state)
{
        struct err err;

        server = worker_new("server", 0);
        worker_enter(server);
        control = control_open(path, commands, &err);
        return control == NULL;
}

static void *
run_server(void *unused)
{
        struct err err;

        server = worker_new("server", 0);
        worker_enter(server);
        control = control_open(path, commands, &err);
        if (control == NULL)
                abort();
        worker_run(server);
        return NULL;
}

static pthread_t thread;

static int
begin(void **state)
{
        struct buf answer = { 0 };
        char *argv[] = { "echo" };

        pthread_create(&thread, NULL, run_server, NULL);
        while (control_ask(path, 1, argv, 2000, &answer, NULL) < 0)
                usleep(1000);
        buf_free(&answer);
        return 0;
}

static int
end(void **state)
{
        struct letter *letter = mem_new(sizeof(*letter));

        letter->open = end_server;
        worker_post(server, letter);
        pthread_join(thread, NULL);
        worker_free(&server);
        return access(path, F_OK) == 0; /* the socket goes with its server */
}

/* The client's side */

static int
ask(struct buf *answer, struct err *err, const char *a, const char *b, const char *c)
{
        char *argv[] = { (char *)a, (char *)b, (char *)c };
        int argc = 1 + (b != NULL) + (c != NULL);

        buf_clear(answer);
        return control_ask(path, argc, argv, 2000, answer, err);
}

static void
carries_words_there_and_answers_back(void **state)
{
        struct buf answer = { 0 };
        struct err err;

        assert_int_equal(ask(&answer, &err, "echo", "it's a \"word\"", ""), 1);
        assert_string_equal(buf_text(&answer), "<it's a \"word\"><>");
        assert_int_equal(ask(&answer, &err, "user", "add", "x"), 1);
        assert_string_equal(buf_text(&answer), "<x>");
        assert_int_equal(ask(&answer, &err, "refuse", "x", NULL), 0);
        assert_string_equal(buf_text(&answer), "no, because of 1 words");
        assert_int_equal(ask(&answer, &err, "user", NULL, NULL), 0);
        assert_string_equal(buf_text(&answer), "unknown command \"user\": this server does not know it");
        assert_int_equal(ask(&answer, &err, "later", NULL, NULL), 1);
        assert_string_equal(buf_text(&answer), "late");
        buf_free(&answer);
}

static void
hear(void *arg, const char *bytes, size_t len)
{
        buf_put(arg, bytes, len);
        buf_putc(arg, ';');
}

static void
tells_before_it_answers(void **state)
{
        struct buf answer = { 0 }, told = { 0 };
        struct err err;
        char *argv[] = { "tell" };

        assert_int_equal(control_ask_told(path, 1, argv, 2000, hear, &told, &answer, &err), 1);
        assert_string_equal(buf_text(&told), "first;second\nline;;");
        assert_string_equal(buf_text(&answer), "all");
        assert_int_equal(ask(&answer, &err, "tell", NULL, NULL), 1); /* without an ear */
        assert_string_equal(buf_text(&answer), "all");
        buf_free(&told);
        buf_free(&answer);
}

static void
carries_long_commands(void **state)
{
        struct buf answer = { 0 };
        struct err err;
        char *word = mem_new(900001);

        memset(word, 'x', 900000);
        assert_int_equal(ask(&answer, &err, "echo", word, NULL), 1);
        assert_int_equal(answer.len, 900002);
        mem_free(word);
        buf_free(&answer);
}

static int
connect_raw(void)
{
        struct sockaddr_un name = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);

        snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
        assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof(name)), 0);
        return fd;
}

static void
answers_one_command_after_the_other_in_order(void **state)
{
        char in[100];
        size_t len = 0;
        int fd = connect_raw();

        assert_int_equal(write(fd, "later\necho 1\nec", 15), 15);
        assert_int_equal(write(fd, "ho 2\n'open\n", 11), 11);
        const char *expected = "ok 4\nlateok 3\n<1>ok 3\n<2>no 21\na quote is not closed";
        while (len < strlen(expected)) {
                ssize_t n = read(fd, in + len, sizeof(in) - len);
                assert_true(n > 0);
                len += (size_t)n;
        }
        in[len] = '\0';
        assert_string_equal(in, expected);
        close(fd);
}

static void
outlives_a_client_that_does_not_wait(void **state)
{
        struct buf answer = { 0 };
        struct err err;
        char *argv[] = { "never" };
        int fd = connect_raw();

        assert_int_equal(write(fd, "later\n", 6), 6);
        close(fd);
        usleep(100000);
        assert_int_equal(ask(&answer, &err, "echo", "still", NULL), 1);
        assert_int_equal(control_ask(path, 1, argv, 50, &answer, &err), -1);
        assert_non_null(strstr(err.text, "no answer in time"));
        buf_free(&answer);
}

static void
keeps_others_away_from_the_socket(void **state)
{
        struct stat st;

        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
}

static void
says_that_nobody_listens(void **state)
{
        struct buf answer = { 0 };
        struct err err;
        char *argv[] = { "echo" };

        assert_int_equal(control_ask("/nonexistent/socket", 1, argv, 1000, &answer, &err), -1);
        assert_string_equal(err.text, "/nonexistent/socket: nobody listens there");
        buf_free(&answer);
}

static void
is_not_opened_twice(void **state)
{
        struct err err;

        assert_null(control_open(path, commands, &err));
        assert_non_null(strstr(err.text, path));
        control_close(&control);
        chmod(directory, 0777);
        assert_null(control_open(path, commands, &err));
        assert_non_null(strstr(err.text, "everyone may write"));
        chmod(directory, 0700);
}

static int
end_here(void **state)
{
        worker_stop(server);
        worker_run(server);
        worker_free(&server);
        return 0;
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(carries_words_there_and_answers_back, begin, end),
                cmocka_unit_test_setup_teardown(tells_before_it_answers, begin, end),
                cmocka_unit_test_setup_teardown(carries_long_commands, begin, end),
                cmocka_unit_test_setup_teardown(answers_one_command_after_the_other_in_order, begin, end),
                cmocka_unit_test_setup_teardown(outlives_a_client_that_does_not_wait, begin, end),
                cmocka_unit_test_setup_teardown(keeps_others_away_from_the_socket, begin, end),
                cmocka_unit_test(says_that_nobody_listens),
                cmocka_unit_test_setup_teardown(is_not_opened_twice, start_server, end_here),
        };
        if (mkdtemp(directory) == NULL)
                return 1;
        snprintf(path, sizeof(path), "%s/socket", directory);
        int rc = cmocka_run_group_tests(tests, NULL, NULL);
        return rmdir(directory) != 0 || rc;
}
