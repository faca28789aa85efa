"""A foreign SIP domain at wire level: framing, messages, dialogs, and a peer that listens and calls over TCP or TLS."""
import queue
import re
import secrets
import socket
import ssl
import threading
import time

from . import system

COMPACT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length", "c": "content-type", "o": "event",
           "s": "subject", "k": "supported", "e": "content-encoding", "u": "allow-events", "r": "refer-to"}
LIMIT = 1 << 20

SDP = ("v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=session\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=message 5060 sip {format}\r\n"
       "a=accept-types:text/plain text/html multipart/alternative\r\n")


def sdp(uri="null"):
    return SDP.format(format=uri)


def pidf(entity, basic, activity=None, note=None):
    """A document as a Microsoft edge sends it: one tuple, the activity as text."""
    from xml.sax.saxutils import escape
    activities = f"<ep:activities><ep:activity>{activity}</ep:activity></ep:activities>" if activity else ""
    note = f"<note>{escape(note)}</note>" if note else ""
    return ('<?xml version="1.0" encoding="utf-8"?><presence xmlns="urn:ietf:params:xml:ns:pidf" '
            f'xmlns:ep="urn:ietf:params:xml:ns:pidf:status:rpid-status" entity="sip:{entity}">'
            f'<tuple id="0"><status><basic>{basic}</basic>{activities}</status>{note}</tuple></presence>')


def read_pidf(text):
    """(basic, activity) of a document we got; activity is None or a word."""
    basic = re.search(r"<(?:\w+:)?basic>\s*(\w+)\s*<", text)
    old = re.search(r"<(?:\w+:)?activity>\s*([\w-]+)\s*<", text)
    new = re.search(r"<(?:\w+:)?activities>\s*<(?:\w+:)?([\w-]+)\s*/>", text)
    found = old or new
    return (basic.group(1) if basic else None, found.group(1) if found else None)


class Message:
    def __init__(self, start, headers=(), body=b""):
        self.start, self.headers, self.body = start, list(headers), body if isinstance(body, bytes) else body.encode()
        self.wire = None

    @classmethod
    def parse(cls, head, body):
        text = re.sub(r"\r\n[ \t]+", " ", head.decode("utf-8", "replace"))
        lines = text.split("\r\n")
        headers = []
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if colon:
                headers.append((name.strip(), value.strip()))
        return cls(lines[0], headers, body)

    def all(self, name):
        name = name.lower()
        return [v for n, v in self.headers if (COMPACT.get(n.lower()) or n.lower()) == name]

    def get(self, name, default=""):
        return next(iter(self.all(name)), default)

    @property
    def is_response(self):
        return self.start.startswith("SIP/2.0 ")

    @property
    def status(self):
        return int(self.start.split()[1]) if self.is_response else 0

    @property
    def method(self):
        return self.get("CSeq").split()[-1] if self.is_response else self.start.split()[0]

    @property
    def uri(self):
        return self.start.split()[1]

    def tag(self, header):
        m = re.search(r";\s*tag=([^;\s>]+)(?![^<]*>)", self.get(header))
        return m.group(1) if m else None

    def text(self):
        return self.body.decode("utf-8", "replace")

    def bytes(self):
        headers = [(n, v) for n, v in self.headers if n.lower() not in ("content-length", "l")] + [("Content-Length", str(len(self.body)))]
        return (self.start + "\r\n" + "".join(f"{n}: {v}\r\n" for n, v in headers) + "\r\n").encode() + self.body

    def __str__(self):
        return self.bytes().decode("utf-8", "replace")


def address_of(header):
    """user@host of a From, To or Contact value."""
    m = re.search(r"sips?:([^>;?\s]+)", header)
    return m.group(1) if m else ""


def uri_of(header):
    m = re.search(r"<([^>]*)>", header)
    return m.group(1) if m else header.split(";")[0].strip()


