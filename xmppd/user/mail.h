/* mail.h - e-mail addresses for federation: towards foreign domains users appear under the mail address of their account
 *
 * One translation at the border, both ways, wherever an address of ours stands in a stanza: its to and from, and the attributes jid, from, to and by of
 * what is inside (roster items, forwarded messages, rooms, addresses reported in errors). Resources stay, texts are not touched. A user without a
 * complete mail address keeps the JID. What comes for the JID of a user who has one is dropped, and logged.
 *
 * Until email.change-over is past both addresses work: a contact who knows a user from before goes on seeing the JID until it has used the mail
 * address itself, so nobody has to be added anew in that time.
 */
#ifndef XMPPD_USER_MAIL_H
#define XMPPD_USER_MAIL_H

#include "shared/xmpp/stanza.h"

/* A stanza about to leave for a foreign domain. Takes the reference, gives the stanza to go on with. Reads the store: on a worker. */
struct stanza *mail_leave(struct stanza *stanza);
/* One that has come from there; not sealed yet. NULL: it was dropped, or answered. */
struct stanza *mail_enter(struct stanza *stanza);
/* A mail domain of ours, while email.enabled: one that is listed, or that of any user's address. */
bool mail_is_domain(const char *domain);
/* A stanza of our own users to somebody in a mail domain: goes on to the account, or back. Takes the reference. */
void mail_receive(struct stanza *stanza);

#endif
