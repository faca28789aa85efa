"""One xmppd, one other server, and every way in which they may meet: each variant is a domain of the other server, each activity a test.

A module that wants to play it names the other server: PEER = "prosody"; and takes all of this by `from matrix import *`. All variants are played
at the same time when the first test asks for them; then each test looks at what became of its own. At last the other server is killed, and
everybody goes on when it is back.
"""
import concurrent.futures
import json
import os
import socket
import sys
import time
import traceback
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import authority, dnsmasq, foreign, peers, person, stream, system  # noqa: E402

pytestmark = pytest.mark.slow                   # of each module that takes all of this
US = "capulet.example"
ACTIVITIES = ("message", "presence", "iq", "large", "block", "stream", "return", "restart")
AT_LAST = ("return", "restart")                 # for all at once
FAILS = ("refused",)


class Variant:
    """us: our domain; rules: xmpp-peer of the domain; certificate: of which kind (Scene.certificates); names: how it is found (Scene.publish);
    proof: how each proves itself to the other; tls: whether they offer it; version: the only one they speak; strict: they insist on it, and on our
    certificate; bidi: streams both ways; cause: why it must not come about; lacks: peers that cannot be set up like this."""

    def __init__(self, us=US, rules=None, certificate="good", names="srv", proof=None, tls=True, version=None, strict=False, bidi=False, cause=None,
                 lacks=()):
        self.strict, self.bidi = strict, bidi
        self.us, self.rules, self.certificate, self.names, self.proof = us, rules, certificate, names, proof
        self.tls, self.version, self.cause, self.lacks = tls, version, cause, lacks


VARIANTS = {
    "none": Variant(us=f"clear.{US}", rules={"tls": "none"}, tls=False, proof="dialback"),
    "optional": Variant(),
    "required": Variant(us=f"strict.{US}", rules={"tls": "required"}, strict=True, lacks=("jabberd2",)),
    "direct-tls": Variant(us=f"direct.{US}", rules={"tls": "required"}, names="direct", lacks=("jabberd2",)),
    "both-ways": Variant(bidi=True, lacks=("ejabberd", "jabberd2")),
    "untrusted": Variant(rules={"require-valid-certificates": False}, certificate="untrusted"),
    "expired": Variant(certificate="expired", cause="cert-expired", lacks=("xmppd",)),
    "wrong-name": Variant(certificate="other", cause="cert-name", lacks=("xmppd",)),
    "server-auth": Variant(us=f"server.{US}", rules={"tls": "required"}, certificate="server"),
    "tls-1-2": Variant(version="tlsv1_2", lacks=("jabberd2", "xmppd")),
    "dead-first": Variant(names="dead"),
    "silent-first": Variant(names="silent"),
    "ipv6": Variant(us=f"six.{US}", names="ipv6"),
    "no-srv": Variant(us=f"bare.{US}", names="none"),
    "srv-dot": Variant(names="dot", cause="dns-not-offered"),
    "unicode": Variant(us="bücher.example"),
}
OURS = sorted({v.us for v in VARIANTS.values()})
PLAYED = [(v, a) for v, each in VARIANTS.items() for a in (FAILS if each.cause else ACTIVITIES)]


def domain_of(variant, peer):
    return f"gärten.{peer}.example" if variant == "unicode" else f"{variant}.{peer}.example"


def people_of(variant):
    return ("jürgen", "rómeo") if variant == "unicode" else ("juliet", "romeo")


