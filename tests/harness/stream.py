"""One XMPP stream as a client or component sees it: bytes out, events in. Blocking, with a deadline at every wait."""
import base64
import hashlib
import hmac
import os
import re
import socket
import ssl
import time
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from . import pki, system, xmlnode

SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
TLS = "urn:ietf:params:xml:ns:xmpp-tls"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
CLIENT = "jabber:client"
COMPONENT = "jabber:component:accept"


class StreamError(Exception):
    """The peer did something else than the caller waited for."""


def client_tls(version=None, certificate=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(pki.shared().ca)
    if certificate:
        context.load_cert_chain(certificate)
    if version:
        context.minimum_version = context.maximum_version = version
    return context


class Stream:
    def __init__(self, host, port, namespace=CLIENT, source=None):
        self.namespace = namespace
        self.socket = socket.create_connection((host, port), timeout=5 * system.PATIENCE, source_address=(source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.parser = xmlnode.StreamParser()
        self.waiting = []               # events that came and were not asked for yet
        self.ended = None               # why nothing more will come
        self.closing = False            # we sent </stream:stream>

    # -- transport

    def start_tls(self, name, context=None, session=None):
        self.socket.settimeout(5 * system.PATIENCE)
        self.socket = (context or client_tls()).wrap_socket(self.socket, server_hostname=name, session=session)
        self.parser.restart()

    def send(self, data):
        data = data.encode() if isinstance(data, str) else data
        self.socket.settimeout(10 * system.PATIENCE)
        try:
            self.socket.sendall(data)
        except OSError:
            pass                        # the peer closed already; what it said before is what counts

    def open(self, to, extra=""):
        self.send(f"<?xml version='1.0'?><stream:stream to={quoteattr(to)} version='1.0' xml:lang='en' "
                  f"xmlns='{self.namespace}' xmlns:stream='{xmlnode.STREAM}'{extra}>")

    def receive(self, seconds):
        """The next event, or None when there is none in time: ("open"|"stanza", node), ("close", None), ("end", why)."""
        end = time.monotonic() + seconds
        while not self.waiting:
            if self.ended:
                return ("end", self.ended)
            left = end - time.monotonic()
            if left <= 0 and not (isinstance(self.socket, ssl.SSLSocket) and self.socket.pending()):
                return None
            self.socket.settimeout(max(left, 0.001))
            try:
                data = self.socket.recv(65536)
            except (TimeoutError, socket.timeout, ssl.SSLWantReadError):
                continue
            except OSError as e:
                data, self.ended = b"", f"connection lost: {e}"
            if not data:
                self.ended = self.ended or "connection closed"
                continue
            try:
                self.waiting += self.parser.feed(data)
            except expat.ExpatError as e:
                self.ended = f"not well-formed: {e}: {data[:200]!r}"
        return self.waiting.pop(0)

    def push_back(self, events):
        self.waiting[:0] = events

    def wait(self, *names, seconds=5):
        """The next stanza; it must have one of these local names."""
        event = self.receive(seconds * system.PATIENCE)
        if event is None:
            raise StreamError(f"waited {seconds} s for {' or '.join(names)}")
        kind, node = event
        if kind in ("open", "stanza") and node.local in names:
            return node
        raise StreamError(f"waited for {' or '.join(names)}, got {kind} {node}")

    def follow(self, seconds=5):
        """Closes our side when the server has ended the stream, as clients do; what it said stays to be read."""
        end, seen = time.monotonic() + seconds * system.PATIENCE, []
        while (event := self.receive(max(0, end - time.monotonic()))) is not None:
            if event[0] == "end":
                break
            seen.append(event)
            if event[0] == "close" and not self.closing:
                self.closing = True
                self.send("</stream:stream>")
        self.push_back(seen)

    def cut(self):
        """Gone without a word."""
        try:
            self.socket.close()
        except OSError:
            pass

    def close(self, seconds=3):
        """Ends the stream politely and waits for the end of the connection."""
        if not self.closing:
            self.closing = True
            self.send("</stream:stream>")
        end = time.monotonic() + seconds * system.PATIENCE
        while time.monotonic() < end:
            event = self.receive(end - time.monotonic())
            if event is None or event[0] == "end":
                break
        self.cut()

    # -- what a client does before it talks

    def features(self, to):
        self.open(to)
        self.wait("stream")
        return self.wait("features")

    def secure(self, domain, how="start", version=None, context=None, session=None):
        """TLS by STARTTLS (how = start) or from the first byte (direct); session: one to resume."""
        context = context or client_tls(version)
        if how == "direct":
            self.start_tls(domain, context, session)
        elif how == "start":
            features = self.features(domain)
            if features.find("starttls", TLS) is None:
                raise StreamError(f"no STARTTLS offered: {features}")
            self.send(f"<starttls xmlns='{TLS}'/>")
            self.wait("proceed")
            self.start_tls(domain, context, session)

    def login(self, user, domain, password, mechanism="SCRAM-SHA-1"):
        features = self.features(domain)
        offered = features.find("mechanisms", SASL)
        names = [m.text() for m in offered.elements()] if offered else []
        if mechanism not in names:
            raise StreamError(f"{mechanism} is not offered: {names}")
        if mechanism == "PLAIN":
            self.auth("PLAIN", plain(user, password))
        else:
            self.scram(mechanism, user, password)
        self.parser.restart()

    def auth(self, mechanism, response):
        self.send(f"<auth xmlns='{SASL}' mechanism='{mechanism}'>{response}</auth>")
        answer = self.wait("success", "failure", "challenge")
        if answer.local == "failure":
            raise StreamError(f"login refused: {answer}")
        return answer

    def scram(self, mechanism, user, password):
        name = {"SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256"}[mechanism]
        nonce = base64.b64encode(os.urandom(18)).decode()
        bare = f"n={user.replace('=', '=3D').replace(',', '=2C')},r={nonce}"
        challenge = self.auth(mechanism, b64("n,," + bare))
        first = base64.b64decode(challenge.text()).decode()
        fields = dict(part.split("=", 1) for part in first.split(","))
        if not fields["r"].startswith(nonce):
            raise StreamError("the server changed our nonce")
        salted = hashlib.pbkdf2_hmac(name, password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
        client_key = hmac.digest(salted, b"Client Key", name)
        final = f"c=biws,r={fields['r']}"
        signed = f"{bare},{first},{final}".encode()
        proof = bytes(a ^ b for a, b in zip(client_key, hmac.digest(hashlib.new(name, client_key).digest(), signed, name)))
        self.send(f"<response xmlns='{SASL}'>{b64(final + ',p=' + base64.b64encode(proof).decode())}</response>")
        answer = self.wait("success", "failure")
        if answer.local == "failure":
            raise StreamError(f"login refused: {answer}")
        signature = base64.b64encode(hmac.digest(hmac.digest(salted, b"Server Key", name), signed, name)).decode()
        if answer.text() and f"v={signature}" not in base64.b64decode(answer.text()).decode():
            raise StreamError("the server does not know the password: wrong signature")

    def bind(self, domain, resource=None):
        """A full JID."""
        features = self.features(domain)
        if features.find("bind", BIND) is None:
            raise StreamError(f"no resource binding offered: {features}")
        wish = f"<resource>{resource}</resource>" if resource else ""
        self.send(f"<iq type='set' id='bind'><bind xmlns='{BIND}'>{wish}</bind></iq>")
        answer = self.wait("iq")
        if answer.get("type") != "result":
            raise StreamError(f"binding refused: {answer}")
        return answer.find("bind").find("jid").text()

    # -- what a component does

    def handshake(self, domain, secret):
        self.send(f"<stream:stream to={quoteattr(domain)} xmlns='{COMPONENT}' xmlns:stream='{xmlnode.STREAM}'>")
        header = self.wait("stream")
        self.send(f"<handshake>{digest(header.get('id', ''), secret)}</handshake>")
        self.wait("handshake")


def b64(text):
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def plain(user, password, authzid=""):
    return b64(f"{authzid}\0{user}\0{password}")


def digest(stream_id, secret):
    """XEP-0114 3: SHA-1 of stream id and secret."""
    return hashlib.sha1((stream_id + secret).encode()).hexdigest()


def split_jid(jid):
    """(local, domain, resource) with None for what is absent."""
    m = re.fullmatch(r"(?:([^@/]+)@)?([^@/]+)(?:/(.+))?", jid, re.S)
    return m.group(1), m.group(2), m.group(3)
