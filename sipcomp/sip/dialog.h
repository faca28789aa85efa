/* dialog.h - a dialog as a plain record that can be stored (RFC 3261 12): who talks to whom, both counters, the way there
 *
 * Values of From and To, the route set and the remote target are kept as text and written as they came. Dialogs are found by Call-ID and
 * tags only, never by Request-URI, Contact or connection.
 */
#ifndef SIPCOMP_SIP_DIALOG_H
#define SIPCOMP_SIP_DIALOG_H

#include "shared/base/buf.h"
#include "shared/store/codec.h"
#include "sipcomp/sip/message.h"

#include <stdbool.h>
#include <stdint.h>

/* Owns its texts (mem_*). */
struct sip_dialog {
        char *call_id;
        char *local, *remote;         /* whole values of From/To, tags included; remote without tag before there is one */
        char *local_tag, *remote_tag; /* remote_tag NULL: not known yet (a SUBSCRIBE or INVITE under way) */
        uint32_t local_cseq;          /* of the last request of ours */
        uint32_t remote_cseq;         /* of their last one; 0 with !remote_cseq_known */
        bool remote_cseq_known;
        char *target;  /* remote target: URI text */
        char **routes; /* name-addr values, in the order to write them */
        size_t route_count;
        char *contact_user; /* our user, encoded, for our Contact */
        uint64_t flow;      /* the connection their last request came on; 0: none; not stored */
};

/* Ours, from the 2xx (or the NOTIFY that overtook it: then response is that request). own_host: a Record-Route entry of this host is ours and left out of the
 * route set. NULL if the other side's message has no tag or no usable Contact. */
struct sip_dialog *
sip_dialog_of_client(const struct sip_message *request, const struct sip_message *response, const char *own_host);
/* Theirs, from a request that passed sip_message_check; local_tag goes into the To of the answer. contact_user: our user, encoded. NULL without a usable
 * Contact. */
struct sip_dialog *
sip_dialog_of_server(const struct sip_message *request, const char *local_tag, const char *contact_user, const char *own_host);
void sip_dialog_free(struct sip_dialog **dialog);

/* The key to find it by: Call-ID and our tag. Appends to key. For a request of theirs our tag is that of To, for a response that of From. */
void sip_dialog_key(struct buf *key, const char *call_id, const char *local_tag);
/* Is this request (found under the key) of this very dialog: does their tag agree? True while ours is not known yet. */
bool sip_dialog_matches(const struct sip_dialog *dialog, const struct sip_message *request);

/* A request of theirs in the dialog: 0 and the counter is moved on, or 500 when CSeq is not above the last (12.2.2). Remembers the flow; a Contact
 * of INVITE, SUBSCRIBE, NOTIFY and UPDATE refreshes the target. ACK and CANCEL are not for here. */
int sip_dialog_receive(struct sip_dialog *dialog, const struct sip_message *request);
/* A 2xx to a request of ours in the dialog: refreshes the target (INVITE, SUBSCRIBE, UPDATE). */
void sip_dialog_answered(struct sip_dialog *dialog, const struct sip_message *response);

/* The next request of ours: Request-URI, Route (12.2.1.1, strict routers too), From, To, Call-ID, CSeq + 1, Max-Forwards, and the Contact unless it is BYE or
 * MESSAGE outside Microsoft's habit: add contact with `with_contact`. Give it to sip_client_start. */
struct sip_message *sip_dialog_request(struct sip_dialog *dialog, const char *method, bool with_contact);
/* ACK to the 2xx of the INVITE with this CSeq number. */
struct sip_message *sip_dialog_ack(const struct sip_dialog *dialog, uint32_t cseq);
/* Where the next request wants to go: first route or target. False if it names no host. */
bool sip_dialog_next(const struct sip_dialog *dialog, struct arena *arena, struct sip_uri *next);

/* For the store: a version number first. */
void sip_dialog_encode(const struct sip_dialog *dialog, struct buf *out);
/* NULL if the record is broken or of a newer version. */
struct sip_dialog *sip_dialog_decode(struct cursor *cursor);

#endif
