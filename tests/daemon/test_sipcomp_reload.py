"""A reload of sipcomp: domains come and go without a restart, a wrong configuration changes nothing."""
import os
import signal
import socket
import time

import pytest

from harness import config, pki, servers, sip, system

pytestmark = pytest.mark.skipif(os.environ.get("CI") != "true" and not (system.have("sipcomp") and system.have("xmppd")), reason="sipcomp or xmppd is not built")
DOMAINS = ["lync.test", "ocs.test"]


@pytest.fixture
def gateway():
    server = servers.Xmppd(["capulet.example"], {}, servers.sip_federation(DOMAINS, {d: 5061 for d in DOMAINS}))
    server.start()
    server.add_users([("juliet@capulet.example", "pencil")])
    gateway = servers.Sipcomp(server, ["capulet.example"], DOMAINS)
    write_domains(gateway, ["lync.test"])
    gateway.start()
    yield gateway
    complaint = gateway.stop()
    other = server.stop()
    assert complaint is None and other is None


def write_domains(gateway, domains):
    (gateway.directory / "federation.conf").write_text(config.render(servers.sip_federation(domains, gateway.peers)))


def ask(gateway, command):
    """One command on the control socket: (answered "ok", the answer)."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(5 * system.PATIENCE)
        s.connect(str(gateway.directory / "c.sock"))
        s.sendall(command.encode() + b"\n")
        stream = s.makefile("rb")
        word, length = stream.readline().split()
        return word == b"ok", stream.read(int(length)).decode()


def answer_to_subscribe(gateway, domain):
    edge, certificate = servers.EDGES[servers.kind_of(domain)]
    tls = sip.contexts(pki.shared().directory, certificate)
    peer = sip.Peer(domain, "127.0.0.1", 0, ("127.0.0.1", gateway.tls_port), tls)
    try:
        dialog = peer.new_dialog("bob", "sip:juliet@capulet.example")
        peer.request("SUBSCRIBE", dialog, [("Event", "presence"), ("Expires", "0")])
        answer = peer.receive(5 * system.PATIENCE)
        return answer.status if answer else None
    finally:
        peer.stop()


def test_a_domain_comes_and_goes(gateway):
    assert answer_to_subscribe(gateway, "ocs.test") == 403
    write_domains(gateway, DOMAINS)
    assert ask(gateway, "reload")[0]
    assert answer_to_subscribe(gateway, "ocs.test") == 200
    assert system.wait_until(lambda: '"attached":false' not in ask(gateway, "status")[1].replace(" ", ""), 5)
    write_domains(gateway, ["lync.test"])
    gateway.process.child.send_signal(signal.SIGHUP)
    assert system.wait_until(lambda: "ocs.test" not in ask(gateway, "dialogs")[1], 5)
    assert answer_to_subscribe(gateway, "ocs.test") == 403
    assert answer_to_subscribe(gateway, "lync.test") == 200


def test_a_wrong_configuration_changes_nothing(gateway):
    (gateway.directory / "federation.conf").write_text('sip-domain "ocs.test" { type = carrier-pigeon }\nnonsense = 1\n')
    fine, text = ask(gateway, "reload")
    assert not fine
    assert "federation.conf:1" in text and "federation.conf:2" in text
    time.sleep(0.1)
    assert answer_to_subscribe(gateway, "lync.test") == 200
    assert "the old one stays in force" in gateway.process.log()


def test_tells_the_way_to_a_domain(gateway):
    fine, text = ask(gateway, "routes lync.test")
    assert fine and str(gateway.peers["lync.test"]) in text and "edge.lync.test" in text
    fine, text = ask(gateway, "routes nowhere.test")
    assert not fine and "nowhere.test" in text
