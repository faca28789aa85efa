"""What is wrong with a federation, set up for real: xmppctl explain names it in its first line, whichever of the steps it is.

Each fault has a domain of its own. All are set up before the servers start, and explained at the same time; then each test looks at its answer.
"""
import concurrent.futures
import json
import os
import pty
import re
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import authority, dns, foreign, pki, servers, stream, system  # noqa: E402

US = "capulet.example"
FAULTS = {}


class Fault:
    def __init__(self, setup, code, words, server, sections):
        self.setup, self.code, self.words, self.server, self.sections = setup, code, words, server, sections


def fault(code, words="", server="plain", **sections):
    """The decorated function sets the fault up for stage and domain, which is its own name; words: a pattern of the first line. sections: of
    federation.conf, {domain} stands for its name."""
    def note(function):
        domain = function.__name__.replace("_", "-") + ".example"
        FAULTS[domain] = Fault(function, code, words, server, sections)
        return function
    return note


class Stage:
    """Names, certificates and peers of all faults."""

    def __init__(self, directory):
        self.names = dns.Server(ttl=0)     # what changes counts at once
        self.peers, self.sockets = [], []
        self.ours = {}                      # our servers, when they run
        self.authority = authority.Authority(directory)
        self.root = self.authority.root("Trusted Root")
        self.late_root = self.authority.root("Root of Tomorrow", begins=2, ends=60)
        self.intermediate = self.authority.intermediate("Intermediate", self.root)
        self.trust = directory / "trust.pem"
        self.trust.write_bytes(self.root.crt.read_bytes() + self.late_root.crt.read_bytes())

    def lead(self, domain, port, *addresses):
        self.names.srv(f"_xmpp-server._tcp.{domain}", [(0, 0, port, f"xmpp.{domain}")])
        self.names.host(f"xmpp.{domain}", *(addresses or ["127.0.0.1"]))

    def peer(self, domain, serve):
        self.peers.append(foreign.Peer(serve))
        self.lead(domain, self.peers[-1].port)

    def tls(self, domain, **kinds):
        """A context with a good certificate."""
        return foreign.tls(self.authority.issue(domain, self.intermediate, [domain]).file(shown=[self.intermediate]), **kinds)

    def certificate(self, domain, certificate, shown=None):
        """A peer with this certificate."""
        self.peer(domain, foreign.server(domain, foreign.tls(certificate.file(shown)), dialback="valid"))

    def stop(self):
        for peer in self.peers:
            peer.stop()
        for s in self.sockets:
            s.close()
        self.names.stop()


# -- dns

@fault("dns-no-name", r"no such")
def no_such_domain(stage, domain):
    pass


@fault("dns-failed")
def servfail(stage, domain):
    stage.names.refuse(domain)


@fault("dns-failed")
def name_server_dead(stage, domain):
    stage.names.mute(domain)


@fault("dns-not-offered")
def srv_dot(stage, domain):
    stage.names.srv(f"_xmpp-server._tcp.{domain}", [(0, 0, 0, ".")])


@fault("dns-no-name", r"xmpp\.srv-to-nowhere\.example")
def srv_to_nowhere(stage, domain):
    stage.names.srv(f"_xmpp-server._tcp.{domain}", [(0, 0, 5269, f"xmpp.{domain}")])


# -- connect

@fault("tcp-refused", r"127\.0\.0\.1:\d+: refused")
def refused(stage, domain):
    stage.lead(domain, system.free_port())


@fault("tcp-silent")
def silent(stage, domain):
    """A full queue of connections: the kernel drops what comes, as a firewall does."""
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    stage.sockets.append(full)
    for _ in range(3):
        waiting = socket.socket()
        waiting.setblocking(False)
        waiting.connect_ex(full.getsockname())
        stage.sockets.append(waiting)
    stage.lead(domain, full.getsockname()[1])


