/* sip_private.h - what the files of this room share among themselves */
#ifndef SIPCOMP_SIP_SIP_PRIVATE_H
#define SIPCOMP_SIP_SIP_PRIVATE_H

#include "sipcomp/sip/message.h"

enum { HEADER_ONCE = 1, HEADER_LIST = 2 };

/* What we know about a header name. */
struct header_kind {
        const char *name; /* usual writing */
        char compact;     /* one letter, or 0 */
        int flags;
};

/* NULL: a name we do not know. The text need not be terminated. */
const struct header_kind *header_kind_of(const char *name, size_t len);

struct sip_message *message_alloc(size_t first_block);
/* Takes over texts that live in the message's arena already. */
void message_append(struct sip_message *message, const char *name, const char *value);

/* One value of Via. */
bool via_parse(struct sip_via *via, struct arena *arena, const char *text, size_t len);
/* `1*10DIGIT LWS method` and nothing else; the number below 2^31. */
bool cseq_parse(struct arena *arena, const char *text, uint32_t *number, const char **method);

/* libosip2's word on the grammar of a head: false if it refuses. Everything but the body's headers is shown to it. */
bool grammar_holds(const struct sip_message *message);
/* type "/" subtype in lower case, in the arena; NULL if it is not that. */
const char *grammar_content_type(struct arena *arena, const char *text);
/* The usual reason phrase, NULL if there is none. */
const char *grammar_reason(int status);

/* Takes the message and gives back one that holds no more than what is printed, and the tag of To: for answers that are kept, of which there are many. */
struct sip_message *message_pack(struct sip_message *message);

/* What the transport adds when it knows the connection; texts may be NULL. */
struct print_extra {
        const char *via, *record_route, *contact;
};
void message_print(const struct sip_message *message, const struct print_extra *extra, struct buf *out);
void message_print_line(struct buf *out, const char *name, const char *value);

/* Does this message begin a dialog, so that a Record-Route of ours belongs into it? */
bool message_takes_record_route(const struct sip_message *message);

#endif
