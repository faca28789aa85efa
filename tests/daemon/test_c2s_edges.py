"""The edges of a client's connection that a conversation cannot show: who does not read, who does not speak, who speaks too early."""
import os
import time

import pytest

from harness import servers, stream, system

pytestmark = pytest.mark.skipif(os.environ.get("CI") != "true" and not system.have("xmppd"), reason="xmppd is not built")

DOMAIN = "capulet.example"
PING = "<iq type='get' id='{0}' to='" + DOMAIN + "'><ping xmlns='urn:xmpp:ping'/></iq>"


@pytest.fixture(scope="module", params=[1, pytest.param(4, marks=pytest.mark.workers4)], ids=["1", "4"])
def xmppd(request):
    server = servers.Xmppd([DOMAIN], {"limits": {"login-timeout": 2, "max-queue": 262144}}, workers=request.param).start()
    server.add_users([(f"{name}@{DOMAIN}", "pencil") for name in ("juliet", "romeo", "nurse", "tybalt", "paris")])
    yield server
    assert server.stop() is None


def sign_in(xmppd, name, resource="test"):
    s = stream.Stream("127.0.0.1", xmppd.c2s)
    s.secure(DOMAIN)
    s.login(name, DOMAIN, "pencil")
    s.bind(DOMAIN, resource)
    return s


def alive(s, number="alive"):
    s.send(PING.format(number))
    assert s.wait("iq").get("id") == number


def memory_kib(xmppd):
    with open(f"/proc/{xmppd.process.child.pid}/status") as f:
        return int(next(line.split()[1] for line in f if line.startswith("VmRSS")))


def test_a_client_that_does_not_read_is_let_go(xmppd):
    juliet, romeo = sign_in(xmppd, "juliet"), sign_in(xmppd, "romeo")
    before = memory_kib(xmppd)
    body = "x" * 50000
    for number in range(400):           # 20 MB; juliet never reads
        romeo.send(f"<message to='juliet@{DOMAIN}/test' type='headline'><body>{body}</body></message>")
        if number % 20 == 0:
            alive(romeo, f"n{number}")
    if system.sanitizer() is None:      # the address sanitizer keeps what was freed for a while
        assert memory_kib(xmppd) - before < 16 * 1024
    alive(romeo, "after")
    deadline = time.monotonic() + 10 * system.PATIENCE
    while "juliet@" in xmppd.ctl("sessions").stdout and time.monotonic() < deadline:
        time.sleep(0.1)
    assert "juliet@" not in xmppd.ctl("sessions").stdout
    juliet.cut()
    romeo.close()


def test_who_does_not_sign_in_in_time_is_sent_away(xmppd):
    silent = stream.Stream("127.0.0.1", xmppd.c2s)
    half = stream.Stream("127.0.0.1", xmppd.c2s)
    half.secure(DOMAIN)
    half.features(DOMAIN)
    unbound = stream.Stream("127.0.0.1", xmppd.c2s)
    unbound.secure(DOMAIN)
    unbound.login("nurse", DOMAIN, "pencil")
    unbound.features(DOMAIN)
    for s in (half, unbound):
        error = s.wait("error", seconds=6)
        assert "connection-timeout" in str(error)
        s.close()
    silent.wait("stream")
    assert "connection-timeout" in str(silent.wait("error"))
    silent.close()
    handshake = stream.Stream("127.0.0.1", xmppd.c2s_tls)      # TCP only, and not a byte of TLS
    assert handshake.receive(10 * system.PATIENCE)[0] == "end"


def test_what_is_sent_behind_starttls_is_not_believed(xmppd):
    s = stream.Stream("127.0.0.1", xmppd.c2s)
    s.features(DOMAIN)
    s.send(f"<starttls xmlns='{stream.TLS}'/><stream:stream to='{DOMAIN}' version='1.0' xmlns='jabber:client' "
           "xmlns:stream='http://etherx.jabber.org/streams'><auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>")
    s.wait("proceed")
    s.start_tls(DOMAIN)
    s.login("nurse", DOMAIN, "pencil")  # a fresh stream: nothing of the above had been heard
    s.bind(DOMAIN)
    alive(s)
    s.close()


