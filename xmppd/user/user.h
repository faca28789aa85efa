/* user.h - an account in memory at its home: roster, privacy lists, sessions
 *
 * Loaded on demand, kept while it has a session or a pending write, dropped when idle. While it is loaded it is the truth; the store is read
 * only to load it. All functions run at home.
 */
#ifndef XMPPD_USER_USER_H
#define XMPPD_USER_USER_H

#include "shared/store/store.h"
#include "shared/xmpp/stanza.h"

#include <stdbool.h>

struct user;

/* Once, before workers run. */
void user_start(struct store *store);
/* Frees what this worker holds, at stop. */
void user_stop(void);
/* Any worker: so many writes wait for the disk that readers should pause. */
bool user_is_pressed(void);
/* The door of route: a stanza to an account, bare or full JID. Takes the reference. */
void user_receive(struct stanza *stanza);
/* May this address see the account's presence? Who may not is told as little as there is to tell of an account that does not exist. */
bool user_is_seen_by(const struct jid *account, const struct jid *who);
/* The account was deleted or its password changed by the administrator: its sessions end with not-authorized, its memory goes. */
void user_forget(const struct jid *jid);
/* For the administrator: calls each(arg, session) for the sessions of this worker. */
struct session;
void user_each_session(void (*each)(void *arg, struct session *session), void *arg);

#endif
