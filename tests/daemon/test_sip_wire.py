"""SIP on the wire (sections 3.1 to 3.7 of sipcomp's DIALECTS.md): which connection is taken, what stands in Via, Contact and routes, loops, pings,
IPv6. What one message or one timer shows stands in the unit tests of sipcomp/sip; here both daemons run."""
import os
import signal
import socket
import ssl
import time

import pytest

from harness import dns, person, pki, servers, sip, system

pytestmark = pytest.mark.skipif(os.environ.get("CI") != "true" and not (system.have("sipcomp") and system.have("xmppd")),
                                reason="sipcomp or xmppd is not built")
JULIET = "juliet@capulet.example"
PIDF = ("Content-Type", "application/pidf+xml")


class Stage:
    """Both daemons on one address, with juliet signed in. Each edge has a domain of its own: what an earlier one left behind goes on elsewhere."""

    def __init__(self, kinds, host="127.0.0.1", settings=None):
        domains = [f"{kind}.n{i}.test" for kind, count in kinds.items() for i in range(count)]
        ports = {domain: system.free_port() for domain in domains}
        federation = {}
        for domain in domains:
            kind = servers.kind_of(domain)
            wire = "tcp" if kind == "simple" else "tls"
            federation["sip-domain", domain] = {"type": kind}
            federation["sip-route", domain] = {("hop", host): {"port": ports[domain], "transport": wire, "priority": 1, "weight": 1}}
            federation.setdefault(("sip-peer", servers.EDGES[kind][0]), {"domains": []})["domains"].append(domain)
        self.host, self.ports, self.edges, self.unused = host, ports, [], domains
        self.names = dns.Server()               # knows no name: a route may hold one, and what the machine's own says takes its time
        self.server = servers.Xmppd(["capulet.example"], {}, federation).start()
        self.server.add_users([(JULIET, "pencil")])
        base = {("listen", name): {"address": host} for name in ("peer-auth", "server-auth", "tcp")}
        base["dns"] = {"servers": [self.names.address]}
        self.gateway = servers.Sipcomp(self.server, ["capulet.example"], domains, settings=servers.config.merge(base, settings or {}),
                                       federation=federation).start()
        assert system.wait_until(lambda: all(d in self.server.ctl("components").stdout for d in ports), 15, 0.1)
        self.juliet = person.Person(self.server, JULIET, "pencil")

    def edge(self, kind, listens=True):
        """The edge of a domain of this kind; where it does not listen, only its own connections lead to it."""
        domain = next(d for d in self.unused if d.startswith(kind))
        self.unused.remove(domain)
        tls = None if kind == "simple" else sip.contexts(pki.shared().directory, servers.EDGES[kind][1])
        product = (self.host, self.gateway.tls_port if tls else self.gateway.tcp_port)
        edge = Edge(domain, self.host, self.ports[domain] if listens else 0, product, tls)
        self.edges.append(edge)
        return edge

    def clear(self):
        for edge in self.edges:
            edge.stop()
        self.edges = []

    def stop(self):
        self.clear()
        complaints = [part.stop() for part in (self.gateway, self.server)]
        self.names.stop()
        assert complaints == [None, None]


