/*
 * ocs.c - OCS 2007 and 2007 R2, through an Access Edge or, inside one enterprise, directly to the front end (TLS or TCP)
 */
#include "sipcomp/dialect/microsoft_private.h"

const struct dialect dialect_ocs = {
        .name = "ocs",
        .presence = microsoft_presence,
        .subscribe_expires = 7200,
        .grant_expires = 7200,
        .tls_only = true,
        .tcp_if_direct = true,
        .keyboard_activity = true,
        .conversation_id = true,
};
