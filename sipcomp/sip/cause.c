/*
 * cause.c - the table of causes
 */
#include "sipcomp/sip/cause.h"

#include "shared/base/mem.h"
#include "shared/base/panic.h"
#include "shared/base/text.h"

#include <string.h>

#define OLD_PEER "sip-peer \"SUBJECT\" { domains = { \"DOMAIN\" } min-version = \"1.0\" ciphers = \"DEFAULT:@SECLEVEL=0\" }"

static const struct sip_cause_row rows[SIP_CAUSES] = {
        [SIP_CAUSE_NONE] = { "none", SIP_STEP_ANSWER, false, "all is well", NULL },

        [SIP_CAUSE_NO_DOMAIN] = { "no-sip-domain", SIP_STEP_DEFINITION, false, "it is no sip-domain of this gateway",
                "If it is to be reached over SIP, define it: xmppctl sip-domain add DOMAIN lync|ocs|aol|simple." },

        [SIP_CAUSE_XMPP_UNREACHABLE] = { "xmpp-unreachable", SIP_STEP_XMPP, false, "the XMPP server cannot be reached",
                "Start xmppd, or correct xmpp { host port } in sipcomp.conf: it is where the XMPP server listens for components." },
        [SIP_CAUSE_XMPP_SECRET] = { "xmpp-secret", SIP_STEP_XMPP, false, "the XMPP server does not accept our secret",
                "xmpp { secret } in sipcomp.conf must be the secret the XMPP server has for components (components { secret } in xmppd.conf)." },
        [SIP_CAUSE_XMPP_UNKNOWN] = { "xmpp-unknown", SIP_STEP_XMPP, false, "the XMPP server does not know the domain",
                "It must include the same federation.conf, and be reloaded (xmppctl reload); another server than xmppd needs a component for DOMAIN." },
        [SIP_CAUSE_XMPP_TAKEN] = { "xmpp-taken", SIP_STEP_XMPP, false, "another component of the XMPP server speaks for the domain",
                "Does a second sipcomp run? xmppctl components shows who it is." },
        [SIP_CAUSE_XMPP_DOWN] = { "xmpp-down", SIP_STEP_XMPP, false, "the stream to the XMPP server is down",
                "The log of the XMPP server says more." },

        [SIP_CAUSE_NO_TLS_HERE] = { "own-tls", SIP_STEP_OURSELVES, false,
                "this gateway has no certificate, and the way there needs TLS", "Set tls { certificate } in sipcomp.conf." },
        [SIP_CAUSE_OWN_NAME] = { "own-name", SIP_STEP_OURSELVES, true, "our certificate does not name our routing-fqdn",
                "Get a certificate for the routing-fqdn (sipcomp.conf): an edge accepts us by that name alone." },
        [SIP_CAUSE_OWN_PURPOSE] = { "own-purpose", SIP_STEP_OURSELVES, true, "our certificate is not for clients",
                "Get one with the extended key usages serverAuth and clientAuth: OCS, Lync and AOL want both." },
        [SIP_CAUSE_OWN_ADDRESS] = { "own-address", SIP_STEP_OURSELVES, true, "our routing-fqdn has no address",
                "Publish an address for it: xmppctl dns-records shows what the zone needs." },
        [SIP_CAUSE_OWN_LISTENER] = { "own-listener", SIP_STEP_OURSELVES, true, "there is no listener that this domain could call",
                "Add a listen section with the transport of its route to sipcomp.conf." },
        [SIP_CAUSE_OWN_PORT] = { "own-port", SIP_STEP_OURSELVES, true, "our own public port cannot be reached from here",
                "Look at the firewall, and at listen { advertise-port } in sipcomp.conf. (Some firewalls let nobody out and in again: then try from outside.)" },

        [SIP_CAUSE_OWN_SRV] = { "own-srv", SIP_STEP_OURSELVES, true, "our own SRV record does not lead to our routing-fqdn",
                "A Microsoft edge finds us by it, and wants the name of our certificate there: xmppctl dns-records shows what to publish." },

        [SIP_CAUSE_NO_ROUTE] = { "no-route", SIP_STEP_ROUTE, false, "it has no route",
                "Add one: xmppctl sip-route add DOMAIN HOST[:PORT]." },
        [SIP_CAUSE_NO_SRV] = { "dns-no-srv", SIP_STEP_DNS, false, "there is no SRV record that leads to it, and no sip-route",
                "Its administrator publishes _sipfederationtls._tcp.DOMAIN, or you add a route: xmppctl sip-route add DOMAIN HOST[:PORT]." },
        [SIP_CAUSE_NOT_OFFERED] = { "dns-not-offered", SIP_STEP_DNS, false,
                "its SRV record says that it offers no SIP federation (target \".\")",
                "Ask its administrator; where he knows better than his zone: xmppctl sip-route add DOMAIN HOST[:PORT]." },
        [SIP_CAUSE_NO_ADDRESS] = { "dns-no-address", SIP_STEP_DNS, false, "the hop has no address",
                "HOST must have an A or AAAA record: correct the sip-route, or ask whose zone it is." },
        [SIP_CAUSE_DNS_FAILED] = { "dns-failed", SIP_STEP_DNS, false, "the name server gives no answer",
                "Look at dns { servers } in sipcomp.conf, or at the resolver of this machine." },

        [SIP_CAUSE_REFUSED] = { "tcp-refused", SIP_STEP_CONNECT, false, "nobody listens there",
                "The other server is down, or listens on another port: ask its administrator, and correct the sip-route." },
        [SIP_CAUSE_SILENT] = { "tcp-silent", SIP_STEP_CONNECT, false, "no answer to a connection",
                "A firewall, here or there, drops it, or the host is down." },
        [SIP_CAUSE_UNREACHABLE] = { "tcp-unreachable", SIP_STEP_CONNECT, false, "it cannot be connected to",
                "Look at the routing of this machine." },

        [SIP_CAUSE_TLS_UNLIKE] = { "tls-unlike", SIP_STEP_TLS, false, "the two sides have no TLS version or cipher in common",
                "OCS 2007 and its like speak TLS 1.0 with old ciphers only. For such a peer alone, in federation.conf: " OLD_PEER },
        [SIP_CAUSE_TLS_CLEAR] = { "tls-clear", SIP_STEP_TLS, false, "what answers there speaks no TLS",
                "The port is that of another service, or of SIP over TCP: then the hop needs transport = tcp." },
        [SIP_CAUSE_TLS_CLOSED] = { "tls-closed", SIP_STEP_TLS, false, "it closed the connection in the TLS handshake",
                "It has its reasons in its own log: an edge does so when it does not know our name (allow our domain and routing-fqdn there), or our certificate's authority. "
                "Very old ones do so for our TLS version too: " OLD_PEER },
        [SIP_CAUSE_TLS_SILENT] = { "tls-silent", SIP_STEP_TLS, false,
                "it accepts the connection and says nothing in the TLS handshake",
                "The other server hangs, or the port is that of a service without TLS: then the hop needs transport = tcp." },
        [SIP_CAUSE_TLS_FAILED] = { "tls-failed", SIP_STEP_TLS, false, "the TLS handshake failed",
                "The log of the other server says more." },
        [SIP_CAUSE_OUR_CERTIFICATE] = { "tls-our-certificate", SIP_STEP_TLS, false, "it refuses our certificate",
                "Its file must hold the intermediates, its root be trusted there, it name our routing-fqdn, be for clients too (clientAuth), and not be expired." },

        [SIP_CAUSE_NO_CERTIFICATE] = { "cert-none", SIP_STEP_CERTIFICATE, false, "it shows no certificate",
                "The other side must show one: only a certificate says who it is." },
        [SIP_CAUSE_EXPIRED] = { "cert-expired", SIP_STEP_CERTIFICATE, false, "its certificate, or one above it, has expired",
                "The other side has to renew it; check the clock of this machine too." },
        [SIP_CAUSE_NOT_YET] = { "cert-not-yet", SIP_STEP_CERTIFICATE, false, "its certificate is not valid yet",
                "The clock of one of the two machines is wrong." },
        [SIP_CAUSE_SELF_SIGNED] = { "cert-self-signed", SIP_STEP_CERTIFICATE, false, "its certificate is self-signed",
                "If the other side confirms it, put that certificate into tls { trust } of sipcomp.conf; or it gets one of a known authority." },
        [SIP_CAUSE_UNKNOWN_AUTHORITY] = { "cert-unknown-authority", SIP_STEP_CERTIFICATE, false,
                "its certificate does not lead to an authority that is trusted here",
                "Put its root into tls { trust } of sipcomp.conf, or the other side must send its intermediate certificates." },
        [SIP_CAUSE_PURPOSE] = { "cert-purpose", SIP_STEP_CERTIFICATE, false, "its certificate may not be used by a server",
                "The other side needs one with the extended key usage serverAuth." },
        [SIP_CAUSE_BAD_CERTIFICATE] = { "cert-bad", SIP_STEP_CERTIFICATE, false, "its certificate cannot be accepted",
                "The problem is named beside the chain; the other side has to get another one." },

        [SIP_CAUSE_NOT_ALLOWED] = { "no-sip-peer", SIP_STEP_PEER, false, "the peer's certificate is SUBJECT; no sip-peer allows it",
                "add sip-peer \"SUBJECT\" { domains = { \"DOMAIN\" } } to federation.conf (xmppctl sip-peer add SUBJECT DOMAIN), if that is the partner's server" },

        [SIP_CAUSE_CLOSED] = { "closed", SIP_STEP_ANSWER, false, "it closed the connection in place of an answer",
                "An edge does so when our domain or our name is not allowed there; its log says more." },
        [SIP_CAUSE_NO_ANSWER] = { "no-answer", SIP_STEP_ANSWER, false, "it does not answer an OPTIONS request",
                "The other server hangs, or cannot find its way back to us." },
        [SIP_CAUSE_NOT_SIP] = { "not-sip", SIP_STEP_ANSWER, false, "what it says is no SIP",
                "The port is that of another service: correct the sip-route." },
        [SIP_CAUSE_FORBIDDEN] = { "forbidden", SIP_STEP_ANSWER, false, "it refuses us",
                "Its administrator has to allow our domain as a federated partner, with our routing-fqdn as its edge." },
        [SIP_CAUSE_PASSWORD] = { "password", SIP_STEP_ANSWER, false, "it asks for a password",
                "This is an entrance for users, not for partners: ask for the one for federation." },
        [SIP_CAUSE_PEER_TROUBLE] = { "peer-trouble", SIP_STEP_ANSWER, false, "it has trouble of its own",
                "Tell its administrator what it says." },

        [SIP_CAUSE_NO_PEER] = { "nobody-speaks", SIP_STEP_INCOMING, true,
                "we reach it, but no sip-peer may speak for it: nothing that comes from it is taken",
                "add sip-peer \"SUBJECT\" { domains = { \"DOMAIN\" } } to federation.conf (xmppctl sip-peer add SUBJECT DOMAIN)" },
        [SIP_CAUSE_TURNED_AWAY] = { "turned-away", SIP_STEP_INCOMING, true,
                "we reach it, but what came from it was refused of late", NULL },
        [SIP_CAUSE_TURNED_US_AWAY] = { "refused-us", SIP_STEP_INCOMING, true,
                "we reach it, but it refused requests of our users of late",
                "What it said stands below; xmppctl sip trace DOMAIN shows the messages themselves." },
};

