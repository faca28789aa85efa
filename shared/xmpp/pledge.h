/* pledge.h - who must hear when a run of stanzas has been handled
 *
 * "Handled" includes committed: whoever holds a stanza (a mailbox, an output, a batch of the store) holds a reference, and the last one let go
 * means done. A stream puts the stanzas it received under a pledge; when it owes an acknowledgement (a component's ping, XEP-0198 <r/>), it
 * closes the pledge, opens a new one, and answers when the closed one is kept. Pledges are kept in the order in which they were closed.
 */
#ifndef SHARED_XMPP_PLEDGE_H
#define SHARED_XMPP_PLEDGE_H

#include <stdbool.h>

struct worker;
struct stanza;
struct pledge;

/* On the worker that will hear. kept(owner, cookie) runs there, once, after pledge_close and when the last stanza is gone, in the order of
 * the closings of one owner. */
struct pledge *pledge_new(void (*kept)(void *owner, void *cookie), void *owner);
/* Puts the stanza under it; before it is routed. What is derived from the stanza or answers it holds the pledge too. */
void pledge_take(struct pledge *pledge, struct stanza *stanza);
/* No more stanzas; cookie comes back with kept, which frees the pledge and never runs inside this call. */
void pledge_close(struct pledge *pledge, void *cookie);
/* Somebody waits for it now: who could keep it sooner, should. Before pledge_close. Any thread may ask. */
void pledge_await(struct pledge *pledge);
bool pledge_is_awaited(const struct pledge *pledge);
/* The owner goes away: kept will not be called for any pledge it has closed. */
void pledge_forget_owner(void *owner);
/* The same for an open pledge and all closed ones of its owner. */
void pledge_forget(struct pledge **pledge);
/* Any thread; used by stanza_unref and by what vouches for a stanza without holding it. */
void pledge_hold(struct pledge *pledge);
void pledge_release(struct pledge *pledge);

#endif