class Scene:
    """Both servers, the names and the certificates."""

    def __init__(self, kind, directory, workers=1, wanted=VARIANTS):
        self.kind, self.workers, self.sockets, self.relays = kind, workers, [], []
        self.names = dnsmasq.Names()
        make = peers.KINDS[kind]
        try:
            reason = make.missing(self.names)
        except peers.NotHere as e:
            pytest.skip(str(e))
        if reason:
            pytest.fail(reason, pytrace=False) if os.environ.get("CI") == "true" else pytest.skip(reason)
        self.variants = {v: each for v, each in VARIANTS.items() if v in wanted and kind not in each.lacks and (v != "ipv6" or system.has_ipv6())}
        self.domains = {v: domain_of(v, kind) for v in self.variants}
        # COMPAT: jabberd2 2.7 leaves an error in OpenSSL's queue with every TLS stream it opens after the first, and ends the next stream of
        # which a record comes in parts. It opens one for each domain of ours.
        self.local = {v: US if kind == "jabberd2" and each.tls else each.us for v, each in self.variants.items()}
        self.authority = authority.Authority(directory)
        root = self.authority.root("Trusted Root")
        self.trust = root.crt
        self.certificates(root)

        ours = [peers.Host(d, self.own_server if d.startswith("server.") else self.own) for d in OURS]
        rules = {("xmpp-peer", self.domains[v]): each.rules for v, each in self.variants.items() if each.rules}
        self.us = peers.Xmppd(ours, self.names, self.trust, rules, workers, {"log": {"level": "debug"}})
        theirs = [peers.Host(self.domains[v], self.shown[each.certificate], each.tls, each.version, each.strict, each.bidi)
                  for v, each in self.variants.items()]
        if kind == "xmppd":
            rules = {("xmpp-peer", f"clear.{US}"): {"tls": "none"}, ("xmpp-peer", f"strict.{US}"): {"tls": "required"}}
            self.peer = peers.Xmppd(theirs, self.names, self.trust, rules)
        elif kind == "jabberd2":
            self.peer = make(theirs, self.names, self.trust, self.shown["server"])
        else:
            self.peer = make(theirs, self.names, self.trust, [each.us for each in VARIANTS.values() if each.strict])
        self.publish()
        self.people = {}

    def certificates(self, root):
        issue = lambda name, names, signer=root, **rest: self.authority.issue(name, signer, [dnsmasq.ascii_domain(n) for n in names], **rest)
        kinds = lambda kind: [self.domains[v] for v, each in self.variants.items() if each.certificate == kind] or ["nobody.example"]
        self.own = issue(US, [d for d in OURS if not d.startswith("server.")])
        self.own_server = issue("server", [d for d in OURS if d.startswith("server.")], usage="serverAuth")
        self.shown = {
            "good": issue(f"{self.kind}.example", kinds("good")),
            "untrusted": issue("untrusted", kinds("untrusted"), self.authority.root("Root of Others")),
            "expired": issue("expired", kinds("expired"), begins=-30, ends=-2),
            "other": issue("other.example", ["other.example"]),
            "server": issue("server-auth", kinds("server") + kinds("good"), usage="serverAuth"),
        }

    def publish(self):
        for domain in OURS:
            if domain.startswith("bare."):
                self.names.host(domain, self.us.address)
                continue
            if domain.startswith("direct."):
                self.names.srv(f"_xmpps-server._tcp.{domain}", [(0, 0, self.us.own_tls, f"xmpp.{domain}")])
            else:
                self.names.srv(f"_xmpp-server._tcp.{domain}", [(0, 0, self.us.own_port, f"xmpp.{domain}")])
            self.names.host(f"xmpp.{domain}", "::1" if domain.startswith("six.") else "127.0.0.1")
        for variant, each in self.variants.items():
            domain, at, port = self.domains[variant], self.peer.address, self.peer.s2s
            service, targets = "_xmpp-server._tcp", [(5, 0, port, f"xmpp.{domain}")]
            if each.names == "none":
                self.names.host(domain, at)
                continue
            if each.names == "dot":
                targets = [(0, 0, 0, ".")]
            elif each.names == "direct":
                service, targets = "_xmpps-server._tcp", [(0, 0, self.peer.s2s_tls, f"xmpp.{domain}")]
            elif each.names == "ipv6":
                self.relays.append(peers.Relay("::1", (at, port)))
                targets = [(0, 0, self.relays[-1].port, f"xmpp.{domain}")]
                at = "::1"
            elif each.names in ("dead", "silent"):
                first = dnsmasq.loopback_address()
                targets.append((1, 0, self.silent_port(first) if each.names == "silent" else system.free_port(), f"first.{domain}"))
                self.names.host(f"first.{domain}", first)
            self.names.srv(f"{service}.{domain}", targets)
            self.names.host(f"xmpp.{domain}", at)

    def silent_port(self, address):
        """A full queue of connections: the kernel drops what comes, as a firewall does."""
        full = socket.create_server((address, 0), backlog=0)
        self.sockets.append(full)
        for _ in range(3):
            waiting = socket.socket()
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
            self.sockets.append(waiting)
        return full.getsockname()[1]

    def start(self, people=None):
        """people: the accounts there; None: one for each variant."""
        self.names.start()
        self.us.start()
        accounts = [(jid, peers.PASSWORD) for jid in people or [f"{people_of(v)[1]}@{self.domains[v]}" for v in self.variants]]
        if self.kind == "ejabberd":
            self.peer.start()
            self.peer.add_users(accounts)
        else:
            self.peer.add_users(accounts)
            self.peer.start()
        self.us.add_users([(f"{people_of(v)[0]}-{v}@{self.local[v]}", peers.PASSWORD) for v in self.variants])
        return self

    def sign_in(self, variant):
        """Both people of a variant."""
        ours, theirs = people_of(variant)
        self.people[variant] = (person.Person(self.us, f"{ours}-{variant}@{self.local[variant]}", peers.PASSWORD),
                                person.Person(self.peer, f"{theirs}@{self.domains[variant]}", peers.PASSWORD))
        return self.people[variant]

    def streams(self, variant=None):
        """Those that are open, as xmppctl tells it: of one variant or of all."""
        wanted = self.domains.values() if variant is None else [self.domains[variant]]
        return [s for s in json.loads(self.us.ctl("--json", "s2s").stdout)["streams"] if s["remote"] in wanted and s["state"] == "open"]

    def stop(self):
        results, complaint = system.BUILD / "tests" / "results", None
        if results.is_dir():
            for name, log in (("xmppd", self.us.log()), (self.kind, self.peer.log())):
                (results / f"federation-{self.kind}-{name}.log").write_text(log)
        try:
            for pair in self.people.values():
                for each in pair:
                    each.stream.cut()
            self.peer.stop()
            complaint = self.us.stop()
        finally:
            for relay in self.relays:
                relay.stop()
            for s in self.sockets:
                s.close()
            self.names.stop()
        return complaint


