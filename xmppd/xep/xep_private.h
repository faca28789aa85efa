/* xep_private.h - what one extension must know of another */
#ifndef XMPPD_XEP_XEP_PRIVATE_H
#define XMPPD_XEP_XEP_PRIVATE_H

#include <stdbool.h>

/* 0115_caps.c: the node under which the server says what it can do now (XEP-0115, 6.2). */
bool caps_is_own_node(const char *node);

#endif