const struct sip_cause_row *
sip_cause_row(enum sip_cause cause)
{
        must(cause < SIP_CAUSES);
        return &rows[cause];
}

const char *
sip_step_name(enum sip_step step)
{
        static const char *const names[SIP_STEPS] = { "definition", "xmpp", "ourselves", "route", "dns", "connect", "tls",
                "certificate", "peer", "answer", "incoming" };

        must(step < SIP_STEPS);
        return names[step];
}

void
sip_cause_fill(struct buf *out, const char *text, const struct sip_case *of)
{
        const struct {
                const char *word, *value;
        } known[] = { { "DOMAIN", of->domain }, { "HOST", of->host }, { "SUBJECT", of->subject } };

        while (text != NULL && *text != '\0') {
                size_t i = 0;
                while (i < array_len(known) && (known[i].value == NULL || !text_starts(text, known[i].word)))
                        i++;
                if (i == array_len(known)) {
                        buf_putc(out, *text++);
                        continue;
                }
                buf_puts(out, known[i].value);
                text += strlen(known[i].word);
        }
}

void
sip_cause_say(struct buf *out, enum sip_cause cause, const struct sip_case *of, const char *detail)
{
        const struct sip_cause_row *row = sip_cause_row(cause);

        sip_cause_fill(out, row->sentence, of);
        if (detail != NULL && detail[0] != '\0')
                buf_printf(out, " (%s)", detail);
        if (row->advice != NULL)
                buf_puts(out, ": ");
        sip_cause_fill(out, row->advice, of);
}

