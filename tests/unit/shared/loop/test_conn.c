/*
 * Connections over loopback: plain and TLS, slow readers, closing, moving between workers.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "shared/base/buf.h"
#include "shared/base/mem.h"
#include "shared/loop/conn.h"
#include "shared/loop/listener.h"
#include "shared/loop/timer.h"
#include "shared/loop/worker.h"
#include "tests/unit/shared/tls/certs.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct cert root, server_cert, client_cert;
static struct tls_context *server_side, *client_side;

static struct tls_context *
must_make(enum tls_side side, struct tls_options options)
{
        struct err err = { "" };
        struct tls_context *context = tls_context_new(side, &options, &err);

        assert_string_equal(err.text, "");
        return context;
}

static int
make_certs(void **state)
{
        root = cert_make(&(struct cert_wish){ .name = "root", .is_ca = 1 });
        server_cert = cert_make(&(struct cert_wish){ .name = "server", .san = "DNS:capulet.example", .issuer = &root });
        client_cert = cert_make(&(struct cert_wish){ .name = "client", .san = "DNS:partner.example", .issuer = &root });
        server_side = must_make(
                TLS_SERVER, (struct tls_options){ .certificate = server_cert.path, .trust = root.path, .ask = TLS_ASK_REQUIRED });
        client_side = must_make(TLS_CLIENT, (struct tls_options){ .certificate = client_cert.path, .trust = root.path });
        return 0;
}

static int
remove_certs(void **state)
{
        cert_free(&root);
        cert_free(&server_cert);
        cert_free(&client_cert);
        tls_context_unref(&server_side);
        tls_context_unref(&client_side);
        certs_remove();
        return 0;
}

/* One end of a connection that writes down what happens to it. */
struct end {
        struct conn *conn;
        struct buf got;
        char why[120];
        int connected, secured, closed, drained;
        size_t take; /* at most this many bytes at a time; 0: all */
        void (*on_data)(struct end *);
        void (*on_secured)(struct end *);
};

static void
note_connected(void *owner)
{
        ((struct end *)owner)->connected++;
}

static void
note_secured(void *owner)
{
        struct end *end = owner;

        end->secured++;
        if (end->on_secured != NULL)
                end->on_secured(end);
}

static size_t
note_data(void *owner, const char *bytes, size_t len)
{
        struct end *end = owner;

        if (end->take != 0 && len > end->take)
                len = end->take;
        buf_put(&end->got, bytes, len);
        if (end->on_data != NULL)
                end->on_data(end);
        return len;
}

static void
note_drained(void *owner)
{
        ((struct end *)owner)->drained++;
}

static void
note_closed(void *owner, const char *why)
{
        struct end *end = owner;

        end->closed++;
        snprintf(end->why, sizeof(end->why), "%s", why);
        end->conn = NULL;
}

static const struct conn_events noting = {
        .connected = note_connected, .secured = note_secured, .data = note_data, .drained = note_drained, .closed = note_closed
};

/* The stage of most tests: one worker, a listener, a dialled end and an accepted one, and a script that is asked after every 10 ms whether it
 * is through; it gives up after ten seconds. */
static struct end near_end, far_end;
static struct listener *listener;
static bool accept_with_tls;
static bool (*script)(int turn);
static struct timer tick;
static int turn;

static void
accept_far(void *owner, int fd, const struct address *peer)
{
        far_end.conn = conn_accept(fd, &noting, &far_end);
        if (accept_with_tls)
                conn_start_tls(far_end.conn, server_side, TLS_SERVER, NULL);
}

static void
ask_script(struct timer *timer)
{
        if (!script(turn++) && turn < 1000) {
                timer_start(timer, 10, ask_script);
                return;
        }
        conn_free(&near_end.conn);
        conn_free(&far_end.conn);
        listener_close(&listener);
        worker_stop(worker_here());
}

