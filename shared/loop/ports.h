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

/* Name all ports between begin and finish; finish closes those that were not named again. After a refusal, leave finish out: all that was open
 * stays so. */
void ports_begin(struct ports *ports);
/* address is an IP:PORT literal; the same address with another owner is another port. As listener_open. */
int ports_name(struct ports *ports, const char *address, listener_accepted *accepted, void *owner, struct err *err);
void ports_finish(struct ports *ports);
void ports_close(struct ports *ports);

#endif
