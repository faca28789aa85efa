/*
 * sasl.c - proving who a client is
 *
 * SCRAM is a few keyed hashes and stays on the loop. PLAIN is parsed here and costs a key derivation, which goes to the pool; the job outlives
 * the exchange if the client leaves meanwhile.
 */
#include "xmppd/sasl/sasl.h"

#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/base/text.h"
#include "shared/loop/offload.h"
#include "xmppd/directory/directory.h"
#include "xmppd/sasl/credentials.h"
#include "xmppd/sasl/cyrus.h"
#include "xmppd/sasl/external.h"
#include "xmppd/sasl/member.h"
#include "xmppd/sasl/throttle.h"

#include <string.h>

enum { PASSWORD_MAX = 1023 };

struct sasl {
        char *domain;
        struct tls_session *tls;
        sasl_done *done;
        void *owner;
        struct cyrus *cyrus;
        struct check *check;   /* PLAIN under way */
        struct member *member; /* the same, with the directory */
        bool is_external;
        char *account;
        const char *failure;
};

/* A password on its way through the pool. */
struct check {
        struct offload job;
        struct sasl *sasl; /* NULL: the client has gone */
        struct scram_keys keys;
        enum digest digest;
        size_t len;
        bool fits;
        char password[PASSWORD_MAX + 1];
};

static const char *secure_mechanisms[8], *clear_mechanisms[8];

static void
list_mechanisms(void)
{
        size_t secure = 0, clear = 0;

        if (cyrus_offers("SCRAM-SHA-256")) {
                secure_mechanisms[secure++] = "SCRAM-SHA-256-PLUS";
                secure_mechanisms[secure++] = clear_mechanisms[clear++] = "SCRAM-SHA-256";
        }
        if (cyrus_offers("SCRAM-SHA-1")) {
                secure_mechanisms[secure++] = "SCRAM-SHA-1-PLUS";
                secure_mechanisms[secure++] = clear_mechanisms[clear++] = "SCRAM-SHA-1";
        }
        secure_mechanisms[secure++] = "PLAIN";
}

void
sasl_start(struct store *store)
{
        credentials_start(store);
        member_start(store);
        throttle_start();
        cyrus_start();
        list_mechanisms();
}

void
sasl_stop(void)
{
        cyrus_stop();
}

const char *const *
sasl_mechanisms(const char *domain, bool secure)
{
        static const char *const plain[] = { "PLAIN", NULL };

        if (directory_serves(domain))
                return secure ? plain : plain + 1;
        return secure ? secure_mechanisms : clear_mechanisms;
}

bool
sasl_offers_external(const char *domain, struct tls_session *tls, char *why, size_t room)
{
        return external_is_possible(domain, tls, why, room);
}

struct sasl *
sasl_new(const char *domain, struct tls_session *tls, sasl_done *done, void *owner)
{
        struct sasl *sasl = MEM_NEW(sasl);

        sasl->domain = mem_strdup(domain);
        sasl->tls = tls;
        sasl->done = done;
        sasl->owner = owner;
        return sasl;
}

void
sasl_free(struct sasl **where)
{
        struct sasl *sasl = *where;

        if (sasl == NULL)
                return;
        if (sasl->check != NULL)
                sasl->check->sasl = NULL;
        member_forget(&sasl->member);
        cyrus_free(&sasl->cyrus);
        mem_free(sasl->domain);
        mem_free(sasl->account);
        mem_free(sasl);
        *where = NULL;
}

static void
refuse(struct sasl *sasl, const char *failure)
{
        sasl->failure = failure;
        sasl->done(sasl->owner, SASL_REFUSED, NULL, 0);
}

/* ---- PLAIN (RFC 4616) ---- */

static void
derive(struct offload *job)
{
        struct check *check = container_of(job, struct check, job);

        check->fits = scram_check(&check->keys, check->digest, check->password, check->len);
}

static void
finish_check(struct offload *job)
{
        struct check *check = container_of(job, struct check, job);
        struct sasl *sasl = check->sasl;
        bool fits = check->fits;

        mem_wipe(check, sizeof(*check));
        mem_free(check);
        if (sasl == NULL)
                return;
        sasl->check = NULL;
        if (fits)
                sasl->done(sasl->owner, SASL_SUCCESS, NULL, 0);
        else
                refuse(sasl, "not-authorized");
}

static void
hear_of_member(void *owner, const char *failure)
{
        struct sasl *sasl = owner;

        sasl->member = NULL;
        if (failure == NULL)
                sasl->done(sasl->owner, SASL_SUCCESS, NULL, 0);
        else
                refuse(sasl, failure);
}

static void
check_keys(struct sasl *sasl, const struct jid *account, const char *password)
{
        struct check *check = MEM_NEW(check);

        sasl->check = check;
        check->sasl = sasl;
        check->len = strlen(password);
        memcpy(check->password, password, check->len);
        check->digest = credentials_find_any(account, &check->keys);
        check->job = (struct offload){ .work = derive, .done = finish_check };
        offload_start(&check->job);
}

