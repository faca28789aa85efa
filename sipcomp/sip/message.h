/* message.h - one SIP request or response: read from a frame, or built and printed
 *
 * Header values are kept as the text that came (folding undone), so what must be echoed is echoed byte for byte. What the grammar of
 * RFC 3261 says about a head is checked by libosip2 and by the rules of our own that it does not check; its types stay in this room.
 */
#ifndef SIPCOMP_SIP_MESSAGE_H
#define SIPCOMP_SIP_MESSAGE_H

#include "shared/base/arena.h"
#include "shared/base/buf.h"
#include "sipcomp/sip/uri.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SIP_LIST_MAX = 64 }; /* values in one list header */

struct sip_header {
        const char *name;  /* long form in the usual writing ("Call-ID") where we know it, else as it came */
        const char *value; /* trimmed, unfolded, no control characters but TAB */
};

struct sip_via {
        const char *text;      /* this one value, as it came */
        const char *transport; /* upper case: "TLS" */
        const char *host;      /* sent-by as it came, lower case */
        uint16_t port;         /* 0: none given */
        const char *branch;    /* NULL: none */
};

struct sip_message {
        struct arena *arena; /* owns everything here */
        const char *method;  /* of the request line, or of CSeq in a response */
        const char *uri;     /* Request-URI as it came; NULL in a response */
        int status;          /* 100..699; 0 in a request */
        const char *reason;  /* "" where the phrase is missing */

        /* After sip_message_parse; a request of ours has them from sip_message_complete on. */
        struct sip_uri target; /* the Request-URI, parsed; scheme OTHER possible only before sip_message_check */
        struct sip_address from, to;
        const char *call_id;
        uint32_t cseq;
        struct sip_via via; /* the top one */

        struct sip_header *headers;
        size_t header_count, header_room;

        const char *body; /* terminated behind its last byte; NULL when body_len is 0 */
        size_t body_len;

        const char
                *contact_user; /* ours: a Contact for this (encoded) user is written when the connection is known; "" for the bare
                                     domain; NULL: no Contact */
        uint64_t flow;         /* theirs: the connection it came on (sip_flow_find); 0: none */
        bool local;            /* this response never was on a wire: we made it up (timer, lost connection) */
};

/* Why a message is refused. */
struct sip_fault {
        int status;       /* what to answer; 0: cannot be answered, drop or close */
        bool close;       /* and nothing more on this connection */
        char why[128];    /* for the log and the Warning header; no control characters */
        char header[256]; /* a header line that belongs into the answer ("Unsupported: foo"), or "" */
};

/* Reads a head (with its empty line) and takes a copy of the body. NULL and a fault if it is not SIP enough to be read; when the fault has a
 * status and *partial is not NULL, *partial holds what could be read - enough for sip_response_new - and belongs to the caller.
 * Rules of DIALECTS.md section 14 that concern form: mandatory headers once each, CSeq, version, limits, line ends, control characters,
 * Max-Forwards. */
struct sip_message *sip_message_parse(const char *head, size_t head_len, const void *body, size_t body_len, struct sip_fault *fault,
        struct sip_message **partial);
void sip_message_free(struct sip_message **message);

/* The rules about a request that need no knowledge of users, in the order of RFC 3261 8.2: method (405 with Allow; PRACK passes, it is 481),
 * Request-URI scheme (416), user names (400), Require (420 with Unsupported; `timer` alone is known), Content-Encoding (415), Content-Type
 * (400 where it is no type), Contact of a dialog-forming request (400). True if it holds;
 * otherwise the fault says what to answer. Never for ACK and CANCEL. */
bool sip_message_check(const struct sip_message *request, struct sip_fault *fault);
/* 482: a Via already names this host and port. */
bool sip_message_has_looped(const struct sip_message *request, const char *fqdn, uint16_t port);

bool sip_message_is(const struct sip_message *message, const char *method);

