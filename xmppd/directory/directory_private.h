/* directory_private.h - what the line of logins and the conversation with the directory share */
#ifndef XMPPD_DIRECTORY_DIRECTORY_PRIVATE_H
#define XMPPD_DIRECTORY_DIRECTORY_PRIVATE_H

#include "shared/base/arena.h"
#include "xmppd/directory/directory.h"

struct directory_answer {
        enum directory_outcome outcome;
        char *mail, *name; /* in the arena; NULL: none, or not text of a sensible length */
        char why[400];     /* for the log: what was refused or which server did not answer; "" */
};

/* Waits for the network: for the pool only. Servers are tried in order until one answers. */
void directory_ask(const struct section *section, const char *user, const char *password, struct arena *arena,
        struct directory_answer *answer);
/* "%u" in the filter becomes the user, with what has a meaning in filters escaped (RFC 4515, 3). */
char *directory_filter(struct arena *arena, const char *filter, const char *user);

#endif
