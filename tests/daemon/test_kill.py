"""The kill loop: some rounds in the usual run, 1,000 in `make check-long`; see kill_loop.py. And disks that are slow, full or broken."""
import os
import shutil
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import kill_loop  # noqa: E402
from harness import process, servers, system  # noqa: E402

SEED = int.from_bytes(os.urandom(4), "big")


DISKS = {"fast": {}, "slow": {"segment": 24576, "slow_commit": 25, "slow_sync": 5}}


@pytest.mark.slow
@pytest.mark.parametrize("disk", DISKS)
@pytest.mark.parametrize("workers", [1, pytest.param(4, marks=pytest.mark.workers4)])
def test_what_was_acknowledged_survives_kills(workers, disk):
    assert kill_loop.run(10, workers, SEED + workers, seconds=300, **DISKS[disk]) > 0


@pytest.mark.long
@pytest.mark.parametrize("disk", DISKS)
@pytest.mark.parametrize("workers", [1, 4])
def test_what_was_acknowledged_survives_many_kills(workers, disk):
    assert kill_loop.run(250, workers, SEED + workers, **DISKS[disk]) > 0


def chat(senders, online, messages=40):
    """Enough for the journals of all workers to be rewritten many times."""
    wanted = {to.name: to.heard + messages for to in senders[1:]}
    for _ in range(messages):
        for sender, to in zip(senders, senders[1:]):
            sender.write(None, 0, f"<message to='{to.full}'><pad xmlns='test'>{'x' * 1000}</pad></message>")
        for client in online:
            client.listen()
    for sender in senders:                      # its state is noted again
        sender.write(None, 0, "<presence><show>away</show></presence>")
    assert system.wait_until(lambda: [c.listen() for c in online] and all(c.heard >= wanted.get(c.name, 0) for c in online), 2)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, pytest.param(4, marks=pytest.mark.workers4)])
def test_what_took_effect_is_known_however_long_a_commit_takes(workers):
    """A message is on its way to the store while the next one is delivered, acknowledged, and the journal grows to many times its size."""
    server = servers.Xmppd([kill_loop.DOMAIN], {"c2s": {"tls": "none"}, "store": {"journal-segment": 16384}}, workers=workers)
    server.start()
    try:
        world = types.SimpleNamespace(server=server)
        online = [kill_loop.Client(world, f"user{i}", "online") for i in range(6)]
        away = kill_loop.Client(world, "away", "offline")
        server.add_users([(c.bare, kill_loop.PASSWORD) for c in [*online, away]])
        server.restart()                        # nothing of the import is left to be written
        server.process.stop()
        *senders, reader = online
        for kill in range(2):                   # the second time they send again what is known to have arrived
            server.process.environment["TEST_SLOW_COMMITS"] = str(int(3000 * system.PATIENCE))
            server.start()
            for client in online:
                client.connect(again=False)
            for sender in senders:
                if kill == 0:
                    sender.say(away)
                    sender.say(reader)
                else:
                    sender.send_again()
            assert system.wait_until(lambda: [reader.listen()] and len(reader.received) == len(senders), 1)
            chat(senders, online)
            assert not any(sender.acknowledged for sender in senders)
            server.process.kill()
            for client in online:
                client.listen()
                client.cut()

        del server.process.environment["TEST_SLOW_COMMITS"]
        server.start()
        for client in online:
            client.connect()
        assert system.wait_until(lambda: [c.listen() for c in online] and not any(c.unacked for c in senders), 10)
        away.connect()
        assert system.wait_until(lambda: [away.listen()] and len(away.received) == len(senders), 10)
        reader.listen()
        for sender in senders:
            assert reader.received[sender.name] == away.received[sender.name] == [1]
        assert server.stop() is None
    finally:
        server.process.kill()
        server.remove()


class Silent(kill_loop.Client):
    """Reads all and acknowledges nothing."""

    def take(self, node):
        if node.namespace != kill_loop.SM:
            super().take(node)


