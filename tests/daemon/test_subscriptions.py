"""RFC 6121 appendix A as everybody else sees it: each event in each of the nine states, both ways, with a component as the other server."""
import os

import pytest

from harness import servers, stream, system

pytestmark = pytest.mark.skipif(os.environ.get("CI") != "true" and not system.have("xmppd"), reason="xmppd is not built")

DOMAIN, ECHO = "capulet.example", "echo.capulet.example"
ME = f"romeo@{DOMAIN}"
EVENTS = ["subscribe", "unsubscribe", "subscribed", "unsubscribed"]

# What the states are made of (A.1): he sees the contact, the contact sees him, he has asked, the contact has asked.
STATES = {"none": "", "none-out": "o", "none-in": "i", "none-out-in": "oi", "to": "t", "to-in": "ti", "from": "f", "from-out": "fo", "both": "tf"}

# A.2: a dot: not routed, no change; a plus: routed, no change; otherwise routed, and the new state.
OUT = {
    "subscribe":    ["none-out", "+", "none-out-in", "+", "+", "+", "from-out", "+", "+"],
    "unsubscribe":  ["+", "none", "+", "none-in", "none", "none-in", "+", "from", "from"],
    "subscribed":   ["approved", "approved", "from", "from-out", "approved", "both", ".", ".", "."],     # 3.4.2: in advance, not routed
    "unsubscribed": [".", ".", "none", "none-out", ".", "to", "none", "none-out", "to"],
}
# A.3: a dot: not delivered, no change; "answer": not delivered, answered for him (3.1.3); otherwise delivered, and the new state.
IN = {
    "subscribe":    ["none-in", "none-out-in", ".", ".", "to-in", ".", "answer", "answer", "answer"],
    "unsubscribe":  [".", ".", "none", "none-out", ".", "to", "none", "none-out", "to"],
    "subscribed":   [".", "to", ".", "to-in", ".", ".", ".", "both", "."],
    "unsubscribed": [".", "none", ".", "none-in", "none", "none-in", ".", "from", "from"],
}


class Scene:
    """He is available and wants roster pushes; the component hears what is routed."""

    def __init__(self, workers):
        self.server = servers.Xmppd([DOMAIN], {("component", ECHO): {"secret": "sesame"}}, workers=workers).start()
        self.server.add_users([(ME, "pencil")])
        self.echo = stream.Stream("127.0.0.1", self.server.component_port, stream.COMPONENT)
        self.echo.handshake(ECHO, "sesame")
        self.he = stream.Stream("127.0.0.1", self.server.c2s)
        self.he.secure(DOMAIN)
        self.he.login("romeo", DOMAIN, "pencil")
        self.full = self.he.bind(DOMAIN, "orchard")
        self.count = 0
        self.he.send("<presence/>")
        self.settle()

    def until(self, s, token):
        seen = []
        while (node := s.wait("presence", "iq", "message")).get("id") != token:
            seen.append(node)
        return seen, node

    def settle(self):
        """What each of them has heard; a roster comes behind all that is being written, a component's pong behind all it has sent."""
        heard = {}
        for _ in range(2):
            self.count += 1
            self.echo.send(f"<iq type='get' id='p{self.count}' from='{ECHO}' to='{DOMAIN}'><ping xmlns='urn:xmpp:ping'/></iq>")
            heard["echo"] = heard.get("echo", []) + self.until(self.echo, f"p{self.count}")[0]
            self.he.send(f"<iq type='get' id='r{self.count}'><query xmlns='jabber:iq:roster'/></iq>")
            seen, roster = self.until(self.he, f"r{self.count}")
            heard["he"] = heard.get("he", []) + seen
        items = {item.get("jid"): item for item in roster.elements()[0].elements()}
        return heard["he"], heard["echo"], items

    def say(self, kind, jid):
        self.he.send(f"<presence type='{kind}' to='{jid}'/>")

    def hear(self, kind, jid):
        self.echo.send(f"<presence type='{kind}' from='{jid}' to='{ME}'/>")

    def bring_into(self, state, jid):
        parts = STATES[state]
        if "t" in parts or "o" in parts:
            self.say("subscribe", jid)
            self.settle()
        if "t" in parts:
            self.hear("subscribed", jid)
        if "f" in parts or "i" in parts:
            self.hear("subscribe", jid)
        self.settle()
        if "f" in parts:
            self.say("subscribed", jid)
        self.settle()
        self.check(state, jid)

    def check(self, state, jid, approved=None):
        """The state as the roster shows it, and a pending request by its coming again (3.1.3)."""
        parts = STATES[state]
        _, _, items = self.settle()
        item, name = items.get(jid), {"": "none", "t": "to", "f": "from", "tf": "both"}["".join(c for c in "tf" if c in parts)]
        assert (item.get("subscription") if item is not None else "none") == name
        assert (item.get("ask") if item is not None else None) == ("subscribe" if "o" in parts else None)
        assert (item.get("approved") if item is not None else None) == approved
        self.he.send("<presence type='unavailable'/><presence/>")
        heard, _, _ = self.settle()
        assert [n.get("from") for n in heard if n.get("type") == "subscribe" and n.get("from") == jid] == ([jid] if "i" in parts else [])


