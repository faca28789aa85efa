"""Somebody with a plain XMPP client on some server: what she does, and what she waits for. Stanzas that nobody waited for stay to be looked at.

    juliet = person.Person(server, "juliet@capulet.example", "pencil")
    juliet.say(romeo, "soft")
    romeo.hears(juliet, "soft")
"""
import ssl
import time
from xml.sax.saxutils import escape, quoteattr

from . import stream, system

BLOCKING = "urn:xmpp:blocking"
PRIVACY = "jabber:iq:privacy"
PATIENCE = 15


def bare(jid):
    return jid.partition("/")[0]


def any_certificate():
    """The certificates of some servers are meant to be bad; who signs in looks away."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Missing(AssertionError):
    """What was waited for did not come."""


class Person:
    def __init__(self, server, jid, password, resource="test"):
        self.server, self.jid, self.password, self.resource = server, jid, password, resource
        self.name, _, self.domain = jid.partition("@")
        self.count = 0
        self.sign_in()

    def __str__(self):
        return self.jid

    # -- a session

    def sign_in(self):
        self.stream = stream.Stream("127.0.0.1", self.server.c2s)
        self.stream.secure(self.domain, context=any_certificate())
        self.stream.login(self.name, self.domain, self.password, getattr(self.server, "mechanism", "SCRAM-SHA-1"))
        self.full = self.stream.bind(self.domain, self.resource)
        self.unasked = []
        self.send(f"<iq type='set' id='session'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>")
        self.answer("session")
        self.send("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>")
        self.answer("roster")
        self.send("<presence/>")

    def leave(self):
        self.stream.close(1)

    def send(self, text):
        self.stream.send(text)

    # -- what comes

    def expect(self, what, matches, seconds=PATIENCE):
        """The first stanza, also of those that came before, for which matches(node) is true."""
        for node in self.unasked:
            if matches(node):
                self.unasked.remove(node)
                return node
        end = time.monotonic() + seconds * system.PATIENCE
        while (event := self.stream.receive(max(0, end - time.monotonic()))) is not None:
            kind, node = event
            if kind == "stanza":
                if matches(node):
                    return node
                self._take(node)
            elif kind in ("close", "end"):
                raise Missing(f"{self} waited for {what}; her stream ended: {node}")
        raise Missing(f"{self} waited for {what}; there was " + (" ".join(str(n)[:300] for n in self.unasked[-8:]) or "nothing"))

    def nothing(self, what, matches):
        """What came so far has no such stanza. Ask after something that comes later."""
        for node in self.unasked:
            if matches(node):
                raise Missing(f"{self} got {what}: {node}")

    def _take(self, node):
        if node.local == "iq" and node.get("type") == "get" and node.find("query", "urn:example:word") is not None:
            self.send(f"<iq type='result' id={quoteattr(node.get('id'))} to={quoteattr(node.get('from'))}>"
                      f"<query xmlns='urn:example:word'>{escape(node.find('query').text()[::-1])}</query></iq>")
        elif node.local == "iq" and node.get("type") == "set" and node.get("from") in (None, self.jid, self.full):
            self.send(f"<iq type='result' id={quoteattr(node.get('id'))}/>")      # pushes of the roster and of lists
        elif node.local == "iq" and node.get("type") == "get":
            self.send(f"<iq type='result' id={quoteattr(node.get('id'))}" + (f" to={quoteattr(node.get('from'))}" if node.get("from") else "") + "/>")
        else:
            self.unasked.append(node)

    def answer(self, identity, seconds=PATIENCE):
        return self.expect(f"the answer to {identity}", lambda n: n.local == "iq" and n.get("id") == identity and n.get("type") in ("result", "error"), seconds)

    def linger(self, seconds):
        """Lets time pass, awake."""
        try:
            self.expect("nothing", lambda n: False, seconds / system.PATIENCE)
        except Missing:
            pass

    # -- messages

    def say(self, other, text, to=None):
        self.count += 1
        identity = f"m{self.count}"
        self.send(f"<message type='chat' id='{identity}' to={quoteattr(to or other.jid)}><body>{escape(text)}</body></message>")
        return identity

    def hears(self, other, text, seconds=PATIENCE):
        def matches(node):
            body = node.find("body")
            return (node.local == "message" and node.get("type") != "error" and body is not None and body.text() == text
                    and bare(node.get("from", "")) == other.jid)
        return self.expect(f"the message “{text[:40]}” of {other}", matches, seconds)

    def refused(self, identity, seconds=PATIENCE):
        """The error for a message of hers: condition and text."""
        node = self.expect(f"an error for {identity}",
                           lambda n: n.local == "message" and n.get("type") == "error" and n.get("id") == identity, seconds)
        error = node.find("error")
        parts = list(error.elements())
        return parts[0].local, next((p.text() for p in parts if p.local == "text"), "")

    # -- presence

    def ask(self, other):
        self.send(f"<presence type='subscribe' to={quoteattr(other.jid)}/>")

    def asked_by(self, other):
        return self.sees(other, "subscribe")

    def allow(self, other):
        self.send(f"<presence type='subscribed' to={quoteattr(other.jid)}/>")

    def show(self, state):
        self.send(f"<presence><show>{state}</show></presence>")

    def sees(self, other, kind, seconds=PATIENCE):
        """Presence of this type, or available with this <show/> ("" for none)."""
        def matches(node):
            if node.local != "presence" or bare(node.get("from", "")) != other.jid:
                return False
            if kind in ("subscribe", "subscribed", "unsubscribe", "unsubscribed", "unavailable", "error"):
                return node.get("type") == kind
            show = node.find("show")
            return node.get("type") is None and (kind == "any" or (show.text() if show is not None else "") == kind)
        return self.expect(f"presence {kind or 'available'} of {other}", matches, seconds)

    def befriend(self, other):
        """A subscription in both directions, and both see each other."""
        self.ask(other)
        other.asked_by(self)
        other.allow(self)
        self.sees(other, "subscribed")
        self.sees(other, "any")
        other.ask(self)
        self.asked_by(other)
        self.allow(other)
        other.sees(self, "subscribed")
        other.sees(self, "any")

    # -- requests

    def request(self, to, payload, identity=None):
        self.count += 1
        identity = identity or f"q{self.count}"
        self.send(f"<iq type='get' id='{identity}' to={quoteattr(to)}>{payload}</iq>")
        return identity

    def block(self, other, is_blocked=True):
        self.count += 1
        identity = f"b{self.count}"
        item = f"<item jid={quoteattr(other.jid)}/>"
        if getattr(self.server, "has_blocking", True):
            verb = "block" if is_blocked else "unblock"
            self.send(f"<iq type='set' id='{identity}'><{verb} xmlns='{BLOCKING}'>{item}</{verb}></iq>")
        else:
            self.send(f"<iq type='set' id='{identity}'><query xmlns='{PRIVACY}'><list name='blocked'>"
                      + (f"<item type='jid' value={quoteattr(other.jid)} action='deny' order='1'/>" if is_blocked
                         else "<item action='allow' order='1'/>") + "</list></query></iq>")
            answer = self.answer(identity)
            assert answer.get("type") == "result", f"{answer}"
            identity += "a"
            self.send(f"<iq type='set' id='{identity}'><query xmlns='{PRIVACY}'><active name='blocked'/></query></iq>")
        answer = self.answer(identity)
        assert answer.get("type") == "result", f"{answer}"
