/* records.h - roster items and kept messages as they stand in the store; versioned, checked when they are read */
#ifndef XMPPD_USER_RECORDS_H
#define XMPPD_USER_RECORDS_H

#include "shared/base/arena.h"
#include "shared/base/buf.h"
#include "shared/xmpp/jid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RECORD_KEY = 8 + 32 }; /* account id, SHA-256 of an address */

/* A contact, or somebody who has asked to become one. */
struct item {
        char *jid;     /* bare, prepared; behind it the localpart once more: item_address */
        char *name;    /* NULL: none */
        char **groups; /* NULL-terminated; NULL: none */
        char *request; /* inside of the pending subscribe stanza; NULL: none */
        size_t request_len;
        uint64_t mark;    /* roster.c: its part of the roster's version */
        uint8_t state;    /* subscription.h */
        bool is_listed;   /* in the roster; false: only a pending request (RFC 6121 3.1.3) */
        bool is_approved; /* in advance (RFC 6121 3.4) */
        bool knows_mail;  /* has the user's mail address, not the JID, in its roster (mail.h) */
};

/* Allocated with mem_*; the parts too. */
struct item *item_new(const char *jid);
void item_free(struct item **item);
/* Its jid in parts, which are the item's. */
struct jid item_address(const struct item *item);
void item_set_groups(struct item *item, const char *const *groups, size_t count);

void record_key(unsigned char key[RECORD_KEY], uint64_t account, const char *jid);
void record_offline_key(unsigned char key[16], uint64_t account, uint64_t number);
/* 0 if it is none. */
uint64_t record_offline_number(const void *key, size_t len);

void record_item(struct buf *out, const struct item *item);
struct item *record_read_item(const void *bytes, size_t len); /* NULL: not of a version we know, or damaged */
/* An entry of a blocking list as earlier versions kept it; to be released with mem_free; NULL likewise. */
char *record_read_blocked(const void *bytes, size_t len);
/* A kept message: the stanza as a document of its own, when it came, and by which stream (stanza.h). */
struct kept_message {
        int64_t when; /* wall ms */
        uint64_t origin;
        uint32_t origin_count;
        const char *xml; /* points into the record that was read */
        size_t len;
};
void record_message(struct buf *out, const struct kept_message *message);
bool record_read_message(struct kept_message *message, const void *bytes, size_t len);

#endif