class Edge(sip.Peer):
    def await_request(self, method, dialog=None, seconds=10):
        """The next request of this method; what earlier tests began may go on beside it, so a dialog's own are told apart."""
        return self._await(lambda m: not m.is_response and m.method == method and dialog in (None, m.get("Call-ID")), seconds)

    def await_answer(self, request, seconds=10):
        """Its final answer."""
        same = (request.get("Call-ID"), request.get("CSeq"))
        return self._await(lambda m: m.is_response and m.status >= 200 and (m.get("Call-ID"), m.get("CSeq")) == same, seconds)

    def _await(self, fits, seconds):
        end = time.monotonic() + seconds * system.PATIENCE
        while (message := self.receive(max(0, end - time.monotonic()))) is not None:
            if fits(message):
                return message
        return None

    def ask(self, method, user, headers=(), body=b"", uri=f"sip:{JULIET}", **more):
        """A request outside of any dialog; (the request, its dialog)."""
        dialog = self.new_dialog(user, uri)
        return self.request(method, dialog, headers, body, **more), dialog

    def write(self, user, text, headers=(), **more):
        """A text in pager mode; its answer."""
        request, _ = self.ask("MESSAGE", user, [("Content-Type", "text/plain"), *headers], text, **more)
        return self.await_answer(request)

    def watch(self, user, headers=()):
        """A subscription to juliet's presence: (the answer, the first NOTIFY, the dialog)."""
        request, dialog = self.ask("SUBSCRIBE", user, [("Event", "presence"), ("Expires", "3600"), *headers])
        answer = self.await_answer(request)
        dialog.learn(answer)
        notify = self.await_request("NOTIFY", dialog.call_id)
        self.respond(notify, 200, "OK")
        return answer, notify, dialog

    def invite(self, user, headers=(), **more):
        """A session that stands: (the answer, the dialog)."""
        request, dialog = self.ask("INVITE", user, [("Content-Type", "application/sdp"), *headers], sip.sdp(), **more)
        answer = self.await_answer(request)
        assert answer.status == 200
        dialog.learn(answer)
        self.ack(answer)
        return answer, dialog

    def say(self, dialog, text, **more):
        """A text in a session; its answer."""
        return self.await_answer(self.request("MESSAGE", dialog, [("Content-Type", "text/plain;charset=UTF-8")], text, **more))

    def another(self):
        """One more connection of its own."""
        self.own = None
        return self.connect()


@pytest.fixture(scope="module")
def house():
    stage = Stage({"lync": 20, "ocs": 2, "simple": 2})
    yield stage
    stage.stop()


@pytest.fixture
def stage(house):
    yield house
    house.clear()


class TestConnections:
    """3.1"""

    def test_one_connection_is_shared_by_all_dialogs(self, stage):
        edge = stage.edge("lync")
        for user in ("carol", "dora", "ella"):
            stage.juliet.send(f"<presence type='subscribe' to='{user}@{edge.domain}'/>")
        wires = {edge.await_request("SUBSCRIBE").wire for _ in range(3)}
        assert len(wires) == 1 and edge.own is None

    def test_an_answer_takes_the_connection_of_its_request(self, stage):
        edge = stage.edge("lync")
        first, second = edge.another(), edge.another()
        for wire in (first, second, first):
            assert edge.write("carol", "hello", wire=wire).wire is wire

    def test_an_answer_whose_connection_is_gone_takes_another_one_of_the_same_peer(self, stage):
        edge = stage.edge("lync")
        first, second = edge.another(), edge.another()
        stage.server.process.child.send_signal(signal.SIGSTOP)          # the text is not safe yet, so the 200 waits
        try:
            request, _ = edge.ask("MESSAGE", "carol", [("Content-Type", "text/plain")], "late", wire=first)
            assert edge.await_answer(request, 0.3) is None
            first.close()
            assert system.wait_until(lambda: first not in edge.wires, 5)
            time.sleep(0.1)
        finally:
            stage.server.process.child.send_signal(signal.SIGCONT)
        answer = edge.await_answer(request)
        assert answer.status == 200 and answer.wire is second

    def test_a_request_in_a_dialog_takes_the_connection_of_the_peer(self, stage):
        """RFC 5923's idea: its certificate fits, so nothing has to be dialled, and nothing could be."""
        edge = stage.edge("ocs", listens=False)
        _, notify, dialog = edge.watch("bob")
        assert notify.wire is edge.own
        other = edge.another()
        dialog.wire.close()
        assert system.wait_until(lambda: dialog.wire not in edge.wires, 5)
        assert edge.await_answer(edge.request("SUBSCRIBE", dialog, [("Event", "presence"), ("Expires", "600")], wire=other)).status == 200
        assert edge.await_request("NOTIFY", dialog.call_id).wire is other

    def test_a_dialog_hangs_on_no_connection(self, stage):
        edge = stage.edge("lync")
        first, second, third = edge.another(), edge.another(), edge.another()
        _, dialog = edge.invite("carol", wire=first)
        assert edge.say(dialog, "one", wire=second).status == 200
        first.close()
        assert edge.say(dialog, "two", wire=third).status == 200
        assert edge.await_answer(edge.request("BYE", dialog, wire=second)).status == 200

    def test_a_ping_is_answered_with_one_line_end(self, stage):
        """RFC 5626 4.4.1; and any number of line ends may stand before a start line (RFC 3261 7.5)."""
        for secure in (False, True):
            port = stage.gateway.tls_port if secure else stage.gateway.tcp_port
            with socket.create_connection((stage.host, port), timeout=5 * system.PATIENCE) as plain:
                wire = sip.contexts(pki.shared().directory, "lync-edge")["client"].wrap_socket(plain) if secure else plain
                for _ in range(3):
                    wire.sendall(b"\r\n\r\n")
                    assert wire.recv(100) == b"\r\n"
                wire.sendall(b"\r\n" * 7 + b"OPTIONS sip:sip.example.com SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK1\r\n"
                             b"From: <sip:edge.lync.test>;tag=1\r\nTo: <sip:sip.example.com>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n"
                             b"ms-keep-alive: UAC;hop-hop=yes\r\nContent-Length: 0\r\n\r\n")
                answer = wire.recv(65536).lstrip(b"\r\n")
                assert answer.startswith(b"SIP/2.0 200 ") and b"ms-keep-alive" not in answer

    def test_strangers_take_no_place_of_anybody_else(self, stage):
        """256 connections of one address; what has said nothing that is for us gives way, the oldest first."""
        edge = stage.edge("lync")
        _, dialog = edge.invite("carol")
        strangers = [socket.create_connection((stage.host, stage.gateway.tcp_port), timeout=5 * system.PATIENCE) for _ in range(300)]
        try:
            assert strangers[0].recv(1) == b""
            strangers[-1].sendall(b"\r\n\r\n")
            assert strangers[-1].recv(10) == b"\r\n"
            assert edge.say(dialog, "still here").status == 200 and edge.own is dialog.wire
            assert edge.write("carol", "and here", wire=edge.another()).status == 200
        finally:
            for stranger in strangers:
                stranger.close()