static void
begin(struct letter *letter)
{
        struct address address;
        struct err err;

        assert_int_equal(address_parse(&address, "127.0.0.1:0", &err), 0);
        listener = listener_open(&address, accept_far, NULL, &err);
        assert_non_null(listener);
        near_end.conn = conn_dial(listener_address(listener), 3000, &noting, &near_end);
        if (accept_with_tls)
                near_end.connected = 0;
        timer_start(&tick, 0, ask_script);
}

static void
play(bool (*what)(int), bool with_tls)
{
        struct worker *worker = worker_new("test", 0);
        struct letter letter = { .open = begin };

        near_end = far_end = (struct end){ 0 };
        accept_with_tls = with_tls;
        script = what;
        turn = 0;
        worker_post(worker, &letter);
        worker_run(worker);
        worker_free(&worker);
        assert_true(turn < 1000);
        buf_free(&near_end.got);
        buf_free(&far_end.got);
}

static bool
got(struct end *end, const char *text)
{
        return strcmp(buf_text(&end->got), text) == 0;
}

static bool
talk_plainly(int at)
{
        char text[ADDRESS_TEXT];

        if (at == 0) {
                conn_send(near_end.conn, "art thou ", 9); /* waits for the connection */
                conn_send(near_end.conn, "not Romeo?", 10);
        }
        if (far_end.closed == 0 && far_end.conn != NULL && got(&far_end, "art thou not Romeo?")) {
                assert_string_equal(address_format_host(text, conn_peer_address(far_end.conn)), "127.0.0.1");
                assert_int_equal(address_port(conn_local_address(far_end.conn)), address_port(listener_address(listener)));
                buf_clear(&far_end.got);
                conn_send(far_end.conn, "neither", 7);
                conn_close(far_end.conn);
        }
        if (near_end.closed == 0 || far_end.closed == 0)
                return false;
        assert_true(got(&near_end, "neither"));
        assert_int_equal(near_end.connected, 1);
        assert_int_equal(near_end.closed, 1);
        assert_string_equal(near_end.why, "closed by peer");
        assert_string_equal(far_end.why, "closed");
        return true;
}

static void
what_is_sent_before_closing_arrives(void **state)
{
        play(talk_plainly, false);
}

static void
answer_loudly(struct end *end)
{
        conn_send(end->conn, "hello", 5);
}

static bool
talk_over_tls(int at)
{
        if (at == 0)
                near_end.on_secured = answer_loudly;
        if (near_end.conn != NULL && near_end.connected == 1 && conn_tls(near_end.conn) == NULL)
                conn_start_tls(near_end.conn, client_side, TLS_CLIENT, "capulet.example");
        if (far_end.conn != NULL && got(&far_end, "hello")) {
                assert_true(tls_peer_is(conn_peer(far_end.conn), "partner.example"));
                assert_true(conn_is_secure(far_end.conn));
                conn_close(far_end.conn);
        }
        if (near_end.closed == 0 || far_end.closed == 0)
                return false;
        assert_int_equal(near_end.secured, 1);
        assert_int_equal(far_end.secured, 1);
        assert_string_equal(near_end.why, "closed by peer");
        return true;
}

static void
both_ends_of_tls_are_told_and_close_in_order(void **state)
{
        play(talk_over_tls, true);
}

/* STARTTLS: bytes smuggled in behind the request, in clear text, never count as protected. */
static void
agree_to_tls(struct end *end)
{
        if (conn_tls(end->conn) != NULL)
                return;
        end->take = 8;
        conn_send(end->conn, "proceed", 7);
        conn_start_tls(end->conn, server_side, TLS_SERVER, NULL);
}

static void
turn_to_tls(struct end *end)
{
        if (conn_tls(end->conn) == NULL)
                conn_start_tls(end->conn, client_side, TLS_CLIENT, NULL);
}

