"""A server that means no good: what it gets, that it costs little, and that others are served as before."""
import concurrent.futures
import json
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import dns, foreign, pki, servers, stream, system, talk_s2s  # noqa: E402

US = "capulet.example"
ERRORS = "urn:ietf:params:xml:ns:xmpp-streams"
CLAIM = "<db:result from='{}' to='capulet.example'>{}</db:result>"


class Stage:
    """Our server with somebody on it, a friend whose messages have to get through, and whom the names lead to."""

    def __init__(self, **limits):
        self.names = dns.Server(ttl=0)
        self.peers = []
        self.server = servers.Xmppd([US], {"limits": {"s2s-timeout": 3, "max-s2s-waiting": 100, "max-s2s-queue": 65536, **limits}, "s2s": {"max-wait": 3}})
        self.server.federate(self.names.address)
        self.server.start()
        self.server.add_users([(f"juliet@{US}", "pencil")])
        self.juliet = stream.Stream("127.0.0.1", self.server.c2s)
        self.juliet.secure(US)
        self.juliet.login("juliet", US, "pencil")
        self.juliet.bind(US, "balcony")
        self.friend = self.prove("friend.example")
        self.count = 0

    def context(self, domain):
        return stream.client_tls(certificate=talk_s2s.certificates().file("good", [domain]))

    def come(self, domain, source=None):
        """A stream with headers and features."""
        s = stream.Stream("127.0.0.1", self.server.s2s, foreign.SERVER, source=source)
        self.head(s, domain)
        return s

    def head(self, s, domain):
        s.open(US, f" from='{domain}' xmlns:db='{foreign.DIALBACK}'")
        s.id = s.wait("stream").get("id")
        return s.wait("features")

    def secure(self, domain):
        s = self.come(domain)
        s.send(f"<starttls xmlns='{stream.TLS}'/>")
        s.wait("proceed")
        s.start_tls(US, self.context(domain))
        self.head(s, domain)
        return s

    def prove(self, domain):
        s = self.secure(domain)
        s.auth("EXTERNAL", "=")
        s.parser.restart()
        self.head(s, domain)
        return s

    def peer(self, serve, *domains, host="127.0.0.1"):
        self.peers.append(foreign.Peer(serve))
        for domain in domains:
            self.names.srv(f"_xmpp-server._tcp.{domain}", [(0, 0, self.peers[-1].port, f"xmpp.{domain}")])
            self.names.host(f"xmpp.{domain}", host)
        return self.peers[-1]

    def serves(self, seconds=3):
        """A message of the friend's arrives."""
        self.count += 1
        self.friend.send(f"<message from='romeo@friend.example' to='juliet@{US}/balcony'><body>{self.count}</body></message>")
        assert self.juliet.wait("message", seconds=seconds).find("body").text() == str(self.count)

    def memory(self):
        with open(f"/proc/{self.server.process.child.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))

    def hits(self, limit):
        rows = json.loads(self.server.ctl("--json", "limits").stdout)["limits"]
        return next(row["hits"] for row in rows if row["limit"].endswith("." + limit))

    def stop(self):
        for peer in self.peers:
            peer.stop()
        for s in (self.juliet, self.friend):
            s.cut()
        complaint = self.server.stop()
        self.names.stop()
        assert complaint is None


@pytest.fixture(scope="module")
def stage():
    made = Stage()
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def others_are_served(request):
    """Before and after, and with not much more memory; sanitizers keep what was freed."""
    stage = request.getfixturevalue("stage") if "stage" in request.fixturenames else None
    if stage is None:
        yield
        return
    stage.serves()
    before = stage.memory()
    yield
    stage.serves()
    assert stage.memory() - before < (512 if system.sanitizer() else 32) * 1024


def ends_with(s, condition, seconds=5):
    """It ends with this error, whatever was said before; what it is given back does not matter."""
    end = time.monotonic() + seconds * system.PATIENCE
    while (event := s.receive(max(0, end - time.monotonic()))) is not None:
        if event[0] == "stanza" and event[1].name == f"{{{stream.xmlnode.STREAM}}}error":
            assert event[1].find(condition, ERRORS) is not None, f"{event[1]} in place of {condition}"
            s.cut()
            return event[1]
        assert event[0] != "end", f"{event[1]} in place of {condition}"
    raise AssertionError(f"nothing in place of {condition}")


# -- what is sent before a domain is proven

EARLY = {
    "message": ("<message from='a@evil.example' to='juliet@capulet.example'><body>x</body></message>", "not-authorized"),
    "presence": ("<presence from='a@evil.example' to='juliet@capulet.example' type='subscribe'/>", "not-authorized"),
    "ping": ("<iq from='evil.example' to='capulet.example' type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>", "not-authorized"),
    "resume": ("<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>", "not-authorized"),
    "result of ours": (CLAIM.format("capulet.example", "key"), "invalid-from"),
    "result without domains": ("<db:result>key</db:result>", "improper-addressing"),
    "result of no domain": (CLAIM.format("a@b@c", "key"), "improper-addressing"),
    "answer": ("<db:result from='evil.example' to='capulet.example' type='valid'/>", "not-authorized"),
    "answer to a question": ("<db:verify from='evil.example' to='capulet.example' id='x' type='valid'/>", "not-authorized"),
    "question without id": ("<db:verify from='evil.example' to='capulet.example'>key</db:verify>", "improper-addressing"),
    "success": (f"<success xmlns='{stream.SASL}'/>", "unsupported-stanza-type"),
    "proceed": (f"<proceed xmlns='{stream.TLS}'/>", "unsupported-stanza-type"),
    "features": ("<stream:features/>", "unsupported-stanza-type"),
    "header again": ("<stream:stream xmlns='jabber:server' from='evil.example' to='capulet.example' version='1.0'></stream:stream>",
                     "unsupported-stanza-type"),
    "key that goes on": ("<db:result from='evil.example' to='capulet.example'>" + "k" * 20000, "policy-violation"),
    "endless attribute": ("<db:result from='" + "e" * 20000, "policy-violation"),
    "endless name": ("<" + "e" * 20000, "policy-violation"),
    "many attributes": ("<db:result " + " ".join(f"a{i}=''" for i in range(1000)) + "/>", "policy-violation"),
    "deep": ("<db:result>" + "<a>" * 500 + "</a>" * 500 + "</db:result>", "policy-violation"),
    "doctype": ("<!DOCTYPE lol [<!ENTITY lol 'lol'>]>", "restricted-xml|not-well-formed"),
    "entity": ("<db:result>&lol;</db:result>", "restricted-xml"),
    "instruction": ("<?php system('rm')?>", "restricted-xml"),
    "comment": ("<!-- " + "x" * 100 + " -->", "restricted-xml"),
    "no XML": ("GET / HTTP/1.1\r\n\r\n<", None),
    "not UTF-8": (b"<db:result>\xff\xfe</db:result>", "unsupported-encoding|not-well-formed"),
    "rubbish": ("</nothing>", "not-well-formed"),
}


@pytest.mark.parametrize("what", EARLY)
def test_before_a_domain_is_proven(stage, what):
    text, condition = EARLY[what]
    s = stage.come("evil.example")
    s.send(text)
    if condition is None:
        s.cut()
        return
    end = s.receive(5 * system.PATIENCE)
    while end is not None and end[0] == "stanza" and end[1].local != "error":
        end = s.receive(5 * system.PATIENCE)
    assert end is not None and end[0] == "stanza", f"{end} in place of {condition}"
    assert any(end[1].find(c, ERRORS) is not None for c in condition.split("|")), f"{end[1]} in place of {condition}"
    assert stage.juliet.receive(0.02) is None
    s.cut()


# -- on a stream that has proven a domain

PROVEN = {
    "another domain": ("<message from='a@friend.example' to='juliet@capulet.example'/>", "invalid-from"),
    "a domain below": ("<message from='a@x.evil.example' to='juliet@capulet.example'/>", "invalid-from"),
    "one of ours": ("<message from='juliet@capulet.example' to='juliet@capulet.example'/>", "invalid-from"),
    "the server itself": ("<iq from='capulet.example' to='juliet@capulet.example/balcony' type='set' id='r'/>", "invalid-from"),
    "no sender": ("<message to='juliet@capulet.example'/>", "improper-addressing"),
    "no recipient": ("<message from='a@evil.example'/>", "improper-addressing"),
    "to a third party": ("<message from='a@evil.example' to='a@friend.example'/>", "host-unknown"),
    "huge": ("<message from='a@evil.example' to='juliet@capulet.example'><body>" + "x" * 600000 + "</body></message>", "policy-violation"),
    "huge and unfinished": ("<message from='a@evil.example' to='" + "x" * 600000, "policy-violation"),
    "deep": ("<message from='a@evil.example' to='juliet@capulet.example'>" + "<a>" * 2000, "policy-violation"),
    "acknowledges what was not sent": ("<enable xmlns='urn:xmpp:sm:3'/><a xmlns='urn:xmpp:sm:3' h='4294967295'/>", "undefined-condition"),
    "answer": ("<db:result from='evil.example' to='capulet.example' type='valid'/>", "not-authorized"),
    "error": ("<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>", None),
}


@pytest.mark.parametrize("what", PROVEN)
def test_on_a_stream_that_has_proven_a_domain(stage, what):
    text, condition = PROVEN[what]
    s = stage.prove("evil.example")
    s.send(text)
    if condition is None:
        assert s.receive(5 * system.PATIENCE)[0] in ("close", "end")
        s.cut()
        return
    ends_with(s, condition)
    assert stage.juliet.receive(0.02) is None


@pytest.mark.parametrize("domain", ["friend.example", "gmail.example", "capulet.example", "x.evil.example", ""])
def test_what_external_has_proven_is_not_exchanged(stage, domain):
    s = stage.secure("evil.example")
    s.auth("EXTERNAL", "=")
    s.parser.restart()
    s.open(US, f" from='{domain}' xmlns:db='{foreign.DIALBACK}'" if domain else "")
    assert s.wait("stream")
    s.send(f"<message from='a@{domain or 'friend.example'}' to='juliet@{US}/balcony'><body>forged</body></message>")
    ends_with(s, "invalid-from")
    assert stage.juliet.receive(0.05) is None


def test_nothing_that_came_before_tls_counts_after_it(stage):
    """Bytes put into the clear part of the stream by somebody between (CVE-2011-0411 and its like)."""
    s = stage.come("evil.example")
    s.send(f"<starttls xmlns='{stream.TLS}'/>" + CLAIM.format("friend.example", "key"))
    try:
        s.wait("proceed")
        s.start_tls(US, stage.context("evil.example"))
        stage.head(s, "evil.example")
        assert s.receive(0.3) is None
    except (OSError, stream.StreamError):
        pass                                # ended: as good
    s.cut()


def test_too_many_domains_on_one_stream(stage):
    """Its certificate is good for all of them."""
    domain = "many.example"
    context = stream.client_tls(certificate=talk_s2s.certificates().file(f"names:{domain},*.{domain}", [domain]))
    s = stage.come(domain)
    s.send(f"<starttls xmlns='{stream.TLS}'/>")
    s.wait("proceed")
    s.start_tls(US, context)
    stage.head(s, domain)
    s.send("".join(CLAIM.format(f"d{i}.{domain}", "key") for i in range(1100)))
    answers = [s.wait("result", "error", seconds=20) for _ in range(1100)]
    assert [a.get("type") for a in answers[:1000]] == ["valid"] * 1000
    assert all(a.find("error").find("resource-constraint") is not None for a in answers[1000:])
    s.cut()


# -- keys

class Authority:
    """The server of a domain that makes its keys by XEP-0185, and counts who asks it."""

    def __init__(self, stage, *domains, secret="secret of rome", host="127.0.0.1"):
        self.secret, self.asked, self.peers = secret, [], []
        self.peer = stage.peer(self.serve, *domains, host=host)

    def key(self, receiving, originating, stream_id):
        return talk_s2s.dialback_key(self.secret, receiving, originating, stream_id)

    def serve(self, s):
        head = s.wait("stream")
        s.header(head.get("to"), head.get("from"), f"<dialback xmlns='{foreign.DIALBACK_FEATURE}'><errors/></dialback>")
        while (event := s.receive(60)) is not None and event[0] == "stanza":
            node = event[1]
            if node.local != "verify":
                continue
            self.asked.append(node)
            good = node.text() == self.key(node.get("from"), node.get("to"), node.get("id"))
            s.send(f"<db:verify from='{node.get('to')}' to='{node.get('from')}' id='{node.get('id')}' type='{'valid' if good else 'invalid'}'/>")


def claim(s, domain, key):
    """The type of the answer."""
    s.send(CLAIM.format(domain, key))
    return s.wait("result").get("type")


def test_a_key_is_good_on_its_own_stream_alone(stage):
    rome = Authority(stage, "rome.example", "verona.example")
    first = stage.come("rome.example")
    key = rome.key(US, "rome.example", first.id)
    assert claim(first, "rome.example", key) == "valid"
    for domain, shown in (("rome.example", key),                                                # that of another stream
                          ("rome.example", ""), ("rome.example", key[:-1]), ("rome.example", key + "0"),
                          ("rome.example", "0" * 64)):
        s = stage.come("rome.example")
        assert s.id != first.id
        assert claim(s, domain, shown) == "invalid"
        assert s.receive(5 * system.PATIENCE)[0] == "close"
        s.cut()
    s = stage.come("rome.example")                                                              # that of another pair
    assert claim(s, "verona.example", rome.key(US, "rome.example", s.id)) == "invalid"
    s.cut()
    first.cut()


def test_our_keys_are_good_for_their_stream_alone(stage):
    """A server that we have shown a key tries to be us elsewhere with it, and to have it confirmed for other streams."""
    shown = {}

    def listen(s):
        head = s.wait("stream")
        s.header(head.get("to"), head.get("from"), f"<dialback xmlns='{foreign.DIALBACK_FEATURE}'/>")
        shown["key"], shown["id"] = s.wait("result").text(), f"x{id(s)}"
        s.linger(5)

    stage.peer(listen, "thief.example")
    stage.juliet.send("<message to='a@thief.example' id='stolen'><body>x</body></message>")
    assert system.wait_until(lambda: "id" in shown, 5)
    s = stage.come("thief.example")
    for sender, target, stream_id in (("thief.example", US, shown["id"] + "x"), ("friend.example", US, shown["id"]), ("thief.example", US, "")):
        s.send(f"<db:verify from='{sender}' to='{target}' id='{stream_id}'>{shown['key']}</db:verify>")
        assert s.wait("verify").get("type") == "invalid"
    s.send(f"<db:verify from='thief.example' to='{US}' id='{shown['id']}'>{shown['key']}</db:verify>")
    assert s.wait("verify").get("type") == "valid"
    s.cut()
    stage.peers.pop().stop()
    assert stage.juliet.wait("message", seconds=15).get("type") == "error"


# -- third parties

def flood(stage, count, domain_of, streams=20):
    """Claims in forged names, on many streams; how many were answered in which way."""
    evil, came = Authority(stage, "evil.example"), [stage.come("evil.example") for _ in range(streams)]
    assert all(claim(s, "evil.example", evil.key(US, "evil.example", s.id)) == "valid" for s in came)
    answers = {}

    def work(s, numbers):
        for i in numbers:
            s.send(CLAIM.format(domain_of(i), "forged"))
        while (event := s.receive(1.5 * system.PATIENCE)) is not None and event[0] == "stanza":
            name = event[1].get("type") or event[1].elements()[0].local
            if name == "error":
                name = event[1].find("error").elements()[0].local
            answers[name] = answers.get(name, 0) + 1
        s.cut()

    threads = [threading.Thread(target=work, args=(s, range(i, count, streams))) for i, s in enumerate(came)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return answers


def test_a_third_party_is_not_asked_more_often_than_the_limit(stage):
    """2,000 claims of one domain, on 500 streams one after the other."""
    victim = Authority(stage, "victim.example")
    began = time.monotonic()
    for _ in range(25):
        came = [stage.come("victim.example") for _ in range(20)]
        for s in came:
            s.send(CLAIM.format("victim.example", "forged") * 4)
        for s in came:
            s.cut()
    time.sleep(0.5)
    took = time.monotonic() - began
    assert 1 <= len(victim.asked) <= 20 * (took + 2)
    assert len(victim.peer.connections) <= 3
    assert stage.hits("max-s2s-verify") > 20


def test_a_third_party_that_is_down_is_not_dialled_more_often_than_the_limit(stage):
    down = stage.peer(lambda s: None, "down.example")
    began = time.monotonic()
    for _ in range(15):
        came = [stage.come("down.example") for _ in range(20)]
        for s in came:
            s.send(CLAIM.format("down.example", "forged"))
        for s in came:
            s.cut()
    time.sleep(0.5)
    assert 1 <= len(down.connections) <= 20 * (time.monotonic() - began + 2)


def test_many_names_that_lead_to_one_third_party(stage):
    """Whoever has a domain can let any name below it lead to a server of others: claims that need a question are counted by who makes them."""
    domains = [f"n{i}.evil.example" for i in range(2000)]
    victim = Authority(stage, *domains)
    began = time.monotonic()
    answers = flood(stage, len(domains), lambda i: domains[i])
    took = time.monotonic() - began
    assert len(victim.peer.connections) <= 100 * (took + 2)
    assert answers.get("resource-constraint", 0) > 1000
    assert stage.hits("max-s2s-claims") > 1000
    assert claim(other := stage.come("n0.evil.example", source="127.0.0.9"), "n0.evil.example", "x") in ("invalid", "error")
    other.cut()


# -- crowds, and those who take their time

def test_half_open_streams(stage):
    """2,000 that say who they could be and then nothing, from many addresses; others are served, and in the end all are gone."""
    began = stage.memory()
    crowd = []
    for i in range(2000):
        s = socket.create_connection(("127.0.0.1", stage.server.s2s), source_address=(f"127.0.1.{1 + i % 8}", 0), timeout=10)
        s.sendall(f"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' from='n{i}.example' "
                  f"to='{US}' version='1.0'>".encode())
        crowd.append(s)
        if i % 500 == 499:
            stage.serves()
    each = (stage.memory() - began) / len(crowd)
    assert each < (96 if system.sanitizer() else 20), f"{each:.1f} KiB for each"
    deadline = time.monotonic() + 15 * system.PATIENCE
    for s in crowd:
        s.settimeout(max(0.1, deadline - time.monotonic()))
        data = b""
        while b"connection-timeout" not in data:
            piece = s.recv(4096)
            assert piece, f"closed without a reason: {data}"
            data += piece
        s.close()
    stage.serves()


def drip(s, text):
    """One byte at a time until the other side has enough; how long that took, and what it said."""
    began, data = time.monotonic(), b""
    s.socket.settimeout(0.05)
    for i in range(400):
        try:
            s.socket.send(text.encode("latin-1")[i:i + 1] or b"x")
            piece = s.socket.recv(4096)
        except (TimeoutError, socket.timeout):
            continue
        except OSError:
            break
        data += piece
        if not piece or b"</stream:stream>" in data:
            break
    s.cut()
    return time.monotonic() - began, data


def test_slow_bytes(stage):
    """One byte at a time keeps nobody's place beyond the time that all have, wherever negotiation is."""
    bare = stream.Stream("127.0.0.1", stage.server.s2s, foreign.SERVER)
    greeting = stage.come("evil.example")
    greeting.send(f"<starttls xmlns='{stream.TLS}'/>")
    greeting.wait("proceed")
    asked = {
        "header": (bare, "<stream:stream xmlns='jabber:server' xmlns:a='"),
        "element": (stage.come("evil.example"), "<db:result from='"),
        "handshake": (greeting, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        "after TLS": (stage.secure("evil.example"), " " * 400),
    }
    with concurrent.futures.ThreadPoolExecutor() as pool:
        answers = {name: pool.submit(drip, *each) for name, each in asked.items()}
    for name, answer in answers.items():
        took, data = answer.result()
        assert 2 < took < 3 + 3 * system.PATIENCE, name
        assert name == "handshake" or b"connection-timeout" in data, name


def test_endless_header(stage):
    s = stream.Stream("127.0.0.1", stage.server.s2s, foreign.SERVER)
    s.send("<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' ")
    s.socket.settimeout(5 * system.PATIENCE)
    began = time.monotonic()
    with pytest.raises(OSError):
        while time.monotonic() - began < 10 * system.PATIENCE:
            s.socket.sendall(b" a='x'" * 5000)
    s.cut()
    s = stream.Stream("127.0.0.1", stage.server.s2s, foreign.SERVER)
    s.send("<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' from='" + "x" * 20000)
    ends_with(s, "policy-violation")


# -- where we have called

HEAD = ("<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' "
        "xmlns:stream='http://etherx.jabber.org/streams' id='x' from='{}' to='capulet.example' version='1.0'>")
CALLED = {
    "endless-header": HEAD[:-2] + " a='" + "x" * 2000000,
    "endless-features": HEAD + "<stream:features>" + "<x/>" * 500000,
    "deep-features": HEAD + "<stream:features>" + "<x>" * 5000,
    "many-mechanisms": HEAD + f"<stream:features><mechanisms xmlns='{stream.SASL}'>" + "<mechanism>EXTERNAL</mechanism>" * 500 + "</mechanisms></stream:features>",
    "doctype": "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'>]>" + HEAD,
    "stanzas-first": HEAD + "<message from='a@called.example' to='juliet@capulet.example/balcony'><body>x</body></message>",
    "success-unasked": HEAD + f"<stream:features/><success xmlns='{stream.SASL}'/>",
    "valid-unasked": HEAD + "<db:result from='{}' to='capulet.example' type='valid'/>",
    "proceed-unasked": HEAD + f"<proceed xmlns='{stream.TLS}'/>",
    "closes": HEAD + "</stream:stream>",
    "silent": HEAD,
}


def test_a_server_that_we_have_called(stage):
    """All at once: each message comes back with an error, no stanza of theirs gets in."""
    for name, text in CALLED.items():
        domain = f"{name}.called.example"

        def serve(s, text=text.replace("{}", domain)):
            s.wait("stream")
            s.send(text)
            s.linger(20)
        stage.peer(serve, domain)
        stage.juliet.send(f"<message to='a@{domain}' id='{name}' type='chat'><body>x</body></message>")
    left = set(CALLED)
    deadline = time.monotonic() + 30 * system.PATIENCE
    while left and time.monotonic() < deadline:
        node = stage.juliet.wait("message", seconds=25)
        assert node.get("type") == "error" and node.find("error").find("text") is not None, node
        assert node.get("from") == f"a@{node.get('id')}.called.example"
        left.discard(node.get("id"))
    assert not left


def test_a_server_that_does_not_read(stage):
    """What waits for it is bounded; the rest comes back, and others do not wait."""
    def serve(s):
        foreign.server("deaf.example", dialback="valid")(Once(s))
        time.sleep(20)

    class Once:
        """Reads until the domain is proven."""
        def __init__(self, s):
            self.s = s

        def __getattr__(self, name):
            return getattr(self.s, name)

        def receive(self, seconds):
            event = self.s.receive(seconds)
            if event and event[0] == "stanza" and event[1].local == "message":
                return None
            return event

    stage.peer(serve, "deaf.example")
    body, error, deadline = "x" * 8000, None, time.monotonic() + 20 * system.PATIENCE
    while error is None and time.monotonic() < deadline:
        for _ in range(50):
            stage.juliet.send(f"<message to='a@deaf.example' type='chat'><body>{body}</body></message>")
        while (event := stage.juliet.receive(0.01)) is not None:
            assert event[0] == "stanza", event
            error = event[1]
    assert error.find("error").find("resource-constraint") is not None
    stage.peers.pop().stop()
    while (event := stage.juliet.receive(4)) is not None:       # all that waits is back after max-wait
        assert event[0] == "stanza", event


def test_answers_that_are_not_read(stage):
    """Who asks on and on, and reads nothing, is not written to without end."""
    s = stage.prove("flood.example")
    question = f"<db:verify from='flood.example' to='nobody.example' id='{'x' * 100000}'>key</db:verify>"
    before = stage.hits("max-s2s-queue")
    try:
        for _ in range(400):
            s.send(question)
    except OSError:
        pass
    assert stage.hits("max-s2s-queue") == before + 1
    s.cut()


def test_streams_that_are_left_to_be_resumed():
    """Each is kept for a while, but not more of them than might be open."""
    stage = Stage(**{"max-s2s-streams": 3})
    try:
        for _ in range(6):
            s = stage.prove("fickle.example")
            s.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
            s.wait("enabled")
            s.cut()
        system.wait_until(lambda: stage.hits("max-s2s-streams") >= 3, 2)
    finally:
        stage.stop()