@fault("tcp-unreachable|tcp-silent", r"2001:db8::1")
def ipv6_only(stage, domain):
    stage.lead(domain, 5269, "2001:db8::1")


# -- what answers there

@fault("not-xmpp", r"HTTP")
def http_there(stage, domain):
    def serve(s):
        s.socket.recv(4096)
        s.send("HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nContent-Length: 0\r\n\r\n")
    stage.peer(domain, serve)


@fault("not-xmpp", r"SSH")
def ssh_there(stage, domain):
    stage.peer(domain, lambda s: (s.send("SSH-2.0-OpenSSH_9.2\r\n"), s.socket.recv(4096)))


@fault("not-xmpp", r"invalid-namespace")
def client_port(stage, domain):
    def serve(s):
        s.wait("stream")
        s.send(f"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' id='x' from='{domain}' version='1.0'>")
        s.fail("invalid-namespace")
        s.linger(5)
    stage.peer(domain, serve)


@fault("not-xmpp")
def garbage(stage, domain):
    def serve(s):
        s.header(domain, s.wait("stream").get("from"), None)
        s.send("<stream:features><<&&/>")
        s.linger(5)
    stage.peer(domain, serve)


@fault("closed")
def closes_at_once(stage, domain):
    stage.peer(domain, lambda s: None)


@fault("no-answer")
def accepts_and_is_silent(stage, domain):
    stage.peer(domain, lambda s: s.linger(60))


@fault("no-answer", r"waiting for features")
def no_features(stage, domain):
    def serve(s):
        s.header(domain, s.wait("stream").get("from"), None)
        s.linger(60)
    stage.peer(domain, serve)


@fault("host-unknown")
def host_unknown(stage, domain):
    stage.peer(domain, foreign.server(domain, error="host-unknown"))


@fault("peer-policy", r"as the test wants it")
def their_policy(stage, domain):
    stage.peer(domain, foreign.server(domain, error="policy-violation"))


@fault("stream-error", r"internal-server-error")
def their_error(stage, domain):
    stage.peer(domain, foreign.server(domain, error="internal-server-error"))


# -- tls

@fault("tls-not-offered")
def no_tls(stage, domain):
    stage.peer(domain, foreign.server(domain, dialback="valid"))


@fault("tls-refused")
def tls_refused(stage, domain):
    stage.peer(domain, foreign.server(domain, stage.tls(domain), dialback="valid", refuse_tls=True))


@fault("tls-failed", r"version")
def tls_too_old(stage, domain):
    context = stage.tls(domain, ciphers="DEFAULT:@SECLEVEL=0", version=ssl.TLSVersion.TLSv1_1)
    stage.peer(domain, foreign.server(domain, context, dialback="valid"))


@fault("tls-failed", r"handshake")
def no_cipher(stage, domain):
    context = stage.tls(domain, ciphers="eNULL:@SECLEVEL=0", version=ssl.TLSVersion.TLSv1_2)
    stage.peer(domain, foreign.server(domain, context, dialback="valid"))


@fault("tls-our-certificate", r"unknown ca")
def refuses_our_certificate(stage, domain):
    context = stage.tls(domain, trust=stage.root.crt)
    context.verify_mode = ssl.CERT_REQUIRED
    stage.peer(domain, foreign.server(domain, context, external="accept"))


@fault("tls-our-certificate", r"unknown ca")
def refuses_our_certificate_by_tls_12(stage, domain):
    context = stage.tls(domain, trust=stage.root.crt, version=ssl.TLSVersion.TLSv1_2)
    context.verify_mode = ssl.CERT_REQUIRED
    stage.peer(domain, foreign.server(domain, context, external="accept"))


# -- certificate

@fault("cert-expired", r"\d{4}-\d\d-\d\d.*CN=expired\.example|CN=expired\.example.*\d{4}-\d\d-\d\d")
def expired(stage, domain):
    stage.certificate(domain, stage.authority.issue(domain, stage.intermediate, [domain], begins=-30, ends=-2), [stage.intermediate])


