/*
 * XEP-0077: In-Band Registration
 *
 * A signed-in user may change his password (3.3), over TLS only, and delete his account where the configuration allows it (3.2). Accounts are
 * made by the administrator, or, where that is switched on, before login (3.1, c2s/register.c).
 */
#include "shared/base/text.h"
#include "shared/xmpp/ns.h"
#include "xmppd/extend/extension.h"
#include "xmppd/route/route.h"
#include "xmppd/route/snapshot.h"
#include "xmppd/user/password.h"
#include "xmppd/user/registration.h"

#include <string.h>

static bool
allows(const char *setting)
{
        return config_bool(snapshot_section("register"), setting);
}

/* To the server or the own account, over a stream that cannot be read by others. False: the request has been refused. */
static bool
may_change(const struct stanza *iq)
{
        bool is_own = iq->to.local == NULL ? strcmp(iq->to.domain, iq->from.domain) == 0 : jid_equal_bare(&iq->to, &iq->from);
        const struct domain *domain = snapshot_domain(iq->from.domain);

        if (!is_own || iq->from.local == NULL || domain == NULL || domain->kind != DOMAIN_LOCAL) {
                route_error(iq, FORBIDDEN, NULL);
                return false;
        }
        return true;
}

/* What is known of the account (3.1.1: it is registered). */
static void
tell(struct stanza *iq)
{
        if (!may_change(iq))
                return;
        struct stanza *result = stanza_result(iq);
        struct element *query = element_add(result->arena, result->element, "query", NS_REGISTER);
        element_add(result->arena, query, "registered", NULL);
        element_add_text(result->arena, query, "username", NULL, iq->from.local);
        element_add_text(result->arena, query, "password", NULL, "");
        route(result);
}

/* 3.2 */
static void
cancel(struct stanza *iq, const struct element *remove)
{
        if (!allows("cancel"))
                route_error(iq, NOT_ALLOWED, "Ask the administrator to delete the account.");
        else if (element_first(stanza_payload(iq)) != remove || element_next(remove) != NULL)
                route_error(iq, BAD_REQUEST, NULL);
        else
                registration_cancel(iq);
}

static void
change(struct stanza *iq)
{
        const struct element *query = stanza_payload(iq);
        const struct element *name = element_child(query, "username", NS_REGISTER);
        const struct element *password = element_child(query, "password", NS_REGISTER);
        const struct element *remove = element_child(query, "remove", NS_REGISTER);
        struct arena *arena = arena_new(1024);
        struct jid jid;

        if (!may_change(iq)) {
                ;
        } else if (remove != NULL) {
                cancel(iq, remove);
        } else if (!allows("change-password")) {
                route_error(iq, NOT_ALLOWED, "Passwords are not changed this way here.");
        } else if (name == NULL || password == NULL) {
                route_error(iq, BAD_REQUEST, NULL);
        } else if (!jid_of_user(&jid, arena, element_text(name, arena), iq->from.domain) || !jid_equal_bare(&jid, &iq->from)) {
                route_error(iq, NOT_ALLOWED, "This is not your user name.");
        } else {
                password_change(iq, element_text(password, arena));
        }
        arena_free(&arena);
}

/* Passwords are for streams that nobody else can read. */
static bool
is_on(void)
{
        bool is_secret = strcmp(config_text(snapshot_section("c2s"), "tls"), "required") == 0;

        return is_secret && (allows("change-password") || allows("accounts") || allows("cancel"));
}

const struct extension xep_0077_register = {
        .name = "register",
        .xep = 77,
        .version = "2.4",
        .is_on = is_on,
        .features = (const char *const[]){ NS_REGISTER, NULL },
        .iqs = (const struct iq_handler[]){ { IQ_GET, TO_SERVER | TO_OWN, NS_REGISTER, "query", tell },
                { IQ_SET, TO_SERVER | TO_OWN, NS_REGISTER, "query", change }, { 0 } },
        .settings = (const struct setting[]){ { "change-password", SETTING_BOOL, "true", LIVE,
                                                      "Users may change their own password.", NULL },
                { "accounts", SETTING_BOOL, "false", LIVE,
                        "Whoever reaches the server may make an account, over TLS; not in domains that a directory serves.", NULL },
                { "cancel", SETTING_BOOL, "false", LIVE, "Users may delete their own account.", NULL }, { 0 } },
};
