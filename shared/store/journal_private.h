/* journal_private.h - how a journal's files are laid out: native numbers, for the machine that wrote them */
#ifndef SHARED_STORE_JOURNAL_PRIVATE_H
#define SHARED_STORE_JOURNAL_PRIVATE_H

#include <stddef.h>
#include <stdint.h>

enum { JOURNAL_VERSION = 1, JOURNAL_BOOT = 40, JOURNAL_ALIGN = 8 };

#define JOURNAL_MAGIC "xmppdjnl"

/* A file begins with this. */
struct segment_head {
        char magic[8];
        uint32_t version, unused;
        uint64_t start;          /* the position of this head */
        char boot[JOURNAL_BOOT]; /* which boot of the machine it was written in */
};

/* A record begins with this, at a multiple of JOURNAL_ALIGN; its bytes follow. */
struct record_head {
        uint32_t len; /* of the bytes, never 0 */
        uint32_t unused;
        uint64_t check; /* journal_check of its position and bytes */
};

/* Tells a record from what a torn write or an older file left in its place. Not against an attacker: who can write here can write all else. */
uint64_t journal_check(uint64_t position, const void *bytes, size_t len);
/* Of the running machine; "" where the kernel does not tell. */
void journal_boot(char boot[JOURNAL_BOOT]);

#endif
