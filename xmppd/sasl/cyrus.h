/* cyrus.h - SCRAM through Cyrus SASL; private to this room, and apart from sasl.h because the library claims the same names */
#ifndef XMPPD_SASL_CYRUS_H
#define XMPPD_SASL_CYRUS_H

#include "shared/store/store.h"
#include "shared/tls/session.h"

#include <stdbool.h>
#include <stddef.h>

void cyrus_start(void);
void cyrus_stop(void);
/* Is there a plugin for this mechanism (without -PLUS)? */
bool cyrus_offers(const char *mechanism);

struct cyrus;
enum cyrus_outcome { CYRUS_CHALLENGE, CYRUS_PROVEN, CYRUS_FAILED };

/* tls NULL: no channel can be bound. */
struct cyrus *cyrus_new(const char *domain, struct tls_session *tls);
/* The first call names the mechanism, later ones pass NULL. in NULL: no data. *out lives until the next call; NULL: no data. */
enum cyrus_outcome
cyrus_step(struct cyrus *cyrus, const char *mechanism, const char *in, size_t len, const char **out, size_t *out_len);
/* The bare JID that was proven, or that the client claims to be as long as nothing is; NULL: neither. */
const char *cyrus_account(const struct cyrus *cyrus);
/* The name of the failure (RFC 6120 6.5). */
const char *cyrus_failure(const struct cyrus *cyrus);
void cyrus_free(struct cyrus **cyrus);

#endif
