"""Two organisations, each with xmppd and sipcomp, federated with each other over SIP: what one says, the other understands, in each dialect."""
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import person, pki, servers, system  # noqa: E402


class House:
    """One organisation. The other one is a sip-domain of this type here."""

    def __init__(self, domain, user, mail=None):
        self.domain, self.user, self.mail = domain, f"{user}@{domain}", mail
        self.port = {"tls": system.free_port(), "tcp": system.free_port()}

    @property
    def seen(self):
        """The domain that the other side sees."""
        return self.mail.partition("@")[2] if self.mail else self.domain

    def build(self, other, kind, wire, direct):
        self.fqdn = f"sip.{self.domain}"
        federation = {("sip-domain", other.seen): {"type": kind, "direct": direct},
                      ("sip-route", other.seen): {("hop", "127.0.0.1"): {"port": other.port[wire], "transport": wire, "priority": 1, "weight": 1}},
                      ("sip-peer", f"sip.{other.domain}"): {"domains": [other.seen]}}
        if self.mail:
            federation["email"] = {"enabled": True, "domains": [self.seen]}
        self.server = servers.Xmppd([self.domain], {}, federation)
        self.gateway = servers.Sipcomp(self.server, [self.domain], [other.seen], federation=federation, settings={
            "routing-fqdn": self.fqdn, "record-route-transport": direct and wire == "tcp",
            ("listen", "peer-auth"): {"port": self.port["tls"]}, ("listen", "tcp"): {"port": self.port["tcp"]},
            "tls": {"certificate": str(pki.shared().issue([self.fqdn, self.domain]))}})
        self.server.start()
        if self.mail:
            self.server.ctl("user", "add", self.user, "--password", "pencil", "--mail", self.mail)
        else:
            self.server.add_users([(self.user, "pencil")])
        self.gateway.start()
        assert system.wait_until(lambda: other.seen in self.server.ctl("components").stdout, 15, 0.1)

    def sign_in(self):
        self.person = person.Person(self.server, self.user, "pencil")

    def stop(self):
        return self.gateway.stop(), self.server.stop()


class Pair:
    def __init__(self, here, there, kind, wire, direct):
        self.houses = here, there
        here.build(there, kind, wire, direct)
        there.build(here, kind, wire, direct)
        for house in self.houses:
            house.sign_in()

    def people(self):
        """(who, the address of the other one), both ways."""
        here, there = self.houses
        return (here.person, there.mail or there.user), (there.person, here.mail or here.user)

    def stop(self):
        assert [house.stop() for house in self.houses] == [(None, None)] * 2


WAYS = {"lync": ("lync", "tls", False), "ocs-direct": ("ocs", "tcp", True), "simple": ("simple", "tls", False), "simple-tcp": ("simple", "tcp", False)}


@pytest.fixture
def pair():
    made = []

    def make(way="lync", here=None, there=None):
        made.append(Pair(here or House("capulet.example", "juliet"), there or House("montague.example", "romeo"), *WAYS[way]))
        return made[0]

    yield make
    made[0].stop()


def sees(who, address, kind=None, show=None, seconds=10):
    def matches(n):
        said = n.find("show").text() if n.find("show") is not None else None
        return n.local == "presence" and person.bare(n.get("from", "")) == address and n.get("type") == kind and said == show
    return who.expect(f"{address} {kind or show or 'available'}", matches, seconds)


def befriend(pair):
    """Each asks the other, and each accepts."""
    (juliet, romeo_at), (romeo, juliet_at) = pair.people()
    for who, whom, other, back in ((juliet, romeo_at, romeo, juliet_at), (romeo, juliet_at, juliet, romeo_at)):
        who.send(f"<presence type='subscribe' to='{whom}'/>")
        sees(other, back, "subscribe")
        other.send(f"<presence type='subscribed' to='{back}'/>")
        sees(who, whom, "subscribed")
        sees(who, whom)


def say(who, address, text, identity=None):
    who.send(f"<message type='chat' id='{identity or text}' to='{address}'><body>{text}</body></message>")


def hear(who, address, count, seconds=20):
    """The next texts from this address, in the order in which they come."""
    texts = []
    for _ in range(count):
        node = who.expect(f"text {len(texts) + 1} of {address}", lambda n: n.local == "message" and n.find("body") is not None
                          and person.bare(n.get("from", "")) == address, seconds)
        assert node.get("type") != "error", str(node)
        texts.append(node.find("body").text())
    return texts


