"""Both daemons as processes: start, stop, reload, and every way in which they cannot start, with the exit codes of the manual."""
import os
import re
import resource
import signal
import socket
import subprocess
import time

import pytest

from harness import pki, servers, stream, system

needs_xmppd = pytest.mark.skipif(os.environ.get("CI") != "true" and not system.have("xmppd"), reason="xmppd is not built")
needs_both = pytest.mark.skipif(os.environ.get("CI") != "true" and not (system.have("xmppd") and system.have("sipcomp")),
                                reason="needs xmppd and sipcomp")


@pytest.fixture
def xmppd():
    server = servers.Xmppd(["example.com"])
    yield server
    if server.process.alive():
        assert server.stop() is None
    assert server.process.sanitizer_report() is None
    server.remove()


def run(server, *arguments, seconds=20, limits=None):
    """The daemon run to its end: exit code and log."""
    server.process.argv += arguments
    server.process.limits = limits
    server.process.start()
    try:
        return server.process.wait(seconds), server.process.log()
    finally:
        server.process.kill()
        server.process.limits = None
        if arguments:
            del server.process.argv[-len(arguments):]


def sign_in(server, user, domain="example.com", password="pencil"):
    link = stream.Stream("127.0.0.1", server.c2s)
    link.secure(domain)
    link.login(user, domain, password)
    link.bind(domain, "x")
    return link


def is_one_clear_line(log, *words):
    lines = [line for line in log.splitlines() if re.search(r"\b(error|fatal)\b", line) or all(w in line for w in words)]
    assert any(all(w in line for w in words) for line in lines), f"no line with {words}:\n{log}"


@needs_xmppd
def test_it_starts_within_a_second_and_stops_cleanly(xmppd):
    began = time.monotonic()
    xmppd.start()
    assert time.monotonic() - began < 1.0 * system.PATIENCE
    assert xmppd.process.stop() == 0
    assert len(re.findall(r"(?m)^.*\binfo\b.*\bready\b", xmppd.process.log())) == 1, "one line says that it is ready"


@needs_xmppd
def test_a_port_that_is_taken(xmppd):
    with socket.create_server(("127.0.0.1", xmppd.c2s)):
        code, log = run(xmppd)
    assert code == 2, log
    is_one_clear_line(log, str(xmppd.c2s))


@needs_xmppd
def test_a_store_that_is_in_use(xmppd):
    xmppd.start()
    other = servers.Xmppd(["example.com"], {"state-dir": str(xmppd.directory / "state")})
    try:
        code, log = run(other)
        assert code == 2, log
        is_one_clear_line(log, "in use", str(xmppd.process.child.pid))
    finally:
        other.remove()


@needs_xmppd
def test_a_damaged_store_is_not_touched(xmppd):
    xmppd.start()
    xmppd.add_users([("alice@example.com", "pencil")])
    assert xmppd.process.stop() == 0
    data = xmppd.directory / "state" / "data.mdb"
    assert data.exists()
    good = data.read_bytes()
    for bad in (b"\xff" * 16384 + good[16384:], good[:4096], b"", b"this is not a database\n" * 1000):
        data.write_bytes(bad)
        code, log = run(xmppd)
        assert code == 2, log
        is_one_clear_line(log, "data.mdb")
        assert data.read_bytes() == bad, "it was overwritten"
    data.write_bytes(good)
    xmppd.start()
    sign_in(xmppd, "alice").close()


@needs_xmppd
def test_a_store_of_a_newer_format_is_refused(xmppd):
    xmppd.start()
    assert xmppd.process.stop() == 0
    data = xmppd.directory / "state" / "data.mdb"
    good = data.read_bytes()
    newer = re.sub(rb"stamp....", b"stampcccc", good, flags=re.S)
    assert newer != good
    data.write_bytes(newer)
    code, log = run(xmppd)
    assert code == 2, log
    is_one_clear_line(log, "newer")
    assert data.read_bytes() == newer, "it was overwritten"


def small_files(size):
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    return limit