class TestRoutes:
    """3.4"""

    ROUTES = ["<sip:edge.lync.test:5061;transport=tls;lr;ms-key-info=lAAA+/=%20;ms-route-sig=daf;opaque=state:T:F:Ci.R1>;tag=33AB",
              "<sip:pool.lync.test:5061;transport=tls;ms-fe=FE1.lync.test;lr>;tag=9"]

    def test_record_routes_come_back_in_order_byte_for_byte(self, stage):
        edge = stage.edge("lync")
        answer, notify, _ = edge.watch("carol", [("Record-Route", r) for r in self.ROUTES])
        assert answer.all("Record-Route") == self.ROUTES
        assert notify.all("Route") == self.ROUTES
        answer, _ = edge.invite("carol", [("Record-Route", ", ".join(self.ROUTES))])
        assert ", ".join(answer.all("Record-Route")) == ", ".join(self.ROUTES)

    def test_a_strict_router_becomes_the_request_uri(self, stage):
        """RFC 3261 12.2.1.1"""
        edge = stage.edge("lync")
        contact = edge.contact("carol")[1:-1]
        _, notify, _ = edge.watch("carol", [("Record-Route", "<sip:strict.lync.test:5061;transport=tls>"), ("Record-Route", self.ROUTES[1])])
        assert notify.uri == "sip:strict.lync.test:5061;transport=tls"
        assert notify.all("Route") == [self.ROUTES[1], f"<{contact}>"]

    def test_the_target_is_renewed_and_the_route_is_not(self, stage):
        """RFC 3261 12.2: the Contact of a refresh counts, its Record-Route does not."""
        edge = stage.edge("lync")
        _, notify, dialog = edge.watch("carol", [("Record-Route", self.ROUTES[0])])
        assert notify.uri == edge.contact("carol")[1:-1]
        gruu = "sip:carol@lync.test;opaque=user:epid:hYnsEUpJhlGc0T-xd_I7vAAA;gruu"
        edge.request("SUBSCRIBE", dialog, [("Event", "presence"), ("Expires", "3600"), ("Contact", f"<{gruu}>"), ("Record-Route", self.ROUTES[1]),
                                           ("Supported", "ms-dialog-route-set-update")])
        notify = edge.await_request("NOTIFY", dialog.call_id)
        assert notify.uri == gruu and notify.all("Route") == [self.ROUTES[0]]

    def test_nobody_is_dialled_because_a_message_names_him(self, stage):
        """The Contact and the Route are written; the way is the configured one."""
        edge = stage.edge("lync")
        with socket.create_server((stage.host, 0)) as other:
            place = "%s:%d" % other.getsockname()
            _, notify, _ = edge.watch("carol", [("Contact", f"<sip:carol@{place};transport=tls>"), ("Record-Route", f"<sip:{place};transport=tls;lr>")])
            assert notify.uri == f"sip:carol@{place};transport=tls" and notify.all("Route") == [f"<sip:{place};transport=tls;lr>"]
            other.settimeout(0.3)
            with pytest.raises(TimeoutError):
                other.accept()

    def test_vias_without_branch_are_echoed_and_tell_requests_apart(self, stage):
        """RFC 3261 17.2.3: by the whole Via, Call-ID, CSeq and From tag."""
        edge = stage.edge("lync")
        vias = ["SIP/2.0/TLS 192.0.2.1:5061", "SIP/2.0/TLS 10.30.66.57:37737;ms-received-port=37737;ms-received-cid=3E8A00",
                "SIP/2.0/TLS 10.1.1.1;branch=old-style"]
        headers = [("Content-Type", "text/plain"), *(("Via", via) for via in vias)]
        request, _ = edge.ask("MESSAGE", "carol", headers, "only once")
        assert edge.await_answer(request).all("Via") == vias
        edge.send(request)
        assert edge.await_answer(request).status == 200
        stage.juliet.expect("the text", lambda node: "only once" in str(node))
        stage.juliet.nothing("the text again", lambda node: "only once" in str(node))

    def test_a_demand_for_a_password(self, stage):
        """401 and 407: we have no password at anybody's; the sender learns it at once."""
        edge = stage.edge("simple")
        for code, name in ((401, "WWW-Authenticate"), (407, "Proxy-Authenticate")):
            stage.juliet.send(f"<message to='erin@{edge.domain}' type='chat' id='a{code}'><body>hello</body></message>")
            edge.respond(edge.await_request("INVITE"), code, "Unauthorized", [(name, 'Digest realm="simple.test", nonce="84a4cc6f3082121f32b42a2187831a9e"')])
            assert edge.await_request("ACK")
            assert stage.juliet.refused(f"a{code}")[0] == "not-authorized"


