/*
 * photo.c - SHA-1 of the decoded photo, as XEP-0153 3.1 wants it
 */
#include "xmppd/user/photo.h"

#include "shared/base/digest.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/base/text.h"
#include "shared/xmpp/ns.h"
#include "xmppd/user/data.h"
#include "xmppd/user/user_private.h"

#include <string.h>

/* Without white space, which clients put between the lines. False: it is no photo. */
static bool
hash_photo(char hash[PHOTO_HASH], const char *base64)
{
        size_t len = strlen(base64), packed = 0;
        char *text = mem_new(len + 1);
        unsigned char *bytes = mem_new(len + 1), digest[DIGEST_MAX];

        for (size_t i = 0; i < len; i++)
                if (strchr(" \t\r\n", base64[i]) == NULL)
                        text[packed++] = base64[i];
        int64_t size = packed > 0 ? text_unbase64(bytes, text, packed) : -1;
        if (size > 0) {
                digest_of(DIGEST_SHA1, bytes, (size_t)size, digest);
                text_hex(hash, digest, digest_size(DIGEST_SHA1));
        }
        mem_free(text);
        mem_free(bytes);
        return size > 0;
}

const char *
photo_take(const struct jid *account, const struct element *card)
{
        const struct element *photo = element_child(card, "PHOTO", NS_VCARD);
        const struct element *binval = photo != NULL ? element_child(photo, "BINVAL", NS_VCARD) : NULL;
        struct user *user = user_load(account);
        struct arena *arena = arena_new(256);
        char hash[PHOTO_HASH] = "";

        must(user != NULL);
        if (binval == NULL || !hash_photo(hash, element_text(binval, arena)))
                hash[0] = '\0';
        arena_free(&arena);
        strcpy(user->photo, hash);
        return user->photo;
}

const char *
photo_of(struct session *session)
{
        return session->user != NULL ? session->user->photo : "";
}
