/*
 * cyrus.c - SCRAM through Cyrus SASL
 *
 * The library asks our auxprop plugin for "*authPassword": the stored keys in the text form of RFC 5803. It is never given "*userPassword", which
 * it would prefer and derive keys from, on the loop. No file of the library's is read.
 */
#include "xmppd/sasl/cyrus.h"

#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/base/text.h"
#include "xmppd/sasl/credentials.h"

#include <pthread.h>
#include <sasl/sasl.h>
#include <sasl/saslplug.h>
#include <stdio.h>
#include <string.h>

struct cyrus {
        sasl_conn_t *conn;
        struct tls_session *tls;
        char *domain;
        char *account;
        const char *failure;
        bool challenged;
        bool wants_binding; /* the mechanism is a -PLUS, and the client's first message is still to come */
        bool was_heard;
        sasl_callback_t callbacks[4];
        /* The library keeps pointers to these. */
        sasl_channel_binding_t binding;
        char binding_name[32];
        unsigned char binding_data[64];
};

typedef int (*callback)(void);

static struct log_scope library_log = { .room = "sasl" };

/* ---- what the library asks for ---- */

static int
get_option(void *context, const char *plugin, const char *option, const char **result, unsigned *len)
{
        static const struct {
                const char *name, *value;
        } options[] = {
                { "auxprop_plugin", "xmppd" },
                { "pwcheck_method", "auxprop" },
                { "mech_list", "SCRAM-SHA-256 SCRAM-SHA-1" },
                { "auto_transition", "no" },
                { "log_level", "2" },
        };

        for (size_t i = 0; i < array_len(options); i++) {
                if (strcmp(options[i].name, option) != 0)
                        continue;
                *result = options[i].value;
                if (len != NULL)
                        *len = (unsigned)strlen(options[i].value);
                return SASL_OK;
        }
        return SASL_FAIL;
}

/* Anything but nowhere would make the library look for xmppd.conf in four directories of its own. */
static int
get_path(void *context, char **path)
{
        static char nowhere[] = "/nonexistent"; /* the library does not free it */

        *path = nowhere;
        return SASL_OK;
}

static int
write_log(void *context, int level, const char *message)
{
        log_debug(&library_log, "%s", message);
        return SASL_OK;
}

/* The library has room for 1023 bytes: a localpart, but not an address. The domain is that of the exchange. */
static int
make_canonical(sasl_conn_t *conn, void *context, const char *in, unsigned len, unsigned flags, const char *realm, char *out,
        unsigned room, unsigned *out_len)
{
        struct cyrus *cyrus = context;
        struct arena *arena = arena_new(512);
        struct jid bare;
        int status = SASL_BADAUTH;

        if (credentials_name(&bare, arena, arena_strndup(arena, in, len), cyrus->domain) && strlen(bare.local) < room) {
                strcpy(out, bare.local);
                *out_len = (unsigned)strlen(bare.local);
                mem_free(cyrus->account);
                cyrus->account = mem_strdup(bare.full);
                status = SASL_OK;
        }
        arena_free(&arena);
        return status;
}

/* Nobody acts for another: the authorization identity is absent or the account itself. */
static int
check_identity(sasl_conn_t *conn, void *context, const char *wanted, unsigned wanted_len, const char *proven, unsigned proven_len,
        const char *realm, unsigned realm_len, struct propctx *properties)
{
        return wanted_len == proven_len && memcmp(wanted, proven, wanted_len) == 0 ? SASL_OK : SASL_NOAUTHZ;
}

static int
look_up(void *glob, sasl_server_params_t *params, unsigned flags, const char *user, unsigned len)
{
        static const enum digest digests[] = { DIGEST_SHA256, DIGEST_SHA1 };
        const struct propval *wanted = params->utils->prop_get(params->propctx);
        struct arena *arena;
        struct jid bare;

        if ((flags & SASL_AUXPROP_AUTHZID) != 0 || wanted == NULL)
                return SASL_OK;
        arena = arena_new(1024);
        for (; wanted->name != NULL; wanted++) {
                if (strcmp(wanted->name, "*authPassword") != 0 || wanted->values != NULL ||
                        !credentials_name(&bare, arena, arena_strndup(arena, user, len), params->serverFQDN))
                        continue;
                for (size_t i = 0; i < array_len(digests); i++) {
                        struct scram_keys keys;
                        credentials_find(&bare, digests[i], &keys);
                        params->utils->prop_set(
                                params->propctx, i == 0 ? wanted->name : NULL, scram_format(arena, &keys, digests[i]), -1);
                        mem_wipe(&keys, sizeof(keys));
                }
        }
        arena_free(&arena);
        return SASL_OK;
}