@fault("cert-expired", r"CN=Intermediate of Yesterday")
def intermediate_expired(stage, domain):
    above = stage.authority.intermediate("Intermediate of Yesterday", stage.root, begins=-30, ends=-2)
    stage.certificate(domain, stage.authority.issue(domain, above, [domain]), [above])


@fault("cert-not-yet", r"CN=not-yet\.example")
def not_yet(stage, domain):
    stage.certificate(domain, stage.authority.issue(domain, stage.intermediate, [domain], begins=2), [stage.intermediate])


@fault("clock", r"clock of this machine")
def clock_wrong(stage, domain):
    """Nothing that it shows is valid yet."""
    above = stage.authority.intermediate("Intermediate of Tomorrow", stage.late_root, begins=2, ends=60)
    stage.certificate(domain, stage.authority.issue(domain, above, [domain], begins=2, ends=60), [above])


@fault("cert-name", r"other\.example")
def wrong_name(stage, domain):
    stage.certificate(domain, stage.authority.issue("other.example", stage.intermediate, ["other.example"]), [stage.intermediate])


@fault("cert-self-signed", r"SHA-256 [0-9a-f]{64}\b")
def self_signed(stage, domain):
    stage.certificate(domain, stage.authority.issue(domain, None, [domain]))


@fault("cert-unknown-authority", r"CN=Root of Others")
def unknown_authority(stage, domain):
    root = stage.authority.root("Root of Others")
    stage.certificate(domain, stage.authority.issue(domain, root, [domain]), [root])


@fault("cert-unknown-authority", r"CN=Intermediate\b")
def no_intermediate(stage, domain):
    stage.certificate(domain, stage.authority.issue(domain, stage.intermediate, [domain]), [])


@fault("cert-purpose")
def only_for_clients(stage, domain):
    stage.certificate(domain, stage.authority.issue(domain, stage.intermediate, [domain], usage="clientAuth"), [stage.intermediate])


@fault("cert-pin", r"SHA-256 [0-9a-f]{64}\b", **{"xmpp-peer": {"pin": "ab" * 32}})
def pin_mismatch(stage, domain):
    stage.certificate(domain, stage.authority.issue(domain, None, [domain]))


@fault("cert-expired", r"expired on \d{4}-\d\d-\d\d.*CN=pinned-and-expired\.example")
def pinned_and_expired(stage, domain):
    certificate = stage.authority.issue(domain, None, [domain], begins=-30, ends=-2)
    FAULTS[domain].sections["xmpp-peer"] = {"pin": certificate.pin()}
    stage.certificate(domain, certificate)


# -- authentication

@fault("auth-external", r"not-authorized")
def external_refused(stage, domain):
    """And it ends the stream when dialback is tried instead."""
    stage.peer(domain, foreign.server(domain, stage.tls(domain, trust=pki.shared().ca), external="refuse", dialback="error"))


@fault("auth-external", r"not-authorized", server="strict")
def external_only(stage, domain):
    stage.peer(domain, foreign.server(domain, stage.tls(domain, trust=pki.shared().ca), external="refuse"))


@fault("auth-no-way", server="strict")
def dialback_only(stage, domain):
    stage.peer(domain, foreign.server(domain, stage.tls(domain), dialback="valid"))


@fault("auth-dialback")
def dialback_invalid(stage, domain):
    stage.peer(domain, foreign.server(domain, stage.tls(domain), dialback="invalid"))


@fault("auth-dialback-silent")
def dialback_without_answer(stage, domain):
    stage.peer(domain, foreign.server(domain, stage.tls(domain), dialback="silent"))


@fault("auth-dialback-error", r"remote-connection-failed")
def they_cannot_reach_us(stage, domain):
    stage.peer(domain, foreign.server(domain, stage.tls(domain), dialback="remote-connection-failed"))