static bool
inject(int at)
{
        if (at == 0) {
                near_end.on_data = turn_to_tls;
                near_end.on_secured = answer_loudly;
                far_end.on_data = agree_to_tls;
                conn_send(near_end.conn, "starttls<evil/>", 15);
        }
        if (far_end.secured == 0 || far_end.got.len < 15 + 5)
                return false;
        /* note_data saw the smuggled bytes once, in clear text; after TLS came "hello" alone. */
        assert_string_equal(buf_text(&far_end.got), "starttls<evil/>hello");
        return true;
}

static void
clear_text_does_not_leak_into_tls(void **state)
{
        play(inject, false);
}

enum { MEGABYTE = 1024 * 1024 };

static bool
starve(int at)
{
        static char block[MEGABYTE];

        if (near_end.conn != NULL && near_end.connected == 1 && conn_tls(near_end.conn) == NULL)
                conn_start_tls(near_end.conn, client_side, TLS_CLIENT, NULL);
        if (far_end.conn == NULL || far_end.secured == 0 || near_end.secured == 0)
                return false;
        if (near_end.got.len == 0 && far_end.drained == 0 && conn_queued(far_end.conn) == 0) {
                conn_pause(near_end.conn);
                conn_tell_drained(far_end.conn, MEGABYTE);
                for (int i = 0; i < 16; i++)
                        conn_send(far_end.conn, block, sizeof(block));
                turn = 1;
                return false;
        }
        if (near_end.got.len == 0) {
                if (at < 10)
                        return false; /* give it time to send what the kernel takes */
                assert_true(conn_queued(far_end.conn) > 4 * MEGABYTE);
                assert_int_equal(far_end.drained, 0);
                conn_resume(near_end.conn);
        }
        if (near_end.got.len < 16 * MEGABYTE)
                return false;
        assert_int_equal(near_end.got.len, 16 * MEGABYTE);
        assert_int_equal(far_end.drained, 1);
        assert_int_equal(conn_queued(far_end.conn), 0);
        return true;
}

static void
a_slow_reader_holds_the_queue_and_drains_once(void **state)
{
        play(starve, true);
}

static bool
nibble(int at)
{
        if (at == 0) {
                far_end.take = 3;
                conn_send(near_end.conn, "abcdefgh", 8);
        }
        if (far_end.conn == NULL)
                return false;
        if (far_end.got.len == 3 && at > 5) {
                conn_pause(far_end.conn);
                conn_resume(far_end.conn); /* what was left comes again */
                return false;
        }
        if (far_end.got.len == 6) {
                conn_send(near_end.conn, "!", 1); /* and with what follows */
                far_end.take = 0;
                return false;
        }
        return got(&far_end, "abcdefgh!");
}

static void
untaken_bytes_come_again(void **state)
{
        play(nibble, false);
}

static bool
dial_nowhere(int at)
{
        if (at == 0) {
                struct address address = *listener_address(listener);
                conn_free(&near_end.conn);
                listener_close(&listener);
                near_end.conn = conn_dial(&address, 1000, &noting, &near_end);
                assert_int_equal(near_end.closed, 0); /* never from inside a call of ours */
        }
        if (near_end.closed == 0)
                return false;
        assert_string_equal(near_end.why, "cannot connect: Connection refused");
        return true;
}

static void
a_refused_dial_is_told_afterwards(void **state)
{
        play(dial_nowhere, false);
}

static bool
send_rubbish(int at)
{
        if (at == 0)
                conn_send(near_end.conn, "\x16\x03\x01\x00\x05hello", 10);
        if (far_end.closed == 0 || near_end.closed == 0)
                return false;
        assert_int_equal(strncmp(far_end.why, "TLS: ", 5), 0);
        assert_true(near_end.got.len == 7); /* the alert */
        return true;
}

static void
rubbish_instead_of_tls_gets_an_alert(void **state)
{
        play(send_rubbish, true);
}

