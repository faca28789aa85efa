#!/usr/bin/python3
"""The promise of stream management, tried: clients write numbered messages to each other, the server is killed at a random moment, started
again, and everybody resumes; round after round. At the end nothing that was acknowledged is missing, nothing came twice, and each pair's
messages are in order.

    BUILD_DIR=... python3 tests/daemon/kill_loop.py --rounds 200 --workers 4 [--seed N] [--segment BYTES] [--slow-commit MS] [--slow-sync MS]

Small journal segments are rewritten all the time, slow commits and syncs leave much that is not on disk when the server is killed.
"""
import argparse
import collections
import os
import random
import select
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.dont_write_bytecode = True

from harness import servers, stream, system  # noqa: E402

SM = "urn:xmpp:sm:3"
DOMAIN = "capulet.example"
PASSWORD = "pencil"


class Broken(Exception):
    """What the server promises does not hold."""


class Client:
    """One user with one resource. Counts as XEP-0198 says; what is not acknowledged is sent again on the next stream."""

    def __init__(self, world, name, kind):
        self.world, self.name, self.kind = world, name, kind
        self.bare = f"{name}@{DOMAIN}"
        self.full = f"{self.bare}/here"
        self.stream = None
        self.id = None                          # of the session to be resumed
        self.heard = 0                          # stanzas received: our h
        self.unacked = collections.deque()      # (addressee, number, xml), not acknowledged by the server
        self.acked_count = 0                    # stanzas the server has acknowledged
        self.numbers = collections.Counter()    # the last number written to each addressee
        self.acknowledged = collections.defaultdict(set)
        self.received = collections.defaultdict(list)

    # -- the stream

    def connect(self, again=True):
        self.stream = stream.Stream("127.0.0.1", self.world.server.c2s)
        self.stream.login(self.name, DOMAIN, PASSWORD, "SCRAM-SHA-256")
        if self.id is None:
            self.begin()
            return
        self.stream.features(DOMAIN)
        self.stream.send(f"<resume xmlns='{SM}' previd='{self.id}' h='{self.heard}'/>")
        answer = self.stream.wait("resumed", "failed")
        if answer.local == "failed":
            raise Broken(f"{self.name}: the session cannot be resumed: {answer}")
        self.take_ack(int(answer.get("h")))
        if again:
            self.send_again()

    def send_again(self):
        for _, _, xml in self.unacked:
            self.stream.send(xml)
        self.stream.send(f"<r xmlns='{SM}'/>")

    def begin(self):
        self.stream.bind(DOMAIN, "here")
        self.heard = self.acked_count = 0
        self.stream.send(f"<enable xmlns='{SM}' resume='true'/>")
        self.id = self.stream.wait("enabled").get("id")
        self.write(None, 0, "<presence/>")

    def cut(self):
        if self.stream:
            self.stream.cut()
        self.stream = None

    def leave(self):
        """Politely: there is nothing to resume."""
        self.stream.close()
        self.stream, self.id = None, None
        self.unacked.clear()

    # -- stanzas

    def write(self, to, number, xml):
        self.unacked.append((to, number, xml))
        self.stream.send(xml)

    def say(self, to):
        self.numbers[to.name] += 1
        number = self.numbers[to.name]
        address = to.full if to.kind != "offline" and random.random() < 0.5 else to.bare
        self.write(to.name, number, f"<message to='{address}' type='chat'><body>{self.name} {number}</body></message>")
        if random.random() < 0.3:
            self.stream.send(f"<r xmlns='{SM}'/>")

    def take_ack(self, h):
        while self.acked_count != h:
            if not self.unacked:
                raise Broken(f"{self.name}: the server acknowledges {h}, only {self.acked_count} were sent")
            to, number, _ = self.unacked.popleft()
            self.acked_count += 1
            if to:
                self.acknowledged[to].add(number)

    def has_news(self):
        return self.stream and (self.stream.waiting or self.stream.ended or select.select([self.stream.socket], [], [], 0)[0])

    def listen(self):
        while self.has_news() and (event := self.stream.receive(0.01)) is not None:
            kind, node = event
            if kind in ("end", "close"):
                self.cut()
            elif kind == "stanza":
                self.take(node)

    def take(self, node):
        if node.namespace == SM:
            if node.local == "r":
                self.stream.send(f"<a xmlns='{SM}' h='{self.heard}'/>")
            elif node.local == "a":
                self.take_ack(int(node.get("h")))
            return
        if node.local not in ("message", "presence", "iq"):
            return
        self.heard += 1
        body = node.find("body")
        if node.local == "message" and node.get("type") == "error":
            raise Broken(f"{self.name}: an error came back: {node}")
        if node.local == "message" and body is not None:
            sender, number = body.text().split()
            self.received[sender].append(int(number))


