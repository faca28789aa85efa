/* saslprep.h - passwords as both sides must see them before deriving keys (RFC 4013) */
#ifndef SHARED_XMPP_SASLPREP_H
#define SHARED_XMPP_SASLPREP_H

#include <stdbool.h>
#include <stddef.h>

enum { PASSWORD_MAX = 1023 };

/* Prepares text[0..len) into out[PASSWORD_MAX + 1], terminated; wipe it after use. False: empty, too long, not UTF-8, or with characters that
 * the profile forbids. */
bool saslprep(char *out, const char *text, size_t len);

#endif
