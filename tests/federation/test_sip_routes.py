"""The way to a SIP domain: static routes with backups, SRV, the clearing house of AOL, hops that are down and come back (product 3.3 to 3.5)."""
import json
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import dns, person, pki, servers, sip, system  # noqa: E402

USER = "juliet@capulet.example"


class House:
    """xmppd and sipcomp, the names they ask for, and foreign edges where a test wants them."""

    def __init__(self, federation):
        self.names = dns.Server()
        self.domains = [title for kind, title in federation if kind == "sip-domain"]
        self.server = servers.Xmppd(["capulet.example"], {}, federation)
        self.server.settings["dns"] = {"servers": [self.names.address]}
        self.server.write()
        self.gateway = servers.Sipcomp(self.server, ["capulet.example"], self.domains, settings={"dns": {"servers": [self.names.address]}},
                                       federation=federation)
        self.edges = []

    def start(self):
        self.server.start()
        self.server.add_users([(USER, "pencil")])
        self.gateway.start()
        attached = lambda: all(d in self.server.ctl("components").stdout for d in self.domains)
        assert system.wait_until(attached, 15, 0.1)
        self.juliet = person.Person(self.server, USER, "pencil")

    def edge(self, domain, certificate, port=0, host="127.0.0.1"):
        tls = sip.contexts(pki.shared().directory, certificate) if certificate else None
        product = ("127.0.0.1", self.gateway.tls_port if certificate else self.gateway.tcp_port)
        edge = sip.Peer(domain, host, port, product, tls)
        self.edges.append(edge)
        return edge

    def watch(self, contact):
        self.juliet.send(f"<presence type='subscribe' to='{contact}'/>")

    def routes(self, domain):
        return json.loads(self.server.ctl("--json", "sip", "routes", domain).stdout)

    def stop(self):
        for edge in self.edges:
            edge.stop()
        complaints = self.gateway.stop(), self.server.stop()
        self.names.stop()
        for part in (self.gateway, self.server):
            part.remove()
        assert complaints == (None, None)


@pytest.fixture
def house():
    made = []

    def make(federation):
        made.append(House(federation))
        made[0].server.settings["sipcomp-control"] = str(made[0].gateway.directory / "c.sock")
        made[0].server.write()
        return made[0]

    yield make
    made[0].stop()


def domain(name, kind, subject, **more):
    return {("sip-domain", name): {"type": kind, **more}, ("sip-peer", subject): {"domains": [name]}}


def request(edge, method, seconds=10):
    """The next request of this method, whoever else asks meanwhile."""
    end = time.monotonic() + seconds * system.PATIENCE
    while (message := edge.receive(max(0, end - time.monotonic()))) is not None:
        if not message.is_response and message.method == method:
            return message
    return None


def grant(edge, subscribe, basic="open"):
    """200 and a first NOTIFY."""
    answer = edge.respond(subscribe, 200, "OK", [("Expires", "7200")])
    dialog = sip.Dialog.of_request(subscribe, sip.Message.tag(answer, "To"))
    body = sip.pidf(sip.address_of(subscribe.get("To")), basic)
    edge.request("NOTIFY", dialog, [("Event", "presence"), ("Subscription-State", "active;expires=7200"),
                                    ("Content-Type", "application/pidf+xml")], body, wire=subscribe.wire)


def test_srv_leads_to_the_edge(house):
    h = house(domain("lync.test", "lync", "edge.lync.test"))
    edge = h.edge("lync.test", "lync-edge")
    h.names.srv("_sipfederationtls._tcp.lync.test", [(0, 0, edge.port, "edge.lync.test")])
    h.names.host("edge.lync.test", "127.0.0.1")
    h.start()
    h.watch("carol@lync.test")
    assert request(edge, "SUBSCRIBE").uri == "sip:carol@lync.test"
    told = h.routes("lync.test")
    assert told["hops"] == [{"host": "edge.lync.test", "port": edge.port, "transport": "tls", "state": "up", "since": told["hops"][0]["since"]}]
    assert f"_sipfederationtls._tcp.lync.test: 0 0 {edge.port} edge.lync.test" in told["steps"]


