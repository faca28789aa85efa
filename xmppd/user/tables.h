/* tables.h - the tables of the server's store; their numbers and the format are on disk: append, never reorder */
#ifndef XMPPD_USER_TABLES_H
#define XMPPD_USER_TABLES_H

#include "shared/store/store.h"

enum table {
        TABLE_META,        /* what concerns the whole store: the server's secrets, the last account id */
        TABLE_DIRECTORY,   /* SHA-256 of the bare JID -> account id and JID */
        TABLE_ACCOUNT,     /* account id -> SCRAM keys, mail, name, when created */
        TABLE_ROSTER,      /* account id, SHA-256 of the contact's bare JID -> item with subscription state, pending request */
        TABLE_BLOCKED,     /* account id, SHA-256 of the JID -> JID: blocking lists as earlier versions kept them */
        TABLE_OFFLINE,     /* account id, sequence number -> stanza and when it came */
        TABLE_SESSION,     /* account id, session id -> a session that may be resumed and has no stream (XEP-0198) */
        TABLE_SENT,        /* account id, session id, count -> a stanza that its client has not acknowledged */
        TABLE_SESSION_END, /* wall ms, account id, session id -> bare JID: when sessions without a stream are given up */
        TABLE_DATA,        /* account id, kind, SHA-256 of a name -> name and document (data.h) */
        TABLE_PRIVACY,     /* account id, SHA-256 of its name -> a privacy list; the default one holds the blocking list */
        TABLE_S2S,         /* row number -> a stanza that waits for its foreign domain, and until when */
        TABLE_MAIL,        /* SHA-256 of its domain, of the mail address -> account id, JID, address */
        TABLES
};

enum { STORE_FORMAT = 1 };

/* For store_open, with the state directory; map_mib is the caller's to set. */
struct store_options user_store_options(const char *dir);

#endif
