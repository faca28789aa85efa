/*
 * ask.c - the conversation with one directory server after the other (RFC 4511), on a thread of the pool
 *
 * Search with the server's own account, then bind as what was found: the password travels in that bind only. Referrals are not followed: a
 * directory could send the password anywhere. Every step has the configured time-out.
 */
#include "shared/base/err.h"
#include "shared/base/panic.h"
#include "shared/base/text.h"
#include "xmppd/directory/directory_private.h"

#include <ldap.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

enum { VALUE_MAX = 1023, ENTRIES_MAX = 2 };

char *
directory_filter(struct arena *arena, const char *filter, const char *user)
{
        char *escaped = arena_alloc(arena, 3 * strlen(user) + 1), *to = escaped;

        for (const unsigned char *at = (const unsigned char *)user; *at != '\0'; at++) {
                if (*at < 0x20 || strchr("*()\\&|!=<>~/", *at) != NULL)
                        to += sprintf(to, "\\%02x", *at);
                else
                        *to++ = (char)*at;
        }
        *to = '\0';
        char *out = arena_strdup(arena, "");
        for (const char *mark; (mark = strstr(filter, "%u")) != NULL; filter = mark + 2)
                out = arena_printf(arena, "%s%.*s%s", out, (int)(mark - filter), filter, escaped);
        return arena_printf(arena, "%s%s", out, filter);
}

int
directory_check_filter(const char *filter, struct err *err)
{
        int depth = 0;

        if (filter[0] != '(' || strstr(filter, "%u") == NULL)
                return err_set(err, "filter: expected one like (uid=%%u), with %%u where the user's name goes");
        for (const char *at = filter; *at != '\0'; at++) {
                depth += (*at == '(') - (*at == ')');
                if (depth < 0 || (depth == 0 && at[1] != '\0'))
                        return err_set(err, "filter: the parentheses do not match");
        }
        return depth == 0 ? 0 : err_set(err, "filter: the parentheses do not match");
}

/* A step that failed: the server does not answer (try the next one), or it has refused. */
static enum directory_outcome
fail(struct directory_answer *answer, LDAP *ldap, const char *server, const char *step, int code)
{
        char *text = NULL;

        if (ldap != NULL)
                ldap_get_option(ldap, LDAP_OPT_DIAGNOSTIC_MESSAGE, &text);
        snprintf(answer->why, sizeof(answer->why), "%s: %s: %s%s%s", server, step, ldap_err2string(code),
                text != NULL && text[0] != '\0' ? ": " : "", text != NULL ? text : "");
        ldap_memfree(text);
        return DIRECTORY_DOWN;
}

static int
set_options(LDAP *ldap, const struct section *section)
{
        struct timeval time = { .tv_sec = (time_t)config_number(section, "timeout") };
        int version = LDAP_VERSION3, demand = LDAP_OPT_X_TLS_DEMAND, tls = LDAP_OPT_X_TLS_PROTOCOL_TLS1_2, server = 0;

        if (ldap_set_option(ldap, LDAP_OPT_PROTOCOL_VERSION, &version) != 0 ||
                ldap_set_option(ldap, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) != 0 ||
                ldap_set_option(ldap, LDAP_OPT_NETWORK_TIMEOUT, &time) != 0 ||
                ldap_set_option(ldap, LDAP_OPT_TIMEOUT, &time) != 0 ||
                ldap_set_option(ldap, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand) != 0 ||
                ldap_set_option(ldap, LDAP_OPT_X_TLS_PROTOCOL_MIN, &tls) != 0 ||
                ldap_set_option(ldap, LDAP_OPT_X_TLS_CACERTFILE, config_text(section, "trust")) != 0 ||
                ldap_set_option(ldap, LDAP_OPT_X_TLS_NEWCTX, &server) != 0)
                return LDAP_LOCAL_ERROR;
        return LDAP_SUCCESS;
}

static int
bind_as(LDAP *ldap, const char *dn, const char *password)
{
        struct berval secret = { .bv_len = strlen(password), .bv_val = (char *)password };

        return ldap_sasl_bind_s(ldap, dn, LDAP_SASL_SIMPLE, &secret, NULL, NULL, NULL);
}

static char *
read_value(LDAP *ldap, LDAPMessage *entry, const char *attribute, struct arena *arena)
{
        struct berval **values = attribute[0] == '\0' ? NULL : ldap_get_values_len(ldap, entry, attribute);
        char *text = NULL;

        if (values != NULL && values[0] != NULL && values[0]->bv_len > 0 && values[0]->bv_len <= VALUE_MAX &&
                memchr(values[0]->bv_val, '\0', values[0]->bv_len) == NULL && text_is_utf8(values[0]->bv_val, values[0]->bv_len))
                text = arena_strndup(arena, values[0]->bv_val, values[0]->bv_len);
        ldap_value_free_len(values);
        return text;
}