def test_a_target_that_is_down_costs_no_time(house):
    h = house(domain("lync.test", "lync", "edge.lync.test"))
    edge = h.edge("lync.test", "lync-edge")
    closed = system.free_port()
    h.names.srv("_sipfederationtls._tcp.lync.test", [(1, 0, closed, "a.lync.test"), (2, 0, edge.port, "edge.lync.test")])
    h.names.host("a.lync.test", "127.0.0.1")
    h.names.host("edge.lync.test", "127.0.0.1")
    h.start()
    began = time.monotonic()
    h.watch("carol@lync.test")
    assert request(edge, "SUBSCRIBE")
    assert time.monotonic() - began < 2 * system.PATIENCE
    hops = h.routes("lync.test")["hops"]
    assert [(hop["host"], hop["state"]) for hop in hops] == [("a.lync.test", "down"), ("edge.lync.test", "up")]
    assert hops[0]["why"]


def test_a_forged_srv_answer_leads_nowhere(house):
    """A valid certificate for a name that only DNS has named is no sip-peer's: nothing is said to its owner."""
    h = house(domain("lync.test", "lync", "edge.lync.test"))
    edge = h.edge("lync.test", "simple")            # proxy.simple.test: somebody else's, and valid
    h.names.srv("_sipfederationtls._tcp.lync.test", [(0, 0, edge.port, "proxy.simple.test")])
    h.names.host("proxy.simple.test", "127.0.0.1")
    h.start()
    h.juliet.send("<message to='carol@lync.test' type='chat' id='m'><body>secret</body></message>")
    condition, why = h.juliet.refused("m")
    assert condition == "remote-server-timeout" and "proxy.simple.test" in why
    assert request(edge, "INVITE", 0.2) is None


def test_srv_may_say_that_there_is_no_sip(house):
    h = house(domain("lync.test", "lync", "edge.lync.test"))
    h.names.srv("_sipfederationtls._tcp.lync.test", [(0, 0, 0, ".")])
    h.start()
    told = h.routes("lync.test")
    assert told["hops"] == [] and "not offered" in told["why"]


def test_a_look_up_that_fails_opens_no_weaker_way(house):
    h = house(domain("simple.test", "simple", "proxy.simple.test"))
    h.names.refuse("_sipfederationtls._tcp.simple.test")
    h.names.srv("_sip._tcp.simple.test", [(0, 0, 5060, "proxy.simple.test")])
    h.start()
    told = h.routes("simple.test")
    assert told["hops"] == [] and "failed" in told["why"]


def test_without_any_record_the_domain_itself_is_tried(house):
    h = house(domain("simple.test", "simple", "proxy.simple.test"))
    h.start()
    told = h.routes("simple.test")
    assert [(hop["host"], hop["port"], hop["transport"]) for hop in told["hops"]] == [("simple.test", 5061, "tls")]
    assert [step.partition(":")[0] for step in told["steps"]] == [
        "no sip-route covers simple.test", "_sipfederationtls._tcp.simple.test", "_sips._tcp.simple.test", "_sip._tcp.simple.test", "no SRV record"]


def test_a_domain_behind_aol_is_looked_for_in_the_order_of_the_product(house):
    """3.5: its route, its SRV, the route of the default domain, the SRV of the default domain."""
    federation = {**domain("hosted.test", "aol", "sip.oscar.aol.com"), ("sip-domain", "aol.com"): {"type": "aol"}}
    federation["sip-peer", "sip.oscar.aol.com"]["domains"] += ["aol.com"]
    federation["sip-route", ".com.aol.*"] = {("hop", "static.aol.com"): {"port": 5061, "transport": "tls", "priority": 1, "weight": 1}}
    federation["sip-route", "hosted.test"] = {("hop", "static.hosted.test"): {"port": 5061, "transport": "tls", "priority": 1, "weight": 1}}
    h = house(federation)
    h.names.srv("_sipfederationtls._tcp.hosted.test", [(0, 0, 5061, "srv.hosted.test")])
    h.names.srv("_sipfederationtls._tcp.aol.com", [(0, 0, 5061, "srv.aol.com")])
    h.start()
    seen = []
    for gone in ("sip-route", "srv", "default-route", None):
        seen.append(h.routes("hosted.test")["hops"][0]["host"])
        if gone == "sip-route":
            del federation["sip-route", "hosted.test"]
        elif gone == "srv":
            h.names.put("_sipfederationtls._tcp.hosted.test", dns.SRV)
            time.sleep(1.5)                         # the TTL of the answer that is kept
        elif gone == "default-route":
            del federation["sip-route", ".com.aol.*"]
        if gone and gone != "srv":
            (h.gateway.directory / "federation.conf").write_text(servers.config.render(federation))
            h.gateway.process.signal(1)
            time.sleep(0.3 * system.PATIENCE)
    assert seen == ["static.hosted.test", "srv.hosted.test", "static.aol.com", "srv.aol.com"]
    assert h.routes("aol.com")["hops"][0]["host"] == "srv.aol.com"