# -- ping

@fault("cert-none", r"ping has no answer, since its own stream to us was refused: it shows no certificate")
def cannot_come_back(stage, domain):
    """It needs a stream of its own for the answer."""
    stage.peer(domain, foreign.server(domain, stage.tls(domain), dialback="valid", pinged=lambda: claim(stage.ours["plain"], domain, "0" * 64)))


@fault("no-pong", r"nothing came from it")
def no_pong(stage, domain):
    stage.peer(domain, foreign.server(domain, stage.tls(domain), dialback="valid"))


@fault("closed|stream-error", r"undefined-condition|reset|closed")
def dies_when_open(stage, domain):
    stage.peer(domain, foreign.server(domain, stage.tls(domain), dialback="valid", dies=True))


# -- policy, and what is no matter of XMPP federation

@fault("policy-denied", r"stream to it.*denied-out\.example at \S+federation\.conf:\d+",
       **{"xmpp-policy": {"action": "deny", "direction": "out"}})
def denied_out(stage, domain):
    pass


@fault("policy-denied", r"stream from it.*denied-in\.example at \S+federation\.conf:\d+",
       **{"xmpp-policy": {"action": "deny", "direction": "in"}})
def denied_in(stage, domain):
    pass


@fault("federation-off", r"xmpp-federation\.enabled at \S+federation\.conf:\d+", server="off")
def federation_off(stage, domain):
    pass


@fault("component", r"component.*not connected", **{"component": {"secret": "sesame"}})
def bot(stage, domain):
    pass


@fault("sip", r"SIP.*not connected", **{"sip-domain": {"type": "simple"}})
def phones(stage, domain):
    pass


# -- and how it is found out

SERVERS = {
    "plain": {"tls": "required"},
    "strict": {"tls": "required", "dialback": False},
    "off": {"enabled": False},
}


def make_server(stage, kind, workers=1):
    federation, own = {"xmpp-federation": SERVERS[kind], ("xmpp-peer", "liar.example"): {"require-valid-certificates": False}}, {}
    for domain, each in FAULTS.items():
        if each.server != kind:
            continue
        for name, section in each.sections.items():
            (own if name == "component" else federation)[name, domain] = section
    settings = {"dns": {"servers": [stage.names.address]}, "limits": {"s2s-timeout": 3, "max-s2s-verify": 100}, **own}
    server = servers.Xmppd([US, "padua.example"], {**settings, "s2s": {"trust": str(stage.trust)}}, federation, workers)
    server.settings["s2s"]["listen"] = [f"127.0.0.1:{server.s2s}"]
    server.write()
    return server.start()


def explain(server, domain, *options):
    began = time.monotonic()
    done = server.ctl(*options, "explain", domain, check=False, seconds=45)
    done.seconds = time.monotonic() - began
    return done


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    made = Stage(tmp_path_factory.mktemp("explain"))
    for domain, each in FAULTS.items():
        each.setup(made, domain)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def running(stage):
    made = stage.ours = {kind: make_server(stage, kind) for kind in SERVERS}
    yield made
    complaints = [server.stop() for server in made.values()]
    assert complaints == [None] * len(complaints)


@pytest.fixture(scope="module")
def answers(running):
    with concurrent.futures.ThreadPoolExecutor(len(FAULTS)) as pool:
        asked = {domain: pool.submit(explain, running[each.server], domain) for domain, each in FAULTS.items()}
        return {domain: each.result() for domain, each in asked.items()}


@pytest.mark.parametrize("domain", FAULTS)
def test_the_first_line_names_the_fault(answers, domain):
    expected, answer = FAULTS[domain], answers[domain]
    first = answer.stdout.splitlines()[0] if answer.stdout else answer.stderr
    assert re.search(rf"^{re.escape(domain)}: .*\[({expected.code})\]$", first), answer.stdout + answer.stderr
    assert re.search(expected.words, first), first
    assert answer.returncode == 1 and answer.seconds < 32 * system.PATIENCE
    assert "what to do: " in answer.stdout and "DOMAIN" not in answer.stdout


