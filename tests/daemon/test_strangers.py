"""Who has not signed in yet costs little: memory, bytes, time; whatever he sends, the others notice nothing."""
import json
import os
import socket
import ssl
import struct
import threading
import time

import pytest

from harness import servers, stream, system

pytestmark = pytest.mark.skipif(os.environ.get("CI") != "true" and not system.have("xmppd"), reason="xmppd is not built")

DOMAIN = "capulet.example"
PING = "<iq type='get' id='{0}' to='" + DOMAIN + "'><ping xmlns='urn:xmpp:ping'/></iq>"
AUTH = f"<auth xmlns='{stream.SASL}' mechanism='PLAIN'"
KIB_BEFORE_LOGIN = 32
KIB_OF_A_HANDSHAKE = 48      # libssl itself needs them while it goes on


@pytest.fixture(scope="module", params=[1, pytest.param(4, marks=pytest.mark.workers4)], ids=["1", "4"])
def xmppd(request):
    server = servers.Xmppd([DOMAIN], {"limits": {"login-timeout": 30}}, workers=request.param).start()
    server.add_users([(f"{name}@{DOMAIN}", "pencil") for name in ("juliet", "romeo")])
    yield server
    assert server.stop() is None


def hits(server, name):
    return next(row["hits"] for row in json.loads(server.ctl("--json", "limits").stdout)["limits"] if row["limit"] == f"limits.{name}")


def comes_to(server, name, count):
    """A stream's limit is counted when the stream has closed."""
    deadline = time.monotonic() + 5 * system.PATIENCE
    while hits(server, name) < count and time.monotonic() < deadline:
        time.sleep(0.05)
    return hits(server, name) == count


def stranger(server):
    s = stream.Stream("127.0.0.1", server.c2s)
    s.secure(DOMAIN)
    s.features(DOMAIN)
    return s


def sign_in(server, name):
    s = stream.Stream("127.0.0.1", server.c2s)
    s.secure(DOMAIN)
    s.login(name, DOMAIN, "pencil")
    s.bind(DOMAIN, "test")
    return s


def ask(s, number):
    began = time.monotonic()
    s.send(PING.format(number))
    assert s.wait("iq").get("id") == number
    return time.monotonic() - began


def error_of(s, seconds=8):
    """The condition of the stream error that ends it."""
    s.follow(seconds)
    while (event := s.receive(0)) is not None and event[0] != "end":
        if event[0] == "stanza" and event[1].local == "error":
            return event[1].elements()[0].local
    return None


# -- memory

def memory_kib(server):
    with open(f"/proc/{server.process.child.pid}/smaps_rollup") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Private_Dirty"))


def record(body, kind=22):
    return bytes([kind, 3, 3]) + struct.pack(">H", len(body)) + body


def in_scram(server, more=""):
    s = stranger(server)
    s.send(f"<auth xmlns='{stream.SASL}' mechanism='SCRAM-SHA-256'>{stream.b64('n,,n=juliet,r=fyko+d2lbbFgONRv9qkxdawL')}</auth>")
    s.wait("challenge")
    s.send(more)
    return s


def half(text):
    def make(server):
        s = stranger(server)
        s.send(text)
        return s
    return make


def half_record(server):
    s = stranger(server)
    os.write(s.socket.fileno(), record(b"x" * 6100, 23)[:-1])
    return s


def half_hello(server):
    s = stream.Stream("127.0.0.1", server.c2s_tls)
    s.send(record(b"\x01\x00\x0f\xf0" + bytes(4000))[:-1])
    return s


def shaking(server):
    """TLS half way: our side has said all, the client has not finished."""
    s = stream.Stream("127.0.0.1", server.c2s_tls)
    out = ssl.MemoryBIO()
    tls = stream.client_tls().wrap_bio(ssl.MemoryBIO(), out, server_hostname=DOMAIN)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    s.send(out.read())
    return s


@pytest.mark.skipif(system.sanitizer() is not None, reason="a sanitizer has memory of its own")
@pytest.mark.parametrize("make", [
    half(""),
    half(AUTH + ">" + "x" * 6000),
    half(AUTH + " x='" + "x" * 6000),
    half(AUTH + ">" + "<a/>" * 1480),
    half(AUTH + ">" + "<a b='' c='' d='' e='' f=''/>" * 200),
    half(AUTH + " " + " ".join(f"a{i}='{80 * 'x'}'" for i in range(60))),
    half("<a " + " ".join(f"xmlns:n{i}='urn:{i}'" for i in range(300))),
    lambda server: in_scram(server, f"<response xmlns='{stream.SASL}'>" + "x" * 6000),
    half_record,
    half_hello,
    shaking,
], ids=["tls", "text", "attribute", "elements", "attributes-of-many", "attributes", "namespaces", "scram", "record", "hello", "shaking"])
def test_half_an_element_costs_no_more_than_is_promised(make):
    """TLS, the parser, the login and what has come of an element, all together."""
    server = servers.Xmppd([DOMAIN]).start()
    try:
        keep = [make(server) for _ in range(10)]
        time.sleep(0.5)
        before, count = memory_kib(server), 120
        keep += [make(server) for _ in range(count)]
        time.sleep(1.5)                     # parsers between two elements rest after a second
        bound = KIB_OF_A_HANDSHAKE if make is shaking else KIB_BEFORE_LOGIN
        assert (memory_kib(server) - before) / count <= bound
        for s in keep:
            s.cut()
    finally:
        assert server.stop() is None