/* The three fields of the message; false: malformed. */
static bool
split(const char *message, size_t len, const char *fields[3])
{
        const char *at = message, *end = message + len;

        for (int i = 0; i < 3; i++) {
                fields[i] = at;
                at += strlen(at) + 1;
                if (i < 2 && at > end)
                        return false;
        }
        return at == end + 1 && fields[1][0] != '\0' && fields[2][0] != '\0' && text_is_utf8(message, len);
}

static void
check_plain(struct sasl *sasl, const char *bytes, size_t len)
{
        struct arena *arena = arena_new(1024);
        struct jid account, wanted;
        char *copy = arena_strndup(arena, bytes, len);
        const char *fields[3];

        if (!split(copy, len, fields)) {
                refuse(sasl, "malformed-request");
        } else if (strlen(fields[2]) > PASSWORD_MAX || !credentials_name(&account, arena, fields[1], sasl->domain)) {
                refuse(sasl, "not-authorized");
        } else if (fields[0][0] != '\0' && (!jid_parse(&wanted, arena, fields[0]) || !jid_equal(&wanted, &account))) {
                refuse(sasl, "invalid-authzid");
        } else {
                sasl->account = mem_strdup(account.full);
                if (directory_serves(sasl->domain) && !credentials_are_here(&account))
                        sasl->member = member_check(&account, fields[2], hear_of_member, sasl);
                else
                        check_keys(sasl, &account, fields[2]);
        }
        mem_wipe(copy, len);
        arena_free(&arena);
}

/* ---- EXTERNAL (XEP-0178) ---- */

static void
check_certificate(struct sasl *sasl, const char *wanted, size_t len)
{
        struct arena *arena = arena_new(1024);
        const char *failure, *account = external_account(sasl->domain, sasl->tls, wanted, len, arena, &failure);

        if (account != NULL)
                sasl->account = mem_strdup(account);
        arena_free(&arena);
        if (sasl->account != NULL)
                sasl->done(sasl->owner, SASL_SUCCESS, NULL, 0);
        else
                refuse(sasl, failure);
}

/* ---- SCRAM ---- */

static void
go_on(struct sasl *sasl, const char *mechanism, const char *bytes, size_t len)
{
        const char *out;
        size_t out_len;

        switch (cyrus_step(sasl->cyrus, mechanism, bytes, len, &out, &out_len)) {
        case CYRUS_CHALLENGE:
                sasl->done(sasl->owner, SASL_CHALLENGE, out, out_len);
                return;
        case CYRUS_PROVEN:
                sasl->account = mem_strdup(cyrus_account(sasl->cyrus));
                sasl->done(sasl->owner, SASL_SUCCESS, out, out_len);
                return;
        case CYRUS_FAILED:
                refuse(sasl, cyrus_failure(sasl->cyrus));
                return;
        }
}

static bool
is_offered(const char *mechanism, const char *domain, bool secure)
{
        for (const char *const *name = sasl_mechanisms(domain, secure); *name != NULL; name++)
                if (strcmp(*name, mechanism) == 0)
                        return true;
        return false;
}

void
sasl_begin(struct sasl *sasl, const char *mechanism, const char *initial, size_t len)
{
        must(sasl->cyrus == NULL && sasl->check == NULL && sasl->member == NULL);
        sasl->is_external = strcmp(mechanism, "EXTERNAL") == 0 && sasl->tls != NULL && tls_session_asks(sasl->tls);
        if (sasl->is_external) {
                if (initial != NULL)
                        check_certificate(sasl, initial, len);
                else
                        sasl->done(sasl->owner, SASL_CHALLENGE, NULL, 0);
                return;
        }
        if (!is_offered(mechanism, sasl->domain, sasl->tls != NULL)) {
                refuse(sasl, is_offered(mechanism, sasl->domain, true) ? "encryption-required" : "invalid-mechanism");
                return;
        }
        if (strcmp(mechanism, "PLAIN") != 0) {
                sasl->cyrus = cyrus_new(sasl->domain, sasl->tls);
                go_on(sasl, mechanism, initial, len);
        } else if (initial != NULL) {
                check_plain(sasl, initial, len);
        } else {
                sasl->done(sasl->owner, SASL_CHALLENGE, NULL, 0);
        }
}

void
sasl_step(struct sasl *sasl, const char *response, size_t len)
{
        must(sasl->check == NULL && sasl->member == NULL);
        if (sasl->cyrus != NULL)
                go_on(sasl, NULL, response, len);
        else if (sasl->is_external)
                check_certificate(sasl, response != NULL ? response : "", response != NULL ? len : 0);
        else
                check_plain(sasl, response != NULL ? response : "", len);
}

const char *
sasl_account(const struct sasl *sasl)
{
        return sasl->account;
}

const char *
sasl_meant(const struct sasl *sasl)
{
        return sasl->account != NULL || sasl->cyrus == NULL ? sasl->account : cyrus_account(sasl->cyrus);
}

const char *
sasl_failure(const struct sasl *sasl)
{
        return sasl->failure;
}
