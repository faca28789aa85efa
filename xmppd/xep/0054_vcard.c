/*
 * XEP-0054: vcard-temp
 *
 * The card of an account is kept here and shown to whoever asks, whether its owner is there or not.
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
get(struct stanza *iq)
{
        data_get(iq, DATA_VCARD, "", tell);
}

static void
set(struct stanza *iq)
{
        size_t most = (size_t)limit_value(LIMIT_CARD);
        struct element *card = stanza_payload(iq);
        struct buf bytes = { 0 };

        if (!jid_equal_bare(&iq->from, &iq->to)) {
                route_error(iq, FORBIDDEN, NULL); /* 3.2 */
                return;
        }
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
        .iqs = (const struct iq_handler[]){ { IQ_GET, TO_ACCOUNT, NS_VCARD, "vCard", get },
                { IQ_SET, TO_ACCOUNT, NS_VCARD, "vCard", set }, { 0 } },
};
