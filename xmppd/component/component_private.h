/* component_private.h - what listening and the streams of components share */
#ifndef XMPPD_COMPONENT_COMPONENT_PRIVATE_H
#define XMPPD_COMPONENT_COMPONENT_PRIVATE_H

/* On any worker: takes the descriptor and begins the negotiation. */
void component_accept(int fd);

#endif