class TestLoops:
    """3.6"""

    def test_max_forwards(self, stage):
        edge = stage.edge("lync")
        for value, status in (("0", 200), ("255", 200), ("256", 400), ("-1", 400), ("many", 400)):
            assert edge.write("carol", "hello", [("Max-Forwards", value)]).status == status, value

    def test_a_request_that_was_here_before(self, stage):
        edge = stage.edge("lync")
        top = ("Via", "SIP/2.0/TLS edge.lync.test:5061;branch=z9hG4bK12345")
        for port, status in ((stage.gateway.tls_port, 482), (stage.gateway.tcp_port, 482), (1, 200)):
            vias = [top, ("Via", f"SIP/2.0/TLS SIP.example.COM:{port};branch=z9hG4bK{port}")]
            assert edge.write("carol", "hello", vias).status == status, port

    def test_nothing_is_relayed(self, stage):
        """Neither to a domain that is not ours nor to another one that we reach by SIP; and a Route of the request changes nothing."""
        edge = stage.edge("lync")
        assert edge.write("carol", "hello", uri="sip:bob@ocs.n0.test").status == 404
        assert edge.write("carol", "hello", uri="sip:bob@sub.capulet.example").status == 404
        assert edge.write("carol", "hello", uri="sip:capulet.example").status == 404
        assert edge.write("carol", "hello", [("Route", "<sip:192.0.2.1:5061;transport=tls;lr>")]).status == 200


class TestFront:
    """3.7"""

    def test_options_are_answered_for_a_user_for_a_domain_and_for_the_gateway(self, stage):
        edge = stage.edge("lync")
        for uri in (f"sip:{JULIET}", "sip:capulet.example", "sip:sip.example.com", "sip:sip.example.com:5061;transport=tls"):
            answer = edge.await_answer(edge.ask("OPTIONS", "carol", uri=uri)[0])
            assert answer.status == 200 and "MESSAGE" in answer.get("Allow"), uri
        assert edge.await_answer(edge.ask("OPTIONS", "carol", uri="sip:ocs.n0.test")[0]).status == 404