static int
init_plugin(const sasl_utils_t *utils, int max_version, int *version, sasl_auxprop_plug_t **plugin, const char *name)
{
        static char plugin_name[] = "xmppd";
        static sasl_auxprop_plug_t ours = { .auxprop_lookup = look_up, .name = plugin_name };

        if (max_version < SASL_AUXPROP_PLUG_VERSION)
                return SASL_BADVERS;
        *version = SASL_AUXPROP_PLUG_VERSION;
        *plugin = &ours;
        return SASL_OK;
}

/* ---- the library's locks ---- */

static void *
make_lock(void)
{
        pthread_mutex_t *lock = MEM_NEW(lock);

        must(pthread_mutex_init(lock, NULL) == 0);
        return lock;
}

static int
take_lock(void *lock)
{
        return pthread_mutex_lock(lock) == 0 ? SASL_OK : SASL_FAIL;
}

static int
release_lock(void *lock)
{
        return pthread_mutex_unlock(lock) == 0 ? SASL_OK : SASL_FAIL;
}

static void
free_lock(void *lock)
{
        pthread_mutex_destroy(lock);
        mem_free(lock);
}

/* ---- the doors ---- */

void
cyrus_start(void)
{
        static const sasl_callback_t callbacks[] = {
                { SASL_CB_GETOPT, (callback)(void *)get_option, NULL },
                { SASL_CB_GETCONFPATH, (callback)(void *)get_path, NULL },
                { SASL_CB_LOG, (callback)(void *)write_log, NULL },
                { SASL_CB_LIST_END, NULL, NULL },
        };

        sasl_set_mutex(make_lock, take_lock, release_lock, free_lock);
        must(sasl_auxprop_add_plugin("xmppd", init_plugin) == SASL_OK);
        must(sasl_server_init(callbacks, "xmppd") == SASL_OK);
}

void
cyrus_stop(void)
{
        sasl_done();
}

bool
cyrus_offers(const char *mechanism)
{
        for (const char **name = sasl_global_listmech(); name != NULL && *name != NULL; name++)
                if (strcmp(*name, mechanism) == 0)
                        return true;
        return false;
}

struct cyrus *
cyrus_new(const char *domain, struct tls_session *tls)
{
        struct cyrus *cyrus = MEM_NEW(cyrus);
        sasl_security_properties_t no_layer = { .max_ssf = 0 };
        sasl_ssf_t strength = tls == NULL ? 0 : 256;

        cyrus->domain = mem_strdup(domain);
        cyrus->tls = tls;
        cyrus->callbacks[0] = (sasl_callback_t){ SASL_CB_GETOPT, (callback)(void *)get_option, cyrus };
        cyrus->callbacks[1] = (sasl_callback_t){ SASL_CB_CANON_USER, (callback)(void *)make_canonical, cyrus };
        cyrus->callbacks[2] = (sasl_callback_t){ SASL_CB_PROXY_POLICY, (callback)(void *)check_identity, cyrus };
        cyrus->callbacks[3] = (sasl_callback_t){ SASL_CB_LIST_END, NULL, NULL };
        int status = sasl_server_new("xmpp", domain, NULL, NULL, NULL, cyrus->callbacks, SASL_SUCCESS_DATA, &cyrus->conn);
        if (status != SASL_OK) {
                log_error(&library_log, "no exchange: %s", sasl_errstring(status, NULL, NULL));
                cyrus->conn = NULL;
                return cyrus;
        }
        sasl_setprop(cyrus->conn, SASL_SEC_PROPS, &no_layer);
        sasl_setprop(cyrus->conn, SASL_SSF_EXTERNAL, &strength);
        return cyrus;
}

void
cyrus_free(struct cyrus **where)
{
        struct cyrus *cyrus = *where;

        if (cyrus == NULL)
                return;
        sasl_dispose(&cyrus->conn);
        mem_free(cyrus->domain);
        mem_free(cyrus->account);
        mem_free(cyrus);
        *where = NULL;
}