def test_over_tcp_the_addresses_of_srv_targets_may_speak(house):
    h = house(domain("simple.test", "simple", "proxy.simple.test"))
    edge = h.edge("simple.test", None)
    h.names.srv("_sip._tcp.simple.test", [(0, 0, edge.port, "proxy.simple.test")])
    h.names.host("proxy.simple.test", "127.0.0.1")
    h.start()
    edge.request("OPTIONS", edge.new_dialog("erin", f"sip:{USER}"))
    assert edge.receive(5 * system.PATIENCE).status == 200
    h.watch("erin@simple.test")
    assert request(edge, "SUBSCRIBE")


def test_an_edge_that_comes_back_is_asked_at_once(house):
    """Nobody waits an hour and three quarters: the hop is probed, and the subscriptions are renewed."""
    h = house({**domain("lync.test", "lync", "edge.lync.test"),
               ("sip-route", "lync.test"): {("hop", "127.0.0.1"): {"port": (port := system.free_port()), "transport": "tls", "priority": 1,
                                                                   "weight": 1}}})
    edge = h.edge("lync.test", "lync-edge", port)
    h.start()
    h.watch("carol@lync.test")
    grant(edge, request(edge, "SUBSCRIBE"))
    online = lambda n: n.local == "presence" and n.get("from", "").startswith("carol@lync.test/") and n.get("type") is None
    h.juliet.expect("carol online", online)
    edge.stop()
    assert system.wait_until(lambda: h.routes("lync.test")["hops"][0]["state"] == "down", 10, 0.1)
    edge = h.edge("lync.test", "lync-edge", port)
    began = time.monotonic()
    refresh = request(edge, "SUBSCRIBE")
    assert refresh and refresh.tag("To"), "the dialog may still be alive over there"
    edge.respond(refresh, 481, "Call/Transaction Does Not Exist")
    anew = request(edge, "SUBSCRIBE")
    assert anew and not anew.tag("To")
    grant(edge, anew, "closed")
    h.juliet.expect("carol offline", lambda n: n.local == "presence" and n.get("type") == "unavailable")
    assert time.monotonic() - began < 5 * system.PATIENCE
    assert h.routes("lync.test")["hops"][0]["state"] == "up"


def test_an_edge_that_restarts_quickly_is_asked_too(house):
    h = house({**domain("lync.test", "lync", "edge.lync.test"),
               ("sip-route", "lync.test"): {("hop", "127.0.0.1"): {"port": (port := system.free_port()), "transport": "tls", "priority": 1,
                                                                   "weight": 1}}})
    edge = h.edge("lync.test", "lync-edge", port)
    h.start()
    h.watch("carol@lync.test")
    grant(edge, request(edge, "SUBSCRIBE"))
    time.sleep(0.3)
    edge.stop()
    edge = h.edge("lync.test", "lync-edge", port)
    refresh = request(edge, "SUBSCRIBE", 5)
    assert refresh and refresh.tag("To")


def test_a_backup_takes_over_and_the_first_is_used_again(house):
    ports = system.free_port(), system.free_port()
    hops = {("hop", name): {"port": port, "transport": "tls", "priority": i + 1, "weight": 1}
            for i, (name, port) in enumerate(zip(("127.0.0.1", "edge.lync.test"), ports))}
    h = house({**domain("lync.test", "lync", "edge.lync.test"), ("sip-route", ".test.lync.*"): hops})
    h.names.host("edge.lync.test", "127.0.0.1")
    second = h.edge("lync.test", "lync-edge", ports[1])
    h.start()
    h.watch("a@lync.test")
    grant(second, request(second, "SUBSCRIBE"))
    first = h.edge("lync.test", "lync-edge", ports[0])
    assert system.wait_until(lambda: h.routes("lync.test")["hops"][0]["state"] == "up", 35, 0.2)
    h.watch("b@lync.test")
    while (asked := request(first, "SUBSCRIBE")) is not None and asked.uri != "sip:b@lync.test":
        pass                                        # a's dialog is renewed there too
    assert asked, "the first hop is back"
