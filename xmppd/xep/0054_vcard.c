/*
 * XEP-0054: vcard-temp
 *
 * The card of an account is kept here and shown to whoever asks, whether its owner is there or not. The server has one too.
 */
#include "shared/base/buf.h"
#include "shared/xml/writer.h"
#include "shared/xmpp/ns.h"
#include "xmppd/extend/extension.h"
#include "xmppd/route/route.h"
#include "xmppd/route/snapshot.h"
#include "xmppd/user/data.h"
#include "xmppd/user/photo.h"

static void
tell(struct stanza *iq, struct element *card)
{
        bool is_own = jid_equal_bare(&iq->from, &iq->to);

        if (card == NULL && !is_own) {
                /* 3.3: as if there were no such account. */
                route_error(iq, SERVICE_UNAVAILABLE, NULL);
                return;
        }
        struct stanza *result = stanza_result(iq);
        if (card != NULL)
                element_append(result->element, element_copy(result->arena, card));
        else
                element_add(result->arena, result->element, "vCard", NS_VCARD); /* 3.1 */
        route(result);
}

static void
add_line(struct stanza *result, struct element *card, const char *name, const char *setting)
{
        const char *text = config_text(snapshot_section("vcard"), setting);

        if (text[0] != '\0')
                element_add_text(result->arena, card, name, NULL, text);
}

/* The card of the server itself; nobody writes it but the administrator. */
static void
tell_server(struct stanza *iq)
{
        struct stanza *result = stanza_result(iq);
        struct element *card = element_add(result->arena, result->element, "vCard", NS_VCARD);
        const char *name = config_text(snapshot_section("vcard"), "server-name");

        element_add_text(result->arena, card, "FN", NULL, name[0] != '\0' ? name : iq->to.domain);
        add_line(result, card, "URL", "server-url");
        element_add_text(result->arena, card, "JABBERID", NULL, iq->to.domain);
        add_line(result, card, "DESC", "server-description");
        route(result);
}

static void
get(struct stanza *iq)
{
        if (iq->to.local == NULL)
                tell_server(iq);
        else
                data_get(iq, DATA_VCARD, "", tell);
}

static void
set(struct stanza *iq)
{
        size_t most = (size_t)limit_value(LIMIT_CARD);
        struct element *card = stanza_payload(iq);
        struct buf bytes = { 0 };

        xml_write(&bytes, card, "");
        if (bytes.len > most) {
                limit_note(LIMIT_CARD);
                route_error(iq, RESOURCE_CONSTRAINT, "The card is larger than limits.max-card allows.");
        } else {
                data_set_card(iq, card, photo_take(&iq->to, card));
        }
        buf_free(&bytes);
}

const struct extension xep_0054_vcard = {
        .name = "vcard",
        .xep = 54,
        .version = "1.2",
        .features = (const char *const[]){ NS_VCARD, NULL },
        .account_features = (const char *const[]){ NS_VCARD, NULL },
        .iqs = (const struct iq_handler[]){ { IQ_GET, TO_SERVER | TO_ACCOUNT, NS_VCARD, "vCard", get },
                { IQ_SET, TO_OWN, NS_VCARD, "vCard", set }, { 0 } },
        .settings = (const struct setting[]){ { "server-name", SETTING_TEXT, "", LIVE,
                                                      "The name on the card of the server itself; empty: its domain.", NULL },
                { "server-url", SETTING_TEXT, "", LIVE, "A web page about the server, on that card; empty: none.", NULL },
                { "server-description", SETTING_TEXT, "", LIVE, "What else it says; empty: nothing.", NULL }, { 0 } },
};
