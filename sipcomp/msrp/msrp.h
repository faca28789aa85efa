/* msrp.h - sessions over MSRP (RFC 4975): connections, whole messages in and out, chunks and reports
 *
 * One connection for each session, made by whoever offers unless the descriptions say otherwise (5.4; RFC 6135). No relays of our own (RFC 4976).
 * All on one worker. What a peer can cost is bounded: see the limits below.
 */
#ifndef SIPCOMP_MSRP_MSRP_H
#define SIPCOMP_MSRP_MSRP_H

#include "shared/base/err.h"
#include "shared/dns/dns.h"
#include "shared/loop/address.h"
#include "shared/tls/context.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
        MSRP_STRANGERS_MAX = 64,         /* connections that have named no session yet; further ones are closed */
        MSRP_STRANGER_MS = 10000,        /* so long they may take to do so */
        MSRP_CONNECT_MS = 30000,         /* until a session must stand */
        MSRP_ANSWER_MS = 30000,          /* the response to a SEND (RFC 4975 7.1.1) */
        MSRP_CHUNK = 2048,               /* what we put into one SEND (5.1) */
        MSRP_SEND_MAX = 64 * MSRP_CHUNK, /* one message of ours */
        MSRP_SESSIONS_MAX = 1024,        /* each has a connection: the owner makes no more */
        MSRP_MESSAGE_MAX = 128 * 1024,   /* one message of theirs: 413 above */
        MSRP_DRAFTS_MAX = 4,             /* messages of theirs of which chunks are missing: 413 for more */
        MSRP_QUEUE_MAX = 512 * 1024,     /* what a peer that keeps sending has not read of its answers: closed */
        MSRP_UNANSWERED_MAX = 32         /* whole messages of theirs that wait for msrp_answer: no more is read */
};

struct msrp;
struct msrp_session;

struct msrp_options {
        const char *address;                   /* an IP literal to listen at */
        uint16_t port, tls_port;               /* 0: that transport is not spoken */
        const char *host;                      /* in our paths: what peers connect to */
        uint16_t public_port, public_tls_port; /* in our paths; 0: the bound ones */
        struct tls_context *server, *client;   /* NULL: no TLS. Referenced. */
        struct dns *dns;                       /* must outlive it */
};

/* NULL with a sentence where a port cannot be had. */
struct msrp *msrp_new(const struct msrp_options *options, struct err *err);
/* After its sessions. */
void msrp_free(struct msrp **msrp);
/* A reload: what is shown from the next connection on. */
void msrp_set_tls(struct msrp *msrp, struct tls_context *server, struct tls_context *client);
bool msrp_speaks(const struct msrp *msrp, bool secure);

struct msrp_events {
        /* The session stands: both know each other. */
        void (*up)(void *owner);
        /* A whole message. Answer it with msrp_answer, now or later; what they are told waits for that. Not the place to free the session. */
        void (*message)(void *owner, const char *type, const char *bytes, size_t len, uint64_t token);
        /* What became of the message of ours: 200, the status of the first refusal, or 408 where no answer came in time. */
        void (*sent)(void *owner, int status);
        /* The last event, never from inside a call: the connection is gone or was never made. */
        void (*closed)(void *owner, const char *why);
};

struct msrp_session *msrp_session_new(struct msrp *msrp, bool secure, const struct msrp_events *events, void *owner);
/* Closes the connection; no event comes. Clears the pointer. */
void msrp_session_free(struct msrp_session **session);
/* Our URI: a path attribute of the session description. Its session-id cannot be guessed. */
const char *msrp_session_path(const struct msrp_session *session);
uint16_t msrp_session_port(const struct msrp_session *session);
/* Their path is known: connect to it (active), or wait for them. False: it cannot be read. digest: SHA-256 of the certificate they announced
 * (14.4), or NULL: then it must hold against our trust and name their host. */
bool msrp_session_start(struct msrp_session *session, const char *path, bool active, const unsigned char digest[32]);
/* Is this the path it was started with? */
bool msrp_session_knows(const struct msrp_session *session, const char *path);
bool msrp_session_is_up(const struct msrp_session *session);
/* One at a time, until sent() has come; at most MSRP_SEND_MAX bytes. */
void msrp_session_send(struct msrp_session *session, const char *type, const char *bytes, size_t len);
/* One whose fate is nobody's concern: a typing notice. */
void msrp_session_tell(struct msrp_session *session, const char *type, const char *bytes, size_t len);
/* The message behind the token is safe (200) or refused; ignored where the session has gone. */
void msrp_answer(struct msrp *msrp, uint64_t token, int status);

size_t msrp_session_count(const struct msrp *msrp);

#endif
