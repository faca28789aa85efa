/*
 * XEP-0153: vCard-Based Avatars
 *
 * Presence of a client that knows nothing of avatars gets the hash of the photo on the account's card; what a client says itself stays as it
 * is.
 */
#include "xmppd/extend/extension.h"
#include "xmppd/user/photo.h"
#include "xmppd/user/session.h"

#define NS_UPDATE "vcard-temp:x:update"

static enum verdict
add_hash(struct session *session, struct stanza *presence)
{
        if (presence->kind != STANZA_PRESENCE || presence->type != PRESENCE_AVAILABLE || photo_of(session)[0] == '\0' ||
                element_child(presence->element, "x", NS_UPDATE) != NULL)
                return PASS;
        struct element *update = element_add(presence->arena, presence->element, "x", NS_UPDATE);
        element_add_text(presence->arena, update, "photo", NULL, photo_of(session));
        stanza_changed(presence);
        return PASS;
}

const struct extension xep_0153_avatar = { .name = "avatar",
        .xep = 153,
        .version = "1.1.1",
        .hooks = (const struct hook[]){ { HOOK_FROM_CLIENT, 60, add_hash }, { 0 } } };
