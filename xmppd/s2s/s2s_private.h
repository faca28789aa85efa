/* s2s_private.h - what the files of this room share */
#ifndef XMPPD_S2S_S2S_PRIVATE_H
#define XMPPD_S2S_S2S_PRIVATE_H

#include "xmppd/route/doorkeeper.h"

/* in.c: a connection has come to one of our ports; on the worker it was handed to. The stream keeps the ticket wherever it moves, settles it when
 * its first domain is proven, and returns it when it has closed. */
void s2s_accept(int fd, bool is_direct, const struct ticket *ticket);

#endif
