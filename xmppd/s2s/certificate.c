/*
 * certificate.c - what the certificate of the other side is worth (RFC 6120 13.7, RFC 9525)
 *
 * TLS takes every certificate, good or not: what is wrong with it is a cause like others, and whether that matters is for the rules of the peer.
 */
#include "shared/base/clock.h"
#include "shared/base/text.h"
#include "xmppd/s2s/s2s_private.h"

#include <stdio.h>
#include <string.h>

void
certificate_note(struct s2s *s2s)
{
        const struct tls_peer *peer = conn_peer(stream_conn(s2s->stream));

        attempt_note(s2s->attempt, STEP_TLS, "%s %s", peer->version, peer->cipher);
        if (!peer->has_certificate)
                attempt_note(s2s->attempt, STEP_CERTIFICATE, "it shows none");
        for (size_t i = 0; i < peer->chain_count; i++)
                attempt_note(s2s->attempt, STEP_CERTIFICATE, "%s: %s", peer->chain[i].subject,
                        peer->chain[i].fault == TLS_FAULT_NONE ? "good" : peer->chain[i].problem);
}

/* What could have been the name of a domain. A common name could only where there is nothing else. */
static void
describe_names(const struct tls_peer *peer, char *text, size_t room)
{
        size_t len = 0;

        snprintf(text, room, "it names nothing");
        if (peer->name_count == 1 && peer->names[0].kind == TLS_NAME_CN)
                snprintf(text, room, "it has nothing but the common name %s", peer->names[0].text);
        for (size_t i = 0; i < peer->name_count && len + 2 < room; i++)
                if (peer->names[i].kind != TLS_NAME_CN)
                        len += (size_t)snprintf(text + len, room - len, "%s%s", len > 0 ? ", " : "it names ", peer->names[i].text);
}

static void
name_certificate(const struct tls_peer *peer, char *detail, size_t room)
{
        char digest[2 * sizeof(peer->digest) + 1];

        snprintf(detail, room, "%s, SHA-256 %s", peer->subject, text_hex(digest, peer->digest, sizeof(peer->digest)));
}

/* The faults of a certificate in a sentence; where the chain breaks, what is missing. */
static enum cause
judge_chain(const struct tls_peer *peer, char *detail, size_t room)
{
        const struct tls_link *last = peer->chain_count > 0 ? &peer->chain[peer->chain_count - 1] : NULL;
        enum cause cause = cause_of_fault(peer->fault);
        int64_t now = clock_wall_ms() / 1000;
        char time[2][CLOCK_TEXT];
        size_t early = 0;

        snprintf(detail, room, "%s", peer->problem);
        for (size_t i = 0; i < peer->chain_count; i++)
                early += peer->chain[i].not_before > now;
        if (cause == CAUSE_NOT_YET && early > 1 && early == peer->chain_count) {
                snprintf(detail, room, "it says %s, and %s begins to be valid at %s", clock_format(time[0], now * 1000),
                        peer->chain[0].subject, clock_format(time[1], peer->chain[0].not_before * 1000));
                return CAUSE_CLOCK;
        }
        if (cause == CAUSE_SELF_SIGNED)
                name_certificate(peer, detail, room);
        if (cause == CAUSE_UNKNOWN_AUTHORITY && last != NULL)
                snprintf(detail, room,
                        strcmp(last->subject, last->issuer) == 0 ? "%s is not trusted"
                                                                 : "%s was issued by %s, which was not sent and is not trusted",
                        last->subject, last->issuer);
        return cause;
}

/* The dates as they are now: a stream may outlive them. */
static enum cause
judge_dates(const struct tls_link *links, size_t count, char *detail, size_t room)
{
        int64_t now = clock_wall_ms() / 1000;
        char time[CLOCK_TEXT];

        for (size_t i = 0; i < count; i++) {
                bool is_early = now < links[i].not_before;
                if (!is_early && now <= links[i].not_after)
                        continue;
                clock_format(time, (is_early ? links[i].not_before : links[i].not_after) * 1000);
                snprintf(detail, room, "%s %.10s (%s)", is_early ? "valid from" : "expired on", time, links[i].subject);
                return is_early ? CAUSE_NOT_YET : CAUSE_EXPIRED;
        }
        return CAUSE_NONE;
}

enum cause
certificate_judge(const struct s2s *s2s, const char *remote, char *detail, size_t room)
{
        const struct tls_peer *peer = s2s_is_secure(s2s) ? conn_peer(stream_conn(s2s->stream)) : NULL;
        struct peer_rules rules = policy_peer(snapshot_now(), remote);
        char ascii[256];

        snprintf(detail, room, "%s", "");
        if (peer == NULL || !peer->has_certificate)
                return CAUSE_NO_CERTIFICATE;
        if (rules.is_pinned) {
                /* It stands for authority and name, not for the calendar. */
                if (tls_peer_has_pin(peer, rules.pin))
                        return judge_dates(peer->chain, 1, detail, room);
                name_certificate(peer, detail, room);
                return CAUSE_PIN;
        }
        if (peer->valid && !peer->is_for_servers) {
                snprintf(detail, room, "%s", peer->subject);
                return CAUSE_PURPOSE;
        }
        if (!peer->valid)
                return judge_chain(peer, detail, room);
        enum cause cause = judge_dates(peer->chain, peer->chain_count, detail, room);
        if (cause != CAUSE_NONE)
                return cause;
        if (jid_domain_to_ascii(ascii, remote) && tls_peer_names_domain(peer, remote, ascii, rules.allows_cn))
                return CAUSE_NONE;
        describe_names(peer, detail, room);
        return CAUSE_NAME;
}

enum cause
certificate_check(const struct s2s *s2s, const char *remote, char *detail, size_t room)
{
        struct peer_rules rules = policy_peer(snapshot_now(), remote);

        detail[0] = '\0';
        if (!s2s_is_secure(s2s))
                return rules.tls == PEER_TLS_REQUIRED ? CAUSE_TLS_NOT_OFFERED : CAUSE_NONE;
        return rules.requires_valid ? certificate_judge(s2s, remote, detail, room) : CAUSE_NONE;
}
