/* all.h - the table of contents of what the server can do beyond the RFCs */
#ifndef XMPPD_XEP_ALL_H
#define XMPPD_XEP_ALL_H

#include "xmppd/extend/extension.h"

/* In order, ends with NULL; all.c lists them by hand. */
extern const struct extension *const xep_all[];

#endif