@needs_xmppd
def test_a_disk_that_is_full_at_the_start(xmppd):
    code, log = run(xmppd, limits=small_files(8192))
    assert code == 2, log
    assert re.search(r"(?i)space|too large|full|full disk", log), log


@needs_xmppd
def test_a_disk_that_fills_up_loses_nothing_that_was_promised(xmppd):
    xmppd.process.limits = small_files(5 << 20)
    xmppd.start()
    xmppd.add_users([("alice@example.com", "pencil"), ("bob@example.com", "pencil")])
    alice = sign_in(xmppd, "alice")
    kept = 0
    for number in range(400):
        alice.send(f"<message to='bob@example.com' type='chat' id='m{number}'><body>{number} {'x' * 40000}</body></message>"
                   f"<iq type='set' id='q{number}'><query xmlns='jabber:iq:roster'><item jid='c{number}@example.com'/></query></iq>")
        answer = None
        while answer is None:
            event = alice.receive(5 * system.PATIENCE)
            assert event is not None, "no answer at all"
            if event[0] == "end":
                break
            if event[0] == "stanza" and event[1].get("id") in (f"q{number}", f"m{number}") and event[1].local == "iq":
                answer = event[1]
        if answer is None or answer.get("type") != "result":
            break
        kept = number + 1
    assert 0 < kept < 400, "the limit was not met"
    alice.cut()
    if xmppd.process.alive():
        xmppd.process.child.terminate()
    code = xmppd.process.wait()
    assert code in (0, 2), xmppd.process.log()
    xmppd.process.limits = None
    xmppd.start()
    link = sign_in(xmppd, "alice")
    link.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
    items = link.wait("iq").find("query").elements()
    assert {f"c{n}@example.com" for n in range(kept)} <= {i.get("jid") for i in items}
    link.close()
    bob = sign_in(xmppd, "bob")
    bob.send("<presence/>")
    seen = []
    while (event := bob.receive(1)) is not None:
        if event[0] == "stanza" and event[1].local == "message":
            seen.append(int(event[1].find("body").text().split()[0]))
    assert seen[:kept] == list(range(kept))
    bob.close()


@needs_xmppd
@pytest.mark.parametrize("what", ["missing", "expired", "no key", "other key", "not a certificate"])
def test_a_certificate_that_does_not_fit_is_a_configuration_error_with_its_line(xmppd, what):
    store = pki.shared()
    path = xmppd.directory / "certificate.pem"
    if what == "expired":
        path.write_bytes((store.directory / "expired.pem").read_bytes() + (store.directory / "expired.key").read_bytes())
    elif what == "no key":
        path.write_bytes((store.directory / "product.pem").read_bytes())
    elif what == "other key":
        path.write_bytes((store.directory / "product.pem").read_bytes() + (store.directory / "simple.key").read_bytes())
    elif what == "not a certificate":
        path.write_text("hello\n")
    xmppd.settings["domain", "example.com"] = {"certificate": str(path)}
    xmppd.write()
    line = 1 + next(i for i, text in enumerate(xmppd.config.read_text().splitlines()) if "certificate" in text)
    for arguments in ((), ("-t",)):
        code, log = run(xmppd, *arguments)
        if what == "expired" and code == 0:
            pytest.fail("an expired certificate was taken")
        assert code == 1, log
        assert re.search(rf"xmppd\.conf:({line}|{line - 1}): ", log), f"no line {line}:\n{log}"


@needs_xmppd
def test_every_error_of_a_configuration_is_named_in_one_go(xmppd):
    text = xmppd.config.read_text()
    xmppd.config.write_text(text + 'nonsense = 1\nworkers = many\nworkers = 2\nc2s { tls = sometimes }\n')
    base = len(text.splitlines())
    code, log = run(xmppd, "-t")
    assert code == 1
    for offset in (1, 2, 4):
        assert re.search(rf"(?m)^\S*xmppd\.conf:{base + offset}: ", log), f"line {base + offset} is not named:\n{log}"
    assert "nonsense" in log
    code, _ = run(xmppd)
    assert code == 1
    xmppd.config.write_text(text)
    code, log = run(xmppd, "-t")
    assert code == 0, log


