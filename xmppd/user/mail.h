/* mail.h - e-mail addresses for federation: towards foreign domains users appear under the mail address of their account
 *
 * One translation at the border, both ways, wherever an address of ours stands in a stanza: its to and from, the attributes of what is inside (roster
 * items, forwarded messages, rooms, addresses reported in errors), and fields of forms. Resources stay, texts are not touched. A user without a
 * complete mail address keeps the JID; so does one whose address is no JID (RFC 7622: o'hara@) or is in a domain that is reached otherwise. What
 * comes for the JID of a user who has a mail address is dropped, and logged.
 *
 * Until email.change-over is past both addresses work, and nobody has to add anybody anew. A subscription belongs to one address (RFC 6121 3.1), so
 * presence goes on coming from the one that the contact has: the roster item says which (knows_mail). A subscription that is made while this is switched
 * on is made with the mail address. Talks and answers come from the address that was written to.
 *
 * A contact moves by subscribing to the mail address, nobody on our side has to do anything: whoever could see the user is let in at once (RFC 6121
 * 3.1.3), hears presence from the new address, and is asked for its own presence from there if the user could see it. From then on what happens to the
 * old subscription does not count: the contact may remove it. XEP-0283 (Moved) is no way to tell contacts: clients act on it only where they can
 * ask the old account, which is not told from the new one here. Who has not moved when the change-over ends, has to add the mail address then.
 */
#ifndef XMPPD_USER_MAIL_H
#define XMPPD_USER_MAIL_H

#include "shared/xmpp/stanza.h"

/* All on a worker: they read the store. */

/* A stanza about to leave for a foreign domain. Takes the reference, gives the stanza to go on with. */
struct stanza *mail_leave(struct stanza *stanza);
/* One that has come from there; not sealed yet. NULL: it was dropped, or answered. Sets to_mail. */
struct stanza *mail_enter(struct stanza *stanza);
/* A mail domain of ours, while email.enabled: one that is listed, or that of any user's address. Not one that has accounts too. */
bool mail_is_domain(const char *domain);
/* Does the account appear under its mail address there? */
bool mail_is_shown(const struct jid *account, const char *contact_domain);
/* An error of ours in the name of somebody there, about a stanza that has left or was about to. Takes and gives like these. */
struct stanza *mail_return(struct stanza *error);
/* Of our own users: whose mail address is it? False: nobody's, or this is off. */
bool mail_find_account(struct arena *arena, const struct jid *address, struct jid *account);
/* A stanza of our own users to somebody in a mail domain: goes on to the account, or back; a request always goes back, with `redirect` where the
 * account can be asked. Takes the reference. */
void mail_receive(struct stanza *stanza);
/* The same for a domain that has accounts too, where none has this name. Takes the reference if true. */
bool mail_redirect(struct stanza *stanza);
/* Any thread: stanzas dropped since the start. */
uint64_t mail_dropped(void);

#endif
