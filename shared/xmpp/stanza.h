/* stanza.h - message, presence or iq: parsed once, then immutable and counted across workers
 *
 * Between parsing and routing one owner may change it (stamp from and to, strip children). stanza_seal ends that: its inside is then a run of
 * bytes serialised at most once and shared by all recipients; only the head (name and attributes) differs from one to the next.
 */
#ifndef SHARED_XMPP_STANZA_H
#define SHARED_XMPP_STANZA_H

#include "shared/loop/mailbox.h"
#include "shared/xml/element.h"
#include "shared/xml/parser.h"
#include "shared/xmpp/errors.h"
#include "shared/xmpp/jid.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum stanza_kind { STANZA_MESSAGE, STANZA_PRESENCE, STANZA_IQ };

/* Types as the RFC names them. An unknown type of a message is NORMAL (RFC 6121 5.2.2); of the others stanza_new_parsed refuses it. */
enum stanza_type {
        MESSAGE_NORMAL,
        MESSAGE_CHAT,
        MESSAGE_HEADLINE,
        MESSAGE_GROUPCHAT,
        MESSAGE_ERROR,
        PRESENCE_AVAILABLE,
        PRESENCE_UNAVAILABLE,
        PRESENCE_SUBSCRIBE,
        PRESENCE_SUBSCRIBED,
        PRESENCE_UNSUBSCRIBE,
        PRESENCE_UNSUBSCRIBED,
        PRESENCE_PROBE,
        PRESENCE_ERROR,
        IQ_GET,
        IQ_SET,
        IQ_RESULT,
        IQ_ERROR,
};

struct pledge;
struct stanza_form;

struct stanza {
        struct letter letter;    /* for posting it to its home; free otherwise */
        struct arena *arena;     /* all texts, the tree and the struct itself */
        struct element *element; /* children, and attributes other than type, id, from, to, xml:lang, which stand below */
        enum stanza_kind kind;
        enum stanza_type type;
        struct jid from, to;   /* .full == NULL: absent */
        const char *id, *lang; /* NULL: absent */
        const char *type_text; /* the attribute of a NORMAL message as it was written; NULL: left out */
        struct pledge *pledge; /* NULL, or what must hear when this stanza has been handled (pledge.h) */
        uint64_t origin; /* the stream-management id (XEP-0198) of the stream it came by; 0: none. Derived stanzas have it too */
        uint32_t origin_count; /* the how-manieth stanza of that stream it is */
        bool sealed;
        bool to_mail;       /* it was addressed to the recipient's mail address, in whose place the JID stands */
        const char *inside; /* bytes between start and end tag, in the content namespace; set by seal */
        size_t inside_len;
        struct stanza *payload;         /* stanza_derive, stanza_head: the one whose tree and inside this one shows */
        const struct stanza_form *form; /* stanza_head: what is written in front of and behind `to`; NULL: not written yet */
        atomic_uint refs;
};

/* Takes the arena. Parses type, id, from, to. A stanza whose name, namespace, type or address is wrong (an iq without id counts as a wrong
 * type): NULL, *problem says which answer it deserves, and arena and element, unchanged, stay the caller's: see stanza_refusal.
 * source may be NULL; where it is plain, sealing costs nothing. */
enum stanza_problem { STANZA_FINE, STANZA_NOT_A_STANZA, STANZA_BAD_ADDRESS, STANZA_BAD_TYPE };
struct stanza *
stanza_new_parsed(struct arena *arena, struct element *element, const struct xml_source *source, enum stanza_problem *problem);
/* The answer to an element that stanza_new_parsed refused: jid-malformed or bad-request to this address (which may be NULL), or NULL where
 * none may be given (not a stanza, an error, an answer to something). */
struct stanza *stanza_refusal(const struct element *element, enum stanza_problem problem, const struct jid *to);
/* A new one of ours to be filled: children through s->element and s->arena. from and to may be NULL. */
struct stanza *stanza_new(enum stanza_kind kind, enum stanza_type type, const struct jid *from, const struct jid *to);
/* Another head over the same payload, unsealed heads only: from, to, type, id may be set on it. Holds a reference on the payload's owner,
 * which is sealed by this. from and to may be NULL. */
struct stanza *stanza_derive(struct stanza *of, const struct jid *from, const struct jid *to);
/* For many recipients. The model is derived and sealed, and written once but for its `to`, which it has not. A head differs from it in nothing
 * but `to`: it borrows all texts, also those of this address, which live in the model's arena or longer. to may be NULL: a model for others,
 * with an arena of its own. */
struct stanza *stanza_model(struct stanza *of, const struct jid *from);
struct stanza *stanza_head(struct stanza *model, const struct jid *to);
/* The same head for the next recipient; false: somebody has kept it, and another one is needed. */
bool stanza_readdress(struct stanza *head, const struct jid *to);
/* A small copy to be sent again later: head and inside, but without the tree below its element. Sealed. No pledge. */
struct stanza *stanza_keep(struct stanza *of);
struct stanza *stanza_ref(struct stanza *stanza);
void stanza_unref(struct stanza **stanza);

/* While unsealed. Copies into the arena. */
void stanza_set_from(struct stanza *stanza, const struct jid *from);
void stanza_set_to(struct stanza *stanza, const struct jid *to);
void stanza_set_id(struct stanza *stanza, const char *id);
/* Takes a child out and makes sure that the inside is written anew. */
void stanza_strip(struct stanza *stanza, struct element *child);
/* The tree was changed by hand: the inside is to be written anew. Not needed for stanza_new. */
void stanza_changed(struct stanza *stanza);
void stanza_seal(struct stanza *stanza);
/* Seals it with these bytes inside, which are in the content namespace; what stands in the tree is not written. */
void stanza_seal_as(struct stanza *stanza, const char *inside, size_t len);

/* The first child element: an iq's payload. NULL if there is none. */
struct element *stanza_payload(const struct stanza *stanza);
bool stanza_is_request(const struct stanza *stanza);       /* iq get or set */
bool stanza_has_one_payload(const struct stanza *stanza);  /* as a request must (RFC 6120 8.2.3) */
const char *stanza_type_name(const struct stanza *stanza); /* "chat"; NULL where the attribute is left out */
const char *stanza_kind_name(const struct stanza *stanza); /* "message" */
int stanza_priority(const struct stanza *stanza);          /* of a presence: -128..127, 0 if absent or not a number */

/* Replies: from and to exchanged, same id. result: an empty iq result. error: NULL when an error may not be answered (it is an error, a
 * result, or a presence other than subscribe/probe to which nobody waits for one); payload is returned along as RFC 6120 8.3.1 allows. */
struct stanza *stanza_result(const struct stanza *iq);
struct stanza *stanza_error(const struct stanza *of, enum stanza_condition condition, const char *text);

/* Appends the whole stanza as it goes on the wire. Seals it. */
void stanza_write(struct buf *out, struct stanza *stanza);
/* The same as a document that stands alone: for keeping. And what stanza_write wrote as such a document. */
void stanza_write_document(struct buf *out, struct stanza *stanza);
void stanza_wire_to_document(struct buf *out, const char *wire, size_t len);
/* A kept document again, unsealed. NULL: it cannot be read. */
struct stanza *stanza_read_document(const char *xml, size_t len);

#endif
