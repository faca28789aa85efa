/*
 * negotiate.c - from the first byte of a client to a bound resource, as a table (RFC 6120, 4.3, 5, 6, 7)
 */
#include "shared/base/mem.h"
#include "shared/base/random.h"
#include "shared/base/text.h"
#include "shared/xmpp/jid.h"
#include "shared/xmpp/ns.h"
#include "xmppd/c2s/c2s_private.h"
#include "xmppd/extend/extension.h"
#include "xmppd/route/snapshot.h"

#include <string.h>

enum { LANG_MAX = 64 };

enum state { CONNECTED, OFFERED, REGISTERING, SECURING, PROVING, PUNISHED, MOVING, KNOWN, BINDING, RESUMING, BOUND };

static const char *const states[] = { "connected", "offered", "registering", "securing", "proving", "punished", "moving", "known",
        "binding", "resuming", "bound" };
static const char *const events[] = { "header", "starttls", "secured", "auth", "response", "abort", "challenge", "proven",
        "refused", "forgiven", "home", "bind", "bound", "resume", "not resumed", "enable", "register", "registered", "stanza",
        "other" };

struct step {
        enum state in;
        enum event when;
        void (*act)(struct client *client, struct element *element);
        enum state then;
};

static bool
is_secure(const struct client *client)
{
        return conn_is_secure(stream_conn(client->stream));
}

static bool
must_encrypt(const struct client *client)
{
        return !is_secure(client) && strcmp(config_text(snapshot_section("c2s"), "tls"), "required") == 0;
}

/* ---- headers and features ---- */

/* The domain a header is for; STREAM_CONDITIONS if it may be served to this client. */
static enum stream_condition
check_to(const struct client *client, const char *to, char domain[JID_PART_MAX + 1], const char **why)
{
        char ascii[256];

        *why = NULL;
        if (to == NULL) {
                *why = "the stream header has no 'to'";
                return STREAM_IMPROPER_ADDRESSING;
        }
        if (!jid_prepare_domain(domain, to)) {
                *why = "'to' is not a domain name";
                return STREAM_IMPROPER_ADDRESSING;
        }
        const struct domain *known = snapshot_domain(domain);
        bool is_other = client->domain != NULL && !text_equal(client->domain, domain);
        if (known == NULL || known->kind != DOMAIN_LOCAL || (is_other && client->account != NULL))
                return STREAM_HOST_UNKNOWN;
        /* TLS was made for the domain of the header before it (RFC 6120 5.4.3.3, 13.7.2). */
        if (is_other && is_secure(client) &&
                !(jid_domain_to_ascii(ascii, domain) && tls_session_shows(conn_tls(stream_conn(client->stream)), ascii))) {
                *why = "the certificate of this connection is for another domain";
                return STREAM_HOST_UNKNOWN;
        }
        return STREAM_CONDITIONS;
}

/* RFC 6120 4.7.1: before login anybody may say who he is going to be. */
static enum stream_condition
check_from(const struct client *client, struct arena *arena, const char *from, struct jid *bare)
{
        struct jid jid;

        *bare = (struct jid){ 0 };
        if (from == NULL)
                return STREAM_CONDITIONS;
        if (!jid_parse(&jid, arena, from))
                return STREAM_IMPROPER_ADDRESSING;
        *bare = jid_bare(&jid, arena);
        return client->account == NULL || text_equal(bare->full, client->account) ? STREAM_CONDITIONS : STREAM_INVALID_FROM;
}

static void
take_header(struct client *client, const struct element *header, const char *domain)
{
        const char *lang = element_attribute_ns(header, "lang", XML_NS_XML);

        if (!text_equal(client->domain, domain)) {
                mem_free(client->domain);
                client->domain = mem_strdup(domain);
        }
        mem_free(client->lang);
        client->lang = lang != NULL && strlen(lang) <= LANG_MAX && lang[0] != '\0' ? mem_strdup(lang) : NULL;
}

/* Our header in answer to theirs. False: the stream has been ended. */
static bool
answer_header(struct client *client, struct element *header)
{
        struct arena *arena = arena_new(512);
        char domain[JID_PART_MAX + 1], id[2 * 8 + 1];
        struct jid bare;
        const char *why;
        enum stream_condition condition = check_to(client, element_attribute(header, "to"), domain, &why);

        if (condition == STREAM_CONDITIONS)
                condition = check_from(client, arena, element_attribute(header, "from"), &bare);
        if (condition == STREAM_CONDITIONS) {
                take_header(client, header, domain);
                stream_open(client->stream, domain, bare.full, random_hex(id, 8), "en", "1.0");
        } else {
                stream_fail(client->stream, condition, why);
        }
        arena_free(&arena);
        return condition == STREAM_CONDITIONS;
}

static void
offer_mechanisms(struct client *client, struct buf *out, bool secure)
{
        char why[300];

        buf_puts(out, "<mechanisms xmlns=\"" NS_SASL "\">");
        if (secure) {
                if (sasl_offers_external(client->domain, conn_tls(stream_conn(client->stream)), why, sizeof(why)))
                        buf_puts(out, "<mechanism>EXTERNAL</mechanism>");
                else if (why[0] != '\0')
                        log_info(&client->log, "EXTERNAL is not offered, the client's certificate: %s", why);
        }
        for (const char *const *name = sasl_mechanisms(client->domain, secure); *name != NULL; name++)
                buf_printf(out, "<mechanism>%s</mechanism>", *name);
        buf_puts(out, "</mechanisms>");
        if (secure && strstr(sasl_mechanisms(client->domain, true)[0], "-PLUS") != NULL)
                buf_puts(out,
                        "<sasl-channel-binding xmlns=\"urn:xmpp:sasl-cb:0\"><channel-binding type=\"tls-exporter\"/>"
                        "<channel-binding type=\"tls-server-end-point\"/></sasl-channel-binding>");
}