# -- what people do

def do_message(scene, variant, ours, theirs):
    for text in ("one", "two", "Ünïcödé <&> \U0001f339"):
        ours.say(theirs, text)
    for text in ("one", "two", "Ünïcödé <&> \U0001f339"):
        theirs.hears(ours, text)
    theirs.say(ours, "three", ours.full)
    theirs.say(ours, "four", ours.full)
    ours.hears(theirs, "three")
    ours.hears(theirs, "four")


def do_presence(scene, variant, ours, theirs):
    ours.befriend(theirs)
    ours.show("dnd")
    theirs.sees(ours, "dnd")
    theirs.show("away")
    ours.sees(theirs, "away")


def do_iq(scene, variant, ours, theirs):
    for one, other in ((ours, theirs), (theirs, ours)):
        identity = one.request(other.full, "<query xmlns='urn:example:word'>stressed</query>")
        # Who is asked has to look.
        other.linger(0.3)
        for _ in range(20):
            found = [n for n in one.unasked if n.get("id") == identity]
            if found:
                break
            other.linger(0.2)
            one.linger(0.2)
        answer = one.answer(identity, 1)
        assert answer.get("type") == "result" and answer.find("query").text() == "desserts", str(answer)
        answer = one.answer(one.request(other.domain, "<query xmlns='http://jabber.org/protocol/disco#info'/>"))
        assert answer.get("type") == "result" and answer.find("query").find("identity") is not None, str(answer)


def do_large(scene, variant, ours, theirs):
    text = "0123456789" * 6000
    ours.say(theirs, text)
    theirs.hears(ours, text)
    theirs.say(ours, text[::-1])
    ours.hears(theirs, text[::-1])


