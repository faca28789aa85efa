"""Who does not read costs no more than his limit, delays nobody, and loses nothing that was acknowledged."""
import json
import os
import re
import socket
import threading
import time

import pytest

from harness import servers, stream, system

pytestmark = pytest.mark.skipif(os.environ.get("CI") != "true" and not system.have("xmppd"), reason="xmppd is not built")

DOMAIN = "capulet.example"
SM = "urn:xmpp:sm:3"
PING = "<iq type='get' id='{0}' to='" + DOMAIN + "'><ping xmlns='urn:xmpp:ping'/></iq>"
CROWD = 200
SLACK_KIB = 24 * 1024       # what a flood of messages leaves in free lists


def start(workers, limits, users):
    server = servers.Xmppd([DOMAIN], {"c2s": {"tls": "optional"}, "limits": limits}, workers=workers).start()
    server.add_users([(f"{name}@{DOMAIN}", "pencil") for name in users])
    return server


def sign_in(server, name, reads=True):
    s = stream.Stream("127.0.0.1", server.c2s)
    if not reads:
        s.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.login(name, DOMAIN, "pencil", "SCRAM-SHA-1")
    s.bind(DOMAIN, "test")
    s.send("<presence/>")
    while s.wait("presence", "message").local != "presence":
        pass
    return s


def row(server, name):
    return next(r for r in json.loads(server.ctl("--json", "limits").stdout)["limits"] if r["limit"] == f"limits.{name}")


def until(condition, seconds=20):
    deadline = time.monotonic() + seconds * system.PATIENCE
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    return condition()


def memory_kib(server, name="VmRSS"):
    with open(f"/proc/{server.process.child.pid}/status") as f:
        return int(next(line.split()[1] for line in f if line.startswith(name)))


