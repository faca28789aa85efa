/*
 * register.c - an account for a client that has none, before login (XEP-0077, 3.1)
 *
 * Only over TLS, only where the configuration allows it, and only so many for one address. The client is not read while its account is being
 * made.
 */
#include "shared/base/mem.h"
#include "shared/base/text.h"
#include "shared/xml/writer.h"
#include "shared/xmpp/form.h"
#include "shared/xmpp/ns.h"
#include "xmppd/c2s/c2s_private.h"
#include "xmppd/directory/directory.h"
#include "xmppd/route/limits.h"
#include "xmppd/route/snapshot.h"
#include "xmppd/sasl/throttle.h"
#include "xmppd/user/registration.h"

#include <string.h>

#define INSTRUCTIONS "Choose a user name and a password."

bool
register_is_offered(const struct client *client)
{
        return conn_is_secure(stream_conn(client->stream)) && config_bool(snapshot_section("register"), "accounts") &&
                !directory_serves(client->domain);
}

/* ---- answers ---- */

static void
begin_answer(struct client *client, const char *type, const char *id)
{
        struct buf *out = conn_output(stream_conn(client->stream));

        buf_printf(out, "<iq type=\"%s\" from=\"", type);
        xml_write_attribute_value(out, client->domain);
        buf_puts(out, "\" id=\"");
        xml_write_attribute_value(out, id);
        buf_puts(out, "\">");
}

static void
end_answer(struct client *client)
{
        buf_puts(conn_output(stream_conn(client->stream)), "</iq>");
        negotiate(client, REGISTERED, NULL);
}

static void
refuse(struct client *client, const char *id, enum stanza_condition condition, const char *text)
{
        struct buf *out = conn_output(stream_conn(client->stream));

        begin_answer(client, "error", id);
        buf_printf(out, "<error type=\"%s\"><%s xmlns=\"" NS_STANZA_ERRORS "\"/>", stanza_condition_type(condition),
                stanza_condition_name(condition));
        if (text != NULL)
                buf_printf(out, "<text xmlns=\"" NS_STANZA_ERRORS "\" xml:lang=\"en\">%s</text>", text);
        buf_puts(out, "</error>");
        end_answer(client);
}

/* The fields, and the same as a form. */
static void
tell_fields(struct client *client, const char *id)
{
        struct arena *arena = arena_new(1024);
        struct element *query = element_new(arena, "query", NS_REGISTER);

        element_add_text(arena, query, "instructions", NULL, INSTRUCTIONS);
        element_add(arena, query, "username", NULL);
        element_add(arena, query, "password", NULL);
        struct element *form = form_begin_question(arena, query, NS_REGISTER, INSTRUCTIONS);
        form_ask(arena, form, "text-single", "username", "User name");
        form_ask(arena, form, "text-private", "password", "Password");
        begin_answer(client, "result", id);
        xml_write(conn_output(stream_conn(client->stream)), query, NS_CLIENT);
        end_answer(client);
        arena_free(&arena);
}

/* ---- making it ---- */

static void
hear(void *owner, enum registration_outcome outcome)
{
        struct client *client = owner;
        struct login *login = client->login;
        char *id = login->registration_id;

        login->registration = NULL;
        login->registration_id = NULL;
        if (!stream_is_closing(client->stream)) {
                switch (outcome) {
                case REGISTRATION_DONE:
                        begin_answer(client, "result", id);
                        end_answer(client);
                        break;
                case REGISTRATION_NAME_TAKEN:
                        refuse(client, id, CONFLICT, NULL);
                        break;
                case REGISTRATION_BAD_PASSWORD:
                        refuse(client, id, NOT_ACCEPTABLE, "This password has characters that are not allowed.");
                        break;
                case REGISTRATION_FAILED:
                        refuse(client, id, INTERNAL_SERVER_ERROR, NULL);
                        break;
                }
                stream_resume(client->stream);
        }
        mem_free(id);
}

