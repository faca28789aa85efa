/*
 * limits.c - the table of limits
 *
 * The help of a row says what is limited, its consequence what a peer sees that goes beyond; the manual has both.
 */
#include "xmppd/route/limits.h"

#include "shared/base/panic.h"
#include "xmppd/route/snapshot.h"

#include <stdatomic.h>
#include <string.h>

#define POLICY "the stream ends with policy-violation"
#define SLOWLY "the server reads no further until the client is within it"
#define CLOSED "the connection is closed at once"

static const struct limit_row rows[LIMITS] = {
        /* ---- before login ---- */
        [LIMIT_EARLY_BYTES] = { "limits",
                { "max-early-bytes", SETTING_NUMBER, "6144", LIVE, "Bytes of one element before login, or of a stream header.",
                        "1024..10000" },
                POLICY },
        [LIMIT_EARLY_TOTAL] = { "limits",
                { "max-early-total", SETTING_NUMBER, "65536", LIVE,
                        "Bytes a client may send until it has signed in, TLS and failed logins counted.", "16384..1048576" },
                POLICY ", or is cut while TLS is being set up" },
        [LIMIT_EARLY_DEPTH] = { "limits",
                { "max-early-depth", SETTING_NUMBER, "8", LIVE, "Levels of elements before login.", "3..64" }, POLICY },
        [LIMIT_LOGIN_TIME] = { "limits",
                { "login-timeout", SETTING_SECONDS, "60", LIVE,
                        "Seconds a new connection has until it has signed in, and again until it is bound.", "1..3600" },
                "the stream ends with connection-timeout" },
        [LIMIT_LOGIN_ATTEMPTS] = { "limits",
                { "max-login-attempts", SETTING_NUMBER, "3", LIVE, "Failed logins of one stream (RFC 6120 6.4.5).", "2..5" },
                POLICY },
        [LIMIT_CONNECTIONS] = { "limits",
                { "max-connections-per-address", SETTING_NUMBER, "20000", LIVE,
                        "Connections from one address (IPv6: one /64) at a time.", "1..10000000" },
                CLOSED },
        [LIMIT_CONNECTION_RATE] = { "limits",
                { "max-connections-per-second", SETTING_NUMBER, "2000", LIVE,
                        "New connections from one address (IPv6: one /64) in a second: what their handshakes and logins cost.",
                        "1..1000000" },
                "the connection is served when its turn comes" },
        [LIMIT_NEGOTIATING] = { "limits",
                { "max-negotiating", SETTING_NUMBER, "10000", LIVE, "Connections that have not signed in yet.", "10..1000000" },
                CLOSED },
        [LIMIT_NEGOTIATING_SHARE] = { "limits",
                { "max-negotiating-per-address", SETTING_NUMBER, "5000", LIVE,
                        "Of these, connections from one address (IPv6: one /64).", "1..1000000" },
                CLOSED },
        [LIMIT_REGISTRATIONS] = { "limits",
                { "max-registrations", SETTING_NUMBER, "5", LIVE,
                        "Accounts that one address (IPv6: one /64) may make in an hour, where register.accounts lets it.",
                        "1..100000" },
                "registration is refused with resource-constraint" },
        /* ---- of a stream ---- */
        [LIMIT_STANZA_BYTES] = { "c2s", { "max-stanza", SETTING_NUMBER, "262144", LIVE, "Bytes of one stanza.", "10000..16777216" },
                POLICY },
        [LIMIT_DEPTH] = { "limits",
                { "max-depth", SETTING_NUMBER, "64", LIVE, "Levels of elements in a stanza, itself counted.", "8..1000" }, POLICY },
        [LIMIT_ATTRIBUTES] = { "limits", { "max-attributes", SETTING_NUMBER, "64", LIVE, "Attributes of one element.", "8..1000" },
                POLICY },
        [LIMIT_NAME] = { "limits",
                { "max-name", SETTING_NUMBER, "1024", LIVE, "Bytes of the name of an element or attribute, its namespace counted.",
                        "128..4096" },
                POLICY },
        [LIMIT_STANZA_RATE] = { "limits",
                { "max-stanzas-per-second", SETTING_NUMBER, "2000", LIVE, "Stanzas of one client in a second.", "1..1000000" },
                SLOWLY },
        [LIMIT_BYTE_RATE] = { "limits",
                { "max-bytes-per-second", SETTING_NUMBER, "4194304", LIVE, "Bytes of one client in a second.", "1024..1073741824" },
                SLOWLY },
        [LIMIT_BURST] = { "limits",
                { "burst", SETTING_SECONDS, "3", LIVE, "So many seconds' worth of each rate may come at once.", "1..60" },
                "the rate counts" },
        [LIMIT_QUEUE] = { "limits",
                { "max-queue", SETTING_NUMBER, "4194304", LIVE, "Bytes waiting for a client that does not read.",
                        "65536..1073741824" },
                "the stream ends with resource-constraint" },
        [LIMIT_UNACKED] = { "limits",
                { "max-unacked", SETTING_NUMBER, "2000", LIVE, "Stanzas sent to a client and not acknowledged by it (XEP-0198).",
                        "10..1000000" },
                "the session ends with resource-constraint; its messages are kept for later" },
        [LIMIT_UNACKED_BYTES] = { "limits",
                { "max-unacked-bytes", SETTING_NUMBER, "4194304", LIVE, "The same in bytes.", "65536..1073741824" },
                "the session ends with resource-constraint; its messages are kept for later" },
        [LIMIT_UNACKED_TIME] = { "limits",
                { "max-resume", SETTING_SECONDS, "600", LIVE,
                        "Seconds for which a client that has lost its connection may come back to its session; 86400 keeps it for a day.",
                        "1..604800" },
                "the session ends; its messages are kept for later" },
        [LIMIT_HELD] = { "limits",
                { "max-held", SETTING_NUMBER, "200", LIVE, "Stanzas that wait for an inactive client (XEP-0352).", "1..10000" },
                "all of them are sent" },
        [LIMIT_HELD_BYTES] = { "limits",
                { "max-held-bytes", SETTING_NUMBER, "65536", LIVE, "The same in bytes.", "1024..16777216" },
                "all of them are sent" },
        [LIMIT_DIRECTED] = { "limits",
                { "max-directed", SETTING_NUMBER, "1000", LIVE, "Addresses one session may send directed presence to.",
                        "1..100000" },
                "the presence is dropped" },
        /* ---- of an account ---- */
        [LIMIT_RESOURCES] = { "limits",
                { "max-resources", SETTING_NUMBER, "20", LIVE, "Connected resources of one account.", "1..1000" },
                "binding is refused with resource-constraint" },
        [LIMIT_ROSTER] = { "limits", { "max-roster", SETTING_NUMBER, "2000", LIVE, "Contacts in one roster.", "1..100000" },
                "the contact is refused with not-allowed" },
        [LIMIT_ROSTER_ITEM] = { "limits",
                { "max-roster-item", SETTING_NUMBER, "4096", LIVE, "Bytes of the name and the groups of one contact.",
                        "1023..65536" },
                "the contact is refused with not-acceptable" },
        [LIMIT_REQUESTS] = { "limits",
                { "max-requests", SETTING_NUMBER, "200", LIVE, "Strangers who wait for an answer to their subscription request.",
                        "1..100000" },
                "the request comes back with resource-constraint" },
        [LIMIT_OFFLINE] = { "limits",
                { "max-offline", SETTING_NUMBER, "1000", LIVE, "Messages kept for one account.", "0..1000000" },
                "the message comes back with service-unavailable" },
        [LIMIT_BLOCKED] = { "limits",
                { "max-blocked", SETTING_NUMBER, "1000", LIVE,
                        "Entries of one privacy list, and so of the blocking list (XEP-0016, XEP-0191).", "1..100000" },
                "the entry or the list is refused with not-allowed" },
        [LIMIT_PRIVACY_LISTS] = { "limits",
                { "max-privacy-lists", SETTING_NUMBER, "20", LIVE, "Privacy lists of one account.", "1..1000" },
                "the list is refused with not-allowed" },
        [LIMIT_PRIVATE] = { "limits",
                { "max-private", SETTING_NUMBER, "262144", LIVE, "Bytes of all private documents of one account (XEP-0049).",
                        "1024..16777216" },
                "the document is refused with resource-constraint" },
        [LIMIT_CARD] = { "limits",
                { "max-card", SETTING_NUMBER, "131072", LIVE, "Bytes of the card of one account (XEP-0054).", "1024..16777216" },
                "the card is refused with resource-constraint" },
        /* ---- of a worker ---- */
        [LIMIT_CAPS] = { "limits",
                { "max-caps", SETTING_NUMBER, "1000", LIVE,
                        "Kinds of clients (XEP-0115) that each worker remembers, at most 16 KiB each.", "10..1000000" },
                "the kind seen longest ago is forgotten and asked again" },
        /* ---- of another server, before its domain is proven ---- */
        [LIMIT_S2S_CONNECTIONS] = { "limits",
                { "max-s2s-per-address", SETTING_NUMBER, "10000", LIVE,
                        "Streams of other servers from one address (IPv6: one /64) at a time.", "1..1000000" },
                CLOSED },
        [LIMIT_S2S_RATE] = { "limits",
                { "max-s2s-per-second", SETTING_NUMBER, "500", LIVE,
                        "New streams of other servers from one address (IPv6: one /64) in a second.", "1..1000000" },
                "the connection is served when its turn comes" },
        [LIMIT_S2S_NEGOTIATING] = { "limits",
                { "max-s2s-negotiating", SETTING_NUMBER, "4000", LIVE, "Streams of other servers that have proven no domain yet.",
                        "10..1000000" },
                CLOSED },
        [LIMIT_S2S_NEGOTIATING_SHARE] = { "limits",
                { "max-s2s-negotiating-per-address", SETTING_NUMBER, "2000", LIVE,
                        "Of these, streams from one address (IPv6: one /64).", "1..1000000" },
                CLOSED },
        /* ---- of a component ---- */
        [LIMIT_COMPONENT_NEGOTIATING] = { "limits",
                { "max-component-negotiating", SETTING_NUMBER, "256", LIVE,
                        "Connections of components that have not shown their secret yet.", "1..1000000" },
                CLOSED },
        [LIMIT_COMPONENT_STANZA] = { "limits",
                { "max-component-stanza", SETTING_NUMBER, "524288", LIVE, "Bytes of one stanza from a component.",
                        "10000..16777216" },
                POLICY },
        [LIMIT_COMPONENT_QUEUE] = { "limits",
                { "max-component-queue", SETTING_NUMBER, "67108864", LIVE, "Bytes waiting for a component that does not read.",
                        "65536..1073741824" },
                POLICY },
        /* ---- of other servers ---- */
        [LIMIT_S2S_EARLY_BYTES] = { "limits",
                { "max-s2s-early-bytes", SETTING_NUMBER, "10000", LIVE,
                        "Bytes of one element of a server that has not proven a domain, or of its stream header.", "2048..65536" },
                POLICY },
        [LIMIT_S2S_EARLY_TOTAL] = { "limits",
                { "max-s2s-early-total", SETTING_NUMBER, "131072", LIVE,
                        "Bytes a server may send until it has proven a domain, TLS and certificates counted.", "32768..1048576" },
                POLICY },
        [LIMIT_S2S_TIME] = { "limits",
                { "s2s-timeout", SETTING_SECONDS, "15", LIVE, "Seconds in which a stream with another server has to be set up.",
                        "1..300" },
                "the stream ends with connection-timeout" },
        [LIMIT_S2S_STANZA] = { "limits",
                { "max-s2s-stanza", SETTING_NUMBER, "524288", LIVE, "Bytes of one stanza from another server.", "10000..16777216" },
                POLICY },
        [LIMIT_S2S_QUEUE] = { "limits",
                { "max-s2s-queue", SETTING_NUMBER, "4194304", LIVE, "Bytes waiting in a stream to a server that does not read.",
                        "65536..1073741824" },
                "further stanzas wait for the domain" },
        [LIMIT_S2S_UNACKED] = { "limits",
                { "max-s2s-unacked", SETTING_NUMBER, "5000", LIVE,
                        "Stanzas sent to a server and not acknowledged by it (XEP-0198).", "10..1000000" },
                "further stanzas wait for the domain" },
        [LIMIT_S2S_WAITING] = { "limits",
                { "max-s2s-waiting", SETTING_NUMBER, "5000", LIVE, "Stanzas that wait for a stream to one domain.", "10..1000000" },
                "the stanza comes back with resource-constraint" },
        [LIMIT_S2S_WAITING_BYTES] = { "limits",
                { "max-s2s-waiting-bytes", SETTING_NUMBER, "16777216", LIVE, "The same in bytes.", "65536..1073741824" },
                "the stanza comes back with resource-constraint" },
        [LIMIT_S2S_DOMAINS] = { "limits",
                { "max-s2s-domains", SETTING_NUMBER, "50000", LIVE, "Other domains that one worker talks with at a time.",
                        "10..10000000" },
                "stanzas for further domains come back, their streams end, with resource-constraint" },
        [LIMIT_S2S_STREAMS] = { "limits",
                { "max-s2s-streams", SETTING_NUMBER, "50", LIVE,
                        "Streams that one domain has opened to this server and proven itself on.", "1..10000" },
                "the new one ends with resource-constraint" },
        [LIMIT_S2S_PAIRS] = { "limits",
                { "max-s2s-pairs", SETTING_NUMBER, "1000", LIVE,
                        "Pairs of a domain here and a domain there that share one stream (XEP-0220 2.5).", "1..100000" },
                "a further claim is refused with resource-constraint; a domain of ours gets another stream" },
        [LIMIT_S2S_VERIFY] = { "limits",
                { "max-s2s-verify", SETTING_NUMBER, "20", LIVE,
                        "Dialback keys in a second for which one domain is asked: whoever forges its name makes this server ask.",
                        "1..1000" },
                "the claim is refused with resource-constraint" },
        [LIMIT_S2S_CLAIMS] = { "limits",
                { "max-s2s-claims", SETTING_NUMBER, "100", LIVE,
                        "Dialback claims in a second of one address (IPv6: one /64) on one worker for which another server has to be asked.",
                        "1..100000" },
                "the claim is refused with resource-constraint" },
};