class Pair(threading.Thread):
    """Two who chat while something happens; how long each message took."""

    def __init__(self, server):
        super().__init__()
        self.one, self.two = sign_in(server, "romeo"), sign_in(server, "nurse")
        self.took, self.failure, self.over = [], None, threading.Event()
        self.start()

    def run(self):
        try:
            while not self.over.is_set():
                began, body = time.monotonic(), f"<body>{len(self.took)}</body>"
                self.one.send(f"<message to='nurse@{DOMAIN}/test' type='chat'>{body}</message>")
                assert self.two.wait("message", seconds=10).find("body").text() == str(len(self.took))
                self.took.append(time.monotonic() - began)
                self.over.wait(0.01)
        except Exception as e:          # told by the test's own thread
            self.failure = e

    def end(self):
        assert until(lambda: len(self.took) > 10 or self.failure)
        self.over.set()
        self.join()
        assert self.failure is None, self.failure
        took = sorted(self.took)
        assert took[len(took) // 2] < 0.1 * system.PATIENCE and took[-1] < 2 * system.PATIENCE, (took[len(took) // 2], took[-1])
        self.one.close()
        self.two.close()


def drain(s, seconds=20):
    """What still comes, as text, to the end of the connection."""
    came, deadline = b"", time.monotonic() + seconds * system.PATIENCE
    s.socket.settimeout(1)
    while time.monotonic() < deadline:
        try:
            data = s.socket.recv(1 << 16)
        except TimeoutError:
            continue
        except OSError:
            break
        if not data:
            break
        came += data
    return came.decode(errors="replace")


def is_end_of_slow_reader(text):
    """The stream's error, unless it was cut: who does not read has only some seconds for what was sent before."""
    return "<resource-constraint" in text or not text.endswith("</stream:stream>")


class Drain(threading.Thread):
    """Begins to read when the limit has been reached."""

    def __init__(self, server, s):
        super().__init__()
        self.server, self.stream, self.came = server, s, ""
        self.start()

    def run(self):
        until(lambda: row(self.server, "max-queue")["hits"] > 0, 60)
        self.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.came = drain(self.stream)

    def text(self):
        self.join()
        return self.came


@pytest.mark.parametrize("workers", [1, pytest.param(4, marks=pytest.mark.workers4)])
def test_many_write_to_one_who_does_not_read(workers):
    names = [f"s{i}" for i in range(CROWD)]
    server = start(workers, {"max-queue": 262144, "max-offline": 100}, ["juliet", "romeo", "nurse", *names])
    try:
        juliet = sign_in(server, "juliet", reads=False)
        senders = [sign_in(server, name) for name in names]
        pair = Pair(server)
        before, body = memory_kib(server), "x" * 4000
        ended = Drain(server, juliet)
        for turn in range(20):              # 16 MB
            for s in senders:
                s.send(f"<message to='juliet@{DOMAIN}/test' type='headline'><body>{turn} {body}</body></message>")
        assert is_end_of_slow_reader(ended.text())
        for i, s in enumerate(senders):     # nobody else is in trouble
            s.send(PING.format(f"p{i}"))
        for i, s in enumerate(senders):
            while (answer := s.wait("iq", "message", seconds=15)).local != "iq":
                pass
            assert answer.get("id") == f"p{i}" and answer.get("type") == "result"
        pair.end()
        if system.sanitizer() is None:
            assert memory_kib(server) - before < SLACK_KIB
        assert until(lambda: "juliet@" not in server.ctl("sessions").stdout)
        for s in senders:
            s.cut()
    finally:
        assert server.stop() is None


@pytest.mark.parametrize("workers", [1, pytest.param(4, marks=pytest.mark.workers4)])
def test_many_who_do_not_read(workers):
    names = [f"s{i}" for i in range(CROWD)]
    queue = 131072
    server = start(workers, {"max-queue": queue, "max-bytes-per-second": 1 << 30}, ["juliet", "romeo", "nurse", *names])
    try:
        deaf = [sign_in(server, name, reads=False) for name in names]
        juliet, pair = sign_in(server, "juliet"), Pair(server)
        before, peak, body = memory_kib(server), 0, "x" * 20000
        for _ in range(200):                # more than the kernel takes for each
            for name in names:
                juliet.send(f"<message to='{name}@{DOMAIN}/test' type='headline'><body>{body}</body></message>")
            peak = max(peak, memory_kib(server))
            if row(server, "max-queue")["hits"] >= CROWD:
                break
        assert until(lambda: row(server, "max-queue")["hits"] == CROWD)
        if system.sanitizer() is None:
            assert peak - before < CROWD * (queue + 40000) / 1024 + SLACK_KIB
        juliet.send(PING.format("end"))
        while (answer := juliet.wait("iq", "message", "presence", seconds=20)).local != "iq":
            pass
        pair.end()
        for s in deaf:
            s.cut()
        juliet.close()
    finally:
        assert server.stop() is None


def enable(s, resume):
    s.send(f"<enable xmlns='{SM}'{' resume=' + chr(39) + 'true' + chr(39) if resume else ''}/>")
    return s.wait("enabled")


def flood(server, names, count, body):
    """Numbered messages to juliet, each acknowledged by the server."""
    senders = [sign_in(server, name) for name in names]
    for s in senders:
        enable(s, False)
    for number in range(count):
        for name, s in zip(names, senders):
            s.send(f"<message to='juliet@{DOMAIN}' type='chat' id='{name}-{number}'><body>{body}</body></message>")
    for s in senders:
        s.send(f"<r xmlns='{SM}'/>")
        acknowledged = 0
        while acknowledged < count:
            answer = s.wait("a", "message", "r", seconds=20)
            assert answer.local != "message", str(answer)[:500]     # nothing came back
            if answer.local == "a":
                acknowledged = int(answer.get("h"))
                if acknowledged < count:
                    s.send(f"<r xmlns='{SM}'/>")
    for s in senders:
        s.cut()
    return [f"{name}-{number}" for number in range(count) for name in names]


def in_order(ids, names):
    return all([i for i in ids if i.startswith(name + "-")] == sorted((i for i in ids if i.startswith(name + "-")), key=lambda i: int(i.split("-")[1]))
               for name in names)


@pytest.mark.parametrize("workers", [1, pytest.param(4, marks=pytest.mark.workers4)])
@pytest.mark.parametrize("limits, name, body", [
    ({"max-unacked": 200}, "max-unacked", "x"),
    ({"max-unacked-bytes": 65536}, "max-unacked-bytes", "x" * 1000),
], ids=["stanzas", "bytes"])
def test_what_was_acknowledged_is_kept_for_who_stopped_reading(workers, limits, name, body):
    names = [f"s{i}" for i in range(20)]
    server = start(workers, {**limits, "max-offline": 100000}, ["juliet", "romeo", "nurse", *names])
    try:
        juliet, pair = sign_in(server, "juliet", reads=False), Pair(server)
        enable(juliet, True)
        sent = flood(server, names, 30, body)
        assert until(lambda: row(server, name)["hits"] == 1)
        pair.end()
        assert is_end_of_slow_reader(drain(juliet))
        again = stream.Stream("127.0.0.1", server.c2s)
        again.login("juliet", DOMAIN, "pencil", "SCRAM-SHA-1")
        again.bind(DOMAIN, "test")
        again.send("<presence/>")
        came = []
        while len(came) < len(sent):
            if (stanza := again.wait("message", "presence", seconds=20)).local == "message":
                came.append(stanza.get("id"))
        assert sorted(came) == sorted(sent) and in_order(came, names)
        again.close()
    finally:
        assert server.stop() is None


@pytest.mark.parametrize("workers", [1, pytest.param(4, marks=pytest.mark.workers4)])
def test_who_stopped_reading_comes_back_to_his_session(workers):
    names = [f"s{i}" for i in range(20)]
    server = start(workers, {"max-queue": 65536, "max-unacked-bytes": 1 << 26, "max-unacked": 100000, "max-offline": 100000}, ["juliet", "romeo", "nurse", *names])
    try:
        juliet, pair = sign_in(server, "juliet", reads=False), Pair(server)
        session = enable(juliet, True).get("id")
        sent = flood(server, names, 100, "x" * 3000)         # 6 MB
        assert until(lambda: row(server, "max-queue")["hits"] == 1)
        pair.end()
        ended = drain(juliet)
        assert is_end_of_slow_reader(ended)
        again = stream.Stream("127.0.0.1", server.c2s)
        again.login("juliet", DOMAIN, "pencil", "SCRAM-SHA-1")
        again.features(DOMAIN)
        again.send(f"<resume xmlns='{SM}' previd='{session}' h='0'/>")
        again.wait("resumed")
        came = []
        while len(came) < len(sent):
            stanza = again.wait("message", "presence", "r", seconds=20)
            if stanza.local == "message":
                came.append(stanza.get("id"))
            if stanza.local == "r":
                again.send(f"<a xmlns='{SM}' h='{len(came)}'/>")
        assert sorted(came) == sorted(sent) and in_order(came, names)
        assert set(re.findall(r'<message[^>]* id="([^"]+)"', ended)) <= set(sent)
        again.close()
    finally:
        assert server.stop() is None