@pytest.mark.parametrize("bytes_", [
    record(b"\x01\x01\xff\xff"),            # libssl would make room for 128 KiB
    record(b"\x01\x00\x40\x00" + bytes(3000)),
    b"\x16\x03\x01\x40\x00",                # a record of 16 KiB
], ids=["claims-much", "hello-of-16-KiB", "record-of-16-KiB"])
def test_a_hello_that_claims_much_is_refused(xmppd, bytes_):
    s = stream.Stream("127.0.0.1", xmppd.c2s_tls)
    s.send(bytes_)
    s.socket.settimeout(5 * system.PATIENCE)
    try:
        while s.socket.recv(1000):
            pass
    except ConnectionResetError:
        pass                                # closed, not waited for
    stranger(xmppd).cut()


def test_long_records_are_taken_after_login(xmppd):
    juliet = sign_in(xmppd, "juliet")
    juliet.send(f"<message to='juliet@{DOMAIN}/test' type='chat'><body>{'x' * 60000}</body></message>")
    assert len(juliet.wait("message", seconds=10).find("body").text()) == 60000
    juliet.close()


# -- bytes

def test_endless_white_space_ends(xmppd):
    before, s = hits(xmppd, "max-early-total"), stranger(xmppd)
    for _ in range(20):
        s.send(" \n" * 2000)
    assert error_of(s) == "policy-violation"
    assert comes_to(xmppd, "max-early-total", before + 1)


def test_endless_attempts_end(xmppd):
    before, s = hits(xmppd, "max-early-total"), stranger(xmppd)
    for _ in range(60):
        s.send(f"<auth xmlns='{stream.SASL}' mechanism='PLAIN'/><abort xmlns='{stream.SASL}'/>" * 15)
    assert error_of(s) == "policy-violation"
    assert comes_to(xmppd, "max-early-total", before + 1)


def test_endless_tls_garbage_ends(xmppd):
    for garbage in (os.urandom(100000), b"\x16\x03\x01\x10\x00" + os.urandom(100000), record(b"\x01\x00\x10\x00" + bytes(4000)) * 30):
        s = stream.Stream("127.0.0.1", xmppd.c2s_tls)
        s.send(garbage)
        s.socket.settimeout(5 * system.PATIENCE)
        try:
            while s.socket.recv(1000):
                pass
        except ConnectionResetError:
            pass
    juliet = sign_in(xmppd, "juliet")
    juliet.close()


@pytest.mark.parametrize("name, text, condition", [
    ("max-early-bytes", "<stream:stream to='" + "a" * 7000, "policy-violation"),
    ("max-attributes", "<auth " + " ".join(f"a{i}=''" for i in range(65)) + "/>", "policy-violation"),
    ("max-early-depth", "<a>" * 9 + "</a>" * 9, "policy-violation"),
    ("max-name", "<" + "a" * 2000 + "/>", "policy-violation"),
], ids=["header", "attributes", "depth", "name"])
def test_an_element_that_is_too_much(xmppd, name, text, condition):
    before = hits(xmppd, name)
    s = stream.Stream("127.0.0.1", xmppd.c2s)
    s.secure(DOMAIN)
    if not text.startswith("<stream"):
        s.features(DOMAIN)
    s.send(text)
    assert error_of(s) == condition
    assert comes_to(xmppd, name, before + 1)


# -- what was sent ahead

def test_what_comes_behind_starttls_in_clear_is_dropped(xmppd):
    s = stream.Stream("127.0.0.1", xmppd.c2s)
    s.features(DOMAIN)
    s.send(f"<starttls xmlns='{stream.TLS}'/><stream:stream to='{DOMAIN}' version='1.0' xmlns='jabber:client' "
           f"xmlns:stream='http://etherx.jabber.org/streams'><auth xmlns='{stream.SASL}' mechanism='PLAIN'>{stream.plain('juliet', 'pencil')}</auth>")
    s.wait("proceed")
    s.start_tls(DOMAIN)
    assert s.receive(0.5) is None           # nothing was done with it
    s.login("juliet", DOMAIN, "pencil")
    s.bind(DOMAIN, "test")
    ask(s, "fine")
    s.close()


