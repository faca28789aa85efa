"""A name server on a loopback port, over UDP and TCP, with the zones a test gives it; it can also fail, or say nothing.

    with dns.Server() as names:
        names.srv("_xmpp-server._tcp.rome.example", [(10, 5, 5269, "xmpp.rome.example")])
        names.host("xmpp.rome.example", "127.0.0.1", "::1")
        names.refuse("broken.example")          # SERVFAIL, for all names below too
        names.mute("dead.example")              # no answer at all

Whatever has no record is NXDOMAIN; a name with records of another type has an empty answer.
"""
import ipaddress
import socket
import struct
import threading

A, CNAME, SOA, AAAA, SRV = 1, 5, 6, 28, 33
NO_ERROR, SERVFAIL, NXDOMAIN = 0, 2, 3


def pack_name(name):
    labels = [label.encode("idna") if not label.isascii() else label.encode() for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def unpack_name(packet, at):
    labels = []
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode("latin-1"))
        at += 1 + packet[at]
    return ".".join(labels).lower(), at + 1


class Server:
    def __init__(self, ttl=1, host="127.0.0.1", port=0):
        self.ttl = ttl
        self.delay = 0                  # seconds that an answer over UDP waits
        self.records = {}               # (name, type) -> data of each record
        self.broken, self.silent = set(), set()
        self.asked = []                 # (name, type), as they came
        self.listener = socket.create_server((host, port))
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(self.listener.getsockname())
        self.address = "%s:%d" % self.socket.getsockname()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()
        threading.Thread(target=self._serve_tcp, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.stop()

    def stop(self):
        if self.socket is None:
            return
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"", self.socket.getsockname())
        self.thread.join()
        self.socket.close()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.socket = None

    # -- zones

    def put(self, name, kind, *data):
        self.records[_plain(name), kind] = list(data)

    def host(self, name, *addresses):
        """Its A and AAAA records, in place of those it had."""
        parsed = [ipaddress.ip_address(a) for a in addresses]
        self.put(name, A, *[a.packed for a in parsed if a.version == 4])
        self.put(name, AAAA, *[a.packed for a in parsed if a.version == 6])

    def srv(self, name, targets):
        """targets: (priority, weight, port, host); host "." offers nothing."""
        self.put(name, SRV, *[struct.pack(">HHH", *t[:3]) + pack_name(t[3]) for t in targets])

    def alias(self, name, target):
        self.put(name, CNAME, pack_name(target))

    def remove(self, name):
        for key in [k for k in self.records if k[0] == _plain(name)]:
            del self.records[key]

    def refuse(self, name):
        self.broken.add(_plain(name))

    def mute(self, name):
        self.silent.add(_plain(name))

    # -- answering

    def _serve(self):
        while True:
            packet, peer = self.socket.recvfrom(4096)
            if not packet:
                return
            try:
                answer = self._answer(packet)
            except (IndexError, struct.error):
                continue
            if answer is not None and len(answer) > 512:
                flags = struct.unpack(">H", answer[2:4])[0] | 0x0200        # RFC 1035 4.2.1: the rest by TCP
                answer = answer[:2] + struct.pack(">HHHHH", flags, 1, 0, 0, 0) + answer[12:unpack_name(answer, 12)[1] + 4]
            if answer is not None:
                self._send(answer, peer)

    def _send(self, answer, peer):
        if not self.delay:
            self.socket.sendto(answer, peer)
            return
        later = threading.Timer(self.delay, lambda at: at.fileno() >= 0 and at.sendto(answer, peer), (self.socket,))
        later.daemon = True
        later.start()

    def _serve_tcp(self):
        while True:
            try:
                connected, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_one, args=(connected,), daemon=True).start()

    def _serve_one(self, connected):
        with connected, connected.makefile("rb") as stream:
            while len(head := stream.read(2)) == 2:
                answer = self._answer(stream.read(struct.unpack(">H", head)[0]))
                if answer is not None:
                    connected.sendall(struct.pack(">H", len(answer)) + answer)

    def _answer(self, packet):
        number, flags = struct.unpack(">HH", packet[:4])
        name, at = unpack_name(packet, 12)
        kind = struct.unpack(">H", packet[at:at + 2])[0]
        self.asked.append((name, kind))
        if _below(name, self.silent):
            return None
        rcode, found = NO_ERROR, []
        if _below(name, self.broken):
            rcode = SERVFAIL
        elif (name, CNAME) in self.records and kind != CNAME:
            found.append((name, CNAME, self.records[name, CNAME][0]))
            target = unpack_name(self.records[name, CNAME][0], 0)[0]
            found += [(target, kind, data) for data in self.records.get((target, kind), ())]
        elif any(key[0] == name for key in self.records):
            found = [(name, kind, data) for data in self.records.get((name, kind), ())]
        else:
            rcode = NXDOMAIN
        out = struct.pack(">HHHHHH", number, 0x8480 | (flags & 0x0100) | rcode, 1, len(found), 0, 0) + packet[12:at + 4]
        for owner, type_, data in found:
            out += pack_name(owner) + struct.pack(">HHIH", type_, 1, self.ttl, len(data)) + data
        return out


def _plain(name):
    return unpack_name(pack_name(name), 0)[0]


def _below(name, zones):
    return any(name == zone or name.endswith("." + zone) for zone in zones)
