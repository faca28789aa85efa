/* privacy_private.h - what privacy lists are made of, for the files that keep and change them */
#ifndef XMPPD_USER_PRIVACY_PRIVATE_H
#define XMPPD_USER_PRIVACY_PRIVATE_H

#include "xmppd/user/privacy.h"
#include "xmppd/user/subscription.h"
#include "xmppd/user/user_private.h"

/* On disk: never to be renumbered. */
enum rule_type { RULE_ANY, RULE_JID, RULE_GROUP, RULE_SUBSCRIPTION, RULE_TYPES };

/* The kinds of stanzas that a rule names, as bits; on disk too. A rule that names none is about everything, which is more than all four. */
enum {
        RULE_MESSAGE = 1,
        RULE_IQ = 2,
        RULE_PRESENCE_IN = 4,
        RULE_PRESENCE_OUT = 8,
        RULE_REST = 16,
        RULE_WHOLE = 31,
};

struct rule {
        uint32_t order;
        enum rule_type type;
        uint8_t kinds;
        bool denies;
        const char *value; /* a prepared address, the name of a group, or of a subscription; NULL: RULE_ANY */
        struct rule *next; /* of those for the same address, group or subscription; in order */
};

/* Owns its texts. Once it is sealed it does not change: an edited list is a new one in the place of the old one. */
struct privacy_list {
        struct arena *arena;
        const char *name;
        struct rule *rules; /* ascending */
        size_t count, room;
        /* The first rule of each kind; NULL: there is none. */
        struct map *jids, *groups;                       /* by address, by name */
        struct rule *subscriptions[SUBSCRIBED_BOTH + 1]; /* by what there is of one */
        struct rule *anybody;
        bool needs_roster; /* some rule asks for a group or a subscription */
};

/* privacy_list.c: room: how many rules it will have at most. */
struct privacy_list *privacy_list_new(const char *name, size_t room);
/* Copies the value. */
void privacy_list_add(struct privacy_list *list, const struct rule *rule);
/* Puts the rules in order and makes them ready to be asked. False: two have the same order. */
bool privacy_list_seal(struct privacy_list *list);
void privacy_list_free(struct privacy_list **list);
/* The state that a subscription of this name has; -1: it is none. */
int rule_subscription(const char *name);
/* The blocking list (XEP-0191) is these rules of the default list: an address, deny, everything. */
bool rule_is_block(const struct rule *rule);
/* The list old (NULL: an empty one of this name) with these addresses blocked before anything else is asked. */
struct privacy_list *privacy_list_block(const struct privacy_list *old, const char *name, const struct jid *jids, size_t count);
/* The list without the blocks of these addresses; count 0: of all. */
struct privacy_list *privacy_list_unblock(const struct privacy_list *old, const struct jid *jids, size_t count);
bool privacy_list_blocks(const struct privacy_list *list, const char *jid);

/* privacy.c: the first rule that concerns this address and one of these kinds; NULL: there is none. item: of its bare JID, NULL where it is
 * in no roster. */
const struct rule *
privacy_list_find(const struct privacy_list *list, const struct jid *jid, const struct item *item, uint8_t kinds);
/* What this very list says; NULL: it lets the stanza pass. */
const struct rule *privacy_list_denies(
        struct user *user, const struct privacy_list *list, const struct jid *jid, const struct item *item, enum privacy_kind kind);
const struct rule *
privacy_list_denies_contact(struct user *user, const struct privacy_list *list, const struct item *item, enum privacy_kind kind);
/* The list in force for a session, or, NULL, for the account; NULL: there is none. */
const struct privacy_list *privacy_in_force(const struct user *user, const struct session *session);

/* privacy_record.c: a list as the store has it. */
void privacy_record_write(struct buf *out, const struct privacy_list *list, bool is_default);
struct privacy_list *privacy_record_read(const void *bytes, size_t len, bool *is_default); /* NULL: cannot be read */
void privacy_save(struct write *write, const struct privacy_list *list, bool is_default);
void privacy_erase(struct write *write, const char *name);
/* For a list that a block makes necessary (XEP-0191, 5). */
const char *privacy_new_name(const struct user *user, struct arena *arena);

/* privacy_lists.c: may the account have one list more? False: the request has been refused. */
bool privacy_has_room(const struct user *user, const struct stanza *iq);

/* privacy_edit.c: what a request changes. */
struct privacy_edit {
        struct privacy_list *old, *fresh;  /* fresh comes in the place of old; either may be NULL */
        struct privacy_list *default_list; /* the one from then on */
        enum interest interest;            /* whom the name of the changed list is pushed to */
};
/* In memory at once, on disk with the write, which it commits; shows the user to whom he is visible now and hides him from the others. Old is
 * freed. */
void privacy_commit(struct write *write, const struct privacy_edit *edit);
/* An iq set that is to become a push. The payload is returned. */
struct element *privacy_begin_push(struct stanza **push, const char *name, const char *ns);
/* The session chooses this list; NULL: none. */
void privacy_activate(struct session *session, struct privacy_list *list);

/* privacy_presence.c: for these sessions one list has come in the place of another. */
void privacy_show_change(struct user *user, struct session *const *sessions, size_t count, const struct privacy_list *before,
        const struct privacy_list *now);

#endif
