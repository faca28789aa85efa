/* errors.h - stanza errors (RFC 6120 8.3) and stream errors (4.9) */
#ifndef SHARED_XMPP_ERRORS_H
#define SHARED_XMPP_ERRORS_H

enum stanza_condition {
        BAD_REQUEST,
        CONFLICT,
        FEATURE_NOT_IMPLEMENTED,
        FORBIDDEN,
        GONE,
        INTERNAL_SERVER_ERROR,
        ITEM_NOT_FOUND,
        JID_MALFORMED,
        NOT_ACCEPTABLE,
        NOT_ALLOWED,
        NOT_AUTHORIZED,
        POLICY_VIOLATION,
        RECIPIENT_UNAVAILABLE,
        REDIRECT,
        REGISTRATION_REQUIRED,
        REMOTE_SERVER_NOT_FOUND,
        REMOTE_SERVER_TIMEOUT,
        RESOURCE_CONSTRAINT,
        SERVICE_UNAVAILABLE,
        SUBSCRIPTION_REQUIRED,
        UNDEFINED_CONDITION,
        UNEXPECTED_REQUEST,
        STANZA_CONDITIONS
};

/* "item-not-found"; and its usual type (RFC 6120 8.3.3): "cancel". */
const char *stanza_condition_name(enum stanza_condition condition);
const char *stanza_condition_type(enum stanza_condition condition);
/* -1 if there is none of that name. */
int stanza_condition_of(const char *name);

enum stream_condition {
        STREAM_BAD_FORMAT,
        STREAM_BAD_NAMESPACE_PREFIX,
        STREAM_CONFLICT,
        STREAM_CONNECTION_TIMEOUT,
        STREAM_HOST_GONE,
        STREAM_HOST_UNKNOWN,
        STREAM_IMPROPER_ADDRESSING,
        STREAM_INTERNAL_SERVER_ERROR,
        STREAM_INVALID_FROM,
        STREAM_INVALID_NAMESPACE,
        STREAM_INVALID_XML,
        STREAM_NOT_AUTHORIZED,
        STREAM_NOT_WELL_FORMED,
        STREAM_POLICY_VIOLATION,
        STREAM_REMOTE_CONNECTION_FAILED,
        STREAM_RESET,
        STREAM_RESOURCE_CONSTRAINT,
        STREAM_RESTRICTED_XML,
        STREAM_SEE_OTHER_HOST,
        STREAM_SYSTEM_SHUTDOWN,
        STREAM_UNDEFINED_CONDITION,
        STREAM_UNSUPPORTED_ENCODING,
        STREAM_UNSUPPORTED_FEATURE,
        STREAM_UNSUPPORTED_STANZA_TYPE,
        STREAM_UNSUPPORTED_VERSION,
        STREAM_CONDITIONS
};
const char *stream_condition_name(enum stream_condition condition);
/* -1 if there is none of that name. */
int stream_condition_of(const char *name);

#endif
