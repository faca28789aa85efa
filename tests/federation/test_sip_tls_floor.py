"""An old peer that speaks no better than TLS 1.0: a floor of its own at its sip-peer, both ways, and for nobody else (DIALECTS.md 3.3)."""
import os
import ssl
import sys
import warnings
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import person, pki, servers, sip, system  # noqa: E402

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"),
              pytest.mark.skipif(os.environ.get("CI") != "true" and not (system.have("sipcomp") and system.have("xmppd")), reason="sipcomp or xmppd is not built")]
USER = "juliet@capulet.example"
OLD = {"min-version": "1.0", "ciphers": "DEFAULT@SECLEVEL=0"}


def old_contexts(certificate):
    """TLS 1.0 and nothing else, as OCS of its day."""
    contexts = sip.contexts(pki.shared().directory, certificate)
    for side in ("server", "client"):
        contexts[side].set_ciphers("DEFAULT@SECLEVEL=0")
        contexts[side].minimum_version = contexts[side].maximum_version = ssl.TLSVersion.TLSv1
    return contexts


class House:
    def __init__(self, domain, certificate, subject, peer, address="127.0.0.1"):
        self.tls = old_contexts(certificate)
        federation = servers.sip_federation([domain], {domain: 0})
        self.port = system.free_port()
        federation["sip-route", domain] = {("hop", address): {"port": self.port, "transport": "tls", "priority": 1, "weight": 1}}
        federation["sip-peer", subject].update(peer)
        self.server = servers.Xmppd(["capulet.example"], {}, federation)
        self.gateway = servers.Sipcomp(self.server, ["capulet.example"], [domain], federation=federation)
        self.server.start()
        self.server.add_users([(USER, "pencil")])
        self.gateway.start()
        assert system.wait_until(lambda: domain in self.server.ctl("components").stdout, 15, 0.1)
        self.edge = sip.Peer(domain, "127.0.0.1", self.port, ("127.0.0.1", self.gateway.tls_port), self.tls)

    def stop(self):
        self.edge.stop()
        assert (self.gateway.stop(), self.server.stop()) == (None, None)

    def ask(self):
        """OPTIONS from the edge over a connection of its own: the status, None where TLS does not come about."""
        try:
            self.edge.request("OPTIONS", self.edge.new_dialog("bob", f"sip:{USER}"))
        except (ssl.SSLError, ConnectionError):
            return None
        answer = self.edge.receive(5 * system.PATIENCE)
        return answer.status if answer else None


@pytest.fixture
def house():
    made = []

    def make(*arguments, **more):
        made.append(House(*arguments, **more))
        return made[0]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")             # python warns of old TLS
        yield make
        made[0].stop()


def test_with_a_floor_of_its_own_an_old_edge_is_spoken_to_both_ways(house):
    """The route names an address, so the sip-peer is found by its domain."""
    h = house("ocs.test", "ocs-edge", "edge.ocs.test", OLD)
    assert h.ask() == 200
    assert h.edge.own.connection.version() == "TLSv1"
    juliet = person.Person(h.server, USER, "pencil")
    juliet.send("<presence type='subscribe' to='bob@ocs.test'/>")
    message = h.edge.receive(10 * system.PATIENCE)
    assert message and message.method == "SUBSCRIBE" and message.wire.connection.version() == "TLSv1"


def test_without_one_tls_1_0_is_refused_both_ways(house):
    h = house("ocs.test", "ocs-edge", "edge.ocs.test", {})
    assert h.ask() is None
    juliet = person.Person(h.server, USER, "pencil")
    juliet.send("<message to='bob@ocs.test' type='chat' id='m'><body>hello</body></message>")
    condition, why = juliet.refused("m")
    assert condition == "remote-server-timeout" and "TLS" in why


def test_the_floor_is_for_the_addresses_of_its_hops_only(house):
    """Somebody else who connects to the same listener meets the general floor."""
    h = house("ocs.test", "ocs-edge", "edge.ocs.test", OLD, address="127.0.0.9")
    assert h.ask() is None