static atomic_uint_least64_t hits[LIMITS];

const struct limit_row *
limit_row(enum limit limit)
{
        must(limit < LIMITS);
        return &rows[limit];
}

const struct setting *
limit_settings(void)
{
        static struct setting settings[LIMITS + 1];
        size_t count = 0;

        for (enum limit limit = 0; limit < LIMITS; limit++)
                if (strcmp(rows[limit].section, "limits") == 0)
                        settings[count++] = rows[limit].setting;
        return settings;
}

void
limit_read(const struct section *all, int64_t values[LIMITS])
{
        for (enum limit limit = 0; limit < LIMITS; limit++)
                values[limit] = config_number(section_of(all, rows[limit].section), rows[limit].setting.name);
}

int64_t
limit_value(enum limit limit)
{
        return snapshot_now()->limits[limit];
}

void
limit_note(enum limit limit)
{
        atomic_fetch_add_explicit(&hits[limit], 1, memory_order_relaxed);
}

void
limit_note_problem(enum xml_problem problem, enum limit bytes, enum limit depth)
{
        if (problem == XML_TOO_LARGE)
                limit_note(bytes);
        else if (problem == XML_TOO_DEEP)
                limit_note(depth);
        else if (problem == XML_TOO_MANY_ATTRIBUTES)
                limit_note(LIMIT_ATTRIBUTES);
        else if (problem == XML_NAME_TOO_LONG)
                limit_note(LIMIT_NAME);
}

uint64_t
limit_hits(enum limit limit)
{
        return atomic_load_explicit(&hits[limit], memory_order_relaxed);
}