class Wire:
    """One TCP or TLS connection; hands whole messages to its peer's inbox from a thread of its own."""

    def __init__(self, peer, connection):
        self.peer, self.connection, self.open = peer, connection, True
        self.lock = threading.Lock()
        peer.wires.append(self)                 # before it can be lost
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        data = b""
        try:
            while True:
                while data.startswith(b"\r\n"):
                    data = data[2:]
                end = data.find(b"\r\n\r\n")
                if end >= 0:
                    m = re.search(rb"(?im)^(?:content-length|l)[ \t]*:[ \t]*(\d+)", data[:end])
                    length = int(m.group(1)) if m else 0
                    if length > LIMIT:
                        break
                    if len(data) >= end + 4 + length:
                        message = Message.parse(data[:end], data[end + 4:end + 4 + length])
                        data = data[end + 4 + length:]
                        message.wire = self
                        self.peer.arrived(message)
                        continue
                elif len(data) > LIMIT:
                    break
                piece = self.connection.recv(65536)
                if not piece:
                    break
                data += piece
        except OSError:
            pass
        self.open = False
        self.peer.lost(self)
        self.connection.close()

    def send(self, data):
        with self.lock:
            self.connection.sendall(data)

    def close(self):
        self.open = False
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class Dialog:
    """What RFC 3261 12 keeps: who, which tags, which numbers, where to."""

    def __init__(self, call_id, local, remote, cseq=0, target="", route=(), wire=None):
        self.call_id, self.local, self.remote = call_id, local, remote
        self.cseq, self.target, self.route, self.wire = cseq, target, list(route), wire

    @classmethod
    def of_request(cls, request, tag):
        """We answer: the remote party is in From."""
        to = request.get("To")
        return cls(request.get("Call-ID"), to if request.tag("To") else f"{to};tag={tag}", request.get("From"), 0,
                   uri_of(request.get("Contact")) or uri_of(request.get("From")), request.all("Record-Route"), request.wire)

    def learn(self, response):
        """We asked: the answer brings the remote tag, target and route."""
        self.remote = response.get("To") or self.remote
        if response.get("Contact"):
            self.target = uri_of(response.get("Contact"))
        self.route = list(reversed(response.all("Record-Route")))
        self.wire = response.wire