def do_block(scene, variant, ours, theirs):
    """After do_presence: they see each other."""
    for one, other in ((ours, theirs), (theirs, ours)):
        one.block(other)
        other.sees(one, "unavailable")
        identity = other.say(one, "are you there")
        other.answer(other.request(one.domain, "<query xmlns='http://jabber.org/protocol/disco#info'/>"))   # comes after it
        if one is ours:
            assert other.refused(identity)[0] == "service-unavailable"
            assert one.refused(one.say(other, "no"))[0] == "not-acceptable"
        one.block(other, False)
        other.say(one, "and now")
        one.hears(other, "and now")
        one.nothing("a message of one who is blocked", lambda n: n.local == "message" and n.find("body") is not None and
                    n.find("body").text() == "are you there" and n.get("type") != "error")


def do_stream(scene, variant, ours, theirs):
    each, streams = VARIANTS[variant], scene.streams(variant)
    assert streams
    for s in streams:
        assert s["local"] == scene.local[variant] and bool(s["tls"]) == each.tls, streams
        if each.version or (each.tls and scene.kind == "jabberd2"):
            assert s["tls"] in ("TLSv1.2", "TLSv1.3") and (not each.version or s["tls"] == "TLSv1.2"), streams
    assert not each.bidi or [s["direction"] for s in streams] == ["both"], streams
    expected = [each.proof] if each.proof else PROOFS.get((scene.kind, variant)) or PROOFS[scene.kind]
    assert all(s["proof"] in expected for s in streams), (expected, streams)


def do_refused(scene, variant, ours, theirs):
    """It must not come about, and who writes is told why."""
    cause, began = VARIANTS[variant].cause, time.monotonic()
    identity = ours.say(theirs, "one")
    condition, text = ours.refused(identity, 25)
    assert condition in ("remote-server-not-found", "remote-server-timeout"), (condition, text)
    assert time.monotonic() - began < 30
    assert f"[{cause}]" in scene.us.ctl("explain", scene.domains[variant], check=False).stdout.splitlines()[0]
    theirs.nothing("a message", lambda n: n.local == "message")
    # jabberd2 has one stream for all its domains, and ends it when one of them is refused.
    if cause != "dns-not-offered" and scene.kind != "jabberd2":
        theirs.say(ours, "two")
        theirs.linger(1)
        ours.linger(0.5)
        ours.nothing("a message of theirs", lambda n: n.local == "message" and n.get("type") != "error")


# How they prove themselves, by what xmppctl says of the streams.
PROOFS = {
    "prosody": ["external"],
    "ejabberd": ["external"],
    "jabberd2": ["dialback", "certificate"],            # knows no SASL between servers; its certificate may spare us the question
    "xmppd": ["external"],
    ("prosody", "untrusted"): ["external", "dialback"],
    ("ejabberd", "untrusted"): ["external", "dialback"],
    ("ejabberd", "server-auth"): ["external", "dialback"],      # it refuses our certificate for a client, which has serverAuth only
}


def play(scene, variant):
    """What became of each activity: None, or what went wrong."""
    outcome = {}
    try:
        ours, theirs = scene.sign_in(variant)
    except Exception:
        return {a: traceback.format_exc() for a in (*ACTIVITIES, *FAILS)}
    for activity in FAILS if VARIANTS[variant].cause else [a for a in ACTIVITIES if a not in AT_LAST]:
        began = time.monotonic()
        try:
            globals()[f"do_{activity}"](scene, variant, ours, theirs)
            outcome[activity] = None
        except Exception:
            outcome[activity] = traceback.format_exc()
            if activity == "message":
                return {a: outcome["message"] if a == "message" else "no messages: see there" for a in ACTIVITIES}
        outcome[activity, "seconds"] = time.monotonic() - began
    return outcome