@pytest.fixture
def alone():
    """Where nobody else has left anything."""
    stage = Stage({"lync": 1})
    yield stage
    stage.stop()


def test_after_an_outage_requests_come_at_a_rate(alone):
    """3.1: the setting subscribe-rate; here 20 a second."""
    edge = alone.edge("lync")
    for i in range(30):
        alone.juliet.send(f"<presence type='subscribe' to='friend{i}@{edge.domain}'/>")
    for _ in range(30):
        subscribe = edge.await_request("SUBSCRIBE")
        answer = edge.respond(subscribe, 200, "OK", [("Expires", "7200")])
        edge.request("NOTIFY", sip.Dialog.of_request(subscribe, answer.tag("To")),
                     [("Event", "presence"), ("Subscription-State", "active;expires=7200"), PIDF],
                     sip.pidf(sip.address_of(subscribe.get("To")), "open"), wire=subscribe.wire)
    alone.gateway.restart()
    assert edge.await_request("SUBSCRIBE")
    began = time.monotonic()
    for _ in range(29):
        assert edge.await_request("SUBSCRIBE")
    assert time.monotonic() - began > 0.4


def test_health_checks_leave_no_trace(alone):
    """3.7"""
    gateway = alone.gateway
    before = gateway.process.log()
    for port in (gateway.tls_port, gateway.server_port, gateway.tcp_port):
        socket.create_connection((alone.host, port), timeout=5).close()
    with socket.create_connection((alone.host, gateway.tcp_port), timeout=5) as plain:
        plain.sendall(b"\r\n\r\n")
        assert plain.recv(10) == b"\r\n"
    context = ssl.create_default_context(cafile=pki.shared().ca)
    with context.wrap_socket(socket.create_connection((alone.host, gateway.server_port), timeout=5), server_hostname="sip.example.com"):
        pass
    edge = alone.edge("lync")
    request, _ = edge.ask("OPTIONS", "x", [("From", "<sip:edge.lync.test>;tag=1"), ("To", "<sip:sip.example.com>")], uri="sip:sip.example.com:5061")
    assert edge.await_answer(request).status == 200
    edge.own.close()
    time.sleep(0.2)
    assert gateway.process.log() == before


def test_the_advertised_name_and_port_are_what_peers_see():
    stage = Stage({"lync": 1}, settings={("listen", "peer-auth"): {"advertise-port": 45061}, "record-route-transport": True})
    try:
        edge = stage.edge("lync")
        answer, notify, _ = edge.watch("carol", [("Record-Route", r) for r in TestRoutes.ROUTES])
        assert answer.get("Contact") == f"<sip:{JULIET.partition('@')[0]}@sip.example.com:45061;transport=tls>"
        assert answer.all("Record-Route") == ["<sip:sip.example.com:45061;transport=tls;lr>", *TestRoutes.ROUTES]
        assert notify.get("Via").startswith("SIP/2.0/TLS sip.example.com:45061;branch=z9hG4bK")
        assert notify.all("Route") == TestRoutes.ROUTES
    finally:
        stage.stop()


@pytest.mark.skipif(os.environ.get("CI") != "true" and not system.has_ipv6(), reason="there is no IPv6")
def test_ipv6():
    """Listeners, hops, and addresses in Via, Contact and routes."""
    stage = Stage({"lync": 1, "simple": 1}, host="::1")
    try:
        for kind in ("lync", "simple"):
            edge = stage.edge(kind)
            route = f"<sip:[::1]:{edge.port};transport={edge.wire_name.lower()};lr>"
            answer, notify, _ = edge.watch("carol", [("Record-Route", route)])
            assert answer.get("Via").startswith(f"SIP/2.0/{edge.wire_name} [::1]:{edge.port};")
            assert notify.uri == f"sip:carol@[::1]:{edge.port};transport={edge.wire_name.lower()}" and notify.all("Route") == [route]
            assert edge.write("carol", "hello").status == 200
            stage.juliet.send(f"<message to='dora@{edge.domain}' type='chat' id='m'><body>hello</body></message>")
            assert edge.await_request("INVITE").uri == f"sip:dora@{edge.domain}"
    finally:
        stage.stop()
