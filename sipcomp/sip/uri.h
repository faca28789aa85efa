/* uri.h - SIP URIs, addresses in headers and their parameters, from raw text (RFC 3261 19.1, 20.10, 25.1)
 *
 * Everything is read from the bytes as they came: nothing is decoded unless a function says so. Texts live in the given arena.
 * Host names are safe: letters, digits, hyphens and dots, or an IP literal; a text with anything else is no URI for us.
 */
#ifndef SIPCOMP_SIP_URI_H
#define SIPCOMP_SIP_URI_H

#include "shared/base/arena.h"
#include "shared/base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sip_scheme { SIP_SCHEME_SIP, SIP_SCHEME_SIPS, SIP_SCHEME_OTHER };

struct sip_uri {
        enum sip_scheme scheme;
        const char *text;       /* the whole URI, as it came */
        const char *user;       /* as it came, with its parameters ("user;day=tuesday") but without password; NULL: none */
        const char *host;       /* lower case, no final dot; an IPv6 literal without brackets; NULL for other schemes */
        bool host_is_literal;   /* an IP address */
        uint16_t port;          /* 0: none given */
        const char *parameters; /* what follows the first ';' behind the host, as it came; NULL: none */
        const char *headers;    /* what follows '?'; never applied */
};

/* sip, sips: all parts. Another scheme: scheme and text only. False if it is no URI (two '@', a host with other characters, white space,
 * control characters, a port above 65535, an escape that is no escape). */
bool sip_uri_parse(struct sip_uri *uri, struct arena *arena, const char *text, size_t len);

/* The user part percent-decoded once; NULL when that is not UTF-8 or holds a control character or NUL: refuse (400). */
const char *sip_uri_decode_user(struct arena *arena, const char *user);
/* Every byte outside `A-Z a-z 0-9 - _ . ! ~ * ' ( ) & = + $ , ; ? /` as %XX. */
const char *sip_uri_encode_user(struct arena *arena, const char *user);

/* RFC 3261 19.1.4. Two URIs of other schemes are equal when their texts are. */
bool sip_uri_equal(const struct sip_uri *a, const struct sip_uri *b);

/* "transport" of ";transport=tls;lr" style text (with or without the first ';'). Names without regard to case. *value is NULL for a
 * parameter without one; quotes are removed. False if it is not there. value may be NULL. */
bool sip_parameter(struct arena *arena, const char *parameters, const char *name, const char **value);

/* From, To, Contact, Route, Record-Route: a name-addr or addr-spec with header parameters. */
struct sip_address {
        const char *text;    /* the whole value, as it came */
        const char *display; /* without quotes and escapes, valid UTF-8; NULL: none, or not UTF-8 */
        struct sip_uri uri;
        const char *parameters; /* of the header, as they came, without the first ';'; NULL: none */
        const char *tag;        /* NULL: none */
        bool star;              /* Contact: * ; uri is empty then */
};

/* Exactly one address; false for anything else. What follows ';' without brackets belongs to the header (RFC 3261 20). */
bool sip_address_parse(struct sip_address *address, struct arena *arena, const char *text, size_t len);

/* The next element of a comma-separated list; commas inside quotes, brackets and comments do not count. Advances *at to behind it;
 * NULL at the end. The element is trimmed and not terminated; *len gets its length; an empty element gives a length of 0. */
const char *sip_list_next(const char **at, size_t *len);

/* The tag, branch or Call-ID alphabet: RFC 3261 `token` (true) - used before a text is written into a header of ours. */
bool sip_is_token(const char *text);

#endif
