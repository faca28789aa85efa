/* sasl.h - proving who a client is: Cyrus SASL for SCRAM, our own PLAIN against the stored SCRAM keys, EXTERNAL
 *
 * An exchange lives from <auth/> to its end and no longer: idle sessions cost nothing here.
 */
#ifndef XMPPD_SASL_SASL_H
#define XMPPD_SASL_SASL_H

#include "shared/store/store.h"
#include "shared/tls/session.h"

#include <stdbool.h>
#include <stddef.h>

/* Once, before workers run; reads account keys from this store. */
void sasl_start(struct store *store);
void sasl_stop(void);

/* Names to offer, by preference, NULL-terminated; PLAIN only where secure. Where a directory serves the domain, only PLAIN: the directory shows
 * no keys, and a client would choose SCRAM if it could. Computed once. */
const char *const *sasl_mechanisms(const char *domain, bool secure);
/* Has the client shown a certificate that names an account of this domain, so that EXTERNAL is offered before the others? If not, why holds the
 * reason in words; it is empty where none was shown. */
bool sasl_offers_external(const char *domain, struct tls_session *tls, char *why, size_t room);

struct sasl;
enum sasl_outcome {
        SASL_CHALLENGE, /* send these bytes as <challenge/> */
        SASL_SUCCESS,   /* proven; these bytes go into <success/>; sasl_account names the account */
        SASL_REFUSED,   /* send <failure/> with sasl_failure */
};

/* done(owner, outcome, bytes, len) runs on this worker, now or later (PLAIN derives keys in the pool), once for each start or step. bytes NULL:
 * no data, as opposed to empty data. tls NULL: not secure. */
typedef void sasl_done(void *owner, enum sasl_outcome outcome, const char *bytes, size_t len);
struct sasl *sasl_new(const char *domain, struct tls_session *tls, sasl_done *done, void *owner);
/* initial NULL: no initial response. The bytes are decoded already. */
void sasl_begin(struct sasl *sasl, const char *mechanism, const char *initial, size_t len);
void sasl_step(struct sasl *sasl, const char *response, size_t len);
/* The bare JID that was proven, and "not-authorized", "invalid-mechanism", ... (RFC 6120 6.5). Live as long as the exchange. */
const char *sasl_account(const struct sasl *sasl);
const char *sasl_failure(const struct sasl *sasl);
/* Who it was meant to be, proven or not; NULL: that did not become clear. */
const char *sasl_meant(const struct sasl *sasl);
/* done will not be called any more. */
void sasl_free(struct sasl **sasl);

#endif
