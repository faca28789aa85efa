"""What the MSRP side of a SIP peer does in a conversation (RFC 4975)."""
import hashlib
import queue
import re
import secrets
import socket
import ssl
import threading

from . import pki, sip, system, xmlnode
from .talk_party import WAIT, Party


class Frame:
    """One request or response, with its flag."""

    def __init__(self, start, headers, body, flag):
        self.start, self.headers, self.body, self.flag = start, headers, body, flag
        self.id, self.word = start.split()[1:3]

    @property
    def is_response(self):
        return self.word.isdigit()

    def all(self, name):
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def __str__(self):
        lines = [self.start, *(f"{n}: {v}" for n, v in self.headers)]
        return "\n".join(lines) + ("" if self.body is None else "\n\n" + self.body.decode("utf-8", "replace")) + f"\n-------{self.id}{self.flag}"


def split(data):
    """The first frame and what is behind it; None where it is not whole."""
    line = data.find(b"\r\n")
    m = re.match(rb"MSRP ([\w.+%=-]+) ", data)
    end = m and re.search(rb"\r\n-------" + re.escape(m.group(1)) + rb"([$+#])\r\n", data[line:])
    if not end:
        return None, data
    inside, rest = data[line + 2:line + end.start()], data[line + end.end():]
    head, empty, body = inside.partition(b"\r\n\r\n")
    headers = [tuple(part.strip() for part in text.split(":", 1)) for text in head.decode("utf-8", "replace").split("\r\n") if text]
    return Frame(data[:line].decode(), headers, body if empty else None, end.group(1).decode()), rest


class MsrpParty(Party):
    """One connection, made or accepted; the listener is there from the beginning."""

    def __init__(self, name, tls):
        super().__init__(name)
        self.tls, self.connection, self.theirs = tls, None, None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.path = f"msrp{'s' if tls else ''}://127.0.0.1:{self.listener.getsockname()[1]}/{secrets.token_hex(10)};tcp"
        self.frames, self.kept, self.open_requests = queue.Queue(), [], []

    def take(self, connection):
        self.connection = connection
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        data = b""
        try:
            while piece := self.connection.recv(65536):
                data += piece
                while True:
                    frame, data = split(data)
                    if frame is None:
                        break
                    self.frames.put(frame)
        except OSError:
            pass
        self.frames.put(None)

    def close(self):
        if self.connection:
            try:
                self.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            self.connection.close()

    def finish(self):
        self.close()
        self.listener.close()


