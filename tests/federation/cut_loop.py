#!/usr/bin/python3
"""Two servers, many users, and a connection between them that is cut again and again, at a random byte, while numbered messages go both ways. At the
end every message has arrived, once, in order.

    BUILD_DIR=... python3 tests/federation/cut_loop.py --cuts 1000 [--rate 200] [--workers 4] [--seed N] [--tls none]
"""
import argparse
import collections
import random
import select
import socket
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.dont_write_bytecode = True

from harness import dns, pki, servers, stream, system  # noqa: E402

PASSWORD = "pencil"
DOMAINS = ("capulet.example", "montague.example")


class Broken(Exception):
    """What the servers promise does not hold."""


class Proxy:
    """Stands in front of a server's port. cut() ends all that goes through it; what is on its way then is lost, as in a cable that is pulled."""

    def __init__(self, port, seed):
        self.target = port
        self.random = random.Random(seed)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.pairs = set()
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                if self.listener.fileno() < 0:
                    return
                near.close()
                continue
            for s in (near, far):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.pairs.add((near, far))
            threading.Thread(target=self._carry, args=(near, far), daemon=True).start()

    def _carry(self, near, far):
        other = {near: far, far: near}
        try:
            while True:
                for s in select.select([near, far], [], [])[0]:
                    data = s.recv(65536)
                    if not data:
                        return
                    other[s].sendall(data)
        except (OSError, ValueError):
            pass
        finally:
            self._end(near, far)

    def _end(self, near, far, hard=False):
        with self.lock:
            self.pairs.discard((near, far))
        for s in (near, far):
            try:
                if hard:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")     # a reset in place of an end
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    def cut(self):
        """One direction may lose its last bytes before the other does."""
        with self.lock:
            pairs = list(self.pairs)
        for near, far in pairs:
            if self.random.random() < 0.5:
                near, far = far, near
            if self.random.random() < 0.3:
                # Nothing more arrives on one side, which still sends for a moment into the void.
                try:
                    far.shutdown(socket.SHUT_RD)
                except OSError:
                    pass
                time.sleep(self.random.random() * 0.02)
            self._end(near, far, hard=self.random.random() < 0.5)
            self.cuts += 1
        return bool(pairs)

    def stop(self):
        self.listener.close()
        self.cut()


class Client:
    """Writes numbered messages to its counterpart on the other server, one resource, without stream management: the client's own connection is
    never cut."""

    def __init__(self, server, name, domain, other):
        self.name, self.domain, self.other, self.server = name, domain, other, server
        self.bare = f"{name}@{domain}"
        self.number = 0
        self.received = []
        self.errors = []
        self.stream = None

    def connect(self):
        self.stream = stream.Stream("127.0.0.1", self.server.c2s)
        self.stream.login(self.name, self.domain, PASSWORD, "SCRAM-SHA-256")
        self.stream.bind(self.domain, "here")
        self.stream.send("<presence/>")

    def say(self):
        self.number += 1
        self.stream.send(f"<message to='{self.name}@{self.other}' type='chat' id='{self.number}'><body>{self.number}</body></message>")

    def listen(self):
        while self.stream.waiting or select.select([self.stream.socket], [], [], 0)[0]:
            event = self.stream.receive(0.01)
            if event is None:
                return
            kind, node = event
            if kind in ("end", "close"):
                raise Broken(f"{self.bare}: its stream has ended")
            if kind != "stanza" or node.local != "message":
                continue
            if node.get("type") == "error":
                self.errors.append(str(node))
            elif node.find("body") is not None:
                self.received.append(int(node.find("body").text()))


class World:
    def __init__(self, workers, seed, tls="optional", users=8):
        self.random = random.Random(seed)
        self.names = dns.Server()
        self.servers, self.proxies, self.clients = [], [], []
        for domain in DOMAINS:
            server = servers.Xmppd([domain], {"c2s": {"tls": "none"}, "dns": {"servers": [self.names.address]}, "s2s": {"trust": str(pki.shared().ca)}},
                                   {"xmpp-federation": {"tls": tls}}, workers=workers)
            server.settings["s2s"]["listen"] = [f"127.0.0.1:{server.s2s}"]
            server.write()
            self.servers.append(server)
            self.proxies.append(Proxy(server.s2s, seed + len(self.proxies)))
            self.names.srv(f"_xmpp-server._tcp.{domain}", [(0, 0, self.proxies[-1].port, f"xmpp.{domain}")])
            self.names.host(f"xmpp.{domain}", "127.0.0.1")
        for server, domain, other in zip(self.servers, DOMAINS, reversed(DOMAINS)):
            server.start()
            clients = [Client(server, f"user{i}", domain, other) for i in range(users)]
            server.add_users([(c.bare, PASSWORD) for c in clients])
            self.clients += clients
        for client in self.clients:
            client.connect()

    def run_for(self, seconds, rate):
        """Messages at this rate, both ways together."""
        end, due = time.monotonic() + seconds, time.monotonic()
        while (now := time.monotonic()) < end:
            while due <= now:
                self.random.choice(self.clients).say()
                due += 1 / rate
            for client in self.clients:
                client.listen()
            time.sleep(0.002)

    def settle(self, seconds=60):
        end = time.monotonic() + seconds * system.PATIENCE
        while time.monotonic() < end:
            for client in self.clients:
                client.listen()
            if all(len(set(self.counterpart(c).received)) == c.number for c in self.clients):
                break
            time.sleep(0.02)
        for client in self.clients:         # what comes twice comes a little later
            time.sleep(0.05)
            client.listen()

    def counterpart(self, client):
        return next(c for c in self.clients if c.name == client.name and c.domain == client.other)

    def judge(self):
        """(lost, doubled, out of order, errors)"""
        lost = doubled = disorder = 0
        for client in self.clients:
            got = self.counterpart(client).received
            counts = collections.Counter(got)
            lost += sum(1 for n in range(1, client.number + 1) if not counts[n])
            doubled += sum(c - 1 for c in counts.values())
            first = list(dict.fromkeys(got))
            disorder += sum(1 for a, b in zip(first, first[1:]) if b < a)
        return lost, doubled, disorder, sum(len(c.errors) for c in self.clients)

    def stop(self):
        complaints = []
        for client in self.clients:
            client.stream.cut()
        for proxy in self.proxies:
            proxy.stop()
        for server in self.servers:
            complaints.append(server.stop())
        self.names.stop()
        return [c for c in complaints if c]


def run(cuts, workers=1, seed=1, rate=200, tls="optional", gap=0.4):
    """Raises Broken; else the number of messages that went through."""
    world = World(workers, seed, tls)
    try:
        world.run_for(0.5, rate)
        while sum(p.cuts for p in world.proxies) < cuts:
            world.random.choice(world.proxies).cut()
            world.run_for(world.random.uniform(0.05, gap), rate)
        world.settle()
        lost, doubled, disorder, errors = world.judge()
        if lost or doubled or disorder or errors:
            raise Broken(f"lost={lost} doubled={doubled} out of order={disorder} errors={errors} seed={seed}\n" +
                         "\n".join(e for c in world.clients for e in c.errors[:2]))
        return sum(c.number for c in world.clients)
    finally:
        complaints = world.stop()
        if complaints:
            raise Broken("\n".join(complaints))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cuts", type=int, default=100)
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--tls", default="optional")
    options = parser.parse_args()
    print(f"seed {options.seed}")
    began = time.monotonic()
    count = run(options.cuts, options.workers, options.seed, options.rate, options.tls)
    print(f"{options.cuts} cuts, {count} messages: none lost, none twice, all in order; {time.monotonic() - began:.0f} s")