static bool
use_a_unix_socket(int at)
{
        static char path[100];
        struct err err;

        if (at == 0) {
                conn_free(&near_end.conn);
                listener_close(&listener);
                snprintf(path, sizeof(path), "%s/test.sock", certs_dir());
                /* One that a crash left behind is replaced, one in use is not. */
                struct sockaddr_un name = { .sun_family = AF_UNIX };
                snprintf(name.sun_path, sizeof(name.sun_path), "%.99s", path);
                int fd = socket(AF_UNIX, SOCK_STREAM, 0);
                assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
                close(fd);
                listener = listener_open_unix(path, accept_far, NULL, &err);
                assert_non_null(listener);
                assert_null(listener_open_unix(path, accept_far, NULL, &err));
                assert_non_null(strstr(err.text, "another program listens there"));
                near_end.conn = conn_dial_unix(path, 1000, &noting, &near_end);
                conn_send(near_end.conn, "status", 6);
        }
        if (!got(&far_end, "status"))
                return false;
        listener_close(&listener);
        assert_int_equal(access(path, F_OK), -1);
        return true;
}

static void
unix_sockets_serve_as_well(void **state)
{
        play(use_a_unix_socket, false);
}

static bool
take_a_taken_port(int at)
{
        struct err err = { "" };
        char text[ADDRESS_TEXT], expected[200];

        assert_null(listener_open(listener_address(listener), accept_far, NULL, &err));
        snprintf(expected, sizeof(expected), "%s: port taken by PID %d (test_conn",
                address_format(text, listener_address(listener)), (int)getpid());
        assert_int_equal(strncmp(err.text, expected, strlen(expected)), 0);
        return true;
}

static void
a_taken_port_names_its_holder(void **state)
{
        play(take_a_taken_port, false);
}

/* Moving: an echo server whose connections hop to another worker after every message, while a client on a worker of its own counts. */
enum { WORKERS = 4, HOPPERS = 20, MOVES = 1000 };

static struct worker *workers[WORKERS], *home_of_clients;

struct hopper {
        struct letter letter;
        struct chore chore;
        struct conn *conn;
        struct parcel *parcel;
        int at, moves;
};

struct client {
        struct conn *conn;
        int sent;
        struct buf got;
};

static struct hopper hoppers[HOPPERS];
static struct client clients[HOPPERS];
static int clients_done, accepted_count;

static size_t hop(void *owner, const char *bytes, size_t len);

static void
forget_hopper(void *owner, const char *why)
{
        ((struct hopper *)owner)->conn = NULL;
}

static const struct conn_events hopping = { .data = hop, .closed = forget_hopper };

static void
arrive(struct letter *letter)
{
        struct hopper *hopper = container_of(letter, struct hopper, letter);

        assert_true(on_home(workers[hopper->at]));
        hopper->conn = conn_unpack(&hopper->parcel, &hopping, hopper);
}

static void
leave(struct chore *chore)
{
        struct hopper *hopper = container_of(chore, struct hopper, chore);

        hopper->moves++;
        hopper->parcel = conn_pack(&hopper->conn);
        hopper->at = (hopper->at + 1) % WORKERS;
        hopper->letter.open = arrive;
        worker_post(workers[hopper->at], &hopper->letter);
}

/* Echoes; at a line's end it moves, with the output still in the conn and whatever the client sent ahead. */
static size_t
hop(void *owner, const char *bytes, size_t len)
{
        struct hopper *hopper = owner;
        const char *end = memchr(bytes, '\n', len);

        if (end != NULL)
                len = (size_t)(end - bytes) + 1;
        conn_send(hopper->conn, bytes, len);
        if (end != NULL) {
                conn_pause(hopper->conn);
                hopper->chore.run = leave;
                worker_at_turn_end(&hopper->chore);
        }
        return len;
}

static void
send_line(struct client *client)
{
        char line[40];
        int len = snprintf(line, sizeof(line), "line %d of client\n", client->sent++);

        conn_send(client->conn, line, (size_t)len);
}