@needs_xmppd
def test_a_missing_configuration_file(xmppd):
    done = subprocess.run([system.program("xmppd"), "-c", "/nonexistent/xmppd.conf"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert "/nonexistent/xmppd.conf" in done.stderr


@needs_xmppd
def test_a_reload_takes_what_is_right_and_refuses_what_is_wrong(xmppd):
    xmppd.start()
    xmppd.add_users([("alice@example.com", "pencil")])
    link = sign_in(xmppd, "alice")
    good = xmppd.config.read_text()
    xmppd.config.write_text(good + "nonsense = 1\n")
    xmppd.process.signal(signal.SIGHUP)
    assert system.wait_until(lambda: re.search(rf"xmppd\.conf:{len(good.splitlines()) + 1}: ", xmppd.process.log()), 5), xmppd.process.log()
    link.send("<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>")
    assert link.wait("iq").get("type") == "result", "the session goes on with the old configuration"
    xmppd.settings["c2s"]["max-stanza"] = 20000
    xmppd.write()
    xmppd.ctl("reload")
    link.send(f"<message to='alice@example.com'><body>{'x' * 30000}</body></message>")
    assert system.wait_until(lambda: (event := link.receive(0.1)) and event[0] == "stanza" and event[1].local == "error", 5), \
        "the new limit holds for the session that was there before"
    link.cut()


def ask_disco(link, node=""):
    """The features of example.com and the form with contact addresses, if it has one."""
    link.send(f"<iq type='get' id='d' to='example.com'><query xmlns='http://jabber.org/protocol/disco#info'{node}/></iq>")
    answer = link.wait("iq")
    assert answer.get("type") == "result", answer
    return str(answer)


def own_caps(xmppd):
    """The server's <c/> in the features of a stream (XEP-0115 6.3)."""
    link = stream.Stream("127.0.0.1", xmppd.c2s)
    link.secure("example.com")
    link.login("alice", "example.com", "pencil")
    found = re.search(r'<c [^>]*node="([^"]*)"[^>]*ver="([^"]*)"', str(link.features("example.com")))
    link.cut()
    return f"{found[1]}#{found[2]}"


@needs_xmppd
def test_what_a_reload_switches_off_is_gone_at_once(xmppd):
    """XEP-0030 for the session that is there, XEP-0115 for those that come."""
    xmppd.start()
    xmppd.add_users([("alice@example.com", "pencil")])
    link = sign_in(xmppd, "alice")
    before = own_caps(xmppd)
    assert "jabber:iq:register" in ask_disco(link)
    assert before in ask_disco(link, f" node='{before}'")
    xmppd.settings["register"] = {"change-password": False}
    xmppd.settings["contact"] = {"abuse": ["mailto:abuse@example.com"]}
    xmppd.write()
    xmppd.ctl("reload")
    after = own_caps(xmppd)
    assert "jabber:iq:register" not in ask_disco(link) and "mailto:abuse@example.com" in ask_disco(link)
    assert after != before and after in ask_disco(link, f" node='{after}'")
    link.send(f"<iq type='get' id='d' to='example.com'><query xmlns='http://jabber.org/protocol/disco#info' node='{before}'/></iq>")
    assert link.wait("iq").get("type") == "error", "nothing is known of what the server could do before"
    link.send("<iq type='get' id='r' to='example.com'><query xmlns='jabber:iq:register'/></iq>")
    assert link.wait("iq").get("type") == "error"
    link.cut()


@needs_xmppd
def test_a_second_sigterm_stops_at_once(xmppd):
    xmppd.start()
    xmppd.process.signal(signal.SIGTERM)
    xmppd.process.signal(signal.SIGTERM)
    began = time.monotonic()
    xmppd.process.wait(5)
    assert time.monotonic() - began < 5


@needs_xmppd
def test_what_was_answered_survives_sudden_death_under_load(xmppd, workers):
    """Roster sets from four clients, SIGKILL in the middle: every set that got its result is there."""
    xmppd.settings["workers"] = workers
    xmppd.write()
    xmppd.start()
    names = [f"user{i}" for i in range(4)]
    xmppd.add_users([(f"{n}@example.com", "pencil") for n in names])
    links = [sign_in(xmppd, n) for n in names]
    for number in range(60):
        for link in links:
            link.send(f"<iq type='set' id='q{number}'><query xmlns='jabber:iq:roster'><item jid='c{number}@example.com'/></query></iq>")
    confirmed = [set() for _ in links]

    def collect(seconds):
        for link, known in zip(links, confirmed):
            while (event := link.receive(seconds)) is not None and event[0] == "stanza":
                if event[1].get("type") == "result":
                    known.add(event[1].get("id")[1:])
    while not all(confirmed):
        collect(0.005)
    xmppd.kill()
    collect(0.1)
    for link in links:
        link.cut()
    xmppd.start()
    for name, known in zip(names, confirmed):
        link = sign_in(xmppd, name)
        link.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
        there = {i.get("jid").partition("@")[0][1:] for i in link.wait("iq").find("query").elements()}
        assert known <= there, f"lost: {sorted(known - there)}"
        link.close()


# ---------------------------------------------------------------- sipcomp

@pytest.fixture
def gateway():
    server = servers.Xmppd(["example.com"], federation=servers.sip_federation(["lync.test"], {"lync.test": 5061}))
    part = servers.Sipcomp(server, ["example.com"], ["lync.test"])
    yield part
    for thing in (part, server):
        if thing.process.alive():
            assert thing.stop() is None
        assert thing.process.sanitizer_report() is None
        thing.remove()


@needs_both
def test_sipcomp_starts_stops_and_waits_for_xmppd(gateway):
    """It is ready when its listeners are; the component stream comes as soon as xmppd does, and again after it was away."""
    gateway.start()
    gateway.server.start()
    connected = lambda: "lync.test" in gateway.server.ctl("components").stdout
    assert system.wait_until(connected, 15, 0.2), gateway.process.log()
    gateway.server.restart()
    assert system.wait_until(connected, 15, 0.2), gateway.process.log()
    assert gateway.process.stop() == 0, gateway.process.log()


@needs_both
def test_sipcomp_with_a_port_that_is_taken(gateway):
    with socket.create_server(("127.0.0.1", gateway.tls_port)):
        code, log = run(gateway)
    assert code == 2, log
    is_one_clear_line(log, str(gateway.tls_port))


@needs_both
def test_sipcomp_with_a_certificate_that_is_missing(gateway):
    text = gateway.config.read_text()
    gateway.config.write_text(re.sub(r'(\bcertificate = )"[^"]*"', r'\1"/nonexistent/sip.pem"', text))
    code, log = run(gateway)
    assert code == 1, log
    assert re.search(r"sipcomp\.conf:\d+: .*/nonexistent/sip\.pem", log), log


@needs_both
def test_sipcomp_names_every_error_of_its_configuration(gateway):
    text = gateway.config.read_text()
    base = len(text.splitlines())
    gateway.config.write_text(text + 'nonsense = 1\nsession-idle = soon\n')
    code, log = run(gateway, "-t")
    assert code == 1
    for offset in (1, 2):
        assert re.search(rf"(?m)sipcomp\.conf:{base + offset}: ", log), log


@needs_both
def test_a_domain_cannot_be_local_and_foreign(gateway):
    """Product 3.2: both places are named."""
    (gateway.server.directory / "federation.conf").write_text('sip-domain "example.com" { type = lync }\n')
    code, log = run(gateway.server, "-t")
    assert code == 1
    assert re.search(r"federation\.conf:1: ", log) and "xmppd.conf:" in log, log


@needs_both
def test_sipcomp_with_a_damaged_store(gateway):
    gateway.start()
    assert gateway.process.stop() == 0
    data = gateway.directory / "state" / "data.mdb"
    bad = b"\xff" * 16384 + data.read_bytes()[16384:]
    data.write_bytes(bad)
    code, log = run(gateway)
    assert code == 2, log
    is_one_clear_line(log, "data.mdb")
    assert data.read_bytes() == bad