class MsrpPlayer:
    def declare_msrp(self, words):
        """peer NAME msrp [tls]"""
        tls = None
        if "tls" in words:
            store = pki.shared().directory
            tls = sip.contexts(store, "simple")
            der = ssl.PEM_cert_to_DER_cert(re.search("-----BEGIN CERT.*?END CERTIFICATE-----", (store / "simple.pem").read_text(), re.S).group())
            self.values[f"{words[1]}.fingerprint"] = ":".join(f"{b:02X}" for b in hashlib.sha256(der).digest())
        party = self.parties[words[1]] = MsrpParty(words[1], tls)
        self.values[f"{words[1]}.path"] = party.path

    def do_msrp(self, party, action, rest):
        rest = rest.strip()
        if action == "connects":
            theirs = xmlnode.substitute(rest, self.values)
            host, port = re.match(r"msrps?://([^:/]+):(\d+)/", theirs).groups()
            connection = socket.create_connection((host, int(port)), timeout=WAIT * system.PATIENCE)
            if party.tls:
                connection = party.tls["client"].wrap_socket(connection)
            connection.settimeout(None)
            party.theirs = theirs
            party.take(connection)
        elif action == "accepts":
            party.listener.settimeout(WAIT * system.PATIENCE)
            try:
                connection = party.listener.accept()[0]
            except OSError:
                self.fail("nobody connected")
            if party.tls:
                connection = party.tls["server"].wrap_socket(connection, server_side=True)
            connection.settimeout(None)
            party.take(connection)
        elif action == ">>":
            party.connection.sendall(xmlnode.substitute_bytes(rest, self.values).decode("unicode_escape").encode("latin-1"))
        elif action == ">":
            self.send_msrp(party, *rest.split("\n"))
        elif action == "<":
            self.await_msrp(party, *rest.split("\n"))
        elif action == "silent":
            frame = self.next_frame(party, float((rest or "300ms").rstrip("ms")) / 1000)
            if frame is not None:
                self.fail(f"awaited nothing, came\n{frame}")
        elif action == "drop":
            party.close()
        elif action == "closed":
            if self.next_frame(party, WAIT * system.PATIENCE, at_end=True) != "end":
                self.fail("the connection is open, or something came")
        else:
            self.fail(f"unknown action {action}")

    def next_frame(self, party, seconds, at_end=False):
        if party.kept:
            return party.kept.pop(0)
        try:
            frame = party.frames.get(timeout=seconds)
        except queue.Empty:
            return None
        if frame is None and not at_end:
            self.fail("the connection was closed")
        return "end" if frame is None else frame

    def send_msrp(self, party, head, *fields):
        """> SEND ID [+|#] | > REPORT ID | > 200"""
        words = xmlnode.substitute(head, self.values).split()
        headers, body = [], []
        for field in fields:
            if field.startswith("| ") or field == "|":
                body.append(xmlnode.substitute_bytes(field[2:], self.values))
            elif field.startswith("text "):
                body.append(xmlnode.substitute(field[5:], self.values).encode())
            else:
                name, _, value = field.partition(":")
                headers.append((name.strip(), xmlnode.substitute(value.strip(), self.values)))
        body = b"\r\n".join(body) if body else None
        if words[0].isdigit():
            request = party.open_requests.pop(0)
            start, name = f"MSRP {request.id} {words[0]} Answer", request.id
            first = [("To-Path", request.all("From-Path")[0].split()[0]), ("From-Path", party.path)]
        else:
            name = secrets.token_hex(8)
            start = f"MSRP {name} {words[0]}"
            first = [("To-Path", party.theirs), ("From-Path", party.path), ("Message-ID", words[1])]
            if words[0] == "SEND":
                first.append(("Byte-Range", f"1-{len(body or b'')}/{len(body or b'')}"))
        given = dict(headers)
        headers = [(n, given.get(n, v)) for n, v in first] + [(n, v) for n, v in headers if n not in dict(first)]
        flag = words[2] if len(words) > 2 else "$"
        data = (start + "\r\n" + "".join(f"{n}: {v}\r\n" for n, v in headers)).encode()
        if body is not None:
            data += b"\r\n" + body + b"\r\n"
        party.connection.sendall(data + f"-------{name}{flag}\r\n".encode())

    def await_msrp(self, party, head, *fields):
        """< SEND [+] | < REPORT | < 200; requests and responses have an order of their own"""
        words, passed = head.split(), []
        while True:
            frame = self.next_frame(party, WAIT * system.PATIENCE)
            if frame is None:
                self.fail(f"awaited {head}, came nothing")
            if frame.is_response == words[0].isdigit():
                break
            passed.append(frame)
        party.kept = passed + party.kept
        if frame.word != words[0] or (len(words) > 1 and frame.flag != words[1]):
            self.fail(f"awaited {head}, came\n{frame}")
        if frame.word == "SEND" and frame.all("Failure-Report") != ["no"]:
            party.open_requests.append(frame)
        if not frame.is_response:
            party.theirs = party.theirs or frame.all("From-Path")[0]
        body = []
        for field in fields:
            if field.startswith("|") or field.startswith("text "):
                body.append(xmlnode.repeat(field[2:] if field.startswith("|") else field[5:]))
            elif field.startswith("no "):
                if frame.all(field[3:]):
                    self.fail(f"it has a {field[3:]}:\n{frame}")
            else:
                name, _, pattern = field.partition(":")
                if not any(xmlnode.fits(pattern.strip(), v, self.values) for v in frame.all(name)):
                    self.fail(f"{name}: {frame.all(name) or 'absent'}, not {pattern.strip()}")
        if body and not xmlnode.fits("\r\n".join(body), (frame.body or b"").decode("utf-8", "replace"), self.values):
            self.fail(f"the body is {frame.body!r}")
