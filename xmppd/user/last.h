/* last.h - when an account's last client left, and what it said (XEP-0012); at home */
#ifndef XMPPD_USER_LAST_H
#define XMPPD_USER_LAST_H

#include "shared/xmpp/jid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One of its clients is available. */
bool last_is_there(const struct jid *account);
/* *when: wall ms; the status text is cut to len. False: no client ever was. */
bool last_left(const struct jid *account, int64_t *when, char *status, size_t len);

#endif
