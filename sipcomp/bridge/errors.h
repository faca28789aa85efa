/* errors.h - stanza errors as SIP statuses (section 11 of the dialects) */
#ifndef SIPCOMP_BRIDGE_ERRORS_H
#define SIPCOMP_BRIDGE_ERRORS_H

#include "shared/xmpp/stanza.h"

/* The SIP status for a condition by its name; 500 for what no table knows. */
int errors_status(const char *condition);
/* The condition of an error stanza: "item-not-found"; "" if it has none. */
const char *errors_condition(const struct stanza *stanza);
/* What it says to people: its text, or a sentence of our own. In the arena. */
const char *errors_text(const struct stanza *stanza, struct arena *arena);

#endif
