/*
 * login.c - the SASL exchange of a client, and its move to the home of the account
 *
 * A client that has sent its last response waits for our answer, so nothing is in flight: that is the moment to move. <success/> is sent from the
 * new worker only.
 */
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/base/text.h"
#include "shared/xmpp/ns.h"
#include "xmppd/c2s/c2s_private.h"
#include "xmppd/route/home.h"
#include "xmppd/route/snapshot.h"
#include "xmppd/sasl/throttle.h"

#include <stdio.h>
#include <string.h>

enum {
        DATA_MAX = 8192,
};

/* The client waits while the answer is being made; what it sends meanwhile stays unread. */
static void
pause_for_answer(struct client *client)
{
        client->login->asked = worker_now();
        client->login->waiting = true;
        stream_pause(client->stream);
}

static void
end_pause(struct client *client)
{
        if (!client->login->waiting)
                return;
        client->login->waiting = false;
        stream_resume(client->stream);
}

/* ---- who guesses waits ---- */

static uint64_t
wait_of(struct client *client, bool is_wrong)
{
        const struct section *section = snapshot_section("login");
        struct throttle_rules rules = {
                .delay_ms = (uint64_t)config_number(section, "delay"),
                .max_delay_ms = (uint64_t)config_number(section, "max-delay") * 1000,
                .forget_ms = (uint64_t)config_number(section, "forget") * 1000,
        };
        const struct address *from = conn_peer_address(stream_conn(client->stream));

        return throttle_wait(from, sasl_meant(client->login->sasl), is_wrong, &rules, worker_now());
}

static void
let_in(struct timer *timer)
{
        struct client *client = container_of(timer, struct login, pause)->client;

        if (client->stream != NULL && !stream_is_closing(client->stream))
                negotiate(client, PROVEN, NULL);
}

/* From an address that has guessed a right answer comes as late as a wrong one. */
static void
wait_then_succeed(struct client *client)
{
        uint64_t wait = wait_of(client, false);

        if (wait == 0)
                negotiate(client, PROVEN, NULL);
        else
                timer_start(&client->login->pause, wait, let_in);
}

static void
hear(void *owner, enum sasl_outcome outcome, const char *bytes, size_t len)
{
        struct client *client = owner;
        struct login *login = client->login;

        if (stream_is_closing(client->stream))
                return;
        mem_free(login->success);
        login->success = NULL;
        if (bytes != NULL) {
                login->success = mem_new(text_base64_size(len) + 1);
                text_base64(login->success, bytes, len);
                if (len == 0)
                        strcpy(login->success, "="); /* RFC 6120 6.4.2: empty, but there */
        }
        if (outcome == SASL_REFUSED)
                login->failure = sasl_failure(login->sasl);
        if (outcome == SASL_CHALLENGE)
                negotiate(client, CHALLENGE, NULL);
        else if (outcome == SASL_REFUSED)
                negotiate(client, REFUSED, NULL);
        else
                wait_then_succeed(client);
}

/* What stands inside <auth/> or <response/>. False: not base64. *bytes is NULL without data; "=" is empty data. */
static bool
decode(struct arena *arena, struct element *element, const char **bytes, size_t *len)
{
        const char *text = element_text(element, arena);
        size_t text_len = strlen(text);

        *bytes = NULL;
        *len = 0;
        if (text_len == 0)
                return true;
        if (strcmp(text, "=") == 0) {
                *bytes = "";
                return true;
        }
        if (text_len > DATA_MAX)
                return false;
        char *out = arena_alloc(arena, text_len + 1);
        int64_t got = text_unbase64(out, text, text_len);
        *bytes = out;
        *len = got < 0 ? 0 : (size_t)got;
        return got >= 0;
}

/* A password may be among what was decoded. */
static void
forget(const char *bytes, size_t len)
{
        if (len > 0)
                mem_wipe((char *)bytes, len);
}

static void
fail_at_once(struct client *client, const char *failure)
{
        client->login->failure = failure;
        negotiate(client, FORGIVEN, NULL);
}

void
login_begin(struct client *client, struct element *auth)
{
        struct login *login = client->login;
        struct conn *conn = stream_conn(client->stream);
        struct arena *arena = arena_new(512);
        const char *mechanism = element_attribute(auth, "mechanism");
        const char *bytes;
        size_t len;

        if (mechanism == NULL) {
                fail_at_once(client, "invalid-mechanism");
        } else if (!decode(arena, auth, &bytes, &len)) {
                fail_at_once(client, "incorrect-encoding");
        } else {
                login->sasl = sasl_new(client->domain, conn_is_secure(conn) ? conn_tls(conn) : NULL, hear, client);
                pause_for_answer(client);
                sasl_begin(login->sasl, mechanism, bytes, len);
                forget(bytes, len);
        }
        arena_free(&arena);
}

void
login_go_on(struct client *client, struct element *response)
{
        struct arena *arena = arena_new(512);
        const char *bytes;
        size_t len;

        if (!decode(arena, response, &bytes, &len)) {
                fail_at_once(client, "incorrect-encoding");
        } else {
                pause_for_answer(client);
                sasl_step(client->login->sasl, bytes, len);
                forget(bytes, len);
        }
        arena_free(&arena);
}

