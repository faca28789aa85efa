"""A reload of sipcomp: domains, peers and listeners come and go while sessions go on, a wrong configuration changes nothing."""
import os
import signal
import socket
import ssl
import time

import pytest

from harness import config, dns, person, pki, servers, sip, system

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
    write_federation(gateway, servers.sip_federation(domains, gateway.peers))


def write_federation(gateway, sections):
    (gateway.directory / "federation.conf").write_text(config.render(sections))


def write_settings(gateway, changes, without=()):
    """Lays changes over its sipcomp.conf; sections named in without are left out."""
    settings = {name: value for name, value in config.merge(gateway.settings, changes).items() if name not in without}
    gateway.config.write_text(config.render(settings) + 'include("federation.conf")\n')


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


class Chat:
    """A session that romeo of lync.test has with juliet, over a connection to this port."""

    def __init__(self, gateway, port):
        _, certificate = servers.EDGES["lync"]
        self.juliet = person.Person(gateway.server, "juliet@capulet.example", "pencil")
        self.peer = sip.Peer("lync.test", "127.0.0.1", 0, ("127.0.0.1", port), sip.contexts(pki.shared().directory, certificate))

    def begin(self):
        """The status that answers the INVITE; None where the connection does not stand."""
        self.dialog = self.peer.new_dialog("romeo", "sip:juliet@capulet.example")
        try:
            self.wire = self.peer.connect()
            self.peer.request("INVITE", self.dialog, [("Content-Type", "application/sdp")], sip.sdp())
        except OSError:
            return None
        answer = self.answer("INVITE")
        if answer is None or answer.status != 200:
            return answer and answer.status
        self.contact, self.record_routes = answer.get("Contact"), answer.all("Record-Route")
        self.dialog.learn(answer)
        self.peer.ack(answer)
        return 200

    def answer(self, method):
        end = time.monotonic() + 5 * system.PATIENCE
        while time.monotonic() < end:
            message = self.peer.receive(0.1)
            if message and message.is_response and message.method == method and message.status >= 200:
                return message
            if message is None and not self.wire.open:
                return None
        return None

    def say(self, text):
        """The status that answers a text in the session."""
        self.peer.request("MESSAGE", self.dialog, [("Content-Type", "text/plain;charset=UTF-8")], text)
        answer = self.answer("MESSAGE")
        return answer.status if answer else None

    def is_closed(self):
        return system.wait_until(lambda: not self.wire.open, 5)

    def stop(self):
        self.peer.stop()


@pytest.fixture
def chat(gateway):
    made = []

    def begin(port=None, expected=200):
        made.append(Chat(gateway, port or gateway.tls_port))
        assert made[-1].begin() == expected
        return made[-1]

    yield begin
    for each in made:
        each.stop()


def is_refused(port, host="127.0.0.1"):
    try:
        socket.create_connection((host, port), timeout=5 * system.PATIENCE).close()
        return False
    except ConnectionRefusedError:
        return True


def test_listeners_come_and_go_while_a_session_goes_on(gateway, chat):
    session = chat()
    assert session.say("one") == 200
    new = system.free_port()
    more = {("listen", "more"): {"address": "127.0.0.1", "port": new, "transport": "tls", "client-certificate": "required"}}
    write_settings(gateway, more, without=[("listen", "peer-auth")])
    fine, text = ask(gateway, "reload")
    assert fine and "null" in text
    assert is_refused(gateway.tls_port) and not is_refused(gateway.tcp_port)
    assert session.say("two") == 200 and session.wire.open
    assert chat(new).say("three") == 200
    write_settings(gateway, {})
    assert ask(gateway, "reload")[0]
    assert is_refused(new)
    assert session.say("four") == 200 and session.wire.open
    assert chat().say("five") == 200


def test_a_listener_moves_on_its_own_port(gateway, chat):
    """From one address to all of them: the two exclude each other, so the old one is closed first."""
    session = chat()
    write_settings(gateway, {("listen", "peer-auth"): {"address": "0.0.0.0"}})
    assert ask(gateway, "reload")[0]
    assert not is_refused(gateway.tls_port, "127.0.0.2")
    assert session.say("one") == 200
    write_settings(gateway, {})
    assert ask(gateway, "reload")[0]
    assert is_refused(gateway.tls_port, "127.0.0.2")
    assert session.say("two") == 200 and session.wire.open


