/* gateway.h - the whole gateway on its worker: SIP on one side, component streams on the other, and what lies between */
#ifndef SIPCOMP_BRIDGE_GATEWAY_H
#define SIPCOMP_BRIDGE_GATEWAY_H

#include "shared/base/err.h"
#include "shared/config/config.h"
#include "shared/store/store.h"
#include "sipcomp/route/federation.h"
#include "sipcomp/simple/simple.h"

#include <stdbool.h>
#include <stddef.h>

struct gateway;

/* Listens, connects to the XMPP server and takes up what the store holds. NULL with a sentence: a port is taken, a certificate does not fit, ... */
struct gateway *gateway_new(struct config *config, struct store *store, struct err *err);
/* Puts another configuration in force; on -1 the old one stays whole. Running dialogs go on; those of a domain that is gone end. */
int gateway_reload(struct gateway *gateway, struct config *config, struct err *err);
/* Ends sessions and streams; done(owner) comes when all of it has left or after `patience_ms`, and the gateway can be freed in it or later. */
void gateway_stop(struct gateway *gateway, uint64_t patience_ms, void (*done)(void *owner), void *owner);
void gateway_free(struct gateway **gateway);

/* For the control socket. */
struct federation *gateway_federation(const struct gateway *gateway);
struct sip_transactions *gateway_transactions(const struct gateway *gateway);
bool gateway_is_attached(const struct gateway *gateway, const char *domain);
/* See component_trouble. */
const char *gateway_trouble(const struct gateway *gateway, const char *domain, enum stream_condition *refusal);
/* When the last request of ours was granted there, by the wall clock in ms; 0: none since the start. */
int64_t gateway_granted(const struct gateway *gateway, const char *domain);
const struct section *gateway_settings(const struct gateway *gateway); /* the top of the configuration in force */
struct dns *gateway_dns(const struct gateway *gateway);
void gateway_each(const struct gateway *gateway, const char *domain, simple_viewed *seen, void *arg); /* see simple_each */
void gateway_counters(const struct gateway *gateway, const char *domain, struct simple_counters *counters);

#endif
