/* component.h - the edge to components (XEP-0114): one stream for each component domain, at the home of the domain */
#ifndef XMPPD_COMPONENT_COMPONENT_H
#define XMPPD_COMPONENT_COMPONENT_H

#include "shared/base/err.h"
#include "shared/xmpp/stanza.h"
#include "xmppd/route/snapshot.h"

/* As c2s_listen, for components.listen. */
int component_listen(const struct snapshot *snapshot, struct err *err);
void component_settle_ports(bool keep);
void component_stop_listening(void);
/* On each worker, at stop. */
void component_stop_streams(void);
/* On each worker, after a reload: streams of domains that are gone end with host-gone. */
void component_check_streams(void);
/* The door of route. Takes the reference. Without a stream for the domain the stanza comes back as remote-server-not-found. */
void component_receive(struct stanza *stanza);
/* On a worker: calls each(arg, domain, peer address, stanzas in, stanzas out, wall ms of the opening). */
void
component_each(void (*each)(void *arg, const char *domain, const char *peer, uint64_t in, uint64_t out, int64_t opened), void *arg);

#endif