def go_away(scene, outcomes):
    """The other server dies; who writes meanwhile is heard when it is back, or told. Then both go on."""
    alive = [v for v in scene.variants if not VARIANTS[v].cause and outcomes[v].get("message") is None]
    time.sleep(scene.peer.settles)
    scene.peer.kill()
    # What is written into a connection that nobody reads any more is lost, without stream management.
    assert system.wait_until(lambda: not scene.streams(), 10)
    waiting = {}
    for variant in alive:
        ours, theirs = scene.people[variant]
        theirs.stream.cut()
        waiting[variant] = ours.say(theirs, "meanwhile")
    time.sleep(1)
    scene.peer.start()

    def come_back(variant):
        ours, theirs = scene.people[variant]
        try:
            # COMPAT: ejabberd 23.01 may keep a message that comes while its user becomes available, and show it at the next sign-in only.
            if system.wait_until(lambda: scene.streams(variant), 20, every=0.3):
                time.sleep(0.3)
            theirs.sign_in()
            try:
                theirs.hears(ours, "meanwhile", 25)
            except person.Missing:
                if ours.refused(waiting[variant], 5)[0] not in ("remote-server-timeout", "remote-server-not-found"):
                    raise
            theirs.say(ours, "back again")
            ours.hears(theirs, "back again", 20)
            ours.say(theirs, "good")
            theirs.hears(ours, "good")
            theirs.show("xa")
            ours.sees(theirs, "xa")
            outcomes[variant]["return"] = None
        except Exception:
            outcomes[variant]["return"] = traceback.format_exc()

    with concurrent.futures.ThreadPoolExecutor(max(1, len(alive))) as pool:
        list(pool.map(come_back, alive))


def pytest_generate_tests(metafunc):
    """With one worker and with four; the latter takes its time, and the thread sanitizer has enough with one of them."""
    if "scene" in metafunc.fixturenames:
        many = [pytest.mark.workers4] + ([] if metafunc.module.PEER == "prosody" else [pytest.mark.long])
        metafunc.parametrize("scene", [pytest.param(1, id="1"), pytest.param(4, id="4", marks=many)], indirect=True, scope="module")


@pytest.fixture(scope="module")
def scene(request, tmp_path_factory):
    # `-k` leaves variants out.
    wanted = {item.callspec.params["variant"] for item in request.session.items if item.module is request.module and hasattr(item, "callspec")}
    made = Scene(request.module.PEER, tmp_path_factory.mktemp("federation"), request.param, wanted)
    try:
        made.start()
    except BaseException:
        made.stop()
        raise
    yield made
    complaint = made.stop()
    assert complaint is None


def restart(scene, outcomes):
    """We go, with one worker by a clean stop, with four as in a power failure, and are back: what each knows of the other is right again."""
    alive = [v for v in scene.variants if outcomes[v].get("return", "") is None]
    if scene.workers == 1:
        scene.us.restart([scene.people[v][0].stream for v in scene.people])
    else:
        scene.us.kill()
        scene.us.start()

    def go_on(variant):
        ours, theirs = scene.people[variant]
        try:
            theirs.unasked.clear()
            ours.sign_in()
            ours.sees(theirs, "xa")                     # the answer to our probe
            theirs.sees(ours, "")
            ours.say(theirs, "I was away")
            theirs.hears(ours, "I was away")
            theirs.say(ours, "I saw it")
            ours.hears(theirs, "I saw it")
            outcomes[variant]["restart"] = None
        except Exception:
            outcomes[variant]["restart"] = traceback.format_exc()

    with concurrent.futures.ThreadPoolExecutor(max(1, len(alive))) as pool:
        list(pool.map(go_on, alive))


@pytest.fixture(scope="module")
def outcomes(scene):
    with concurrent.futures.ThreadPoolExecutor(len(scene.variants)) as pool:
        found = dict(zip(scene.variants, pool.map(lambda v: play(scene, v), scene.variants)))
    go_away(scene, found)
    restart(scene, found)
    return found


@pytest.mark.parametrize("variant, activity", PLAYED, ids=[f"{v}-{a}" for v, a in PLAYED])
def test(scene, outcomes, variant, activity):
    if variant not in scene.variants:
        pytest.skip(f"{scene.kind} cannot be set up like this" if scene.kind in VARIANTS[variant].lacks else "no IPv6 on loopback")
    what = outcomes[variant][activity] if activity in outcomes[variant] else "not played"
    if what:
        pytest.fail(what, pytrace=False)