# -- when all is well, and beside other streams

@pytest.fixture(scope="module")
def rome(stage):
    """Another server like ours, with a certificate that ours trusts."""
    domains = ["rome.example", "verona.example"]
    certificate = stage.authority.issue(domains[0], stage.intermediate, domains).file(shown=[stage.intermediate])
    server = servers.Xmppd(domains, {"dns": {"servers": [stage.names.address]}, "s2s": {"trust": str(pki.shared().ca)},
                                     **{("domain", d): {"certificate": str(certificate)} for d in domains}},
                           {"xmpp-federation": {"tls": "required"}})
    server.settings["s2s"]["listen"] = [f"127.0.0.1:{server.s2s}"]
    server.write()
    server.start()
    stage.lead("rome.example", server.s2s)
    yield server
    assert server.stop() is None


def sign_in(server, user, domain, trust=None):
    s = stream.Stream("127.0.0.1", server.c2s)
    s.secure(domain, context=ssl.create_default_context(cafile=trust or pki.shared().ca))
    s.login(user, domain, "pencil")
    s.bind(domain, "test")
    s.send("<presence/>")
    s.wait("presence")
    return s


def streams(server):
    return json.loads(server.ctl("--json", "s2s").stdout)["streams"]


def test_all_is_well(running, rome):
    answer = explain(running["plain"], "rome.example")
    assert answer.returncode == 0 and answer.stdout.splitlines()[0] == "rome.example: all is well [none]", answer.stdout
    found = json.loads(explain(running["plain"], "juliet@rome.example/balcony", "--json").stdout)
    assert found["domain"] == "rome.example" and found["local"] == US and found["fault"] is False and found["advice"] is None
    assert list(dict.fromkeys(step["step"] for step in found["steps"])) == [
        "policy", "dns", "connect", "stream", "tls", "certificate", "authentication", "ping"]
    assert all(step["cause"] is None and step["ms"] < 5000 * system.PATIENCE for step in found["steps"])
    assert any(step["text"].startswith("CN=Intermediate: good") for step in found["steps"])


def test_a_first_target_that_is_dead_is_told_and_does_no_harm(running, rome, stage):
    targets = [(1, 0, system.free_port(), "xmpp.rome.example"), (2, 0, rome.s2s, "xmpp.rome.example")]
    stage.names.srv("_xmpp-server._tcp.verona.example", targets)
    answer = explain(running["plain"], "verona.example")
    assert answer.returncode == 0 and "all is well" in answer.stdout.splitlines()[0]
    assert re.search(r"connect +FAILED: 127\.0\.0\.1:\d+: refused", answer.stdout)


def test_the_streams_that_are_there_go_on(running, rome, stage):
    ours = running["plain"]
    ours.add_users([(f"juliet@{US}", "pencil")])
    rome.add_users([("romeo@rome.example", "pencil")])
    juliet, romeo = sign_in(ours, "juliet", US), sign_in(rome, "romeo", "rome.example", stage.trust)
    juliet.send("<message to='romeo@rome.example/test' type='chat'><body>one</body></message>")
    assert romeo.wait("message").find("body").text() == "one"
    before = streams(ours)
    assert [(s["remote"], s["local"], s["state"], s["proof"]) for s in before] == [("rome.example", US, "open", "external")]
    assert before[0]["out"] == 1 and before[0]["tls"] == "TLSv1.3" and before[0]["peer"] == f"127.0.0.1:{rome.s2s}"
    assert [(s["remote"], s["direction"], s["in"]) for s in streams(rome)] == [(US, before[0]["direction"], 1)]
    found = json.loads(explain(ours, "rome.example", "--json").stdout)
    assert not found["fault"] and [s["opened"] for s in found["streams"]] == [before[0]["opened"]]
    juliet.send("<message to='romeo@rome.example/test' type='chat'><body>two</body></message>")
    assert romeo.wait("message").find("body").text() == "two"
    after = [s for s in streams(ours) if s["state"] == "open"]
    assert [(s["opened"], s["out"]) for s in after] == [(before[0]["opened"], 2)]
    assert "rome.example" in ours.ctl("s2s").stdout and "external" in ours.ctl("s2s").stdout
    juliet.close()
    romeo.close()


