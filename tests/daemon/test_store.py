"""What the server has acknowledged survives its sudden death, and a store it cannot use is refused with one clear line."""
import os
import random
import resource
import socket
import time

import pytest

from harness import servers, stream, system

pytestmark = pytest.mark.skipif(os.environ.get("CI") != "true" and not system.have("xmppd"), reason="needs xmppd")

ECHO = {("component", "echo.capulet.example"): {"secret": "sesame"}}
PING = "<iq type='get' id='p{0}' from='echo.capulet.example' to='capulet.example'><ping xmlns='urn:xmpp:ping'/></iq>"
MESSAGE = ("<message from='a@echo.capulet.example' to='juliet@capulet.example' id='m{0}' type='chat'><body>{0}</body></message>")


def component(server):
    echo = stream.Stream("127.0.0.1", server.component_port, stream.COMPONENT)
    echo.handshake("echo.capulet.example", "sesame")
    return echo


def client(server):
    juliet = stream.Stream("127.0.0.1", server.c2s)
    juliet.secure("capulet.example")
    juliet.login("juliet", "capulet.example", "pencil")
    juliet.bind("capulet.example", "balcony")
    return juliet


def send_until_killed(server, first):
    """Numbered messages, a ping behind every few; kills the server at a random moment. Returns the last acknowledged and the next number."""
    echo = component(server)
    end = time.monotonic() + random.uniform(0.05, 0.4)
    number, acknowledged = first, first - 1
    while time.monotonic() < end:
        burst = random.randrange(1, 8)
        echo.send("".join(MESSAGE.format(n) for n in range(number, number + burst)) + PING.format(number + burst - 1))
        number += burst
        while (event := echo.receive(0.002)) is not None:
            acknowledged = note_answer(event, acknowledged)
    server.kill()
    while (event := echo.receive(1)) is not None and event[0] == "stanza":
        acknowledged = note_answer(event, acknowledged)
    echo.cut()
    return acknowledged, number


def note_answer(event, acknowledged):
    kind, node = event
    assert kind == "stanza" and node.local == "iq" and node.get("type") == "result", event
    answered = int(node.get("id")[1:])
    assert answered > acknowledged
    return answered


def collect(server, pause=None):
    """The numbers of all messages that waited for juliet; pause(numbers) runs after each."""
    juliet = client(server)
    juliet.send("<presence/>")
    numbers = []
    # a second without any is the end: large backlogs come in portions
    while (event := juliet.receive(1 * system.PATIENCE)) is not None:
        assert event[0] == "stanza", event
        if event[1].local == "message":
            numbers.append(int(event[1].find("body").text()))
            if pause:
                pause(numbers)
    juliet.close()
    return numbers


@pytest.mark.slow
def test_a_large_backlog_comes_in_portions_and_new_messages_behind_it(workers):
    """Nine megabytes are more than the output of a client may hold; one that reads gets all of it, in order, and nothing twice."""
    server = servers.Xmppd(settings=ECHO, workers=workers)
    large = ("<message from='a@echo.capulet.example' to='juliet@capulet.example{1}' type='chat'><subject>" + "x" * 30000 +
             "</subject><body>{0}</body></message>")
    try:
        server.start()
        server.add_users([("juliet@capulet.example", "pencil")])
        echo = component(server)
        echo.send("".join(large.format(n, "") for n in range(300)) + PING.format(0))
        assert note_answer(echo.receive(30 * system.PATIENCE), -1) == 0

        def speak_in_between(numbers):
            if numbers == [0]:
                echo.send("".join(large.format(n, "/balcony" if n % 2 else "") for n in range(300, 310)))
            time.sleep(0.002)       # a slow reader

        assert collect(server, speak_in_between) == list(range(310))
        assert collect(server) == [], "delivered once"
        complaint = server.stop()
        assert not complaint, complaint
    finally:
        server.kill()
        server.remove()


