/* data.h - documents that an account keeps by name: private XML, a vCard, when it was last there
 *
 * At the account's home. What has been set is seen by whoever asks afterwards; results leave when it is on disk.
 */
#ifndef XMPPD_USER_DATA_H
#define XMPPD_USER_DATA_H

#include "shared/xmpp/stanza.h"

#include <stdint.h>

struct user;

/* On disk: append only. */
enum data_kind {
        DATA_PRIVATE = 1, /* XEP-0049, by "name namespace" */
        DATA_VCARD,       /* XEP-0054 */
        DATA_LAST,        /* XEP-0012: when the last session ended and what it said */
        DATA_PHOTO,       /* XEP-0153: hash of the vCard's photo */
};

/* Keeps the element under this name (NULL: removes what is there) and answers the iq set with an empty result once that is on disk. Borrows. */
void data_set(struct stanza *iq, enum data_kind kind, const char *name, struct element *element);
/* The same for the account's card, with the hash of its photo (photo.h) in one batch. */
void data_set_card(struct stanza *iq, struct element *card, const char *photo);
/* Calls tell(iq, element) for the account the iq get is addressed to, when all that was set before is on disk; the element is in the content
 * namespace's document and lives during the call; NULL: there is none. Borrows. */
void data_get(struct stanza *iq, enum data_kind kind, const char *name, void (*tell)(struct stanza *iq, struct element *element));
/* The bytes of the documents an account has of a kind and of all that is being written, for its limit. */
size_t data_size(const struct jid *account, enum data_kind kind, const char *without);

/* Short texts, without an iq: written some time, read at once. text has len bytes; false: there is none. */
void data_note(struct user *user, enum data_kind kind, const char *text);
bool data_read_note(const struct jid *account, enum data_kind kind, char *text, size_t len);

#endif
