"""What has not left, or was not acknowledged: after the next start of ours, and at a server that goes down again and again."""
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import config, dns, foreign, person, servers, system  # noqa: E402

US = "capulet.example"
SPOOL_SECONDS = 1.2         # until what waits stands on disk
NS_SM = "urn:xmpp:sm:3"


class House:
    def __init__(self):
        self.names, self.peers = dns.Server(ttl=0), []
        self.server = servers.Xmppd([US], {}, {"xmpp-federation": {"tls": "none"}})
        self.server.federate(self.names.address)
        self.server.start()
        self.server.add_users([(f"juliet@{US}", "pencil")])
        self.juliet = person.Person(self.server, f"juliet@{US}", "pencil")

    def lead(self, domain, port):
        self.names.srv(f"_xmpp-server._tcp.{domain}", [(0, 0, port, f"xmpp.{domain}")])
        self.names.host(f"xmpp.{domain}", "127.0.0.1")

    def peer(self, domain, port=0, refuses_sm=False):
        """The messages that come there."""
        got = []
        self.peers.append(foreign.Peer(reader(domain, got, refuses_sm), port=port))
        self.lead(domain, self.peers[-1].port)
        return got

    def say(self, domain, text):
        self.juliet.send(f"<message to='romeo@{domain}' type='chat'><body>{text}</body></message>")

    def restart(self, federation=None):
        self.juliet.stream.cut()
        for peer in self.peers:
            peer.stop()
        self.peers.clear()
        complaint = self.server.process.complaint(self.server.process.stop())
        assert complaint is None
        if federation is not None:
            (self.server.directory / "federation.conf").write_text(config.render(federation))

    def stop(self):
        for peer in self.peers:
            peer.stop()
        complaint = self.server.stop()
        self.names.stop()
        assert complaint is None


def reader(domain, got, refuses_sm):
    def serve(s):
        to = s.wait("stream").get("from", "")
        s.header(domain, to, f"<dialback xmlns='{foreign.DIALBACK_FEATURE}'/>" + (f"<sm xmlns='{NS_SM}'/>" if refuses_sm else ""))
        while (event := s.receive(60)) is not None and event[0] == "stanza":
            node = event[1]
            if node.local == "result":
                s.send(f"<db:result from='{domain}' to='{node.get('from')}' type='valid'/>")
            elif node.local == "message":
                got.append(node.find("body").text())
            elif node.local == "enable":
                time.sleep(SPOOL_SECONDS)
                s.send(f"<failed xmlns='{NS_SM}'><unexpected-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>")

    return serve


@pytest.fixture
def house():
    made = House()
    yield made
    made.stop()


def test_a_policy_that_came_meanwhile_counts(house):
    domains = ("denied.example", "allowed.example")
    for domain in domains:
        house.lead(domain, system.free_port())
        house.say(domain, "late")
    time.sleep(SPOOL_SECONDS)
    house.restart({"xmpp-federation": {"tls": "none"}, ("xmpp-policy", "denied.example"): {"action": "deny"}})
    got = [house.peer(domain) for domain in domains]
    house.server.start()
    system.wait_until(lambda: got[1] == ["late"], 10)
    time.sleep(0.5)
    assert got[0] == [] and house.peers[0].connections == []


def test_what_went_without_stream_management_does_not_go_again(house):
    got = house.peer("rome.example", refuses_sm=True)
    house.say("rome.example", "once")
    system.wait_until(lambda: got == ["once"], 10)
    time.sleep(0.3)
    house.restart()
    got = house.peer("rome.example")
    house.server.start()
    house.juliet = person.Person(house.server, f"juliet@{US}", "pencil")
    house.say("rome.example", "then")
    system.wait_until(lambda: "then" in got, 10)
    time.sleep(0.5)
    assert got == ["then"]


def test_a_server_that_goes_down_at_each_resumption_is_not_dialled_without_end(house):
    """What it stumbles over may be the very message that is sent again."""

    def serve(s):
        s.header("frail.example", s.wait("stream").get("from", ""), f"<dialback xmlns='{foreign.DIALBACK_FEATURE}'/><sm xmlns='{NS_SM}'/>")
        while (event := s.receive(60)) is not None and event[0] == "stanza" and event[1].local != "message":
            if event[1].local == "result":
                s.send(f"<db:result from='frail.example' to='{US}' type='valid'/>")
            elif event[1].local == "enable":
                s.send(f"<enabled xmlns='{NS_SM}' id='abc' resume='true'/>")
            elif event[1].local == "resume":
                s.send(f"<resumed xmlns='{NS_SM}' previd='abc' h='0'/>")

    house.peers.append(foreign.Peer(serve))
    house.lead("frail.example", house.peers[0].port)
    house.say("frail.example", "poison")
    system.wait_until(lambda: len(house.peers[0].connections) >= 3, 5)
    time.sleep(3)
    assert len(house.peers[0].connections) <= 12