static size_t
check_echo(void *owner, const char *bytes, size_t len)
{
        struct client *client = owner;

        buf_put(&client->got, bytes, len);
        for (char *end; client->conn != NULL && (end = memchr(buf_data(&client->got), '\n', client->got.len)) != NULL;) {
                buf_drop(&client->got, (size_t)(end - buf_data(&client->got)) + 1);
                if (client->sent < MOVES) {
                        send_line(client);
                        continue;
                }
                /* The last answer: the hopper rests on a worker; both ends may go. */
                conn_free(&client->conn);
                buf_free(&client->got);
                if (++clients_done == HOPPERS) {
                        listener_close(&listener);
                        worker_stop(home_of_clients);
                        for (int i = 0; i < WORKERS; i++)
                                worker_stop(workers[i]);
                }
        }
        return len;
}

static void
start_sending(void *owner)
{
        send_line(owner);
}

static void
start_client_tls(void *owner)
{
        conn_start_tls(((struct client *)owner)->conn, client_side, TLS_CLIENT, NULL);
}

static void
fail_client(void *owner, const char *why)
{
        fail_msg("client lost its connection: %s", why);
}

static const struct conn_events counting = {
        .connected = start_client_tls, .secured = start_sending, .data = check_echo, .closed = fail_client
};

static void
begin_hopping(struct letter *letter)
{
        struct hopper *hopper = container_of(letter, struct hopper, letter);

        hopper->conn = conn_accept((int)(intptr_t)hopper->parcel, &hopping, hopper);
        hopper->parcel = NULL;
        conn_start_tls(hopper->conn, server_side, TLS_SERVER, NULL);
}

static void
hand_over(void *owner, int fd, const struct address *peer)
{
        struct hopper *hopper = &hoppers[accepted_count++];

        hopper->parcel = (struct parcel *)(intptr_t)fd;
        hopper->letter.open = begin_hopping;
        hopper->at = accepted_count % WORKERS;
        worker_post(workers[hopper->at], &hopper->letter);
}

static void
begin_clients(struct letter *letter)
{
        struct address address;
        struct err err;

        assert_int_equal(address_parse(&address, "127.0.0.1:0", &err), 0);
        listener = listener_open(&address, hand_over, NULL, &err);
        for (int i = 0; i < HOPPERS; i++)
                clients[i].conn = conn_dial(listener_address(listener), 3000, &counting, &clients[i]);
}

static void
connections_move_twenty_thousand_times(void **state)
{
        struct letter letter = { .open = begin_clients };
        int moves = 0;

        for (int i = 0; i < WORKERS; i++) {
                workers[i] = worker_new("mover", i);
                worker_start(workers[i]);
        }
        home_of_clients = worker_new("clients", 0);
        worker_post(home_of_clients, &letter);
        worker_run(home_of_clients);
        for (int i = 0; i < WORKERS; i++)
                worker_join(workers[i]);
        worker_free(&home_of_clients);
        for (int i = 0; i < WORKERS; i++)
                worker_free(&workers[i]);
        for (int i = 0; i < HOPPERS; i++)
                moves += hoppers[i].moves;
        assert_int_equal(moves, HOPPERS * MOVES);
}

int
main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_sent_before_closing_arrives),
                cmocka_unit_test(both_ends_of_tls_are_told_and_close_in_order),
                cmocka_unit_test(clear_text_does_not_leak_into_tls),
                cmocka_unit_test(a_slow_reader_holds_the_queue_and_drains_once),
                cmocka_unit_test(untaken_bytes_come_again),
                cmocka_unit_test(a_refused_dial_is_told_afterwards),
                cmocka_unit_test(rubbish_instead_of_tls_gets_an_alert),
                cmocka_unit_test(unix_sockets_serve_as_well),
                cmocka_unit_test(a_taken_port_names_its_holder),
                cmocka_unit_test(connections_move_twenty_thousand_times),
        };
        return cmocka_run_group_tests(tests, make_certs, remove_certs);
}