@pytest.fixture(scope="module", params=[1, pytest.param(4, marks=pytest.mark.workers4)], ids=["1", "4"])
def scene(request):
    scene = Scene(request.param)
    yield scene
    scene.he.close()
    scene.echo.close()
    assert scene.server.stop() is None


def presences(nodes, jid, side):
    return [n.get("type") for n in nodes if n.local == "presence" and n.get(side) == jid]


def pushes(nodes, jid):
    return [n for n in nodes if n.local == "iq" and n.elements() and n.elements()[0].elements() and n.elements()[0].elements()[0].get("jid") == jid]


def shown(state):
    return STATES[state].replace("i", "")


CASES = [(event, state, number) for event in EVENTS for number, state in enumerate(STATES)]


@pytest.mark.parametrize("event, state, number", CASES, ids=[f"{e}-{s}" for e, s, _ in CASES])
def test_what_he_says(scene, event, state, number):
    rule, jid = OUT[event][number], f"out-{event}-{state}@{ECHO}"
    scene.bring_into(state, jid)
    scene.say(event, jid)
    heard, routed, _ = scene.settle()
    after = state if rule in (".", "+", "approved") else rule
    expected = [] if rule in (".", "approved") else [event]
    if "f" in STATES[state] and "f" not in STATES[after]:
        expected = ["unavailable", *expected]           # 3.2.1
    if "f" not in STATES[state] and "f" in STATES[after]:
        expected = [*expected, None]                    # 3.1.5: his presence
    assert presences(routed, jid, "to") == expected
    assert presences(heard, jid, "from") == []
    listed = event == "subscribed" and state == "none-in"           # the item is new in the roster
    assert len(pushes(heard, jid)) == (shown(after) != shown(state) or rule == "approved" or listed)
    scene.check(after, jid, "true" if rule == "approved" else None)


@pytest.mark.parametrize("event, state, number", CASES, ids=[f"{e}-{s}" for e, s, _ in CASES])
def test_what_he_hears(scene, event, state, number):
    rule, jid = IN[event][number], f"in-{event}-{state}@{ECHO}"
    scene.bring_into(state, jid)
    scene.hear(event, jid)
    heard, routed, _ = scene.settle()
    after = state if rule in (".", "answer") else rule
    assert presences(heard, jid, "from") == ([] if rule in (".", "answer") else [event])
    expected = ["subscribed"] if rule == "answer" else []
    if "f" in STATES[state] and "f" not in STATES[after]:
        expected = ["unavailable"]                      # 3.3.3
    assert presences(routed, jid, "to") == expected
    assert len(pushes(heard, jid)) == (shown(after) != shown(state))
    scene.check(after, jid)
