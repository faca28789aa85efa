"""A foreign XMPP server that does what a test wants: one thread for each connection, one function for what it says there.

    peer = foreign.Peer(foreign.server("rome.example", certificate=file, dialback="valid"))
    ... peer.port ...
    peer.stop()

server() makes the function of one that follows the rules as far as its arguments let it.
"""
import socket
import ssl
import threading
import warnings
from xml.sax.saxutils import quoteattr

from . import stream, system, xmlnode

SERVER = "jabber:server"
DIALBACK = "jabber:server:dialback"
DIALBACK_FEATURE = "urn:xmpp:features:dialback"


class Connection(stream.Stream):
    """One that was accepted."""

    def __init__(self, connected):
        self.namespace = SERVER
        self.socket = connected
        self.parser = xmlnode.StreamParser()
        self.waiting, self.ended, self.closing = [], None, False

    def header(self, domain, to, features=""):
        self.send(f"<?xml version='1.0'?><stream:stream xmlns='{SERVER}' xmlns:db='{DIALBACK}' xmlns:stream='{xmlnode.STREAM}' id='x{id(self)}' "
                  f"from={quoteattr(domain)} to={quoteattr(to)} version='1.0'>")
        if features is not None:
            self.send(f"<stream:features>{features}</stream:features>")

    def fail(self, condition, text=""):
        said = f"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>{text}</text>" if text else ""
        self.send(f"<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>{said}</stream:error></stream:stream>")

    def answer_tls(self, context):
        self.socket.settimeout(5 * system.PATIENCE)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.parser.restart()

    def linger(self, seconds=60):
        """Reads on until the other side goes."""
        while (event := self.receive(seconds)) is not None and event[0] != "end":
            if event[0] == "close":
                self.send("</stream:stream>")
                return


def tls(certificate, version=None, ciphers=None, trust=None):
    """A context for the side that is connected to. version: the only one it speaks; trust: asks for a certificate of the other side."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        if version is not None:
            context.minimum_version = context.maximum_version = version
    if ciphers is not None:
        context.set_ciphers(ciphers)
    if trust is not None:
        context.load_verify_locations(trust)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


class Peer:
    def __init__(self, serve, host="127.0.0.1", port=0):
        self.serve = serve
        self.listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port = self.listener.getsockname()[1]
        self.connections = []
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                connected, _ = self.listener.accept()
            except OSError:
                return
            connection = Connection(connected)
            self.connections.append(connection)
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection):
        try:
            self.serve(connection)
        except (OSError, stream.StreamError, ValueError):
            pass                        # what the other side makes of it is what is tested
        connection.cut()

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.connections:
            connection.cut()


def _secure(s, domain, to, context, refuse_tls):
    """False: it ends here."""
    s.wait("starttls")
    if refuse_tls:
        s.send(f"<failure xmlns='{stream.TLS}'/></stream:stream>")
        return False
    s.send(f"<proceed xmlns='{stream.TLS}'/>")
    s.answer_tls(context)
    return True


def server(domain, context=None, external=None, dialback=None, verify="valid", refuse_tls=False, error=None, offer_dialback=True,
           dies=False, bidi=False, pinged=None):
    """context None: without TLS. external: None (not offered), "accept", "refuse" or "silent". dialback: None, "valid", "invalid", "silent",
    "error" (a stream error), or the condition of an error it answers with (XEP-0220 2.5). verify: what it answers as the authority for its
    domain. error: the condition of a stream error in place of features. dies: it goes when everything is set up. bidi: it offers
    XEP-0288 and answers pings. pinged() runs when a ping comes."""

    def serve(s):
        head = s.wait("stream")
        to = head.get("from", "")
        if error is not None:
            s.header(domain, to, None)
            s.fail(error, "as the test wants it")
            s.linger(5)
            return
        if context is not None:
            s.header(domain, to, f"<starttls xmlns='{stream.TLS}'/>")
            if not _secure(s, domain, to, context, refuse_tls):
                s.linger(5)
                return
            to = s.wait("stream").get("from", to)
        features = ""
        if external is not None:
            features += f"<mechanisms xmlns='{stream.SASL}'><mechanism>EXTERNAL</mechanism></mechanisms>"
        if dialback is not None and offer_dialback:
            features += f"<dialback xmlns='{DIALBACK_FEATURE}'/>"
        if bidi:
            features += "<bidi xmlns='urn:xmpp:features:bidi'/>"
        s.header(domain, to, features)
        while (event := s.receive(60)) is not None and event[0] != "end":
            kind, node = event
            if kind == "close":
                s.send("</stream:stream>")
                return
            if kind == "open":
                s.header(domain, to, f"<dialback xmlns='{DIALBACK_FEATURE}'/>" if dialback is not None else "")
            elif node.local == "auth" and external == "accept":
                s.send(f"<success xmlns='{stream.SASL}'/>")
                s.parser.restart()
            elif node.local == "auth" and external == "refuse":
                s.send(f"<failure xmlns='{stream.SASL}'><not-authorized/></failure>")
            elif node.local == "result" and dialback == "error":
                s.fail("unsupported-stanza-type")
            elif node.local == "result" and dialback not in (None, "silent"):
                pair = f"from={quoteattr(node.get('to', ''))} to={quoteattr(node.get('from', ''))}"
                if dialback in ("valid", "invalid"):
                    s.send(f"<db:result {pair} type='{dialback}'/>")
                else:
                    s.send(f"<db:result {pair} type='error'><error type='cancel'><{dialback} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
                           f"</error></db:result>")
                if dies:
                    return
            elif node.local == "iq" and node.get("type") == "get" and bidi:
                s.send(f"<iq type='result' id={quoteattr(node.get('id', ''))} from={quoteattr(domain)} to={quoteattr(node.get('from', ''))}/>")
            elif node.local == "iq" and pinged is not None:
                pinged()
            elif node.local == "verify":
                s.send(f"<db:verify from={quoteattr(node.get('to', ''))} to={quoteattr(node.get('from', ''))} id={quoteattr(node.get('id', ''))} "
                       f"type='{verify}'/>")

    return serve