/* What the client has filled in, as fields or as a form (4); NULL: nothing. */
static const char *
find_answer(const struct element *query, const struct form *form, const char *name, struct arena *arena)
{
        const struct element *field = element_child(query, name, NS_REGISTER);

        if (form->count > 0)
                return form_text(form, name);
        return field != NULL ? element_text(field, arena) : NULL;
}

/* An empty form if there is none. False: there is one, and it cannot be read or is no answer to ours. */
static bool
read_form(struct form *form, const struct element *query, struct arena *arena)
{
        const struct element *x = element_child(query, "x", NS_DATA);

        *form = (struct form){ 0 };
        if (x == NULL)
                return true;
        return form_read(form, arena, x) && form->kind == FORM_SUBMIT && text_equal(form->form_type, NS_REGISTER);
}

static void
make_account(struct client *client, const char *id, const struct element *query)
{
        struct arena *arena = arena_new(1024);
        const struct address *from = conn_peer_address(stream_conn(client->stream));
        uint64_t per_hour = (uint64_t)limit_value(LIMIT_REGISTRATIONS);
        struct form form;
        struct jid bare;

        bool is_readable = read_form(&form, query, arena);
        const char *name = is_readable ? find_answer(query, &form, "username", arena) : NULL;
        const char *password = is_readable ? find_answer(query, &form, "password", arena) : NULL;
        if (!is_readable) {
                refuse(client, id, BAD_REQUEST, NULL);
        } else if (element_child(query, "remove", NS_REGISTER) != NULL) {
                refuse(client, id, UNEXPECTED_REQUEST, NULL); /* 3.2: whose account? */
        } else if (name == NULL || name[0] == '\0' || password == NULL || password[0] == '\0') {
                refuse(client, id, NOT_ACCEPTABLE, "A user name and a password are needed.");
        } else if (!jid_of_user(&bare, arena, name, client->domain)) {
                refuse(client, id, NOT_ACCEPTABLE, "This user name has characters that are not allowed.");
        } else if (!throttle_may_register(from, per_hour, worker_now())) {
                limit_note(LIMIT_REGISTRATIONS);
                log_info(&client->log, "too many accounts are registered from this address");
                refuse(client, id, RESOURCE_CONSTRAINT, "Too many accounts from this address; try again later.");
        } else {
                client->login->registration_id = mem_strdup(id);
                stream_pause(client->stream);
                client->login->registration = registration_begin(&bare, password, hear, client);
        }
        arena_free(&arena);
}

bool
register_takes(const struct client *client, const struct element *iq)
{
        const char *type = element_attribute(iq, "type");

        return client->account == NULL && client->domain != NULL && (text_equal(type, "get") || text_equal(type, "set")) &&
                element_child(iq, "query", NS_REGISTER) != NULL && register_is_offered(client);
}

/* To nobody, or the domain of the stream. */
static bool
is_for_us(const struct client *client, const struct element *iq)
{
        const char *to = element_attribute(iq, "to");
        char domain[JID_PART_MAX + 1];

        return to == NULL || (jid_prepare_domain(domain, to) && text_equal(domain, client->domain));
}

void
register_answer(struct client *client, struct element *iq)
{
        const char *id = element_attribute(iq, "id");
        const struct element *query = element_first(iq);

        if (id == NULL || !element_is(query, "query", NS_REGISTER) || element_next(query) != NULL)
                refuse(client, id != NULL ? id : "", BAD_REQUEST, NULL);
        else if (!is_for_us(client, iq))
                refuse(client, id, SERVICE_UNAVAILABLE, NULL);
        else if (text_equal(element_attribute(iq, "type"), "get"))
                tell_fields(client, id);
        else
                make_account(client, id, query);
}

void
register_abandon(struct login *login)
{
        registration_forget(&login->registration);
        mem_free(login->registration_id);
        login->registration_id = NULL;
}
