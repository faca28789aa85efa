/* home.h - every address that owns state has one worker, computed from the address
 *
 * Accounts, remote domains, component domains and rooms: home(address) = hash(address) mod workers. The state is touched there only.
 */
#ifndef XMPPD_ROUTE_HOME_H
#define XMPPD_ROUTE_HOME_H

#include "shared/loop/worker.h"
#include "shared/xmpp/jid.h"

/* Once, before any worker runs; the array must stay. */
void home_set_workers(struct worker *const *workers, int count);
int home_count(void);
struct worker *home_worker(int index);
/* Any thread: do more letters than this wait in the mailbox of any worker? */
bool home_is_behind(size_t letters);

/* Of an account (or anything else with a bare JID): its resource does not matter. */
struct worker *home_of(const struct jid *jid);
/* Of a remote or component domain. */
struct worker *home_of_domain(const char *domain);

/* Runs visit(arg) once on every worker, in no order, and done(arg) on the calling worker after the last. For what the administrator asks and
 * for swapping snapshots; never on a hot path. visit must synchronise what it writes to: each worker has its own place in arg. */
void home_visit_all(void (*visit)(void *arg), void (*done)(void *arg), void *arg);

#endif
