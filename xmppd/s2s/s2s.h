/* s2s.h - the edge to other XMPP servers: streams in and out (RFC 6120, XEP-0178, XEP-0198, XEP-0220, XEP-0288)
 *
 * Everything about one remote domain lives at home_of_domain(domain): what waits for it, its streams of either direction, what went wrong the
 * last times. A stream of another server begins on the worker it was handed to and moves when it claims a domain.
 */
#ifndef XMPPD_S2S_S2S_H
#define XMPPD_S2S_S2S_H

#include "shared/base/err.h"
#include "shared/store/store.h"
#include "shared/xmpp/stanza.h"
#include "xmppd/route/snapshot.h"
#include "xmppd/s2s/attempt.h"

/* Once, before workers run. */
void s2s_start(struct store *store);
/* Frees what this worker holds, at stop. */
void s2s_stop(void);
/* As c2s_listen, for s2s.listen and s2s.listen-tls. */
int s2s_listen(const struct snapshot *snapshot, struct err *err);
void s2s_settle_ports(bool keep);
void s2s_stop_listening(void);
/* On each worker, at stop. */
void s2s_stop_streams(void);
/* On each worker: streams that are there, and those that are still in negotiation. */
void s2s_count(uint64_t *streams, uint64_t *in_negotiation);
/* On each worker, after a reload: streams that the new policy, peers or domains do not allow end; limits change. */
void s2s_take_settings(void);

/* The door of route, at the home of the remote domain. Takes the reference. */
void s2s_send(struct stanza *stanza);

/* ---- what the administrator asks; on the home of the domain, or on each worker ---- */

struct s2s_view {
        const char *remote, *local;
        bool is_incoming, is_bidirectional, has_sm;
        const char *state; /* "open", "closing", or where negotiation stands */
        const char *tls;   /* "TLSv1.3"; NULL: none */
        const char *
                proof; /* how the other side's domain (incoming) or ours (outgoing) was proven: "external", "dialback", "certificate"; NULL: not yet */
        const char *peer;   /* address:port */
        uint64_t in, out;   /* stanzas */
        int64_t opened;     /* wall ms */
        uint64_t silent_ms; /* since the last byte came */
};
void s2s_each(void (*each)(void *arg, const struct s2s_view *view), void *arg);
/* Of remote domains that have anything waiting or remembered. */
struct s2s_remote_view {
        const char *domain;
        size_t waiting;    /* stanzas */
        uint64_t retry_ms; /* until the next attempt; 0: none is due */
        const struct attempts *attempts;
};
void s2s_each_remote(void (*each)(void *arg, const struct s2s_remote_view *view), void *arg);

/* A fresh outgoing stream beside those that are there, for the administrator, up to a ping, within half a minute. At the home of the domain. local: in
 * whose name; NULL: the first local domain. What is told is borrowed, and told on this worker; done comes last. */
struct s2s_trial_events {
        void (*noted)(void *arg, const struct attempt_step *step); /* as it happens; may be NULL */
        void (*done)(void *arg, const struct attempt *attempt);
};
void s2s_try(const char *local, const char *remote, const struct s2s_trial_events *events, void *arg);

#endif