def test_a_port_that_is_taken_leaves_all_as_it_was(gateway, chat):
    session = chat()
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        moved = {("listen", "peer-auth"): {"address": "0.0.0.0"},
                 ("listen", "tcp"): {"port": taken}}
        write_settings(gateway, moved)
        fine, text = ask(gateway, "reload")
    assert not fine and f"127.0.0.1:{taken}" in text and "port taken" in text
    assert is_refused(gateway.tls_port, "127.0.0.2") and not is_refused(gateway.tls_port) and not is_refused(gateway.tcp_port)
    assert session.say("one") == 200
    assert chat().say("two") == 200


def test_the_wire_of_a_port_changes(gateway, chat):
    """The port stays open; whoever comes now speaks TLS."""
    write_settings(gateway, {("listen", "tcp"): {"transport": "tls", "client-certificate": "required"}})
    assert ask(gateway, "reload")[0]
    assert chat(gateway.tcp_port).say("one") == 200


def shown_names(port):
    """The names in the certificate that is shown there."""
    context = ssl.create_default_context(cafile=pki.shared().ca)
    context.check_hostname = False
    with socket.create_connection(("127.0.0.1", port), timeout=5 * system.PATIENCE) as plain:
        with context.wrap_socket(plain) as secured:
            return [value for _, value in secured.getpeercert()["subjectAltName"]]


def test_certificate_and_trust_count_from_the_next_connection_on(gateway, chat):
    session = chat()
    assert "other.example.com" not in shown_names(gateway.server_port)
    other = pki.shared().issue(["sip.example.com", "other.example.com"])
    write_settings(gateway, {"tls": {"certificate": str(other)}})
    assert ask(gateway, "reload")[0]
    assert "other.example.com" in shown_names(gateway.server_port)
    assert session.say("one") == 200

    write_settings(gateway, {"tls": {"trust": str(pki.shared().authority("nobody"))}})
    assert ask(gateway, "reload")[0]
    chat(expected=None)
    assert session.say("two") == 200 and session.wire.open


def test_our_name_and_record_route_change(gateway, chat):
    session = chat()
    write_settings(gateway, {"routing-fqdn": "gw.example.com", "record-route-transport": True, ("listen", "peer-auth"): {"advertise-port": 5061}})
    fine, text = ask(gateway, "reload")
    assert fine and "null" in text
    later = chat()
    assert later.contact == "<sip:juliet@gw.example.com:5061;transport=tls>"
    assert later.record_routes == ["<sip:gw.example.com:5061;transport=tls;lr>"]
    assert session.say("one") == 200 and later.say("two") == 200


def test_what_is_read_at_the_start_only_is_named(gateway):
    write_settings(gateway, {"store": {"map-size": 128}})
    fine, text = ask(gateway, "reload")
    assert fine and "next start only: store.map-size" in text


def test_a_peer_that_is_removed_has_no_word_any_more(gateway, chat):
    """On the connection that is up: the one that also serves another domain stays, with 403 for what is over."""
    both = servers.sip_federation(["lync.test"], gateway.peers)
    both["sip-domain", "other.test"] = {"type": "lync"}
    both["sip-peer", "edge.lync.test"]["domains"].append("other.test")
    write_federation(gateway, both)
    assert ask(gateway, "reload")[0]
    session = chat()
    both["sip-peer", "edge.lync.test"]["domains"] = ["other.test"]
    write_federation(gateway, both)
    assert ask(gateway, "reload")[0]
    assert session.say("one") == 403 and session.wire.open
    del both["sip-peer", "edge.lync.test"]
    write_federation(gateway, both)
    assert ask(gateway, "reload")[0]
    assert session.is_closed()
    chat(expected=403)


