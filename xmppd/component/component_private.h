/* component_private.h - what listening and the streams of components share */
#ifndef XMPPD_COMPONENT_COMPONENT_PRIVATE_H
#define XMPPD_COMPONENT_COMPONENT_PRIVATE_H

#include "xmppd/route/doorkeeper.h"

/* On any worker: begins the negotiation. */
void component_accept(int fd, bool is_direct, const struct ticket *ticket);

#endif