@pytest.mark.slow
def test_offline_messages_behind_an_answered_ping_survive_a_kill(workers):
    server = servers.Xmppd(settings={**ECHO, "limits": {"max-offline": 100000}}, workers=workers)
    try:
        server.start()
        server.add_users([("juliet@capulet.example", "pencil")])
        ranges, number = [], 1
        for _ in range(8):
            first = number
            acknowledged, number = send_until_killed(server, first)
            ranges.append((first, acknowledged))
            server.start()
        kept = collect(server)
        assert kept == sorted(set(kept)), "order, and nothing twice"
        missing = [n for first, last in ranges for n in range(first, last + 1) if n not in set(kept)]
        assert not missing, f"acknowledged and lost: {missing[:20]}"
        assert sum(last - first + 1 for first, last in ranges) > 0, "nothing was acknowledged at all"
        assert collect(server) == [], "delivered once"
        complaint = server.stop()
        assert not complaint, complaint
    finally:
        server.kill()
        server.remove()


def expect_refusal(server, *parts):
    """It ends with code 2, and one line of its log says why."""
    server.process.start()
    assert server.process.wait() == 2, server.process.log()
    lines = [line for line in server.process.log().splitlines() if "cannot start" in line]
    assert len(lines) == 1, server.process.log()
    for part in parts:
        assert part in lines[0], lines[0]


@pytest.fixture
def server():
    it = servers.Xmppd()
    yield it
    it.kill()
    it.remove()


def used_once(server):
    server.start()
    server.add_users([("juliet@capulet.example", "pencil")])
    assert server.process.stop() == 0
    return server.directory / "state" / "data.mdb"


def test_a_damaged_store_is_refused_and_left_alone(server):
    data = used_once(server)
    whole = data.read_bytes()
    for damage in (b"x" * 8192 + whole[8192:], whole[:8192], b"no store at all", b""):
        data.write_bytes(damage)
        expect_refusal(server, "data.mdb", "damaged")
        assert data.read_bytes() == damage, "it was written to"
    data.write_bytes(whole)
    server.start()
    assert "juliet@capulet.example" in server.ctl("user", "list").stdout


def test_a_store_in_use_names_the_process(server):
    server.start()
    other = servers.Xmppd(settings={"state-dir": str(server.directory / "state")})
    try:
        expect_refusal(other, "in use by PID", str(server.process.child.pid))
    finally:
        other.remove()
    assert server.process.alive()


def test_the_store_of_another_program_is_refused(server):
    data = used_once(server)
    whole = data.read_bytes()
    stamp = bytes((0, 0, 0, 1)) + bytes((0, 0, 0, 5)) + b"xmppd"
    assert whole.count(stamp) >= 1
    data.write_bytes(whole.replace(stamp, stamp[:8] + b"other"))
    expect_refusal(server, "other")
    data.write_bytes(whole.replace(stamp, bytes((0, 0, 0, 99)) + stamp[4:]))
    expect_refusal(server, "format 99", "newer")


def limit_files(size):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    return limit


@pytest.mark.slow
def test_a_disk_that_fills_up_loses_nothing_in_silence(server):
    """Every message is kept or comes back as an error; the server lives on and says once what is wrong."""
    server.settings.update(ECHO)
    server.write()
    server.start()
    server.add_users([("juliet@capulet.example", "pencil")])
    assert server.process.stop() == 0
    server.process.limits = limit_files(6 << 20)
    server.start()
    echo = component(server)
    total, refused, answered = 600, set(), False
    body = "x" * 50000
    for n in range(total):
        echo.send(f"<message from='a@echo.capulet.example' to='juliet@capulet.example' id='m{n}' type='chat'>"
                  f"<subject>{body}</subject><body>{n}</body></message>")
    echo.send(PING.format(total))
    while not answered:
        kind, node = echo.receive(60 * system.PATIENCE)
        assert kind == "stanza"
        if node.local == "iq":
            answered = True
        else:
            assert node.get("type") == "error" and node.find("error").find("internal-server-error"), node
            refused.add(int(node.get("id")[1:]))
    assert 0 < len(refused) < total
    assert server.process.alive()
    assert server.process.log().count("no space left") == 1, server.process.log()
    assert server.process.stop() == 0
    server.process.limits = None
    server.start()
    kept = collect(server)
    assert kept == sorted(set(range(total)) - refused)


def test_a_full_disk_at_the_start_is_one_clear_line(server):
    server.process.limits = limit_files(30000)
    expect_refusal(server, "no space left", str(server.directory / "state"))


def test_a_taken_port_names_who_has_it(server):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", server.c2s))
        taken.listen()
        expect_refusal(server, f"127.0.0.1:{server.c2s}", str(os.getpid()))
