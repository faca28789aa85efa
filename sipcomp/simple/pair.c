/*
 * pair.c - one local and one foreign person
 */
#include "sipcomp/simple/pair.h"

#include "shared/base/digest.h"
#include "shared/base/mem.h"
#include "shared/base/text.h"

#include <string.h>

/* One block, which begins with the first text: there are very many pairs. */
void
pair_copy(struct pair *to, const struct pair *from)
{
        size_t room = strlen(from->local) + strlen(from->foreign) + strlen(from->local_uri) + strlen(from->foreign_uri) +
                strlen(from->local_user) + strlen(from->domain) + 6;
        char *at = mem_new(room);
        to->local = text_place(&at, from->local);
        to->foreign = text_place(&at, from->foreign);
        to->local_uri = text_place(&at, from->local_uri);
        to->foreign_uri = text_place(&at, from->foreign_uri);
        to->local_user = text_place(&at, from->local_user);
        to->domain = text_place(&at, from->domain);
}

void
pair_free(struct pair *pair)
{
        mem_free((char *)pair->local);
        *pair = (struct pair){ 0 };
}

void
pair_key(unsigned char key[PAIR_KEY], const struct pair *pair)
{
        struct buf names = { 0 };
        buf_put(&names, pair->local, strlen(pair->local) + 1);
        buf_puts(&names, pair->foreign);
        digest_of(DIGEST_SHA256, buf_data(&names), names.len, key);
        buf_free(&names);
}

const struct log_scope *
pair_scope(struct log_scope *scope, const char *left, const char *right)
{
        log_scope_set(scope, scope->room, "%s>%s", left, right);
        return scope;
}

void
pair_encode(const struct pair *pair, struct buf *out)
{
        encode_text(out, pair->local);
        encode_text(out, pair->foreign);
        encode_text(out, pair->local_uri);
        encode_text(out, pair->foreign_uri);
        encode_text(out, pair->local_user);
        encode_text(out, pair->domain);
}

bool
pair_decode(struct pair *pair, struct cursor *cursor, struct arena *arena)
{
        pair->local = decode_text(cursor, arena);
        pair->foreign = decode_text(cursor, arena);
        pair->local_uri = decode_text(cursor, arena);
        pair->foreign_uri = decode_text(cursor, arena);
        pair->local_user = decode_text(cursor, arena);
        pair->domain = decode_text(cursor, arena);
        return pair->local != NULL && pair->foreign != NULL && pair->local_uri != NULL && pair->foreign_uri != NULL &&
                pair->local_user != NULL && pair->domain != NULL;
}
