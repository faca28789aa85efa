/* sm.h - stream management of a session (XEP-0198), with a promise that survives the process
 *
 * What a client has sent is acknowledged once it has been handled, and handled includes kept on disk (pledge.h). What a client has been sent is
 * kept until it acknowledges: in the worker's journal while it is connected, in the store while it is not (a hibernated session). So a session
 * goes on after a lost connection, a killed server or a restart, with nothing lost, nothing twice and everything in order.
 *
 * All functions run at the account's home.
 */
#ifndef XMPPD_USER_SM_H
#define XMPPD_USER_SM_H

#include "shared/base/err.h"
#include "xmppd/user/session.h"

enum { SM_ID_TEXT = 16 + 1 };

/* Once, when the workers have been made and do not run yet, behind user_start: what the journals of a killed server say goes into the store.
 * state_dir has them in `journal`. -1 with a sentence. */
int sm_start(const char *state_dir, struct err *err);

/* Any worker: a disk is full, and what is noted waits in memory; readers should pause. */
bool sm_is_pressed(void);
/* False: the disk refused to hold the journal, stream management cannot be offered. */
bool sm_is_possible(void);
/* The client's <enable/>. may_resume: it wants to; seconds: for how long at most, 0: as long as we allow. False: it is on already, or
 * not possible. */
bool sm_enable(struct session *session, bool may_resume, uint64_t seconds);
/* What <enabled/> says: the id (text has SM_ID_TEXT bytes) and the seconds after which the session is given up; 0: it cannot be resumed. */
uint64_t sm_describe(const struct session *session, char *id);

/* A stanza from the client, before anything is done with it. Once after sm_enable for each, those that are refused too (stanza NULL: one that
 * cannot be read). False: the server had handled it before it was killed; drop it. */
bool sm_count_in(struct session *session, struct stanza *stanza);
/* The client's <r/>: <a/> goes out when all it has sent so far has been handled. */
void sm_answer(struct session *session);
/* The client's <a/>. False: it claims to have got more than it was sent (XEP-0198, 4). */
bool sm_acknowledge(struct session *session, uint32_t h);
uint32_t sm_sent_count(const struct session *session);

/* To the session's client: written to it if it is connected, kept until acknowledged. number: of the message in the offline store, which then
 * keeps it; 0: none. Borrows. */
void sm_deliver(struct session *session, struct stanza *stanza, uint64_t number);

/* The client's <resume/> on a new stream (5). NULL: there is no such session of this account. */
struct session *sm_find(const struct jid *account, const char *id);
/* The new stream takes the session over; the stream that had it ends with <conflict/>. As soon as what the client sent before has been handled
 * - inside this call, if it has - <resumed/> and what the client has not got are written to the new stream, then ready(edge_owner, session) is
 * called; session NULL: it has ended meanwhile. False: h claims more than was ever sent. */
bool sm_resume(struct session *session, uint32_t h, const struct session_edge *edge, void *edge_owner,
        void (*ready)(void *edge_owner, struct session *session));
/* The stream that waits for ready has closed; it is not called any more. */
void sm_forget_wait(const struct jid *account, void *edge_owner);

#endif