/* First value of a header under its long or compact name, without regard to case; NULL: not there. The whole line, lists not split. */
const char *sip_message_get(const struct sip_message *message, const char *name);
/* Each line of that name: start with *at = 0, NULL at the end. */
const char *sip_message_each(const struct sip_message *message, const char *name, size_t *at);
/* All elements of a list header over all its lines, split at commas, each as it came; at most SIP_LIST_MAX. Returns how many; the
 * texts are in the message's arena. */
size_t sip_message_list(const struct sip_message *message, const char *name, const char **elements, size_t room);
/* Is this word an element of the list header (case ignored, parameters behind ';' ignored)? */
bool sip_message_lists(const struct sip_message *message, const char *name, const char *word);
/* A header of digits only, 0..max; -1: not there; -2: something else. Parameters and comments behind it are left out (Retry-After). */
int64_t sip_message_number(const struct sip_message *message, const char *name, int64_t max);
/* "application/sdp" in lower case without parameters, in the arena; NULL: no Content-Type, or one that is no type/subtype. */
const char *sip_message_content_type(const struct sip_message *message);
/* A parameter of Content-Type ("charset", "boundary") or of another header of the form `value;name=value`; NULL: not there. */
const char *sip_message_parameter(const struct sip_message *message, const char *header, const char *name);
/* The Contact, parsed; false if there is none, more than one, or it cannot be read. */
bool sip_message_contact(const struct sip_message *message, struct sip_address *contact);

/* --- Building. Texts are copied. Control characters in values become blanks, so nothing can be injected. */

/* A request outside a dialog: from and to are URIs ("sip:alice@example.com"), display may be NULL. Writes Max-Forwards, From with a new tag,
 * To, Call-ID (new), CSeq 1. Via, Contact (contact_user) and Content-Length come when it is sent. */
struct sip_message *sip_request_new(const char *method, const char *uri, const char *display, const char *from, const char *to);
/* An empty one, for dialog.c: method and Request-URI, Max-Forwards and User-Agent only when added. */
struct sip_message *sip_request_bare(const char *method, const char *uri);
/* A response: Via, From, To, Call-ID, CSeq copied; Record-Route copied for 101..299 to INVITE and SUBSCRIBE. reason NULL: the usual phrase.
 * to_tag: our tag where the request has none; NULL: a new one (none for 100). */
struct sip_message *sip_response_new(const struct sip_message *request, int status, const char *reason, const char *to_tag);
/* The answer a fault asks for. */
struct sip_message *sip_response_of_fault(const struct sip_message *request, const struct sip_fault *fault);
void sip_message_add(struct sip_message *message, const char *name, const char *value);
void sip_message_addf(struct sip_message *message, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));
void sip_message_prepend(struct sip_message *message, const char *name, const char *value);
/* Removes all of this name and adds one. */
void sip_message_set(struct sip_message *message, const char *name, const char *value);
void sip_message_remove(struct sip_message *message, const char *name);
/* type NULL: keeps Content-Type as it is. */
void sip_message_set_body(struct sip_message *message, const char *type, const void *body, size_t len);
void sip_message_set_contact_user(struct sip_message *message, const char *user);
/* Fills from, to, call_id, cseq, via of a message that was built; false if one is missing or wrong (a fault of ours). */
bool sip_message_complete(struct sip_message *message);
/* A deep copy, to send the same request anew (another hop, another try). */
struct sip_message *sip_message_copy(const struct sip_message *message);
/* Appends the bytes for the wire; Content-Length is written here and nowhere else. */
void sip_message_print(const struct sip_message *message, struct buf *out);
/* "Not Found" for 404; "Unknown" for what has no phrase. */
const char *sip_reason(int status);

/* The methods we serve, as Allow says them. */
extern const char sip_allow[];

/* Fresh identifiers. */
enum { SIP_TAG_TEXT = 24, SIP_BRANCH_TEXT = 48 };
char *sip_new_tag(char *text);    /* 80 random bits; text has SIP_TAG_TEXT bytes */
char *sip_new_branch(char *text); /* z9hG4bK and 128 random bits */
/* "HEX@host", unique for ever, in the arena. */
const char *sip_new_call_id(struct arena *arena, const char *host);

#endif