@pytest.mark.parametrize("way", WAYS)
def test_presence_and_messages_both_ways(pair, way):
    p = pair(way)
    befriend(p)
    (juliet, romeo_at), (romeo, juliet_at) = p.people()
    for who, other, at in ((juliet, romeo, juliet_at), (romeo, juliet, romeo_at)):
        who.send("<presence><show>dnd</show></presence>")
        sees(other, at, show="dnd" if way.startswith("simple") else "away")
        who.send("<presence/>")
        sees(other, at)
    # Each begins at the same moment, and goes on while the other does: nothing is lost, doubled or overtaken.
    wanted = [f"{i}" for i in range(30)]
    for text in wanted:
        say(juliet, romeo_at, text)
        say(romeo, juliet_at, text)
    assert hear(romeo, juliet_at, 30) == wanted
    assert hear(juliet, romeo_at, 30) == wanted
    juliet.linger(0.3)
    juliet.nothing("more than was said", lambda n: n.local == "message" and n.find("body") is not None)
    say(juliet, romeo_at, "x" * 10000, "long")
    assert hear(romeo, juliet_at, 1) == ["x" * 10000]
    juliet.leave()
    sees(romeo, juliet_at, "unavailable")


def restart_of(house):
    """A kill of the gateway, of the server, of both: presence is right again in five seconds."""
    yield "gateway", [house.gateway]
    yield "server", [house.server]
    yield "both", [house.gateway, house.server]


def test_after_a_kill_presence_is_right_again_in_five_seconds(pair):
    p = pair("lync")
    befriend(p)
    (juliet, romeo_at), (romeo, juliet_at) = p.people()
    here = p.houses[0]
    for round_, (what, parts) in enumerate(restart_of(here)):
        for part in parts:
            part.kill()
        romeo.send(f"<presence><show>{'dnd' if round_ % 2 == 0 else 'away'}</show></presence>")     # nobody over here hears it
        for part in reversed(parts):
            part.start()
        began = time.monotonic()
        if here.server in parts:
            here.sign_in()
            juliet = here.person
        node = juliet.expect(f"romeo as he is, after a kill of {what}", lambda n: n.local == "presence" and person.bare(n.get("from")) == romeo_at
                             and n.find("show") is not None and (n.find("status") is not None) == (round_ % 2 == 0), 10)
        juliet.send("<presence><show>xa</show></presence>")
        sees(romeo, juliet_at, show="away")
        assert time.monotonic() - began < 5 * system.PATIENCE, what
        juliet.send("<presence/>")
        sees(romeo, juliet_at)
        say(juliet, romeo_at, f"after {what}")
        assert hear(romeo, juliet_at, 1) == [f"after {what}"]


def test_the_far_side_may_be_away_for_a_while(pair):
    """What could not be delivered comes back to its sender; what is said afterwards arrives, and presence follows."""
    p = pair("lync")
    befriend(p)
    (juliet, romeo_at), (romeo, juliet_at) = p.people()
    there = p.houses[1]
    there.gateway.kill()
    say(juliet, romeo_at, "nobody hears this", "m1")
    condition, why = juliet.refused("m1", 40)
    assert condition in ("remote-server-timeout", "recipient-unavailable") and why
    there.gateway.start()
    romeo.send("<presence><show>dnd</show></presence>")
    sees(juliet, romeo_at, show="away")
    say(juliet, romeo_at, "and this?", "m2")
    assert hear(romeo, juliet_at, 1) == ["and this?"]


def test_a_parent_domain_and_one_below_it(pair):
    p = pair("lync", House("imp.corp.example", "juliet"), House("corp.example", "romeo"))
    befriend(p)
    (juliet, romeo_at), (romeo, juliet_at) = p.people()
    say(juliet, romeo_at, "up")
    assert hear(romeo, juliet_at, 1) == ["up"]
    say(romeo, juliet_at, "down")
    assert hear(juliet, romeo_at, 1) == ["down"]


def test_mail_addresses_stand_for_our_users(pair):
    """email { enabled }: over there everybody has a mail address, and the JID is never seen."""
    p = pair("lync", House("imp.capulet.example", "juliet", mail="j.capulet@capulet.example"))
    befriend(p)
    (juliet, romeo_at), (romeo, juliet_at) = p.people()
    assert juliet_at == "j.capulet@capulet.example"
    say(romeo, juliet_at, "good morrow")
    assert hear(juliet, romeo_at, 1) == ["good morrow"]
    say(juliet, romeo_at, "what time is it")
    assert hear(romeo, juliet_at, 1) == ["what time is it"]
    assert "juliet@imp" not in "".join(str(n) for n in romeo.unasked)
