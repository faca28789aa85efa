/*
 * cause.c - the table of causes
 */
#include "xmppd/s2s/cause.h"

#include "shared/base/panic.h"

#include <stdio.h>
#include <string.h>

#define NOT_FOUND REMOTE_SERVER_NOT_FOUND
#define TIMEOUT   REMOTE_SERVER_TIMEOUT

static const struct cause_row rows[CAUSES] = {
        [CAUSE_NONE] = { "none", STEP_PING, false, TIMEOUT, "all is well", "" },

        [CAUSE_OFF] = { "federation-off", STEP_POLICY, true, NOT_FOUND, "this server federates with no other",
                "Set xmpp-federation { enabled = true } and reload." },
        [CAUSE_DENIED] = { "policy-denied", STEP_POLICY, true, NOT_ALLOWED, "the administrator of this server has not allowed it",
                "xmppctl policy test DOMAIN in|out names the rule; xmppctl xmpp-policy add changes it." },
        [CAUSE_NO_DOMAIN] = { "no-domain", STEP_POLICY, true, NOT_FOUND, "this is no name that a domain can have",
                "Correct the address: letters, digits, hyphens and dots, at most 255." },

        [CAUSE_NO_NAME] = { "dns-no-name", STEP_DNS, true, NOT_FOUND, "there is no such domain, or it has no address for XMPP",
                "Check the spelling; the other side has to publish _xmpp-server._tcp SRV records, or an address of the domain." },
        [CAUSE_NOT_OFFERED] = { "dns-not-offered", STEP_DNS, true, NOT_FOUND, "its DNS says that it offers no XMPP federation",
                "The SRV record's target is a single dot: ask the other side whether this is meant." },
        [CAUSE_DNS_FAILED] = { "dns-failed", STEP_DNS, false, NOT_FOUND, "DNS gave no answer",
                "Check dns { servers } or /etc/resolv.conf, and that the name servers of the domain answer." },

        [CAUSE_REFUSED] = { "tcp-refused", STEP_CONNECT, false, TIMEOUT, "its servers refuse the connection",
                "The other server is down, or its SRV records name a wrong host or port." },
        [CAUSE_SILENT] = { "tcp-silent", STEP_CONNECT, false, TIMEOUT, "its servers do not answer",
                "A firewall drops the packets (port 5269, out from here or in to there), or the host is down." },
        [CAUSE_UNREACHABLE] = { "tcp-unreachable", STEP_CONNECT, false, TIMEOUT, "no route leads to its servers",
                "This machine has no way to that network (no IPv6, perhaps, while the other side publishes nothing else): check its routes." },

        [CAUSE_CLOSED] = { "closed", STEP_STREAM, false, TIMEOUT, "it closed the connection without saying why",
                "Look into the log of the other server; often a policy or a limit there." },
        [CAUSE_NOT_XMPP] = { "not-xmpp", STEP_STREAM, true, TIMEOUT, "what answers there does not speak XMPP as servers do",
                "The SRV record or the port is wrong: another service listens there (5222 is for clients)." },
        [CAUSE_NO_ANSWER] = { "no-answer", STEP_STREAM, false, TIMEOUT, "it accepted the connection and then said nothing",
                "The other server is overloaded, or a proxy between holds the connection." },
        [CAUSE_HOST_UNKNOWN] = { "host-unknown", STEP_STREAM, true, NOT_FOUND, "the server found there does not serve this domain",
                "The SRV records lead to a wrong server, or the domain is not configured there." },
        [CAUSE_PEER_POLICY] = { "peer-policy", STEP_STREAM, true, TIMEOUT, "the other server's policy refuses us",
                "Ask its administrator to allow our domain." },
        [CAUSE_STREAM_ERROR] = { "stream-error", STEP_STREAM, false, TIMEOUT, "the other server ended the stream with an error",
                "The error names the reason; look into the log of the other server." },
        [CAUSE_LIMIT] = { "limit", STEP_STREAM, false, RESOURCE_CONSTRAINT, "a limit of this server was reached",
                "xmppctl limits shows which one." },

        [CAUSE_TLS_NOT_OFFERED] = { "tls-not-offered", STEP_TLS, true, TIMEOUT, "it does not offer TLS, which is required",
                "Switch TLS on there, or set xmpp-peer \"DOMAIN\" { tls = optional }." },
        [CAUSE_TLS_REFUSED] = { "tls-refused", STEP_TLS, false, TIMEOUT, "it offered TLS and then refused it",
                "The other server has no usable certificate: look into its log." },
        [CAUSE_TLS_FAILED] = { "tls-failed", STEP_TLS, false, TIMEOUT, "the TLS handshake failed",
                "Versions or ciphers do not fit (s2s { tls-min }), or one side refuses the other's certificate." },
        [CAUSE_OUR_CERTIFICATE] = { "tls-our-certificate", STEP_TLS, true, TIMEOUT, "it refuses our certificate",
                "Our certificate must name our domain and not be expired, its file hold the intermediates, and its root be trusted there." },

        [CAUSE_NO_CERTIFICATE] = { "cert-none", STEP_CERTIFICATE, true, TIMEOUT, "it shows no certificate",
                "The other server must show one, or set xmpp-peer \"DOMAIN\" { require-valid-certificates = false }." },
        [CAUSE_EXPIRED] = { "cert-expired", STEP_CERTIFICATE, true, TIMEOUT, "its certificate, or one above it, has expired",
                "The other side has to renew it; check the clock of this machine too." },
        [CAUSE_NOT_YET] = { "cert-not-yet", STEP_CERTIFICATE, true, TIMEOUT, "its certificate is not valid yet",
                "The clock of one of the two machines is wrong." },
        [CAUSE_CLOCK] = { "clock", STEP_CERTIFICATE, true, TIMEOUT,
                "the clock of this machine seems to be wrong: nothing that the other side shows is valid yet",
                "Set the clock of this machine (NTP); if it is right, the other side's was wrong when it made its certificates." },
        [CAUSE_SELF_SIGNED] = { "cert-self-signed", STEP_CERTIFICATE, true, TIMEOUT, "its certificate is self-signed",
                "If the other side confirms this SHA-256, pin it: xmpp-peer \"DOMAIN\" { pin = \"SHA-256\" }; or let the other side get one of a known authority." },
        [CAUSE_UNKNOWN_AUTHORITY] = { "cert-unknown-authority", STEP_CERTIFICATE, true, TIMEOUT,
                "its certificate does not lead to an authority that is trusted here",
                "The other server must send its intermediate certificates, or put its root into s2s { trust }." },
        [CAUSE_PURPOSE] = { "cert-purpose", STEP_CERTIFICATE, true, TIMEOUT, "its certificate may not be used by a server",
                "The other side needs one with the extended key usage serverAuth." },
        [CAUSE_BAD_CERTIFICATE] = { "cert-bad", STEP_CERTIFICATE, true, TIMEOUT, "its certificate cannot be accepted",
                "The problem is named beside the chain; the other side has to get another one." },
        [CAUSE_NAME] = { "cert-name", STEP_CERTIFICATE, true, TIMEOUT, "its certificate is for another name",
                "The certificate must name the domain (dNSName or SRVName), or require-valid-certificates be switched off for this peer." },
        [CAUSE_PIN] = { "cert-pin", STEP_CERTIFICATE, true, TIMEOUT, "its certificate is not the one that is pinned",
                "If the other side says that it has a new one, set this SHA-256 as pin in xmpp-peer \"DOMAIN\"." },

        [CAUSE_NO_WAY] = { "auth-no-way", STEP_AUTHENTICATION, true, TIMEOUT,
                "it offers no way to prove who we are that is allowed here",
                "It offers neither SASL EXTERNAL for our certificate nor dialback, or they are switched off here: see xmpp-federation." },
        [CAUSE_EXTERNAL] = { "auth-external", STEP_AUTHENTICATION, true, TIMEOUT,
                "it does not accept our certificate (SASL EXTERNAL)",
                "Our certificate must name our domain and lead to an authority trusted there; some need clientAuth in it." },
        [CAUSE_DIALBACK] = { "auth-dialback", STEP_AUTHENTICATION, true, TIMEOUT, "it could not verify our domain (dialback)",
                "It asks the server that our SRV records name: these must lead here, with the same dialback-secret on every node." },
        [CAUSE_DIALBACK_ERROR] = { "auth-dialback-error", STEP_AUTHENTICATION, false, TIMEOUT,
                "it could not ask anybody whether we are our domain (dialback)",
                "It asks the server that our SRV records name, and did not reach it: they must lead here, and a firewall let it in." },
        [CAUSE_DIALBACK_SILENT] = { "auth-dialback-silent", STEP_AUTHENTICATION, false, TIMEOUT,
                "it does not say whether it accepts our domain (dialback)",
                "It asks the server that our SRV records name: look whether a firewall in front of that drops what comes, port 5269." },
        [CAUSE_DIALBACK_KEY] = { "auth-dialback-key", STEP_AUTHENTICATION, true, TIMEOUT,
                "the server of that domain did not make the key that was shown to us",
                "Somebody else uses the domain's name, or its nodes have different dialback secrets." },
        [CAUSE_DIALBACK_UNREACHABLE] = { "auth-dialback-unreachable", STEP_AUTHENTICATION, false, TIMEOUT,
                "the server of that domain could not be asked whether it made the key",
                "xmppctl explain DOMAIN shows the way there." },

        [CAUSE_NO_PONG] = { "no-pong", STEP_PING, false, TIMEOUT, "the stream is up, but a ping has no answer",
                "The other side cannot reach us (our SRV records, port 5269 from outside), or hangs: see its attempts, and its log." },
};