def test_what_waits_is_told(running):
    """And why it does: the cause of the last attempt."""
    ours = running["plain"]
    ours.add_users([(f"nurse@{US}", "pencil")])
    nurse = sign_in(ours, "nurse", US)
    nurse.send("<message to='romeo@refused.example' type='chat'><body>one</body></message>")
    deadline = time.monotonic() + 5 * system.PATIENCE
    while True:
        domains = json.loads(ours.ctl("--json", "s2s").stdout)["domains"]
        waiting = [(d["waiting"], d["cause"]) for d in domains if d["domain"] == "refused.example"]
        if waiting == [(1, "tcp-refused")]:
            break
        assert time.monotonic() < deadline, domains
        time.sleep(0.1)
    answer = explain(ours, "refused.example").stdout
    assert "waiting for it: 1 stanza\n" in answer
    assert re.search(r"an attempt of ours at \S+Z, our domain capulet\.example failed: .*\[tcp-refused\]", answer)
    nurse.cut()


def claim(server, domain, key, certificate=None):
    """What another server says when it comes to us; the answer."""
    s = stream.Stream("127.0.0.1", server.s2s, foreign.SERVER)
    header = f" from='{domain}' xmlns:db='{foreign.DIALBACK}'"
    s.open(US, header)
    s.wait("stream")
    s.wait("features")
    s.send(f"<starttls xmlns='{stream.TLS}'/>")
    s.wait("proceed")
    s.start_tls(US, stream.client_tls(certificate=certificate))
    s.open(US, header)
    s.wait("stream")
    s.wait("features")
    s.send(f"<db:result from='{domain}' to='{US}'>{key}</db:result>")
    answer = s.wait("result", "error", seconds=10)
    s.close()
    return answer


@pytest.mark.parametrize("domain, code", [
    ("liar.example", "auth-dialback-key"),      # the server of its domain has not made the key
    ("bare.example", "cert-none"),
    ("old.example", "cert-expired"),
])
def test_an_attempt_of_theirs_that_failed_is_told(running, stage, domain, code):
    stage.peer(domain, foreign.server(domain, stage.tls(domain), dialback="valid", verify="invalid", bidi=True))
    assert explain(running["plain"], domain).stdout.splitlines()[0] == f"{domain}: all is well [none]"
    shown = stage.authority.issue(domain, stage.intermediate, [domain], begins=-30, ends=-2) if code == "cert-expired" else None
    assert claim(running["plain"], domain, "0" * 64, shown and shown.file()).get("type") in ("invalid", None)
    answer = explain(running["plain"], domain).stdout
    first = answer.splitlines()[0]
    assert "we reach it, but the last attempt in its name to reach us was refused: " in first and first.endswith(f"[{code}]"), answer
    if shown:
        assert re.search(r"certificate +CN=old\.example: .*\n.*certificate +CN=Intermediate: good", answer), answer
    assert re.search(rf"an attempt of it to reach us at \S+Z.* failed: {domain}: .*\[{code}\]", answer), answer


def test_in_the_name_of_another_domain_of_ours(running, rome):
    answer = running["plain"].ctl("explain", "--from", "montague.example", "refused.example", check=False)
    assert answer.returncode == 1 and "montague.example: no domain in whose name this server can speak" in answer.stderr
    answer = running["plain"].ctl("explain", "--from", "phones.example", "refused.example", check=False)
    assert answer.returncode == 1 and "phones.example: no domain in whose name this server can speak" in answer.stderr
    found = json.loads(running["plain"].ctl("--json", "explain", "--from", "padua.example", "rome.example").stdout)
    assert found["local"] == "padua.example" and not found["fault"]


