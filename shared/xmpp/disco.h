/* disco.h - what an entity says of itself (XEP-0030, XEP-0128), and the verification string that stands for it (XEP-0115, 5) */
#ifndef SHARED_XMPP_DISCO_H
#define SHARED_XMPP_DISCO_H

#include "shared/base/digest.h"
#include "shared/xmpp/form.h"

enum { DISCO_IDENTITIES_MAX = 50, DISCO_FEATURES_MAX = 1000, DISCO_FORMS_MAX = 10, DISCO_HASH_TEXT = 45 };

struct disco_identity {
        const char *category, *type, *lang, *name; /* "" where left out */
};

/* A plain value; all of it in the order of 5.1 (i;octet). What it points to lives in the arena and the tree it was read from. */
struct disco {
        struct disco_identity *identities;
        const char **features;
        struct form *forms; /* those with a FORM_TYPE; their fields are not sorted */
        size_t identity_count, feature_count, form_count;
};

/* Reads the <query/> of a disco#info result. False: it is ill-formed (XEP-0115, 5.4, 3: two identities, features or forms alike, a form with more
 * than one FORM_TYPE), has no identity (XEP-0030, 3.1), or more of anything than above. */
bool disco_read(struct disco *disco, struct arena *arena, const struct element *query);
bool disco_has(const struct disco *disco, const char *feature);
/* What identifies it best to people: the first identity of category "client", or else the first. */
const struct disco_identity *disco_identity(const struct disco *disco);

/* The verification string (5.1); out has DISCO_HASH_TEXT bytes; returns it. */
char *disco_hash(const struct disco *disco, enum digest digest, char *out);
/* The function that a <c/> names; false: one we do not have. */
bool disco_digest_of(enum digest *digest, const char *name);

#endif