enum sip_cause
sip_cause_of_fault(enum tls_fault fault)
{
        switch (fault) {
        case TLS_FAULT_NONE:
                return SIP_CAUSE_NONE;
        case TLS_FAULT_NO_CERTIFICATE:
                return SIP_CAUSE_NO_CERTIFICATE;
        case TLS_FAULT_EXPIRED:
                return SIP_CAUSE_EXPIRED;
        case TLS_FAULT_NOT_YET:
                return SIP_CAUSE_NOT_YET;
        case TLS_FAULT_SELF_SIGNED:
                return SIP_CAUSE_SELF_SIGNED;
        case TLS_FAULT_UNKNOWN_AUTHORITY:
                return SIP_CAUSE_UNKNOWN_AUTHORITY;
        case TLS_FAULT_PURPOSE:
                return SIP_CAUSE_PURPOSE;
        default:
                return SIP_CAUSE_BAD_CERTIFICATE;
        }
}

enum sip_cause
sip_cause_of_handshake(const struct tls_session *tls, const char *why)
{
        if (tls != NULL && tls_session_is_refused(tls))
                return SIP_CAUSE_OUR_CERTIFICATE;
        if (tls != NULL && tls_session_is_unlike(tls))
                return SIP_CAUSE_TLS_UNLIKE;
        if (tls != NULL && tls_session_is_unproven(tls))
                return SIP_CAUSE_NO_CERTIFICATE;
        if (tls != NULL && tls_session_is_clear(tls))
                return SIP_CAUSE_TLS_CLEAR;
        return text_starts(why, "TLS:") ? SIP_CAUSE_TLS_FAILED : SIP_CAUSE_TLS_CLOSED;
}

enum sip_cause
sip_cause_of_connect(const char *why)
{
        if (strstr(why, "refused") != NULL)
                return SIP_CAUSE_REFUSED;
        return strstr(why, "time") != NULL ? SIP_CAUSE_SILENT : SIP_CAUSE_UNREACHABLE;
}
