/* pair.h - one local and one foreign person: what subscriptions and sessions are kept by */
#ifndef SIPCOMP_SIMPLE_PAIR_H
#define SIPCOMP_SIMPLE_PAIR_H

#include "shared/base/arena.h"
#include "shared/base/buf.h"
#include "shared/base/log.h"
#include "shared/store/codec.h"

#include <stdbool.h>

/* A plain value. The bridge decides how people are named; here names are only compared, and URIs only written. */
struct pair {
        const char *local, *foreign;         /* bare JIDs */
        const char *local_uri, *foreign_uri; /* "sip:alice@example.com" */
        const char *local_user;              /* the encoded user of local_uri, for our Contact */
        const char *domain;                  /* the foreign domain */
};

enum { PAIR_KEY = 32 };

/* Copies the texts onto the heap; pair_free gives them back. */
void pair_copy(struct pair *to, const struct pair *from);
void pair_free(struct pair *pair);
/* The scope of one line about these two, who asks on the left; there are too many pairs for each to carry one. */
#define LOG_PAIR(room_name, left, right) pair_scope(&(struct log_scope){ .room = (room_name) }, (left), (right))
const struct log_scope *pair_scope(struct log_scope *scope, const char *left, const char *right);
/* The key for maps and for the store: a digest of both names. */
void pair_key(unsigned char key[PAIR_KEY], const struct pair *pair);
void pair_encode(const struct pair *pair, struct buf *out);
/* Into the arena; false if the record is broken. */
bool pair_decode(struct pair *pair, struct cursor *cursor, struct arena *arena);

#endif
