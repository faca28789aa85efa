"""Server dialback with another server that does as it is told, where order and company matter."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import dns, foreign, person, servers, stream, system  # noqa: E402

US = "capulet.example"


class House:
    """xmppd without TLS, names, and Juliet."""

    def __init__(self):
        self.names, self.peers = dns.Server(ttl=0), []
        self.server = servers.Xmppd([US], {"dns": {"servers": [self.names.address]}, "limits": {"max-s2s-streams": 3}},
                                    {"xmpp-federation": {"tls": "none"}, ("xmpp-policy", "denied.example"): {"action": "deny", "direction": "in"},
                                     ("xmpp-peer", "careful.example"): {"tls": "required"}})
        self.server.settings["s2s"]["listen"] = [f"127.0.0.1:{self.server.s2s}"]
        self.server.write()
        self.server.start()
        self.server.add_users([(f"juliet@{US}", "pencil")])
        self.juliet = person.Person(self.server, f"juliet@{US}", "pencil")

    def lead(self, domain, port):
        self.names.srv(f"_xmpp-server._tcp.{domain}", [(0, 0, port, f"xmpp.{domain}")])
        self.names.host(f"xmpp.{domain}", "127.0.0.1")

    def peer(self, domain, port=0, **kinds):
        self.peers.append(foreign.Peer(foreign.server(domain, **kinds), port=port))
        self.lead(domain, self.peers[-1].port)

    def come(self, domain):
        """A stream of another server, open for its claims."""
        s = stream.Stream("127.0.0.1", self.server.s2s, foreign.SERVER)
        s.open(US, f" from='{domain}' xmlns:db='{foreign.DIALBACK}'")
        s.wait("stream")
        s.wait("features")
        return s

    def stop(self):
        self.juliet.stream.cut()
        for peer in self.peers:
            peer.stop()
        complaint = self.server.stop()
        self.names.stop()
        return complaint


def claim(s, domain):
    s.send(f"<db:result from='{domain}' to='{US}'>{'0' * 64}</db:result>")
    return s.wait("result", "error", seconds=10)


@pytest.fixture(scope="module")
def house():
    made = House()
    yield made
    assert made.stop() is None


def test_a_key_is_verified_on_the_stream_that_is_proven_already(house):
    """And on the one on which our own proof still waits for theirs, as prosody's does."""
    house.peer("rome.example", dialback="valid")
    house.juliet.send("<message to='romeo@rome.example' type='chat'><body>one</body></message>")
    s = house.come("rome.example")
    assert claim(s, "rome.example").get("type") == "valid"
    s.send(f"<message from='romeo@rome.example' to='juliet@{US}' type='chat'><body>two</body></message>")
    house.juliet.expect("two", lambda n: n.local == "message" and n.find("body") is not None and n.find("body").text() == "two")
    assert len(house.peers[-1].connections) == 1
    s.close()


@pytest.mark.parametrize("domain, condition", [("denied.example", "policy-violation"), ("careful.example", "not-authorized")])
def test_a_domain_that_is_refused_does_no_harm_to_others_of_its_stream(house, domain, condition):
    good = f"good.{domain}"
    house.peer(good, dialback="valid")
    s = house.come(good)
    assert claim(s, good).get("type") == "valid"
    answer = claim(s, domain)
    assert answer.get("type") == "error" and answer.get("to") == domain and answer.find("error").find(condition) is not None, str(answer)
    s.send(f"<message from='romeo@{good}' to='juliet@{US}' type='chat'><body>of {good}</body></message>")
    house.juliet.expect("good", lambda n: n.local == "message" and n.find("body") is not None and n.find("body").text() == f"of {good}")
    s.send(f"<message from='romeo@{domain}' to='juliet@{US}' type='chat'><body>forged</body></message>")
    assert s.wait("error").find("invalid-from") is not None
    s.cut()


def test_a_server_that_is_back_is_believed_at_once(house):
    """However often we have not reached it before."""
    port = system.free_port()
    house.lead("phoenix.example", port)
    house.juliet.send("<message to='bird@phoenix.example' type='chat' id='early'><body>one</body></message>")
    system.wait_until(lambda: house.server.process.log().count("phoenix.example: its servers refuse") >= 3, 10)
    house.peer("phoenix.example", port=port, dialback="valid")
    s = house.come("phoenix.example")
    assert claim(s, "phoenix.example").get("type") == "valid"
    s.close()


def judge(domain):
    """A server that knows its own key, and says nothing about others."""

    def serve(s):
        s.header(domain, s.wait("stream").get("from", ""), f"<dialback xmlns='{foreign.DIALBACK_FEATURE}'/>")
        while (event := s.receive(60)) is not None and event[0] != "end":
            node = event[1]
            if event[0] == "stanza" and node.local == "verify" and node.text() == "right":
                s.send(f"<db:verify from='{domain}' to='{node.get('from')}' id='{node.get('id')}' type='valid'/>")

    return serve


def test_who_claims_a_domain_in_vain_does_not_use_up_its_streams(house):
    """It has another one, and is on the same worker with the one that it claims."""
    for domain in ("victim.example", "thief.example"):
        house.peers.append(foreign.Peer(judge(domain)))
        house.lead(domain, house.peers[-1].port)
    thieves = [house.come("victim.example") for _ in range(3)]
    for s in thieves:
        s.send(f"<db:result from='victim.example' to='{US}'>wrong</db:result><db:result from='thief.example' to='{US}'>right</db:result>")
    for s in thieves:
        answer = s.wait("result", "error", seconds=10)
        assert answer.get("to") == "thief.example" and answer.get("type") == "valid", str(answer)
    s = house.come("victim.example")
    s.send(f"<db:result from='victim.example' to='{US}'>right</db:result>")
    assert s.wait("result", "error", seconds=10).get("type") == "valid"
    s.send(f"<message from='v@victim.example' to='juliet@{US}' type='chat'><body>of the victim</body></message>")
    house.juliet.expect("of the victim", lambda n: n.local == "message" and n.find("body") is not None and n.find("body").text() == "of the victim")
    for s in [s, *thieves]:
        s.cut()
