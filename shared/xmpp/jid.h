/* jid.h - XMPP addresses (RFC 6122 profiles: nodeprep, nameprep, resourceprep), prepared once and compared as bytes */
#ifndef SHARED_XMPP_JID_H
#define SHARED_XMPP_JID_H

#include "shared/base/arena.h"

#include <stdbool.h>
#include <stddef.h>

enum { JID_PART_MAX = 1023, JID_MAX = 3071 };

/* A plain value; the texts live in the arena it was parsed into. All parts are prepared; equal addresses have equal bytes. */
struct jid {
        const char *full; /* local@domain/resource */
        size_t bare_len;  /* full up to the slash: the bare JID is full[0 .. bare_len) */
        size_t full_len;
        const char *local;    /* NULL if there is none; terminated */
        const char *domain;   /* never NULL; terminated */
        const char *resource; /* NULL for a bare JID; points into full */
};

/* False for anything that is not an address: empty parts, parts above 1023 bytes, forbidden characters, bad UTF-8. ASCII takes a fast path. */
bool jid_parse(struct jid *jid, struct arena *arena, const char *text);
bool jid_parse_len(struct jid *jid, struct arena *arena, const char *text, size_t len);
/* From parts, each prepared; local and resource may be NULL. */
bool jid_make(struct jid *jid, struct arena *arena, const char *local, const char *domain, const char *resource);
/* The bare JID of this user name, as a person writes it, in a prepared domain. False for what cannot be a localpart. */
bool jid_of_user(struct jid *jid, struct arena *arena, const char *user, const char *domain);
/* The bare JID, as a jid in the arena. */
struct jid jid_bare(const struct jid *jid, struct arena *arena);
/* The same account with this (already prepared or to be prepared) resource. */
bool jid_with_resource(struct jid *out, struct arena *arena, const struct jid *jid, const char *resource);
struct jid jid_copy(const struct jid *jid, struct arena *arena);

bool jid_equal(const struct jid *a, const struct jid *b);
bool jid_equal_bare(const struct jid *a, const struct jid *b);
bool jid_is_bare(const struct jid *jid);
/* Does jid have exactly this bare text? */
bool jid_has_bare(const struct jid *jid, const char *bare, size_t len);

/* Prepares a domain alone, lower-case, no final dot, label rules of the product (letters, digits, hyphen; at most 255 bytes; not beginning
 * with a hyphen; last label not beginning with a digit unless it is an IP literal) checked on its ASCII form. out has JID_PART_MAX + 1 bytes. */
bool jid_prepare_domain(char *out, const char *text);
/* The A-label form for DNS and certificates; out has 256 bytes. False if it has none. */
bool jid_domain_to_ascii(char *out, const char *domain);

/* XEP-0106: escape a foreign user name into a localpart and back. NULL if the result does not fit. */
char *jid_escape(struct arena *arena, const char *text);
char *jid_unescape(struct arena *arena, const char *local);

#endif
