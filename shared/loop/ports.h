/* ports.h - the listening sockets a configuration names; one that the old and the new configuration both name stays open through a reload,
 * with all that waits in its queue
 */
#ifndef SHARED_LOOP_PORTS_H
#define SHARED_LOOP_PORTS_H

#include "shared/base/list.h"
#include "shared/loop/listener.h"

/* A plain value, zero-initialised; on one worker. */
struct ports {
        struct list open;
};

/* Name all ports behind begin, then settle: with keep, ports that were not named again are closed; without, those that were opened since, and all
 * is as it was. */
void ports_begin(struct ports *ports);
/* address is an IP:PORT literal; the same address with another owner is another port. As listener_open. */
int ports_name(struct ports *ports, const char *address, listener_accepted *accepted, void *owner, struct err *err);
void ports_settle(struct ports *ports, bool keep);
void ports_close(struct ports *ports);

#endif
