/*
 * errors.c - the names of errors
 */
#include "shared/xmpp/errors.h"

#include "shared/base/panic.h"

#include <string.h>

static const struct {
        const char *name, *type;
} stanza_conditions[STANZA_CONDITIONS] = {
        [BAD_REQUEST] = { "bad-request", "modify" },
        [CONFLICT] = { "conflict", "cancel" },
        [FEATURE_NOT_IMPLEMENTED] = { "feature-not-implemented", "cancel" },
        [FORBIDDEN] = { "forbidden", "auth" },
        [GONE] = { "gone", "cancel" },
        [INTERNAL_SERVER_ERROR] = { "internal-server-error", "cancel" },
        [ITEM_NOT_FOUND] = { "item-not-found", "cancel" },
        [JID_MALFORMED] = { "jid-malformed", "modify" },
        [NOT_ACCEPTABLE] = { "not-acceptable", "modify" },
        [NOT_ALLOWED] = { "not-allowed", "cancel" },
        [NOT_AUTHORIZED] = { "not-authorized", "auth" },
        [POLICY_VIOLATION] = { "policy-violation", "modify" },
        [RECIPIENT_UNAVAILABLE] = { "recipient-unavailable", "wait" },
        [REDIRECT] = { "redirect", "modify" },
        [REGISTRATION_REQUIRED] = { "registration-required", "auth" },
        [REMOTE_SERVER_NOT_FOUND] = { "remote-server-not-found", "cancel" },
        [REMOTE_SERVER_TIMEOUT] = { "remote-server-timeout", "wait" },
        [RESOURCE_CONSTRAINT] = { "resource-constraint", "wait" },
        [SERVICE_UNAVAILABLE] = { "service-unavailable", "cancel" },
        [SUBSCRIPTION_REQUIRED] = { "subscription-required", "auth" },
        [UNDEFINED_CONDITION] = { "undefined-condition", "cancel" },
        [UNEXPECTED_REQUEST] = { "unexpected-request", "wait" },
};

static const char *const stream_conditions[STREAM_CONDITIONS] = {
        [STREAM_BAD_FORMAT] = "bad-format",
        [STREAM_BAD_NAMESPACE_PREFIX] = "bad-namespace-prefix",
        [STREAM_CONFLICT] = "conflict",
        [STREAM_CONNECTION_TIMEOUT] = "connection-timeout",
        [STREAM_HOST_GONE] = "host-gone",
        [STREAM_HOST_UNKNOWN] = "host-unknown",
        [STREAM_IMPROPER_ADDRESSING] = "improper-addressing",
        [STREAM_INTERNAL_SERVER_ERROR] = "internal-server-error",
        [STREAM_INVALID_FROM] = "invalid-from",
        [STREAM_INVALID_NAMESPACE] = "invalid-namespace",
        [STREAM_INVALID_XML] = "invalid-xml",
        [STREAM_NOT_AUTHORIZED] = "not-authorized",
        [STREAM_NOT_WELL_FORMED] = "not-well-formed",
        [STREAM_POLICY_VIOLATION] = "policy-violation",
        [STREAM_REMOTE_CONNECTION_FAILED] = "remote-connection-failed",
        [STREAM_RESET] = "reset",
        [STREAM_RESOURCE_CONSTRAINT] = "resource-constraint",
        [STREAM_RESTRICTED_XML] = "restricted-xml",
        [STREAM_SEE_OTHER_HOST] = "see-other-host",
        [STREAM_SYSTEM_SHUTDOWN] = "system-shutdown",
        [STREAM_UNDEFINED_CONDITION] = "undefined-condition",
        [STREAM_UNSUPPORTED_ENCODING] = "unsupported-encoding",
        [STREAM_UNSUPPORTED_FEATURE] = "unsupported-feature",
        [STREAM_UNSUPPORTED_STANZA_TYPE] = "unsupported-stanza-type",
        [STREAM_UNSUPPORTED_VERSION] = "unsupported-version",
};

const char *
stanza_condition_name(enum stanza_condition condition)
{
        must(condition < STANZA_CONDITIONS);
        return stanza_conditions[condition].name;
}

const char *
stanza_condition_type(enum stanza_condition condition)
{
        must(condition < STANZA_CONDITIONS);
        return stanza_conditions[condition].type;
}

int
stanza_condition_of(const char *name)
{
        for (int i = 0; i < STANZA_CONDITIONS; i++)
                if (strcmp(stanza_conditions[i].name, name) == 0)
                        return i;
        return -1;
}

const char *
stream_condition_name(enum stream_condition condition)
{
        must(condition < STREAM_CONDITIONS);
        return stream_conditions[condition];
}

int
stream_condition_of(const char *name)
{
        for (int i = 0; i < STREAM_CONDITIONS; i++)
                if (strcmp(stream_conditions[i], name) == 0)
                        return i;
        return -1;
}