def test_a_hasty_client_loses_nothing_in_the_move(xmppd):
    """Header, binding and a ping ride in the same packet as the last SASL message, before <success/> was heard."""
    for name in ("juliet", "romeo", "nurse", "tybalt"):        # homes on different workers
        s = stream.Stream("127.0.0.1", xmppd.c2s)
        s.secure(DOMAIN)
        s.features(DOMAIN)
        header = f"<stream:stream to='{DOMAIN}' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
        s.send(f"<auth xmlns='{stream.SASL}' mechanism='PLAIN'>{stream.plain(name, 'pencil')}</auth>{header}"
               f"<iq type='set' id='bind'><bind xmlns='{stream.BIND}'><resource>hasty</resource></bind></iq>" + PING.format("p1"))
        s.socket.settimeout(5 * system.PATIENCE)
        heard = b""                     # two documents in one read: by eye
        while b'"p1"' not in heard:
            heard += s.socket.recv(65536)
        places = [heard.find(part) for part in (b"<success ", b"<stream:stream ", b"<stream:features>", f"{name}@{DOMAIN}/hasty".encode(), b'"p1"')]
        assert -1 not in places and places == sorted(places)
        s.cut()


def test_bytes_may_come_one_by_one(xmppd):
    s = sign_in(xmppd, "nurse")
    for byte in PING.format("slow"):
        s.send(byte)
    assert s.wait("iq").get("id") == "slow"
    s.send(" ")                         # white space keeps the connection alive, and is nothing else
    s.send("\n")
    alive(s)
    s.close()


def test_a_client_that_rests_comes_back(xmppd):
    s = sign_in(xmppd, "nurse")
    for pause in (0, 1.5, 0.2, 2.5):    # its parser is put away after a second
        time.sleep(pause)
        alive(s, f"p{pause}")
    s.send("<message to='nurse@capulet.ex")
    time.sleep(1.5)                     # in the middle of a stanza
    s.send("ample/test' type='headline'><body>x</body></message>" + PING.format("end"))
    assert s.wait("message").get("to") == f"nurse@{DOMAIN}/test"
    assert s.wait("iq").get("id") == "end"
    s.close()


def test_broken_connections_leave_nothing_behind(xmppd):
    for number in range(30):
        s = sign_in(xmppd, "tybalt", f"r{number}")
        s.send("<message to='romeo@capul")
        s.cut()
    deadline = time.monotonic() + 5 * system.PATIENCE
    while "tybalt@" in xmppd.ctl("sessions").stdout and time.monotonic() < deadline:
        time.sleep(0.1)
    assert "tybalt@" not in xmppd.ctl("sessions").stdout


def test_a_message_to_a_stream_that_is_closing_is_kept(xmppd):
    juliet, romeo = sign_in(xmppd, "juliet", "leaving"), sign_in(xmppd, "romeo")
    juliet.send("<presence/>")
    juliet.wait("presence")
    juliet.send("</stream:stream>")     # and the connection stays open
    time.sleep(0.1)
    romeo.send(f"<message to='juliet@{DOMAIN}' type='chat' id='late'><body>not lost</body></message>")
    alive(romeo)
    again = sign_in(xmppd, "juliet", "back")
    again.send("<presence/>")
    while (arrived := again.wait("presence", "message")).local != "message":
        pass
    assert arrived.get("id") == "late"
    juliet.cut()
    again.close()
    romeo.close()


def test_an_old_password_does_not_bind(xmppd):
    unbound = stream.Stream("127.0.0.1", xmppd.c2s)
    unbound.secure(DOMAIN)
    unbound.login("paris", DOMAIN, "pencil")
    unbound.features(DOMAIN)
    xmppd.ctl("user", "passwd", f"paris@{DOMAIN}", "--password", "second")
    assert "not-authorized" in str(unbound.wait("error"))
    unbound.close()


def test_beyond_the_bound_newcomers_are_closed_at_once():
    server = servers.Xmppd([DOMAIN], {"limits": {"max-negotiating": 10}}, workers=1).start()
    early = [stream.Stream("127.0.0.1", server.c2s) for _ in range(10)]
    late = stream.Stream("127.0.0.1", server.c2s)
    assert late.receive(10 * system.PATIENCE)[0] == "end"
    for s in early:
        s.cut()
    server.add_users([(f"romeo@{DOMAIN}", "pencil")])
    deadline = time.monotonic() + 10 * system.PATIENCE
    while True:                         # there is room again as soon as the others are gone
        try:
            romeo = sign_in(server, "romeo")
            break
        except Exception:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    alive(romeo)
    romeo.close()
    assert server.stop() is None
