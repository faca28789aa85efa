/* component.h - our streams to the XMPP server: one external component for each SIP domain (XEP-0114)
 *
 * A stream that ends is made anew, after 1, 2, 4 ... 30 seconds. Nothing but XEP-0114 is spoken, so any server will do.
 */
#ifndef SIPCOMP_COMPONENT_COMPONENT_H
#define SIPCOMP_COMPONENT_COMPONENT_H

#include "shared/dns/dns.h"
#include "shared/xmpp/errors.h"
#include "shared/xmpp/stanza.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct component;

struct component_events {
        void (*up)(void *owner, struct component *component);
        void (*down)(void *owner, struct component *component, const char *why); /* only after up */
        /* Takes the stanza; its `from` and `to` are there. COMPAT: ejabberd hands what is for one component to any stream of the same listener, so `to`
         * may be of another domain of ours. */
        void (*stanza)(void *owner, struct component *component, struct stanza *stanza);
};

struct component_server {
        const char *host; /* name or IP literal */
        uint16_t port;
        const char *secret;
        struct dns *dns; /* of this worker; must outlive the components */
};

/* Texts are copied. Connects at once. */
struct component *
component_new(const char *domain, const struct component_server *server, const struct component_events *events, void *owner);
/* At once; no event comes. */
void component_free(struct component **component);
/* Sends </stream:stream> and stays closed; what was sent before leaves first. down comes if it was up. */
void component_close(struct component *component);
/* Another server or secret (a reload): used from the next connection on, which is made now if it differs. */
void component_set_server(struct component *component, const struct component_server *server);

/* It is up, and the server reads what was sent: for those who have much to send that can wait. */
bool component_may_take(const struct component *component);
bool component_is_up(const struct component *component);
/* While it is not up: how the last try ended, a sentence, "" before that; and the stream error it was refused with, STREAM_CONDITIONS for none. */
const char *component_trouble(const struct component *component, enum stream_condition *refusal);
/* Takes the stanza. keep: while the stream is down it waits (the oldest of 1000 give way); without, it is dropped then. False: dropped. */
bool component_send(struct component *component, struct stanza *stanza, bool keep);

#endif