class World:
    def __init__(self, workers, seed, segment=None, slow_commit=0, slow_sync=0):
        self.random = random.Random(seed)
        random.seed(seed)
        settings = {"c2s": {"tls": "none"}, "limits": {"max-offline": 1000000}}
        if segment:
            settings["store"] = {"journal-segment": segment}
        self.server = servers.Xmppd([DOMAIN], settings, workers=workers)
        self.server.process.environment.update(TEST_SLOW_COMMITS=str(slow_commit), TEST_SLOW_SYNCS=str(slow_sync))
        kinds = ["online"] * 3 + ["hibernated"] * 2 + ["offline"]
        self.clients = [Client(self, f"user{i}", kind) for i, kind in enumerate(kinds)]
        self.server.start()
        self.server.add_users([(c.bare, PASSWORD) for c in self.clients])

    def there(self, *kinds):
        return [c for c in self.clients if c.kind in kinds]

    def connect(self, clients):
        for client in clients:
            if client.stream is None:
                client.connect()

    def listen(self):
        for client in self.clients:
            client.listen()

    def traffic(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for client in self.there("online", "hibernated"):
                if client.stream:
                    for _ in range(self.random.randrange(4)):
                        client.say(self.random.choice([c for c in self.clients if c is not client]))
            self.listen()
            if self.random.random() < 0.02:
                self.random.choice(self.there("hibernated")).cut()
            time.sleep(0.002)

    def kill(self):
        self.server.process.child.kill()
        self.server.process.child.wait()
        for client in self.clients:
            client.listen()                     # what had left before is read
            client.cut()

    def restart(self):
        self.server.start()

    def visit(self, client):
        """Somebody who was away signs in, reads what was kept, says so and leaves."""
        client.connect()
        last = None
        while last is None or time.monotonic() - last < 0.15 * system.PATIENCE:
            before = client.heard
            client.listen()
            if client.heard != before or last is None:
                last = time.monotonic()
            time.sleep(0.005)
        client.stream.send(f"<a xmlns='{SM}' h='{client.heard}'/>")
        client.leave()
        time.sleep(0.05 * system.PATIENCE)      # what is acknowledged leaves the store

    def round(self, number):
        self.connect(self.there("online"))
        self.connect(c for c in self.there("hibernated") if self.random.random() < 0.7)
        self.traffic(self.random.uniform(0.05, 0.4))
        if self.random.random() < 0.1:
            for client in self.clients:
                client.cut()
            self.server.process.stop()
        else:
            self.kill()
        self.restart()
        if self.random.random() < 0.2:          # and again while they come back
            self.connect(self.there("online")[:2])
            self.traffic(self.random.uniform(0, 0.05))
            self.kill()
            self.restart()
        if self.random.random() < 0.3:
            for client in self.there("offline"):
                self.visit(client)

    def settle(self):
        self.connect(self.there("online", "hibernated"))
        end = time.monotonic() + 20 * system.PATIENCE
        while time.monotonic() < end:
            for client in self.there("online", "hibernated"):
                client.stream.send(f"<r xmlns='{SM}'/>")
            for _ in range(20):
                self.listen()
                time.sleep(0.01)
            if not any(c.unacked for c in self.there("online", "hibernated")):
                break
        for client in self.there("offline"):
            self.visit(client)
        self.listen()

    def compare(self):
        lost, doubled, disordered, total = [], [], [], 0
        for sender in self.clients:
            for to in self.clients:
                got = to.received[sender.name]
                promised = sender.acknowledged[to.name]
                total += len(promised)
                lost += [(sender.name, to.name, n) for n in sorted(promised - set(got))]
                doubled += [(sender.name, to.name, n) for n, times in collections.Counter(got).items() if times > 1]
                disordered += [(sender.name, to.name, a, b) for a, b in zip(got, got[1:]) if b < a]
        return total, lost, doubled, disordered


def run(rounds, workers, seed, seconds=None, say=print, **disk):
    """Raises Broken with the seed when the promise does not hold; returns the number of acknowledged messages. disk: as of World."""
    world = World(workers, seed, **disk)
    end = time.monotonic() + seconds if seconds else None
    try:
        # Before anything is written: what is kept for an account and what goes to its new session are two ways, without a common order.
        world.connect(world.there("online", "hibernated"))
        for number in range(rounds):
            if end and time.monotonic() > end:
                raise Broken(f"only {number} of {rounds} rounds in {seconds} s")
            world.round(number)
            if number % 50 == 49:
                say(f"round {number + 1} of {rounds}", flush=True)
        world.settle()
        total, lost, doubled, disordered = world.compare()
        if lost or doubled or disordered:
            raise Broken(f"of {total} acknowledged: lost {lost[:5]} ({len(lost)}), twice {doubled[:5]} ({len(doubled)}), "
                         f"out of order {disordered[:5]} ({len(disordered)})")
        complaint = world.server.stop()
        if complaint:
            raise Broken(complaint)
        return total
    except Exception as e:
        words = "".join(f" --{name.replace('_', '-')} {value}" for name, value in disk.items() if value)
        raise Broken(f"--rounds {rounds} --workers {workers} --seed {seed}{words}: {type(e).__name__}: {e}") from e
    finally:
        world.server.process.kill()


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--rounds", type=int, default=200)
    p.add_argument("--workers", type=int, default=1)
    p.add_argument("--seed", type=int, default=None)
    p.add_argument("--segment", type=int, default=None, help="bytes of a journal segment")
    p.add_argument("--slow-commit", type=int, default=0, help="milliseconds that every commit takes longer")
    p.add_argument("--slow-sync", type=int, default=0, help="the same of every sync of a journal")
    o = p.parse_args()
    seed = o.seed if o.seed is not None else int.from_bytes(os.urandom(4), "big")
    begun = time.monotonic()
    try:
        total = run(o.rounds, o.workers, seed, segment=o.segment, slow_commit=o.slow_commit, slow_sync=o.slow_sync)
    except Broken as e:
        raise SystemExit(f"broken: {e}")
    print(f"{o.rounds} rounds, {o.workers} workers, seed {seed}: {total} acknowledged messages, 0 lost, 0 twice, all in order, "
          f"{time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