void
login_abort(struct client *client, struct element *unused)
{
        fail_at_once(client, "aborted");
}

void
login_challenge(struct client *client, struct element *unused)
{
        struct buf *out = conn_output(stream_conn(client->stream));
        const char *data = client->login->success;

        buf_printf(out, "<challenge xmlns=\"" NS_SASL "\">%s</challenge>", data == NULL || strcmp(data, "=") == 0 ? "" : data);
        end_pause(client);
}

/* ---- failure ---- */

static void
forgive(struct timer *timer)
{
        struct client *client = container_of(timer, struct login, pause)->client;

        if (client->stream != NULL && !stream_is_closing(client->stream))
                negotiate(client, FORGIVEN, NULL);
}

/* Whoever guesses waits; mistakes of form are told at once. */
void
login_punish(struct client *client, struct element *unused)
{
        struct login *login = client->login;
        bool is_guess = strcmp(login->failure, "not-authorized") == 0;

        if (is_guess) {
                const char *meant = sasl_meant(login->sasl);
                uint64_t wait = wait_of(client, true), spent = worker_now() - login->asked;
                log_info(&client->log, "login refused account=%s wait=%llu ms", meant != NULL ? meant : "?",
                        (unsigned long long)wait);
                /* From the request on: how long the check took cannot be heard. */
                timer_start(&login->pause, wait > spent ? wait - spent : 0, forgive);
                return;
        }
        timer_start(&login->pause, 0, forgive);
}

void
login_fail(struct client *client, struct element *unused)
{
        struct buf *out = conn_output(stream_conn(client->stream));

        buf_printf(out, "<failure xmlns=\"" NS_SASL "\"><%s/></failure>", client->login->failure);
        sasl_free(&client->login->sasl);
        if (strcmp(client->login->failure, "aborted") != 0 && ++client->attempts >= limit_value(LIMIT_LOGIN_ATTEMPTS)) {
                limit_note(LIMIT_LOGIN_ATTEMPTS);
                stream_fail(client->stream, STREAM_POLICY_VIOLATION, "too many failed logins");
                return;
        }
        end_pause(client);
}

/* ---- the move ---- */

static void
arrive(struct letter *letter)
{
        struct login *login = container_of(letter, struct login, letter);
        struct client *client = login->client;

        if (login->parcel != NULL)
                client->stream = stream_unpack(&login->parcel, &client_events, client);
        client_join_worker(client);
        if (client_is_stopping())
                stream_fail(client->stream, STREAM_SYSTEM_SHUTDOWN, NULL);
        else
                negotiate(client, HOME, NULL);
}

static void
leave(struct chore *chore)
{
        struct login *login = container_of(chore, struct login, moving);
        struct client *client = login->client;
        struct arena *arena = arena_new(256);
        struct jid account;

        if (client->stream == NULL || stream_is_closing(client->stream)) {
                arena_free(&arena);
                return;
        }
        must(jid_parse(&account, arena, client->account));
        struct worker *home = home_of(&account);
        arena_free(&arena);
        if (on_home(home)) {
                end_pause(client);
                negotiate(client, HOME, NULL);
                return;
        }
        timer_stop(&login->deadline);
        client_leave_worker(client);
        login->waiting = false; /* a stream that was moved is not paused */
        login->parcel = stream_pack(&client->stream);
        login->letter.open = arrive;
        worker_post(home, &login->letter);
}

void
login_move(struct client *client, struct element *unused)
{
        struct login *login = client->login;

        client->account = mem_strdup(sasl_account(login->sasl));
        sasl_free(&login->sasl);
        /* Not from inside the parser's event: at the end of this turn, before the connection takes notice of the pause. */
        login->moving.run = leave;
        worker_before_turn_end(&login->moving);
}

static void
give_up_binding(struct timer *timer)
{
        struct client *client = container_of(timer, struct login, deadline)->client;

        if (client->stream != NULL)
                stream_fail(client->stream, STREAM_CONNECTION_TIMEOUT, "no resource was bound");
}

void
login_succeed(struct client *client, struct element *unused)
{
        struct xml_limits late = client_limits(client);
        struct buf *out = conn_output(stream_conn(client->stream));
        const char *data = client->login->success;

        ticket_settle(&client->ticket);
        buf_printf(out, "<success xmlns=\"" NS_SASL "\">%s</success>", data == NULL ? "" : data);
        stream_gather(client->stream, false);
        stream_restart(client->stream, &late);
        conn_allow(stream_conn(client->stream), 0, 0);
        timer_start(&client->login->deadline, (uint64_t)limit_value(LIMIT_LOGIN_TIME) * 1000, give_up_binding);
}

void
login_free(struct client *client)
{
        struct login *login = client->login;

        timer_stop(&login->deadline);
        timer_stop(&login->pause);
        worker_forget_chore(&login->moving);
        sasl_free(&login->sasl);
        register_abandon(login);
        mem_free(login->success);
        mem_free(login);
        client->login = NULL;
}
