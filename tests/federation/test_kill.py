"""Two servers that are killed or stopped: what a client has been told to be taken arrives on the other server, however often it is retold; after a clean
stop over there once only."""
import random
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "daemon"))

import kill_loop  # noqa: E402
from harness import dns, pki, servers, stream, system  # noqa: E402

HERE, THERE = kill_loop.DOMAIN, "montague.example"


class Reader(kill_loop.Client):
    """Signs in on the other server when all is over, and reads what was kept."""

    def __init__(self, world):
        super().__init__(world, "reader", "offline")
        self.bare = f"reader@{THERE}"

    def read(self, server, awaited):
        self.stream = stream.Stream("127.0.0.1", server.c2s)
        self.stream.login(self.name, THERE, kill_loop.PASSWORD, "SCRAM-SHA-256")
        self.stream.bind(THERE, "here")
        self.stream.send("<presence/>")
        end = time.monotonic() + 40 * system.PATIENCE
        while time.monotonic() < end and not awaited():
            self.listen()
            time.sleep(0.01)
        self.stream.close()


class World:
    def __init__(self, workers):
        self.names = dns.Server()
        self.server, self.other = (self.make(domain, workers) for domain in (HERE, THERE))
        self.clients = [kill_loop.Client(self, f"user{i}", "online") for i in range(4)]
        self.reader = Reader(self)
        self.server.start()
        self.other.start()
        self.server.add_users([(c.bare, kill_loop.PASSWORD) for c in self.clients])
        self.other.add_users([(self.reader.bare, kill_loop.PASSWORD)])

    def make(self, domain, workers):
        server = servers.Xmppd([domain], {"c2s": {"tls": "none"}, "limits": {"max-offline": 1000000}, "dns": {"servers": [self.names.address]},
                                          "s2s": {"trust": str(pki.shared().ca), "max-wait": 60}}, {"xmpp-federation": {}}, workers=workers)
        server.settings["s2s"]["listen"] = [f"127.0.0.1:{server.s2s}"]
        server.write()
        self.names.srv(f"_xmpp-server._tcp.{domain}", [(0, 0, server.s2s, f"xmpp.{domain}")])
        self.names.host(f"xmpp.{domain}", "127.0.0.1")
        return server

    def connect(self):
        for client in self.clients:
            if client.stream is None:
                client.connect()

    def traffic(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for client in self.clients:
                if random.random() < 0.3:
                    client.say(self.reader)
                client.listen()
            time.sleep(0.004)

    def kill(self, server):
        server.process.child.kill()
        server.process.child.wait()
        for client in self.clients if server is self.server else []:
            client.listen()
            client.cut()

    def settle(self):
        end = time.monotonic() + 60 * system.PATIENCE
        while any(c.unacked for c in self.clients) and time.monotonic() < end:
            for client in self.clients:
                client.stream.send(f"<r xmlns='{kill_loop.SM}'/>")
                client.listen()
            time.sleep(0.1)

    def stop(self):
        for server in (self.server, self.other):
            server.process.kill()
            server.remove()
        self.names.stop()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, pytest.param(4, marks=pytest.mark.workers4)])
def test_what_was_acknowledged_arrives(workers):
    random.seed(77 + workers)
    world = World(workers)
    try:
        for number in range(8):
            world.connect()
            world.traffic(random.uniform(0.1, 0.5))
            victim = random.choice([world.server, world.other])
            world.kill(victim)
            if victim is world.other:
                world.traffic(random.uniform(0, 0.8))       # nobody is there
            victim.start()
        world.connect()
        world.settle()
        lost = lambda: [(c.name, n) for c in world.clients for n in sorted(c.acknowledged["reader"] - set(world.reader.received[c.name]))]
        world.reader.read(world.other, lambda: not lost())
        assert not lost()
        assert sum(len(c.acknowledged["reader"]) for c in world.clients) > 20
    finally:
        world.stop()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, pytest.param(4, marks=pytest.mark.workers4)])
def test_a_restart_over_there_doubles_nothing(workers):
    random.seed(99 + workers)
    world = World(workers)
    try:
        world.connect()
        for number in range(5):
            world.traffic(random.uniform(0.1, 0.5))
            world.other.process.stop()
            world.traffic(random.uniform(0, 0.3))
            world.other.start()
        world.traffic(0.3)
        world.settle()
        sent = sum(c.numbers["reader"] for c in world.clients)
        world.reader.read(world.other, lambda: sum(len(set(world.reader.received[c.name])) for c in world.clients) == sent)
        for client in world.clients:
            assert world.reader.received[client.name] == list(range(1, client.numbers["reader"] + 1))
    finally:
        world.stop()
