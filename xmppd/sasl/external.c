/*
 * external.c - EXTERNAL: the certificate of a client names its account
 *
 * Only id-on-xmppAddr counts. A common name or an e-mail address may look like a JID, but nobody who issued it has said that it is one.
 */
#include "xmppd/sasl/external.h"

#include "shared/base/text.h"
#include "shared/xmpp/jid.h"
#include "xmppd/sasl/credentials.h"

#include <stdio.h>
#include <string.h>

enum { ACCOUNTS_MAX = 16 };

/* Accounts of this domain, each once, in the order of the certificate. */
static size_t
list_accounts(const struct tls_peer *peer, const char *domain, struct arena *arena, struct jid accounts[ACCOUNTS_MAX])
{
        size_t count = 0;

        for (size_t i = 0; peer->valid && i < peer->name_count && count < ACCOUNTS_MAX; i++) {
                struct jid *jid = &accounts[count];
                bool is_known = false;
                if (peer->names[i].kind != TLS_NAME_XMPP_ADDR || !jid_parse(jid, arena, peer->names[i].text) || !jid_is_bare(jid) ||
                        jid->local == NULL || !text_equal(jid->domain, domain))
                        continue;
                for (size_t k = 0; k < count; k++)
                        is_known = is_known || jid_equal(&accounts[k], jid);
                if (!is_known && credentials_exist(jid))
                        count++;
        }
        return count;
}

bool
external_is_possible(const char *domain, struct tls_session *tls, char *why, size_t room)
{
        struct jid accounts[ACCOUNTS_MAX];

        why[0] = '\0';
        if (!tls_session_has_certificate(tls))
                return false;
        const struct tls_peer *peer = tls_session_peer(tls);
        struct arena *arena = arena_new(1024);
        size_t count = list_accounts(peer, domain, arena, accounts);
        arena_free(&arena);
        if (!peer->valid)
                snprintf(why, room, "%s", peer->problem);
        else if (count == 0)
                snprintf(why, room, "no xmppAddr in it is an account of %s (%s)", domain, peer->subject);
        return count > 0;
}

const char *
external_account(
        const char *domain, struct tls_session *tls, const char *wanted, size_t len, struct arena *arena, const char **failure)
{
        struct jid accounts[ACCOUNTS_MAX], asked;

        *failure = "not-authorized";
        if (!tls_session_has_certificate(tls))
                return NULL;
        const struct tls_peer *peer = tls_session_peer(tls);
        size_t count = list_accounts(peer, domain, arena, accounts);
        if (peer->expired)
                *failure = "credentials-expired";
        if (count == 0)
                return NULL;
        *failure = "invalid-authzid";
        /* With several names the client says which one it is (XEP-0178, 2). */
        if (len == 0)
                return count == 1 ? accounts[0].full : NULL;
        if (memchr(wanted, '\0', len) != NULL || !jid_parse_len(&asked, arena, wanted, len))
                return NULL;
        for (size_t i = 0; i < count; i++)
                if (jid_equal(&accounts[i], &asked))
                        return accounts[i].full;
        return NULL;
}