/* What a directory says of a bind that it has understood and does not grant. */
static bool
is_refusal(int code)
{
        switch (code) {
        case LDAP_INVALID_CREDENTIALS:
        case LDAP_INAPPROPRIATE_AUTH:
        case LDAP_NO_SUCH_OBJECT:
        case LDAP_INSUFFICIENT_ACCESS:
        case LDAP_CONSTRAINT_VIOLATION:
        case LDAP_UNWILLING_TO_PERFORM:
                return true;
        default:
                return false;
        }
}

static enum directory_outcome
check_password(LDAP *ldap, const char *server, LDAPMessage *entry, const struct section *section, const char *password,
        struct arena *arena, struct directory_answer *answer)
{
        char *dn = ldap_get_dn(ldap, entry);

        if (dn == NULL || dn[0] == '\0') {
                ldap_memfree(dn);
                return fail(answer, ldap, server, "the user's entry", LDAP_DECODING_ERROR);
        }
        answer->mail = read_value(ldap, entry, config_text(section, "mail-attribute"), arena);
        answer->name = read_value(ldap, entry, config_text(section, "name-attribute"), arena);
        int code = bind_as(ldap, dn, password);
        ldap_memfree(dn);
        if (code == LDAP_SUCCESS)
                return DIRECTORY_PROVEN;
        fail(answer, ldap, server, "the user's password", code);
        return is_refusal(code) ? DIRECTORY_REFUSED : DIRECTORY_DOWN;
}

static enum directory_outcome
find_and_check(LDAP *ldap, const char *server, const struct section *section, const char *user, const char *password,
        struct arena *arena, struct directory_answer *answer)
{
        struct timeval time = { .tv_sec = (time_t)config_number(section, "timeout") };
        const char *attributes[] = { config_text(section, "mail-attribute"), config_text(section, "name-attribute"), LDAP_NO_ATTRS,
                NULL };
        LDAPMessage *found = NULL;
        enum directory_outcome outcome = DIRECTORY_REFUSED;

        int code = ldap_search_ext_s(ldap, config_text(section, "base"), LDAP_SCOPE_SUBTREE,
                directory_filter(arena, config_text(section, "filter"), user), (char **)attributes, 0, NULL, NULL, &time,
                ENTRIES_MAX, &found);
        int count = found == NULL ? 0 : ldap_count_entries(ldap, found);
        if (code != LDAP_SUCCESS && code != LDAP_SIZELIMIT_EXCEEDED)
                outcome = fail(answer, ldap, server, "looking up the user", code);
        else if (count > 1 || code == LDAP_SIZELIMIT_EXCEEDED)
                snprintf(answer->why, sizeof(answer->why), "%s: several entries fit the filter", server);
        else if (count == 1)
                outcome = check_password(ldap, server, ldap_first_entry(ldap, found), section, password, arena, answer);
        else
                snprintf(answer->why, sizeof(answer->why), "%s: no entry fits the filter", server);
        ldap_msgfree(found);
        return outcome;
}

static enum directory_outcome
ask_server(const char *server, const struct section *section, const char *user, const char *password, struct arena *arena,
        struct directory_answer *answer)
{
        LDAP *ldap = NULL;
        enum directory_outcome outcome;
        const char *step = "settings";

        int code = ldap_initialize(&ldap, server);
        if (code == LDAP_SUCCESS)
                code = set_options(ldap, section);
        if (code == LDAP_SUCCESS && strncmp(server, "ldap:", 5) == 0 && config_bool(section, "start-tls")) {
                step = "TLS";
                code = ldap_start_tls_s(ldap, NULL, NULL);
        }
        if (code == LDAP_SUCCESS) {
                step = "signing in as bind-dn";
                code = bind_as(ldap, config_text(section, "bind-dn"), config_text(section, "bind-password"));
        }
        if (code == LDAP_SUCCESS)
                outcome = find_and_check(ldap, server, section, user, password, arena, answer);
        else
                outcome = fail(answer, ldap, server, step, code);
        if (ldap != NULL)
                ldap_unbind_ext_s(ldap, NULL, NULL);
        return outcome;
}

void
directory_ask(
        const struct section *section, const char *user, const char *password, struct arena *arena, struct directory_answer *answer)
{
        /* RFC 4513, 5.1.2: a bind without a password proves nothing and succeeds. */
        must(user[0] != '\0' && password[0] != '\0');
        answer->outcome = DIRECTORY_DOWN;
        for (size_t i = 0; answer->outcome == DIRECTORY_DOWN && i < config_list_count(section, "servers"); i++)
                answer->outcome = ask_server(config_list_item(section, "servers", i), section, user, password, arena, answer);
}