class Peer:
    """Listens as the edge of one or more domains and connects to the product for its own requests."""

    def __init__(self, domain, host, port, product, tls=None, name=None):
        self.domain, self.host, self.port, self.product, self.tls = domain, host, port, product, tls
        self.name = name or domain
        self.inbox = queue.Queue()
        self.wires, self.own, self.running = [], None, True
        self.accept_filter = None               # a message it refuses is not for the one who waits
        self.dialogs = {}
        self.observer = None                    # called with ("<" or ">", message)
        self.place = f"[{host}]" if ":" in host else host
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.server = socket.create_server((host, port), family=family, backlog=20)
        self.port = self.server.getsockname()[1]
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while self.running:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self.welcome, args=(connection,), daemon=True).start()

    def welcome(self, connection):
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls:
                connection.settimeout(10)
                connection = self.tls["server"].wrap_socket(connection, server_side=True)
                connection.settimeout(None)
        except OSError:
            connection.close()
            return
        Wire(self, connection)

    def arrived(self, message):
        if self.observer:
            self.observer("<", message)
        if self.accept_filter and not self.accept_filter(message):
            if not message.is_response and message.method not in ("ACK", "BENOTIFY"):
                if message.tag("To"):
                    self.respond(message, 481, "Call/Transaction Does Not Exist")
                else:                           # 481 would only bring a new one
                    self.respond(message, 603, "Decline")
            return
        self.inbox.put(message)

    def lost(self, wire):
        if wire in self.wires:
            self.wires.remove(wire)
        if self.own is wire:
            self.own = None

    def connect(self):
        """Our own connection to the product."""
        if self.own is None or not self.own.open:
            connection = socket.create_connection(self.product, timeout=5 * system.PATIENCE)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls:
                connection = self.tls["client"].wrap_socket(connection, server_hostname=self.tls["server_name"] or None)
            connection.settimeout(None)
            self.own = Wire(self, connection)
        return self.own

    def receive(self, seconds):
        try:
            return self.inbox.get(timeout=seconds) if seconds > 0 else self.inbox.get_nowait()
        except queue.Empty:
            return None

    def send(self, message, wire=None, behind=None):
        if wire is None or not wire.open:
            wire = self.connect()
        message.wire = wire
        if self.observer:
            self.observer(">", message)
        wire.send(message.bytes() + (behind.bytes() if behind else b""))

    @property
    def wire_name(self):
        return "TLS" if self.tls else "TCP"

    def contact(self, user):
        return f"<sip:{user}@{self.place}:{self.port};transport={self.wire_name.lower()}>"

    def respond(self, request, code, reason, headers=(), body=b"", tag=None):
        fields = [("Via", v) for v in request.all("Via")]
        if 200 <= code < 300 and request.method in ("INVITE", "SUBSCRIBE"):
            fields += [("Record-Route", v) for v in request.all("Record-Route")]
        to = request.get("To")
        if code > 100 and not request.tag("To"):
            to += f";tag={tag or secrets.token_hex(5)}"
        fields += [("From", request.get("From")), ("To", to), ("Call-ID", request.get("Call-ID")), ("CSeq", request.get("CSeq"))]
        given = {n.lower() for n, _ in headers}
        if 200 <= code < 300 and request.method in ("INVITE", "SUBSCRIBE") and "contact" not in given:
            fields.append(("Contact", self.contact(address_of(request.get("To")).partition("@")[0])))
        fields = [(n, v) for n, v in fields if n.lower() not in given] + list(headers)
        answer = Message(f"SIP/2.0 {code} {reason}", fields, body)
        self.send(answer, request.wire)
        return answer

    def new_dialog(self, user, to_uri):
        """A dialog that we begin."""
        return Dialog(f"{secrets.token_hex(12)}@{self.place}", f"<sip:{user}@{self.domain}>;tag={secrets.token_hex(5)}", f"<{to_uri}>", 0, to_uri)

    def request(self, method, dialog, headers=(), body=b"", cseq=None, wire=None, cancelled=False):
        """cancelled: a CANCEL follows in the same breath."""
        if cseq is None:
            dialog.cseq += 1
            cseq = dialog.cseq
        user = address_of(dialog.local).partition("@")[0]
        fields = [("Via", f"SIP/2.0/{self.wire_name} {self.place}:{self.port};branch=z9hG4bK{secrets.token_hex(10)}"), ("Max-Forwards", "70")]
        fields += [("Route", r) for r in dialog.route]
        fields += [("From", dialog.local), ("To", dialog.remote), ("Call-ID", dialog.call_id), ("CSeq", f"{cseq} {method}")]
        if method in ("INVITE", "SUBSCRIBE", "NOTIFY"):
            fields.append(("Contact", self.contact(user)))
        given = {n.lower() for n, _ in headers}
        fields = [(n, v) for n, v in fields if n.lower() not in given] + list(headers)
        message = Message(f"{method} {dialog.target} SIP/2.0", fields, body)
        self.send(message, wire or dialog.wire, self.cancel(message) if cancelled else None)
        return message

    @staticmethod
    def cancel(request):
        """RFC 3261 9.1: the same top Via, and nobody else is meant."""
        fields = [(n, request.get(n)) for n in ("Via", "Max-Forwards", "From", "To", "Call-ID")]
        return Message(f"CANCEL {request.uri} SIP/2.0", fields + [("CSeq", f"{request.get('CSeq').split()[0]} CANCEL")])

    def ack(self, response):
        """The ACK of a 2xx, on the dialog the INVITE made."""
        dialog = Dialog(response.get("Call-ID"), response.get("From"), response.get("To"), 0, uri_of(response.get("Contact")),
                        list(reversed(response.all("Record-Route"))), response.wire)
        return self.request("ACK", dialog, cseq=int(response.get("CSeq").split()[0]))

    def stop(self):
        self.running = False
        try:
            self.server.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.server.close()
        for wire in list(self.wires):
            wire.close()
        end = time.monotonic() + 2
        for wire in list(self.wires):
            wire.thread.join(max(0, end - time.monotonic()))


def contexts(store, name, server_name=None):
    """TLS of one party of the test PKI, in both roles."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for context in (server, client):
        context.load_verify_locations(store / "ca.pem")
        context.load_cert_chain(store / f"{name}.pem", store / f"{name}.key")
    server.verify_mode = ssl.CERT_REQUIRED
    client.check_hostname = bool(server_name)
    return {"server": server, "client": client, "server_name": server_name}
