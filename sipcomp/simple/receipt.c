/*
 * receipt.c - who is told that a message was delivered: XEP-0184 on our side, IMDN (RFC 5438) on theirs (7.2 of the dialects)
 *
 * Both directions are a memory of messages that somebody still asks about, bounded: the oldest is forgotten first, and then nobody is told.
 * After a restart nothing is remembered; a receipt that never comes means "unknown" in both worlds.
 */
#include "sipcomp/simple/chat_private.h"

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/base/random.h"
#include "shared/base/text.h"
#include "sipcomp/dialect/cpim.h"

#include <string.h>

enum { RECEIPTS_MAX = 10000 };

/* One message: of ours, with the id of its CPIM as key; or of theirs, with the id of its stanza. */
struct receipt {
        struct link link;
        char *key;
        struct pair pair;
        struct simple_text said; /* ours: id and sender */
        struct cpim cpim;        /* theirs: what the notification must repeat */
};

static void
free_receipt(struct receipts *receipts, struct receipt *receipt)
{
        map_remove_str(receipts->by_key, receipt->key);
        list_remove(&receipts->oldest_first, &receipt->link);
        pair_free(&receipt->pair);
        mem_free(receipt->key);
        mem_free((char *)receipt->said.id);
        mem_free((char *)receipt->said.sender);
        mem_free(receipt);
}

static struct receipt *
remember(struct receipts *receipts, const struct pair *pair)
{
        char key[40];
        struct receipt *receipt = MEM_NEW(receipt);
        if (receipts->oldest_first.count >= RECEIPTS_MAX)
                free_receipt(receipts, LIST_ITEM(receipts->oldest_first.first, struct receipt, link));
        receipt->key = mem_strdup(random_hex(key, 12));
        pair_copy(&receipt->pair, pair);
        map_put_str(receipts->by_key, receipt->key, receipt);
        list_append(&receipts->oldest_first, &receipt->link);
        return receipt;
}

/* NULL where it is unknown, or is between other people. */
static struct receipt *
find(const struct receipts *receipts, const struct pair *pair, const char *key)
{
        struct receipt *receipt = map_get_str(receipts->by_key, key);
        bool same =
                receipt != NULL && text_equal(receipt->pair.local, pair->local) && text_equal(receipt->pair.foreign, pair->foreign);
        return same ? receipt : NULL;
}

void
receipts_init(struct receipts *receipts)
{
        receipts->by_key = map_new();
}

void
receipts_free(struct receipts *receipts)
{
        for (LIST_EACH(receipt, &receipts->oldest_first, struct receipt, link))
                free_receipt(receipts, receipt);
        map_free(&receipts->by_key);
}

/* --- Ours. */

const char *
receipt_expect(struct simple *simple, const struct pair *pair, const struct simple_text *said)
{
        struct receipt *receipt = remember(&simple->expected, pair);
        receipt->said =
                (struct simple_text){ .id = copy_text(said->id), .sender = copy_text(said->sender), .body = "", .receipt = true };
        return receipt->key;
}

void
receipt_forget(struct simple *simple, const char *key)
{
        struct receipt *receipt = map_get_str(simple->expected.by_key, key);
        if (receipt != NULL)
                free_receipt(&simple->expected, receipt);
}

void
receipt_heard(struct simple *simple, const struct pair *pair, const struct cpim *cpim)
{
        char key[CPIM_ID_MAX + 1];
        enum imdn_status status = imdn_read(cpim->body, cpim->body_len, key);
        struct receipt *receipt = status == IMDN_NOTHING ? NULL : find(&simple->expected, pair, key);
        if (receipt == NULL)
                return;
        if (status == IMDN_DELIVERED)
                simple->events->text_delivered(simple->owner, pair, &receipt->said);
        else
                simple->events->text_failed(simple->owner, pair, &receipt->said,
                        status == IMDN_FORBIDDEN ? FORBIDDEN : RECIPIENT_UNAVAILABLE, status == IMDN_FORBIDDEN ? "auth" : "wait",
                        "the other system could not deliver the message");
        free_receipt(&simple->expected, receipt);
}

/* --- Theirs. */

const char *
receipt_owe(struct simple *simple, const struct pair *pair, const struct cpim *cpim)
{
        struct receipt *receipt = remember(&simple->owed, pair);
        receipt->cpim = *cpim;
        receipt->cpim.body = NULL; /* not ours to keep */
        return receipt->key;
}

/* Outside a session, and nobody waits for the answer: a notification is never worth a notification. */
static void
send_alone(struct simple *simple, const struct pair *pair, const struct buf *body)
{
        struct sip_message *request = sip_request_new("MESSAGE", pair->foreign_uri, NULL, pair->local_uri, pair->foreign_uri);
        sip_message_set_body(request, "message/cpim", buf_data(body), body->len);
        must(sip_message_complete(request));
        struct sip_client *client = send_request(simple, request, pair->domain, NULL, NULL, NULL);
        sip_client_forget(&client);
}

void
simple_receipt(struct simple *simple, const struct pair *pair, const char *id)
{
        struct receipt *receipt = find(&simple->owed, pair, id);
        struct buf body = { 0 };
        char message_id[40];
        if (receipt == NULL)
                return;
        cpim_write_delivered(&body, pair->local_uri, pair->foreign_uri, random_hex(message_id, 12), &receipt->cpim);
        if (!chat_notify(simple, pair, "message/cpim", buf_text(&body)))
                send_alone(simple, pair, &body);
        buf_free(&body);
        free_receipt(&simple->owed, receipt);
}