const struct cause_row *
cause_row(enum cause cause)
{
        must(cause < CAUSES);
        return &rows[cause];
}

const char *
cause_text(char text[CAUSE_TEXT], enum cause cause, const char *detail)
{
        bool has_detail = detail != NULL && detail[0] != '\0';

        snprintf(text, CAUSE_TEXT, "%s%s%.300s%s", cause_row(cause)->sentence, has_detail ? " (" : "", has_detail ? detail : "",
                has_detail ? ")" : "");
        return text;
}

const char *
step_name(enum step step)
{
        static const char *const names[STEPS] = { "policy", "dns", "connect", "stream", "tls", "certificate", "authentication",
                "ping" };

        must(step < STEPS);
        return names[step];
}

enum cause
cause_of_fault(enum tls_fault fault)
{
        switch (fault) {
        case TLS_FAULT_NO_CERTIFICATE:
                return CAUSE_NO_CERTIFICATE;
        case TLS_FAULT_EXPIRED:
                return CAUSE_EXPIRED;
        case TLS_FAULT_NOT_YET:
                return CAUSE_NOT_YET;
        case TLS_FAULT_SELF_SIGNED:
                return CAUSE_SELF_SIGNED;
        case TLS_FAULT_UNKNOWN_AUTHORITY:
                return CAUSE_UNKNOWN_AUTHORITY;
        case TLS_FAULT_PURPOSE:
                return CAUSE_PURPOSE;
        default:
                return CAUSE_BAD_CERTIFICATE;
        }
}

enum cause
cause_of_policy(const struct policy_verdict *verdict)
{
        return strcmp(verdict->kind, "xmpp-federation.enabled") == 0 ? CAUSE_OFF : CAUSE_DENIED;
}
