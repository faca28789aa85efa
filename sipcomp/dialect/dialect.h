/* dialect.h - what differs between the systems behind a SIP domain: one table each, no code elsewhere asks for a name
 *
 * What each system says on the wire, with sources, is in sipcomp/DIALECTS.md; "of the dialects" and numbers in brackets mean its sections.
 */
#ifndef SIPCOMP_DIALECT_DIALECT_H
#define SIPCOMP_DIALECT_DIALECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One line of a presence table (6.1); it is read from either side. Lines are tried in order. */
enum presence_way { PRESENCE_IN = 1, PRESENCE_OUT = 2, PRESENCE_BOTH = 3 };
struct presence_row {
        enum presence_way way;
        const char *show;     /* of XMPP; "" where the element is left out */
        const char *activity; /* on the wire; "" for none */
        const char *
                status; /* IN: the status shown where the document has no note. OUT: the line fits only a status that says busy. NULL: neither */
};

struct dialect {
        const char *name;                    /* as in sip-domain { type = ... } */
        const struct presence_row *presence; /* ends with a NULL show */
        bool activity_names_status; /* IN: the activity itself, hyphens as spaces, becomes the status where there is no note */
        uint32_t subscribe_expires; /* seconds we ask for */
        uint32_t grant_expires;     /* seconds a watcher gets who asks for nothing */
        bool tls_only;              /* a TCP route is a configuration error, unless direct */
        bool tcp_if_direct;
        bool keyboard_activity; /* typing is told by INFO; else by isComposing, where accept-types lists it (7.5) */
        bool conversation_id;   /* INVITE carries Ms-Conversation-ID (7.1) */
        bool pager;             /* pager mode where INVITE is refused (8) */
        bool imdn;              /* our accept-types list message/cpim and message/imdn+xml (7.2) */
        bool msrp;              /* sessions over MSRP, where the gateway listens for it (7.11) */
        bool loose_names;       /* local parts are the same when they differ in spaces and case only (12) */
        bool mail_names;        /* user(gmail.com)@aol.com (2.3) */
        bool default_domain;    /* reached through the clearing house's routes too (12) */
};

extern const struct dialect dialect_simple, dialect_lync, dialect_ocs, dialect_aol;

/* "lync", "ocs", "aol", "simple"; NULL for anything else. */
const struct dialect *dialect_of(const char *name);

/* From XMPP to the wire: the activity for an available presence ("" for none). show and status may be NULL. */
const char *dialect_activity(const struct dialect *dialect, const char *show, const char *status);
/* From the wire to XMPP: the show ("" for none) of an open document with this activity (may be NULL or ""). *status is the text to show where
 * the document has no note, or NULL; it lives in `words`, which has 64 bytes. Activities that no table knows count as none. */
const char *dialect_show(const struct dialect *dialect, const char *activity, char *words, const char **status);

#endif