@pytest.mark.parametrize("name, status, words", [
    (US, 0, r"^capulet\.example: a domain of this server.*\[local\]$"),
    (f"juliet@{US}", 0, r"^capulet\.example: a domain of this server.*\[local\]$"),
    ("no domain", 1, r"this is no name that a domain can have"),
])
def test_names_that_are_no_matter_of_federation(running, name, status, words):
    answer = explain(running["plain"], name)
    assert answer.returncode == status and re.search(words, (answer.stdout or answer.stderr).splitlines()[0])


@pytest.mark.workers4
def test_what_is_asked_of_other_workers_comes_back(stage):
    """Domains at home on all of them, asked at the same time."""
    domains = ["expired.example", "wrong-name.example", "garbage.example", "host-unknown.example", "srv-dot.example", "refused.example",
               "dialback-invalid.example", "phones.example"]
    server = make_server(stage, "plain", workers=4)
    try:
        with concurrent.futures.ThreadPoolExecutor(len(domains)) as pool:
            for domain, answer in zip(domains, pool.map(lambda d: explain(server, d), domains)):
                assert re.search(rf"\[({FAULTS[domain].code})\]$", answer.stdout.splitlines()[0]), answer.stdout
    finally:
        assert server.stop() is None


@pytest.mark.parametrize("who", ["xmppctl", "xmppd"])
def test_who_goes_before_the_answer(stage, who):
    server = make_server(stage, "plain")
    domains = ["accepts-and-is-silent.example", "dialback-without-answer.example", "silent.example", "name-server-dead.example"]
    asked = [subprocess.Popen([system.program("xmppctl"), "-c", server.config, "explain", d], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
             for d in domains]
    time.sleep(0.5)
    for process in asked if who == "xmppctl" else []:
        process.kill()
    if who == "xmppctl":
        assert "all is well" not in explain(server, "refused.example").stdout
        time.sleep(3.5)                 # the trials come to their ends, and nobody hears
    assert server.stop() is None
    for process in asked:
        process.wait(10)


@pytest.mark.slow
def test_it_comes_to_an_end_within_thirty_seconds(running, stage):
    """However many targets say nothing."""
    port = stage.sockets[0].getsockname()[1]
    stage.names.host("xmpp.endless.example", "127.0.0.1")
    stage.names.srv("_xmpp-server._tcp.endless.example", [(n, 0, port, "xmpp.endless.example") for n in range(15)])
    answer = explain(running["plain"], "endless.example")
    assert answer.seconds < 32 * system.PATIENCE and answer.stdout.splitlines()[0].endswith("[tcp-silent]"), answer.stdout


def test_a_terminal_shows_how_it_goes_on(running, stage):
    """One line, the last step; the answer itself is as ever."""
    master, terminal = pty.openpty()
    process = subprocess.Popen([system.program("xmppctl"), "-c", running["plain"].config, "explain", "accepts-and-is-silent.example"],
                               stdout=subprocess.PIPE, stderr=terminal, text=True)
    os.close(terminal)
    began, seen = time.monotonic(), ""
    while "connect: 127.0.0.1" not in seen:     # long before the three seconds are over
        seen += os.read(master, 4096).decode()
    assert time.monotonic() - began < 2 * system.PATIENCE and process.poll() is None
    answer = process.communicate(timeout=40)[0]
    assert answer.splitlines()[0].endswith("[no-answer]")
    with pytest.raises(OSError):        # EIO: nobody has the other end any more
        while True:
            seen += os.read(master, 4096).decode()
    assert seen.endswith("\r\033[K")
    os.close(master)