def test_connections_of_a_removed_domain_are_closed(gateway, chat):
    """Both ways, and no other one."""
    write_domains(gateway, DOMAINS)
    assert ask(gateway, "reload")[0]
    session = chat()
    _, certificate = servers.EDGES["ocs"]
    edge = sip.Peer("ocs.test", "127.0.0.1", gateway.peers["ocs.test"], None, sip.contexts(pki.shared().directory, certificate))
    try:
        assert system.wait_until(lambda: '"attached":false' not in ask(gateway, "status")[1].replace(" ", ""), 10)
        session.juliet.send("<message to='bob@ocs.test' type='chat' id='m'><body>hello</body></message>")
        invite = edge.receive(10 * system.PATIENCE)
        assert invite.method == "INVITE"
        write_domains(gateway, ["lync.test"])
        assert ask(gateway, "reload")[0]
        assert system.wait_until(lambda: not invite.wire.open, 5)
        assert session.say("one") == 200 and session.wire.open
    finally:
        edge.stop()


def test_a_hop_that_left_the_route_is_dialled_no_more(gateway):
    """Neither by requests nor by the probes that began while it was down."""
    juliet = person.Person(gateway.server, "juliet@capulet.example", "pencil")
    assert system.wait_until(lambda: '"attached":false' not in ask(gateway, "status")[1].replace(" ", ""), 10)
    juliet.send("<message to='carol@lync.test' type='chat' id='m1'><body>hello</body></message>")
    assert juliet.refused("m1")
    old, new = gateway.peers["lync.test"], system.free_port()
    write_federation(gateway, servers.sip_federation(["lync.test"], {"lync.test": new}))
    assert ask(gateway, "reload")[0]
    with socket.create_server(("127.0.0.1", old)) as gone:
        gone.settimeout(2.5)
        _, certificate = servers.EDGES["lync"]
        edge = sip.Peer("lync.test", "127.0.0.1", new, None, sip.contexts(pki.shared().directory, certificate))
        try:
            juliet.send("<message to='carol@lync.test' type='chat' id='m2'><body>hello</body></message>")
            assert edge.receive(10 * system.PATIENCE).method == "INVITE"
            with pytest.raises(TimeoutError):
                gone.accept()
        finally:
            edge.stop()


def test_who_may_speak_over_tcp_is_not_forgotten(gateway):
    """The address of the hop was known before; the name server does not answer after the reload."""
    names = dns.Server()
    peer = sip.Peer("simple.test", "127.0.0.1", 0, ("127.0.0.1", gateway.tcp_port))
    try:
        names.host("proxy.simple.test", "127.0.0.1")
        write_federation(gateway, {("sip-domain", "simple.test"): {"type": "simple"},
                                   ("sip-route", "simple.test"): {("hop", "proxy.simple.test"): {"port": 5060, "transport": "tcp", "priority": 1, "weight": 1}}})
        write_settings(gateway, {"dns": {"servers": [names.address]}})
        assert ask(gateway, "reload")[0]

        def status():
            dialog = peer.new_dialog("erin", "sip:juliet@capulet.example")
            peer.request("OPTIONS", dialog)
            return peer.receive(5 * system.PATIENCE).status
        assert system.wait_until(lambda: status() == 200, 10, 0.2)
        wire = peer.own
        time.sleep(1.2)                         # as long as the answer lives
        names.mute("proxy.simple.test")
        assert ask(gateway, "reload")[0]
        assert status() == 200 and peer.own is wire
    finally:
        peer.stop()
        names.stop()


def test_name_servers_change(gateway):
    names = dns.Server()
    try:
        sections = {("sip-domain", "lync.test"): {"type": "lync"}, ("sip-peer", "edge.lync.test"): {"domains": ["lync.test"]}}
        write_federation(gateway, sections)
        names.srv("_sipfederationtls._tcp.lync.test", [(0, 0, 5061, "edge.lync.test")])
        names.host("edge.lync.test", "127.0.0.1")
        write_settings(gateway, {"dns": {"servers": [names.address]}})
        assert ask(gateway, "reload")[0]
        assert '"edge.lync.test"' in ask(gateway, "routes lync.test")[1]
    finally:
        names.stop()