@pytest.mark.slow
def test_a_message_that_was_delivered_before_it_was_stored_is_not_lost():
    server = servers.Xmppd([kill_loop.DOMAIN], {"c2s": {"tls": "none"}})
    server.start()
    try:
        world = types.SimpleNamespace(server=server)
        sender, reader = kill_loop.Client(world, "user0", "online"), Silent(world, "user1", "offline")
        server.add_users([(c.bare, kill_loop.PASSWORD) for c in (sender, reader)])
        server.process.stop()
        server.process.environment["TEST_SLOW_COMMITS"] = str(int(3000 * system.PATIENCE))
        server.start()
        sender.connect()
        sender.say(reader)
        sender.stream.send(f"<iq type='get' id='p' to='{kill_loop.DOMAIN}'><ping xmlns='urn:xmpp:ping'/></iq>")
        assert system.wait_until(lambda: [sender.listen()] and sender.heard > 1, 2)
        reader.connect()
        assert system.wait_until(lambda: [reader.listen()] and reader.received, 2)
        server.process.kill()

        reader.cut()
        reader.heard -= 1                       # as if the message had not reached it
        reader.received.clear()
        del server.process.environment["TEST_SLOW_COMMITS"]
        server.start()
        sender.cut()
        sender.heard -= 1                       # and the ping is not sent again
        for client in (reader, sender):
            client.connect()
        assert system.wait_until(lambda: [c.listen() for c in (reader, sender)] and not sender.unacked, 10)
        reader.listen()
        assert reader.received[sender.name] == [1]
        assert server.stop() is None
    finally:
        server.process.kill()
        server.remove()


def say_until_stalled(sender, reader):
    """Messages of 60 kB, each with a question; ends when no answer comes any more."""
    for number in range(1, 500):
        sender.write(reader.name, number, f"<message to='{reader.full}' type='chat'><body>{sender.name} {number}</body>"
                                          f"<pad xmlns='test'>{'x' * 60000}</pad></message>")
        sender.stream.send(f"<r xmlns='{kill_loop.SM}'/>")
        end = time.monotonic() + 1.5 * system.PATIENCE
        while sender.unacked and time.monotonic() < end:
            sender.listen()
            reader.listen()
            time.sleep(0.001)
        if sender.unacked:
            return
    raise AssertionError("the disk never was full")


class SmallDisk:
    """A file system of its own for a server's state; it is gone with the process that holds it."""

    def __init__(self, server, megabytes):
        self.place = server.directory / "state"
        self.place.mkdir()
        self.holder = process.Process("disk", ["unshare", "-m", "sh", "-c", f"mount -t tmpfs -o size={megabytes}m none {self.place} && "
                                               "echo ready && exec sleep 600"], server.directory)
        self.holder.start().wait_ready()
        server.process.argv = self.inside(*server.process.argv)

    def inside(self, *argv):
        return ["nsenter", "-m", "-t", str(self.holder.child.pid), "--", *argv]

    def grow(self, megabytes):
        subprocess.run(self.inside("mount", "-o", f"remount,size={megabytes}m", self.place), check=True)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nsenter"), reason="only root can make a file system")
def test_while_the_disk_is_full_nothing_is_read_and_nothing_is_lost():
    server = servers.Xmppd([kill_loop.DOMAIN], {"c2s": {"tls": "none"}, "store": {"map-size": 16, "journal-segment": 1 << 26},
                                                     "limits": {"max-unacked": 100000, "max-unacked-bytes": 1 << 26}})
    disk = SmallDisk(server, 20)
    server.start()
    try:
        world = types.SimpleNamespace(server=server)
        sender, reader = kill_loop.Client(world, "user0", "online"), Silent(world, "user1", "online")
        server.add_users([(c.bare, kill_loop.PASSWORD) for c in (sender, reader)])
        for client in (reader, sender):
            client.connect()
        say_until_stalled(sender, reader)
        assert "nothing is read from clients until there is room" in server.process.log()
        assert len(sender.acknowledged[reader.name]) > 50

        disk.grow(100)
        assert system.wait_until(lambda: [c.listen() for c in (sender, reader)] and not sender.unacked, 10)
        promised = sorted(sender.acknowledged[reader.name])

        server.process.kill()
        for client in (reader, sender):
            client.listen()
            client.cut()
        server.start()
        for client in (reader, sender):
            client.connect()
        sender.write(reader.name, promised[-1] + 1, f"<message to='{reader.full}' type='chat'><body>user0 {promised[-1] + 1}</body></message>")
        assert system.wait_until(lambda: [reader.listen()] and promised[-1] + 1 in reader.received[sender.name], 10)
        assert reader.received[sender.name] == [*promised, promised[-1] + 1]
        assert server.stop() is None
    finally:
        server.process.kill()
        disk.holder.kill()
        server.remove()
