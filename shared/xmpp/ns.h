/* ns.h - the namespaces that more than one file speaks */
#ifndef SHARED_XMPP_NS_H
#define SHARED_XMPP_NS_H

#define NS_CLIENT          "jabber:client"
#define NS_SERVER          "jabber:server"
#define NS_COMPONENT       "jabber:component:accept"
#define NS_STREAM          "http://etherx.jabber.org/streams"
#define NS_STREAM_ERRORS   "urn:ietf:params:xml:ns:xmpp-streams"
#define NS_STANZA_ERRORS   "urn:ietf:params:xml:ns:xmpp-stanzas"
#define NS_TLS             "urn:ietf:params:xml:ns:xmpp-tls"
#define NS_SASL            "urn:ietf:params:xml:ns:xmpp-sasl"
#define NS_BIND            "urn:ietf:params:xml:ns:xmpp-bind"
#define NS_SESSION         "urn:ietf:params:xml:ns:xmpp-session"
#define NS_ROSTER          "jabber:iq:roster"
#define NS_DISCO_INFO      "http://jabber.org/protocol/disco#info"
#define NS_DISCO_ITEMS     "http://jabber.org/protocol/disco#items"
#define NS_PING            "urn:xmpp:ping"
#define NS_VERSION         "jabber:iq:version"
#define NS_BLOCKING        "urn:xmpp:blocking"
#define NS_BLOCKING_ERRORS "urn:xmpp:blocking:errors"
#define NS_DELAY           "urn:xmpp:delay"
#define NS_CHATSTATES      "http://jabber.org/protocol/chatstates"
#define NS_HINTS           "urn:xmpp:hints"
#define NS_CARBONS         "urn:xmpp:carbons:2"
#define NS_FORWARD         "urn:xmpp:forward:0"
#define NS_CSI             "urn:xmpp:csi:0"
#define NS_STANZA_ID       "urn:xmpp:sid:0"
#define NS_SM              "urn:xmpp:sm:3"
#define NS_VCARD           "vcard-temp"
#define NS_REGISTER        "jabber:iq:register"
#define NS_PRE_APPROVAL    "urn:xmpp:features:pre-approval"

#endif
