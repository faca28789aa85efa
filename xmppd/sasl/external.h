/* external.h - EXTERNAL: the certificate of a client names its account (XEP-0178, 2; RFC 6120, 13.7.1.2); private to this room */
#ifndef XMPPD_SASL_EXTERNAL_H
#define XMPPD_SASL_EXTERNAL_H

#include "shared/base/arena.h"
#include "shared/tls/session.h"

#include <stdbool.h>
#include <stddef.h>

/* Does a valid certificate name an account of this domain? If not, why holds the reason, in words; it is empty where no certificate was shown. */
bool external_is_possible(const char *domain, struct tls_session *tls, char *why, size_t room);
/* Who signs in: the account that the client asks for (wanted, len; may hold anything), or the only one that the certificate names. NULL: refused,
 * *failure is the name of it (RFC 6120 6.5). The text lives in the arena. */
const char *external_account(
        const char *domain, struct tls_session *tls, const char *wanted, size_t len, struct arena *arena, const char **failure);

#endif