static void
offer_login(struct client *client, struct element *header)
{
        if (!answer_header(client, header))
                return;
        struct buf *out = conn_output(stream_conn(client->stream));
        bool secure = is_secure(client);
        const char *tls = config_text(snapshot_section("c2s"), "tls");
        buf_puts(out, "<stream:features>");
        if (!secure && strcmp(tls, "none") != 0 && snapshot_now()->c2s_tls != NULL)
                buf_printf(out, "<starttls xmlns=\"" NS_TLS "\">%s</starttls>", strcmp(tls, "required") == 0 ? "<required/>" : "");
        if (!must_encrypt(client))
                offer_mechanisms(client, out, secure);
        if (register_is_offered(client))
                buf_puts(out, "<register xmlns=\"http://jabber.org/features/iq-register\"/>");
        buf_puts(out, "</stream:features>");
}

static void
offer_binding(struct client *client, struct element *header)
{
        if (!answer_header(client, header))
                return;
        struct buf *out = conn_output(stream_conn(client->stream));
        buf_puts(out,
                "<stream:features><bind xmlns=\"" NS_BIND "\"/><session xmlns=\"" NS_SESSION "\"><optional/></session>"
                "<sub xmlns=\"" NS_PRE_APPROVAL "\"/>");
        extend_offer(out);
        buf_puts(out, "</stream:features>");
}

/* ---- STARTTLS ---- */

static void
start_tls(struct client *client, struct element *unused)
{
        struct tls_context *context = snapshot_now()->c2s_tls;
        char name[256];

        if (is_secure(client) || context == NULL || strcmp(config_text(snapshot_section("c2s"), "tls"), "none") == 0) {
                stream_send_text(client->stream, "<failure xmlns=\"" NS_TLS "\"/>");
                stream_close(client->stream); /* RFC 6120 5.4.2.2 */
                return;
        }
        stream_send_text(client->stream, "<proceed xmlns=\"" NS_TLS "\"/>");
        stream_restart(client->stream, NULL);
        /* A client without SNI gets the certificate of the domain it has named. */
        bool has_name = jid_domain_to_ascii(name, client->domain);
        conn_start_tls(stream_conn(client->stream), context, TLS_SERVER, has_name ? name : NULL);
}

static void
note_tls(struct client *client, struct element *unused)
{
        log_debug(&client->log, "secured tls=%s", tls_session_version(conn_tls(stream_conn(client->stream))));
}

/* ---- login where encryption comes first ---- */

static void
begin_login(struct client *client, struct element *auth)
{
        if (!must_encrypt(client)) {
                login_begin(client, auth);
                return;
        }
        client->login->failure = "encryption-required";
        negotiate(client, FORGIVEN, NULL);
}

static void
do_nothing(struct client *client, struct element *unused)
{
}

/* ---- the table ---- */

static const struct step steps[] = {
        /* in          when       act              then */
        { CONNECTED, HEADER, offer_login, OFFERED }, { OFFERED, STARTTLS, start_tls, SECURING },
        { SECURING, SECURED, note_tls, CONNECTED }, { CONNECTED, SECURED, note_tls, CONNECTED }, /* TLS from the first byte */
        { OFFERED, REGISTER, register_answer, REGISTERING }, { REGISTERING, REGISTERED, do_nothing, OFFERED }, /* XEP-0077 */
        { OFFERED, AUTH, begin_login, PROVING }, { PROVING, CHALLENGE, login_challenge, PROVING },
        { PROVING, RESPONSE, login_go_on, PROVING }, { PROVING, ABORT, login_abort, PROVING },
        { PROVING, REFUSED, login_punish, PUNISHED },
        { PROVING, FORGIVEN, login_fail, OFFERED }, /* a mistake of form: told at once */
        { PUNISHED, FORGIVEN, login_fail, OFFERED }, { PROVING, PROVEN, login_move, MOVING },
        { MOVING, HOME, login_succeed, KNOWN }, { KNOWN, HEADER, offer_binding, BINDING }, { BINDING, BIND, bound_open, BINDING },
        { BINDING, BOUND_NOW, do_nothing, BOUND }, { BINDING, RESUME, resume_begin, RESUMING }, /* XEP-0198, 5 */
        { RESUMING, BOUND_NOW, resume_finish, BOUND }, { RESUMING, NOT_RESUMED, resume_fail, BINDING },
        { BINDING, ENABLE, resume_refuse_early, BINDING }, /* 3: not before binding */
};

/* What a client may not do yet ends the stream (RFC 6120 4.9.3.12); what nobody knows too (4.9.3.24). */
static void
refuse(struct client *client, enum event event)
{
        if (event == STANZA)
                stream_fail(client->stream, STREAM_NOT_AUTHORIZED, NULL);
        else if (event == HEADER || event == OTHER)
                stream_fail(client->stream, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
        else
                stream_fail(client->stream, STREAM_NOT_AUTHORIZED, "not at this point of the negotiation");
}

void
negotiate(struct client *client, enum event event, struct element *element)
{
        for (size_t i = 0; i < array_len(steps); i++) {
                const struct step *step = &steps[i];
                if (step->in != (enum state)client->state || step->when != event)
                        continue;
                log_trace(&client->log, "%s --%s--> %s", states[step->in], events[event], states[step->then]);
                /* First the state, then the act: an act may bring about the next event. */
                client->state = (char)step->then;
                step->act(client, element);
                return;
        }
        log_debug(&client->log, "%s --%s--> refused", states[(int)client->state], events[event]);
        refuse(client, event);
}