static size_t
bind_channel(struct cyrus *cyrus, const char *name, size_t len)
{
        if (len == 12 && memcmp(name, "tls-exporter", len) == 0)
                return tls_session_exporter(cyrus->tls, cyrus->binding_data) ? 32 : 0;
        if (len == 20 && memcmp(name, "tls-server-end-point", len) == 0)
                return tls_session_end_point(cyrus->tls, cyrus->binding_data);
        /* COMPAT: slixmpp 1.8 binds to tls-unique under TLS 1.3 too, where it is not defined; the client's Finished covers the handshake there as
         * well, so the binding holds. It is not offered. */
        if (len == 10 && memcmp(name, "tls-unique", len) == 0)
                return tls_session_unique(cyrus->tls, cyrus->binding_data);
        return 0;
}

/* The library knows one binding at a time, so the client's first message is read for the one it means: "p=NAME,". With "y" (the client thinks
 * that we could not) any binding makes the library find the downgrade. */
static void
set_binding(struct cyrus *cyrus, const char *in, size_t len)
{
        const char *comma = in == NULL ? NULL : memchr(in, ',', len);
        size_t data_len = 0;

        if (cyrus->tls == NULL || comma == NULL || comma == in)
                return;
        if (in[0] == 'p' && comma - in > 2) {
                snprintf(cyrus->binding_name, sizeof(cyrus->binding_name), "%.*s", (int)(comma - in - 2), in + 2);
                data_len = bind_channel(cyrus, in + 2, (size_t)(comma - in) - 2);
        } else if (in[0] == 'y') {
                snprintf(cyrus->binding_name, sizeof(cyrus->binding_name), "tls-exporter");
                data_len = bind_channel(cyrus, "tls-exporter", 12);
        }
        if (data_len == 0)
                return;
        cyrus->binding = (sasl_channel_binding_t){ .name = cyrus->binding_name, .len = data_len, .data = cyrus->binding_data };
        sasl_setprop(cyrus->conn, SASL_CHANNEL_BINDING, &cyrus->binding);
}

static enum cyrus_outcome
fail(struct cyrus *cyrus, int status)
{
        log_debug(
                &library_log, "%s: refused: %s", cyrus->domain, cyrus->conn != NULL ? sasl_errdetail(cyrus->conn) : "no exchange");
        switch (status) {
        case SASL_BADPROT:
                /* A proof of the wrong length is a wrong proof. */
                cyrus->failure = cyrus->challenged ? "not-authorized" : "malformed-request";
                break;
        case SASL_NOMECH:
                cyrus->failure = "invalid-mechanism";
                break;
        case SASL_NOAUTHZ:
                cyrus->failure = "invalid-authzid";
                break;
        default:
                cyrus->failure = "not-authorized";
        }
        return CYRUS_FAILED;
}

static void
set_account(struct cyrus *cyrus, const char *local)
{
        struct arena *arena = arena_new(512);
        struct jid bare;

        must(credentials_name(&bare, arena, local, cyrus->domain));
        mem_free(cyrus->account);
        cyrus->account = mem_strdup(bare.full);
        arena_free(&arena);
}

enum cyrus_outcome
cyrus_step(struct cyrus *cyrus, const char *mechanism, const char *in, size_t len, const char **out, size_t *out_len)
{
        unsigned bytes = 0;
        const void *user;
        int status;

        *out = NULL;
        *out_len = 0;
        if (cyrus->conn == NULL)
                return fail(cyrus, SASL_FAIL);
        if (mechanism != NULL)
                cyrus->wants_binding = strstr(mechanism, "-PLUS") != NULL;
        if (in != NULL && !cyrus->was_heard) {
                cyrus->was_heard = true;
                set_binding(cyrus, in, len);
                /* RFC 5802, 6: who takes a -PLUS mechanism binds; the library lets others pass. */
                if (cyrus->wants_binding && (len == 0 || in[0] != 'p'))
                        return fail(cyrus, SASL_BADPROT);
        }
        if (mechanism != NULL) {
                status = sasl_server_start(cyrus->conn, mechanism, in, (unsigned)len, out, &bytes);
        } else {
                status = sasl_server_step(cyrus->conn, in != NULL ? in : "", (unsigned)len, out, &bytes);
        }
        *out_len = bytes;
        if (status == SASL_CONTINUE) {
                cyrus->challenged = true;
                return CYRUS_CHALLENGE;
        }
        if (status != SASL_OK || sasl_getprop(cyrus->conn, SASL_USERNAME, &user) != SASL_OK)
                return fail(cyrus, status);
        set_account(cyrus, user);
        return CYRUS_PROVEN;
}

const char *
cyrus_account(const struct cyrus *cyrus)
{
        return cyrus->account;
}

const char *
cyrus_failure(const struct cyrus *cyrus)
{
        return cyrus->failure;
}