def test_what_comes_behind_the_last_response_waits_for_the_new_stream(xmppd):
    for _ in range(4):
        s = stranger(xmppd)
        s.send(f"<auth xmlns='{stream.SASL}' mechanism='PLAIN'>{stream.plain('juliet', 'pencil')}</auth>"
               f"<stream:stream to='{DOMAIN}' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
               f"<iq type='set' id='b'><bind xmlns='{stream.BIND}'/></iq>" + PING.format("p"))
        came = b""
        while b"</success>" not in came or came.count(b"<iq ") < 2:
            came += s.socket.recv(65536)
        after = came[came.index(b"</success>"):]
        assert after.index(b"<stream:features>") < after.index(b'id="b"') < after.index(b'id="p"') and b"error" not in came
        s.cut()


def test_nothing_is_believed_behind_a_wrong_password(xmppd):
    s = stranger(xmppd)
    s.send(f"<auth xmlns='{stream.SASL}' mechanism='PLAIN'>{stream.plain('juliet', 'wrong')}</auth>" + PING.format("p"))
    s.wait("failure")
    assert error_of(s) == "not-authorized"


# -- many of them

def test_two_thousand_who_stand_in_the_door(xmppd):
    """Half-open connections, one that says a byte at a time, and the others go on as before."""
    juliet, count = sign_in(xmppd, "juliet"), 2000
    crowd = [socket.create_connection(("127.0.0.1", xmppd.c2s if i % 2 else xmppd.c2s_tls)) for i in range(count)]
    for i, s in enumerate(crowd):
        s.send((b"<stream:stream to='" if i % 4 == 1 else b"") if i % 2 else b"\x16\x03\x01")
    stop = threading.Event()

    def drip():
        at = 0
        while not stop.is_set():
            for s in crowd[1::4]:
                try:
                    s.send(b"a"[at % 1:at % 1 + 1])
                except OSError:
                    pass
            stop.wait(0.2)

    slow = threading.Thread(target=drip)
    slow.start()
    try:
        times = sorted(ask(juliet, f"n{i}") for i in range(50))
        assert times[25] < 0.05 * system.PATIENCE and times[-1] < system.PATIENCE
        romeo = sign_in(xmppd, "romeo")
        ask(romeo, "here")
        romeo.close()
        status = json.loads(xmppd.ctl("--json", "status").stdout)
        assert status
    finally:
        stop.set()
        slow.join()
        for s in crowd:
            s.close()
    ask(juliet, "after")
    juliet.close()


def test_too_many_from_one_address_wait_for_their_turn():
    server = servers.Xmppd([DOMAIN], {"limits": {"max-connections-per-second": 10, "burst": 1}}).start()
    try:
        server.add_users([(f"juliet@{DOMAIN}", "pencil")])
        began = time.monotonic()
        crowd = [stream.Stream("127.0.0.1", server.c2s) for _ in range(25)]
        for s in crowd:
            s.features(DOMAIN)
        assert 1.2 < time.monotonic() - began < 10 * system.PATIENCE     # ten at once, then ten in a second
        assert 12 <= hits(server, "max-connections-per-second") <= 16
        other = stream.Stream("127.0.0.1", server.c2s, source="127.0.0.7")
        began = time.monotonic()
        other.features(DOMAIN)
        assert time.monotonic() - began < 0.5 * system.PATIENCE
        for s in crowd:
            s.cut()
    finally:
        assert server.stop() is None


def test_one_address_does_not_hold_all_the_places_before_login():
    server = servers.Xmppd([DOMAIN], {"limits": {"max-negotiating": 10, "max-negotiating-per-address": 6}}).start()
    try:
        server.add_users([(f"juliet@{DOMAIN}", "pencil")])
        crowd = [stream.Stream("127.0.0.1", server.c2s) for _ in range(6)]
        for s in crowd[1:]:
            s.features(DOMAIN)
        assert stream.Stream("127.0.0.1", server.c2s).receive(10 * system.PATIENCE)[0] == "end"
        assert hits(server, "max-negotiating-per-address") == 1
        for _ in range(3):              # and another address has room, again and again
            juliet = stream.Stream("127.0.0.1", server.c2s, source="127.0.0.7")
            juliet.secure(DOMAIN)
            juliet.login("juliet", DOMAIN, "pencil")
            juliet.bind(DOMAIN, "test")
        crowd[0].secure(DOMAIN)
        crowd[0].login("juliet", DOMAIN, "pencil")      # who has signed in makes room for the next one of this address
        after = stream.Stream("127.0.0.1", server.c2s)
        after.features(DOMAIN)
        assert stream.Stream("127.0.0.1", server.c2s).receive(10 * system.PATIENCE)[0] == "end"
        crowd[1].cut()                  # as does who has gone
        time.sleep(0.2)
        stream.Stream("127.0.0.1", server.c2s).features(DOMAIN)
    finally:
        assert server.stop() is None
