/* uri.h - msrp:// and msrps:// URIs (RFC 4975 6, 9) */
#ifndef SIPCOMP_MSRP_URI_H
#define SIPCOMP_MSRP_URI_H

#include "shared/base/arena.h"

#include <stdbool.h>
#include <stdint.h>

enum { MSRP_PORT = 2855, MSRP_URI_MAX = 512 };

struct msrp_uri {
        bool secure;         /* msrps */
        const char *host;    /* a name in lower case, or an IP literal without brackets */
        uint16_t port;       /* MSRP_PORT where the URI has none */
        const char *session; /* never empty here: only endpoints are spoken to */
};

/* False: it is no such URI, has no session-id, or its transport is not tcp. Texts in the arena. */
bool msrp_uri_parse(struct msrp_uri *uri, struct arena *arena, const char *text);
/* RFC 4975 6.1: user information and parameters do not count. */
bool msrp_uri_same(const struct msrp_uri *a, const struct msrp_uri *b);
/* Of a path (URIs with blanks between them) the first or the last; NULL where it is empty. In the arena. */
const char *msrp_path_first(struct arena *arena, const char *path);
const char *msrp_path_last(struct arena *arena, const char *path);

#endif
