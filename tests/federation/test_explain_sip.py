"""What is wrong with a SIP federation, set up for real: xmppctl explain names the step and the cure, whichever of the steps it is.

Each fault has a domain of its own. All are set up before the gateway starts, and explained at the same time; then each test looks at its answer.
"""
import concurrent.futures
import json
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import authority, config, dns, foreign, person, pki, servers, sip, system  # noqa: E402

US, FQDN = "capulet.example", "sip.example.com"
USER = f"juliet@{US}"
FAULTS = {}

pytestmark = [pytest.mark.sip, pytest.mark.skipif(not system.have("sipcomp"), reason="sipcomp is not built")]


class Edge:
    """Where a hop leads to. answer(request): (status, reason, headers, perhaps a body), "close", bytes to say, or None to stay silent."""

    def __init__(self, tls=None, answer=None, greet=None):
        self.tls, self.greet = tls, greet
        self.answer = answer or (lambda request: (200, "OK", []))
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=20)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.welcome, args=(connection,), daemon=True).start()

    def welcome(self, connection):
        connection.settimeout(60)
        try:
            if self.greet == "close":
                connection.recv(10)
            elif self.greet:
                connection.recv(10)
                connection.sendall(self.greet)
                connection.recv(10)
            else:
                self.serve(self.tls.wrap_socket(connection, server_side=True) if self.tls else connection)
        except OSError:
            pass
        connection.close()

    def serve(self, connection):
        data = b""
        while True:
            piece = connection.recv(65536)
            if not piece:
                return
            data += piece
            while b"\r\n\r\n" in data:
                head, _, rest = data.partition(b"\r\n\r\n")
                m = re.search(rb"(?im)^content-length[ \t]*:[ \t]*(\d+)", head)
                length = int(m.group(1)) if m else 0
                if len(rest) < length:
                    break
                data = rest[length:]
                request = sip.Message.parse(head, rest[:length])
                if request.is_response or request.method == "ACK":
                    continue
                answer = self.answer(request)
                if answer == "close":
                    connection.close()
                    return
                if isinstance(answer, bytes):
                    connection.sendall(answer)
                elif answer is not None:
                    connection.sendall(self.response(request, *answer).bytes())

    def response(self, request, status, reason, headers, body=b""):
        fields = [("Via", v) for v in request.all("Via")]
        fields += [("From", request.get("From")), ("To", request.get("To") + ("" if request.tag("To") else ";tag=x1")),
                   ("Call-ID", request.get("Call-ID")), ("CSeq", request.get("CSeq"))]
        return sip.Message(f"SIP/2.0 {status} {reason}", fields + list(headers), body)

    def stop(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()


class Fault:
    def __init__(self, setup, code, words, cure, kind, gateway):
        self.setup, self.code, self.words, self.cure, self.kind, self.gateway = setup, code, words, cure, kind, gateway


def fault(code, words="", cure="", kind="lync", gateway="main"):
    """The decorated function sets the fault up for stage and domain, which is its own name; words: a pattern of the first line, cure: of what to do."""
    def note(function):
        domain = function.__name__.replace("_", "-") + ".example"
        FAULTS[domain] = Fault(function, code, words, cure, kind, gateway)
        return function
    return note


class Stage:
    """Names, certificates and edges of all faults, and the sections that lead to them."""

    def __init__(self, directory):
        self.names = dns.Server(ttl=0)
        self.edges, self.sockets, self.sections = [], [], {}
        self.authority = authority.Authority(directory)
        self.root = self.authority.root("Trusted Root")
        self.intermediate = self.authority.intermediate("Intermediate", self.root)
        self.trust = directory / "trust.pem"
        self.trust.write_bytes(self.root.crt.read_bytes() + pki.shared().ca.read_bytes())
        self.names.host(FQDN, "127.0.0.1")

    def lead(self, domain, port, host=None, wire="tls"):
        """A static route."""
        host = host or f"edge.{domain}"
        self.sections["sip-route", domain] = {("hop", host): {"port": port, "transport": wire, "priority": 1, "weight": 1}}
        self.names.host(host, "127.0.0.1")

    def srv(self, domain, port, host):
        self.names.srv(f"_sipfederationtls._tcp.{domain}", [(0, 0, port, host)])

    def edge(self, domain, tls=None, answer=None, greet=None, **way):
        self.edges.append(Edge(tls, answer, greet))
        self.lead(domain, self.edges[-1].port, **way)
        return self.edges[-1]

    def tls(self, *names, **kinds):
        """A context with a good certificate."""
        return foreign.tls(self.authority.issue(names[0], self.intermediate, names).file(shown=[self.intermediate]), **kinds)

    def good(self, domain, answer=None):
        return self.edge(domain, self.tls(f"edge.{domain}"), answer)

    def certificate(self, domain, certificate, shown=None):
        self.edge(domain, foreign.tls(certificate.file(shown)))

    def stop(self):
        for edge in self.edges:
            edge.stop()
        for s in self.sockets:
            s.close()
        self.names.stop()


# -- route and dns

@fault("dns-no-srv", r"no-way", r"_sipfederationtls\._tcp\.no-way\.example.*xmppctl sip-route add no-way\.example")
def no_way(stage, domain):
    pass


@fault("dns-not-offered", r"target", r"xmppctl sip-route add")
def srv_dot(stage, domain):
    stage.srv(domain, 0, ".")


@fault("dns-failed", r"_sipfederationtls", r"dns \{ servers \}")
def servfail(stage, domain):
    stage.names.refuse(f"_sipfederationtls._tcp.{domain}")


@fault("dns-no-address", r"edge\.srv-to-nowhere\.example: no A", r"edge\.srv-to-nowhere\.example must have an A")
def srv_to_nowhere(stage, domain):
    stage.srv(domain, 5061, f"edge.{domain}")


@fault("dns-no-address", r"edge\.hop-to-nowhere\.example", r"correct the sip-route")
def hop_to_nowhere(stage, domain):
    stage.lead(domain, 5061)
    stage.names.remove(f"edge.{domain}")


# -- connect

@fault("tcp-refused", r"127\.0\.0\.1:\d+: cannot connect: Connection refused", r"listens on another port")
def closed_port(stage, domain):
    stage.lead(domain, system.free_port())


@fault("tcp-refused", r"refused", "sip-route", kind="simple")
def closed_tcp_port(stage, domain):
    stage.lead(domain, system.free_port(), host="127.0.0.1", wire="tcp")


@fault("tcp-silent", "", "firewall")
def silent_hop(stage, domain):
    """A full queue of connections: the kernel drops what comes, as a firewall does."""
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    stage.sockets.append(full)
    for _ in range(3):
        waiting = socket.socket()
        waiting.setblocking(False)
        waiting.connect_ex(full.getsockname())
        stage.sockets.append(waiting)
    stage.lead(domain, full.getsockname()[1])


# -- tls

OLD = r'sip-peer "edge\.{}\.example" \{{ domains = \{{ "{}\.example" \}} min-version = "1\.0" ciphers = "DEFAULT:@SECLEVEL=0" \}}'


@fault("tls-unlike", r"protocol version|unsupported protocol", OLD.format("only-tls-10", "only-tls-10"), kind="ocs")
def only_tls_10(stage, domain):
    stage.edge(domain, stage.tls(f"edge.{domain}", ciphers="DEFAULT:@SECLEVEL=0", version=ssl.TLSVersion.TLSv1))


@fault("tls-unlike", r"handshake failure", OLD.format("no-cipher", "no-cipher"), kind="ocs")
def no_cipher(stage, domain):
    stage.edge(domain, stage.tls(f"edge.{domain}", ciphers="eNULL:@SECLEVEL=0", version=ssl.TLSVersion.TLSv1_2))


@fault("tls-clear", "", r"transport = tcp")
def http_there(stage, domain):
    stage.edge(domain, greet=b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")


@fault("tls-silent", "", r"hangs")
def no_hello(stage, domain):
    stage.edge(domain)


@fault("tls-closed", "", r"allow our domain and routing-fqdn")
def closes_in_the_handshake(stage, domain):
    stage.edge(domain, greet="close")


@fault("tls-our-certificate", r"unknown ca", r"clientAuth")
def refuses_our_certificate(stage, domain):
    context = stage.tls(f"edge.{domain}", trust=stage.root.crt)
    context.verify_mode = ssl.CERT_REQUIRED
    stage.edge(domain, context)


@fault("tls-our-certificate", r"unknown ca", r"clientAuth")
def refuses_our_certificate_by_tls_12(stage, domain):
    context = stage.tls(f"edge.{domain}", trust=stage.root.crt, version=ssl.TLSVersion.TLSv1_2)
    context.verify_mode = ssl.CERT_REQUIRED
    stage.edge(domain, context)


# -- certificate

@fault("cert-self-signed", "", r"tls \{ trust \} of sipcomp\.conf")
def self_signed(stage, domain):
    stage.certificate(domain, stage.authority.issue(f"edge.{domain}", None, [f"edge.{domain}"]))


@fault("cert-expired", r"CN=edge\.expired\.example.*expired on \d{4}-\d\d-\d\d|expired on \d{4}-\d\d-\d\d.*CN=edge\.expired\.example", r"renew")
def expired(stage, domain):
    stage.certificate(domain, stage.authority.issue(f"edge.{domain}", stage.intermediate, [f"edge.{domain}"], begins=-30, ends=-2), [stage.intermediate])


@fault("cert-not-yet", "", r"clock")
def not_yet(stage, domain):
    stage.certificate(domain, stage.authority.issue(f"edge.{domain}", stage.intermediate, [f"edge.{domain}"], begins=2), [stage.intermediate])


@fault("cert-unknown-authority", "", r"Put its root into tls \{ trust \}")
def unknown_authority(stage, domain):
    root = stage.authority.root("Root of Others")
    stage.certificate(domain, stage.authority.issue(f"edge.{domain}", root, [f"edge.{domain}"]), [root])


@fault("cert-unknown-authority", "", r"intermediate certificates")
def no_intermediate(stage, domain):
    stage.certificate(domain, stage.authority.issue(f"edge.{domain}", stage.intermediate, [f"edge.{domain}"]), [])


@fault("cert-purpose", "", r"serverAuth")
def only_for_clients(stage, domain):
    stage.certificate(domain, stage.authority.issue(f"edge.{domain}", stage.intermediate, [f"edge.{domain}"], usage="clientAuth"), [stage.intermediate])


@fault("no-sip-peer", r"the peer's certificate is other\.example; no sip-peer allows it",
       r'add sip-peer "other\.example" \{ domains = \{ "wrong-name\.example" \} \} to federation\.conf')
def wrong_name(stage, domain):
    stage.certificate(domain, stage.authority.issue("other.example", stage.intermediate, ["other.example"]), [stage.intermediate])


@fault("no-sip-peer", r"the peer's certificate is edge\.hoster\.example", r'add sip-peer "edge\.hoster\.example"')
def srv_to_elsewhere(stage, domain):
    """Its name fits what DNS says; but DNS can be forged."""
    edge = Edge(stage.tls("edge.hoster.example"))
    stage.edges.append(edge)
    stage.srv(domain, edge.port, "edge.hoster.example")
    stage.names.host("edge.hoster.example", "127.0.0.1")


# -- answer

@fault("no-answer", r"nothing within 8 s", r"hangs")
def no_answer(stage, domain):
    stage.good(domain, lambda request: None)


@fault("closed", "", r"its log says more")
def closes_in_place_of_an_answer(stage, domain):
    stage.good(domain, lambda request: "close")


@fault("not-sip", "", r"correct the sip-route")
def not_sip(stage, domain):
    stage.good(domain, lambda request: b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


@fault("forbidden", r"SIP 403 Forbidden \(ms-diagnostics 1002: the user there may not talk with federated partners\)", r"external access policy")
def forbidden_with_reasons(stage, domain):
    stage.good(domain, lambda request: (403, "Forbidden", [("ms-diagnostics", '1002;reason="From URI not authorized";source="edge.lync.test"')]))


@fault("forbidden", r"SIP 403 Forbidden", r"allow our domain as a federated partner")
def forbidden_without_reasons(stage, domain):
    stage.good(domain, lambda request: (403, "Forbidden", []))


@fault("peer-trouble", r"504.*ms-diagnostics 1008: the partner's edge finds no SRV record", r"_sipfederationtls\._tcp of our domain")
def they_do_not_find_us(stage, domain):
    stage.good(domain, lambda request: (504, "Server time-out", [("Ms-Diagnostics", '1008;reason="Unable to resolve DNS SRV record"')]))


@fault("password", r"407", r"entrance for users")
def wants_a_password(stage, domain):
    stage.good(domain, lambda request: (407, "Proxy Authentication Required", [("Proxy-Authenticate", 'Digest realm="x", nonce="y"')]))


# -- what came of late

@fault("nobody-speaks", r"nothing that comes from it is taken",
       r'add sip-peer "edge\.nobody-speaks-for-it\.example" \{ domains = \{ "nobody-speaks-for-it\.example" \} \}')
def nobody_speaks_for_it(stage, domain):
    stage.good(domain)


@fault("turned-away", r"came over TCP from 127\.0\.0\.1, which is no tcp hop", r"xmppctl sip-route add guest\.example 127\.0\.0\.1:5060 --transport tcp|",
       kind="simple")
def guest(stage, domain):
    stage.good(domain)


@fault("refused-us", r"SUBSCRIBE.*SIP 403 Forbidden \(ms-diagnostics-public 1034: the partner's edge passed on a refusal", r"sip trace refuses-users\.example")
def refuses_users(stage, domain):
    stage.good(domain, lambda request: (200, "OK", []) if request.method == "OPTIONS" else
               (403, "Forbidden", [("ms-diagnostics-public", '1034;reason="Previous hop federated peer did not report diagnostic information"')]))


# -- our own side: gateways of their own

@fault("xmpp-secret", r"not-authorized", r"components \{ secret \}", gateway="secret")
def wrong_secret(stage, domain):
    stage.good(domain)


@fault("xmpp-unreachable", r"refused", r"xmpp \{ host port \}", gateway="nowhere")
def xmpp_server_down(stage, domain):
    stage.good(domain)


@fault("xmpp-unknown", r"host-unknown", r"include the same federation\.conf", gateway="unknown")
def xmpp_server_does_not_know_it(stage, domain):
    stage.good(domain)


@fault("own-name", r"does not name sip\.example\.com", r"certificate for the routing-fqdn", gateway="name")
def our_name(stage, domain):
    stage.good(domain)


@fault("own-purpose", r"clientAuth", r"serverAuth and clientAuth", gateway="purpose")
def our_purpose(stage, domain):
    stage.good(domain)


@fault("own-address", r"nowhere\.example", r"xmppctl dns-records", gateway="address")
def our_address(stage, domain):
    stage.good(domain)


@fault("own-port", r"sip\.example\.com port \d+: .*refused", r"advertise-port", gateway="port")
def our_port(stage, domain):
    stage.good(domain)


@fault("own-srv", r"leads to old\.example", r"xmppctl dns-records", gateway="srv")
def our_srv(stage, domain):
    stage.good(domain)


@fault("own-listener", r"transport = tls", r"listen section", gateway="listener")
def our_listener(stage, domain):
    stage.good(domain)


@fault("own-tls", r"certificate", r"tls \{ certificate \}", gateway="bare", kind="simple")
def our_certificate_missing(stage, domain):
    stage.good(domain)


# -- and how it is found out

NO_TLS = {("listen", "peer-auth"): None, ("listen", "server-auth"): None}


def gateway_settings(stage, kind, port):
    """What differs from a good gateway, by its name."""
    authority = stage.authority
    return {
        "main": {},
        "secret": {},
        "nowhere": {"xmpp": {"port": system.free_port()}},
        "unknown": {},
        "name": {"tls": {"certificate": str(authority.issue("old.example", stage.root, ["old.example"]).file())}},
        "purpose": {"tls": {"certificate": str(authority.issue(FQDN, stage.root, [FQDN], usage="serverAuth").file())}},
        "address": {"routing-fqdn": "nowhere.example", "tls": {"certificate": str(authority.issue("nowhere.example", stage.root, ["nowhere.example"]).file())}},
        "port": {("listen", "peer-auth"): {"advertise-port": system.free_port()}, ("listen", "server-auth"): {"advertise-port": system.free_port()}},
        "srv": {"local-domains": ["srv.capulet.example"]},
        "listener": {**NO_TLS},
        "bare": {**NO_TLS, "tls": {"certificate": None}},
    }[kind]


def sections_of(stage, domains):
    sections = {}
    for domain in domains:
        sections["sip-domain", domain] = {"type": FAULTS[domain].kind if domain in FAULTS else "simple" if domain == "busy.example" else "lync"}
        if domain != "nobody-speaks-for-it.example":
            sections["sip-peer", f"edge.{domain}"] = {"domains": [domain]}
        if ("sip-route", domain) in stage.sections:
            sections["sip-route", domain] = stage.sections["sip-route", domain]
    return sections


class House:
    """One XMPP server, and the gateways."""

    def __init__(self, stage):
        self.stage = stage
        kinds = dict.fromkeys(["main", *[each.gateway for each in FAULTS.values()]])
        domains = {kind: [d for d, each in FAULTS.items() if each.gateway == kind] for kind in kinds}
        domains["main"] += ["well.example", "busy.example", "was-ill.example"]
        known = [d for kind in kinds if kind != "unknown" for d in domains[kind]]
        self.server = servers.Xmppd([US], {}, sections_of(stage, known))
        self.gateways = {}
        for kind in kinds:
            settings = {"dns": {"servers": [stage.names.address]}, "tls": {"trust": str(stage.trust)}}
            settings = config.merge(settings, gateway_settings(stage, kind, 0))
            self.gateways[kind] = servers.Sipcomp(self.server, [US], domains[kind], secret="wrong" if kind == "secret" else "sesame",
                                                  settings=settings, federation=sections_of(stage, domains[kind]))

    def start(self):
        self.server.start()
        self.server.add_users([(USER, "pencil")])
        for gateway in self.gateways.values():
            gateway.start()
            (gateway.directory / "ctl.conf").write_text(
                config.render({"control": str(self.server.control), "sipcomp-control": str(gateway.directory / "c.sock")}) +
                'include("federation.conf")\n')
        attached = lambda: sum(" " in line for line in self.server.ctl("components").stdout.splitlines()) > 30
        assert system.wait_until(attached, 20 * system.PATIENCE, 0.2)
        return self

    def ctl(self, kind, *arguments):
        """xmppctl of this gateway."""
        path = self.gateways[kind].directory / "ctl.conf"
        began = time.monotonic()
        done = subprocess.run([system.program("xmppctl"), "-c", path, *arguments], text=True, capture_output=True, timeout=60 * system.PATIENCE)
        done.seconds = time.monotonic() - began
        return done

    def explain(self, domain, *options):
        return self.ctl(FAULTS[domain].gateway if domain in FAULTS else "main", *options, "explain", domain)

    def stop(self):
        complaints = [gateway.stop() for gateway in self.gateways.values()] + [self.server.stop()]
        assert complaints == [None] * len(complaints)


def busy(request):
    """Takes everything, and sends no NOTIFY of its own."""
    contact = ("Contact", "<sip:romeo@127.0.0.1;transport=tcp>")
    if request.method == "SUBSCRIBE":
        return 202, "Accepted", [contact, ("Expires", "3600")]
    if request.method == "INVITE":
        return 200, "OK", [contact, ("Content-Type", "application/sdp")], sip.sdp().encode()
    return 200, "OK", []


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    made = Stage(tmp_path_factory.mktemp("explain"))
    made.good("well.example")
    made.good("was-ill.example", lambda request: (500, "Server Internal Error", []) if "ill@" in request.uri else busy(request))
    made.edge("busy.example", answer=busy, host="127.0.0.1", wire="tcp")
    made.names.srv("_sipfederationtls._tcp.srv.capulet.example", [(0, 0, 5061, "old.example")])
    for domain, each in FAULTS.items():
        each.setup(made, domain)
    yield made
    made.stop()


def knock(house, domain):
    """A SUBSCRIBE over TCP; the first line of its answer."""
    text = (f"SUBSCRIBE sip:{USER} SIP/2.0\r\nVia: SIP/2.0/TCP x.example;branch=z9hG4bKknock{domain}\r\nMax-Forwards: 70\r\n"
            f"From: <sip:erin@{domain}>;tag=1\r\nTo: <sip:{USER}>\r\nCall-ID: knock-{domain}\r\nCSeq: 1 SUBSCRIBE\r\n"
            f"Contact: <sip:erin@x.example>\r\nEvent: presence\r\nContent-Length: 0\r\n\r\n")
    with socket.create_connection(("127.0.0.1", house.gateways["main"].tcp_port), timeout=5 * system.PATIENCE) as s:
        s.sendall(text.encode())
        return s.recv(4096).split(b"\r\n")[0]


@pytest.fixture(scope="module")
def house(stage):
    made = House(stage)
    try:
        made.start()
        assert knock(made, "guest.example") == b"SIP/2.0 403 Forbidden"
        juliet = person.Person(made.server, USER, "pencil")
        made.juliet = juliet
        juliet.send("<presence type='subscribe' to='romeo@refuses-users.example'/>")
        refused = lambda: "refuses-users" in made.ctl("main", "sip", "peers").stdout
        assert system.wait_until(refused, 10 * system.PATIENCE, 0.2)
        yield made
        juliet.leave()
    finally:
        made.stop()


@pytest.fixture(scope="module")
def answers(house):
    with concurrent.futures.ThreadPoolExecutor(len(FAULTS)) as pool:
        asked = {domain: pool.submit(house.explain, domain) for domain in FAULTS}
        return {domain: each.result() for domain, each in asked.items()}


@pytest.mark.parametrize("domain", FAULTS)
def test_the_first_line_names_the_fault_and_the_cure_follows(answers, domain):
    expected, answer = FAULTS[domain], answers[domain]
    first = answer.stdout.splitlines()[0] if answer.stdout else answer.stderr
    assert re.search(rf"^{re.escape(domain)}: .*\[({expected.code})\]$", first), answer.stdout + answer.stderr
    assert re.search(expected.words, first), first
    assert answer.returncode == 1 and answer.seconds < 32 * system.PATIENCE
    advice = re.search(r"(?m)^what to do: (.*)$", answer.stdout)
    if expected.code == "turned-away":              # the sentence has it
        assert re.search(expected.cure, first), first
    else:
        assert advice and re.search(expected.cure, advice.group(1)), answer.stdout
        assert "DOMAIN" not in advice.group(1) and "SUBJECT" not in advice.group(1)
    assert re.search(rf"(?m)^the step that fails: \w+$", answer.stdout)
    assert "FAILED: " in answer.stdout
    if expected.gateway != "unknown":
        assert re.search(r"definition +sip-domain \"\S+\" at \S+federation\.conf:\d+, type (lync|ocs|simple)", answer.stdout), answer.stdout


def test_all_is_well(house):
    answer = house.explain("well.example")
    assert answer.returncode == 0 and answer.stdout.splitlines()[0] == "well.example: all is well [none]", answer.stdout
    found = json.loads(house.explain("romeo@well.example/balcony", "--json").stdout)
    assert found["domain"] == "well.example" and found["kind"] == "sip" and found["fault"] is False and found["advice"] is None
    steps = list(dict.fromkeys(step["step"] for step in found["steps"]))
    assert steps == ["definition", "xmpp", "route", "dns", "connect", "tls", "certificate", "peer", "answer", "ourselves"], steps
    assert all(step["cause"] is None for step in found["steps"])
    text = "\n".join(step["text"] for step in found["steps"])
    assert re.search(r"CN=edge\.well\.example: good, from \d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d", text)
    assert "CN=Intermediate: good" in text and "its names: edge.well.example" in text
    assert "our certificate names sip.example.com" in text and "can be reached from here" in text


def test_what_the_other_side_has_got_over_is_no_fault(house):
    house.juliet.send("<presence type='subscribe' to='ill@was-ill.example'/>")
    first = lambda: house.explain("was-ill.example").stdout.splitlines()[0]
    assert system.wait_until(lambda: first().endswith("[refused-us]"), 5 * system.PATIENCE, 0.2), first()
    house.juliet.send("<presence type='subscribe' to='romeo@was-ill.example'/>")
    assert system.wait_until(lambda: first() == "was-ill.example: all is well [none]", 5 * system.PATIENCE, 0.2), first()


def test_who_was_turned_away_stands_in_peers_and_in_the_log(house):
    peers = json.loads(house.ctl("main", "--json", "sip", "peers").stdout)
    refused = {r["domain"]: r for r in peers["refusals"] if r["refused"] == "their request"}
    assert refused["guest.example"]["times"] == 1 and refused["guest.example"]["method"] == "SUBSCRIBE"
    assert refused["guest.example"]["place"] == "127.0.0.1" and "no tcp hop" in refused["guest.example"]["why"]
    log = house.gateways["main"].process.log()
    lines = [line for line in log.splitlines() if "guest.example" in line and " 403 " in line]
    assert len(lines) == 1 and "xmppctl sip-route add guest.example 127.0.0.1:5060 --transport tcp" in lines[0], lines


@pytest.mark.parametrize("domain, words", [
    ("nobody.example", r'there is no sip-domain "nobody\.example": .*xmppctl sip-domain add nobody\.example'),
    (US, r"From names capulet\.example, which is a domain of ours \(local-domains\)"),
    ("well.example", r"came over TCP, and well\.example is of type lync, which speaks TLS only"),
])
def test_each_refusal_has_its_own_sentence(house, domain, words):
    assert knock(house, domain) == b"SIP/2.0 403 Forbidden"
    peers = json.loads(house.ctl("main", "--json", "sip", "peers").stdout)
    assert any(r["domain"] == domain and re.search(words, r["why"]) for r in peers["refusals"]), peers["refusals"]


def client(stage, certificate):
    context = ssl.create_default_context(cafile=str(stage.trust))
    context.check_hostname = False
    if certificate:
        context.load_cert_chain(certificate)
    return context


@pytest.mark.parametrize("shown, words", [
    ("none", r"no valid certificate was shown"),
    ("other", r'the peer\'s certificate is other\.example; no sip-peer allows it: add sip-peer "other\.example" \{ domains = \{ "well\.example" \} \} to federation\.conf'),
    ("expired", r"only a valid certificate may speak for well\.example: .*expired"),
])
def test_who_shows_a_wrong_certificate_is_told_apart(house, stage, shown, words):
    made = {"none": None,
            "other": stage.authority.issue("other.example", stage.root, ["other.example"]),
            "expired": stage.authority.issue("edge.well.example", stage.root, ["edge.well.example"], begins=-30, ends=-2)}[shown]
    text = (f"OPTIONS sip:{US} SIP/2.0\r\nVia: SIP/2.0/TLS x.example;branch=z9hG4bK{shown}\r\nMax-Forwards: 70\r\nFrom: <sip:e@well.example>;tag=1\r\n"
            f"To: <sip:{US}>\r\nCall-ID: {shown}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n")
    with socket.create_connection(("127.0.0.1", house.gateways["main"].server_port), timeout=5 * system.PATIENCE) as s:
        with client(stage, made and made.file()).wrap_socket(s) as tls:
            tls.sendall(text.encode())
            assert tls.recv(4096).startswith(b"SIP/2.0 403")
    peers = json.loads(house.ctl("main", "--json", "sip", "peers").stdout)
    assert any(re.search(words, r["why"]) for r in peers["refusals"]), peers["refusals"]


@pytest.mark.parametrize("shown, words", [
    ("none", r"^it shows no certificate .*: The other side must show one"),
    ("self-signed", r"^its certificate is self-signed \(.*CN=edge\.well\.example.*\): .*tls \{ trust \}"),
])
def test_who_is_turned_away_in_the_handshake_is_remembered(house, stage, shown, words):
    """A listener that requires a certificate."""
    made = stage.authority.issue("edge.well.example", None, ["edge.well.example"]) if shown == "self-signed" else None
    with socket.create_connection(("127.0.0.1", house.gateways["main"].tls_port), timeout=5 * system.PATIENCE) as s:
        with pytest.raises(OSError):
            with client(stage, made and made.file()).wrap_socket(s) as tls:
                if not tls.recv(1):
                    raise ConnectionError("closed")
    found = lambda: [r["why"] for r in json.loads(house.ctl("main", "--json", "sip", "peers").stdout)["refusals"] if r["refused"] == "their connection"]
    assert system.wait_until(lambda: any(re.search(words, why) for why in found()), 5 * system.PATIENCE, 0.1), found()


def test_a_caller_who_is_too_old_is_told_so(house, stage):
    """An incoming handshake that fails for its version: the log and the memory name the setting."""
    context = client(stage, None)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    with socket.create_connection(("127.0.0.1", house.gateways["main"].tls_port), timeout=5 * system.PATIENCE) as s:
        with pytest.raises(OSError):
            context.wrap_socket(s)
    found = lambda: [r for r in json.loads(house.ctl("main", "--json", "sip", "peers").stdout)["refusals"] if r["refused"] == "their connection"]
    assert system.wait_until(lambda: any('min-version = "1.0" ciphers = "DEFAULT:@SECLEVEL=0"' in r["why"] for r in found()), 5 * system.PATIENCE, 0.1)
    answer = house.explain("well.example").stdout
    assert re.search(r"a connection from 127\.0\.0\.1: the two sides have no TLS version or cipher in common\) \[turned-away\]$", answer.splitlines()[0]), answer
    assert re.search(r'what to do: .*sip-peer "edge\.well\.example" \{ domains = \{ "well\.example" \} min-version = "1\.0"', answer), answer


def test_a_tcp_route_to_lync_is_refused_before_it_is_in_force(house):
    gateway = house.gateways["main"]
    before = (gateway.directory / "federation.conf").read_text()
    try:
        (gateway.directory / "federation.conf").write_text(
            before + 'sip-domain "tcp.example" { type = lync }\nsip-route "tcp.example" { hop "127.0.0.1" { port = 5060 transport = tcp } }\n')
        answer = house.ctl("main", "reload")
        assert answer.returncode == 1 and re.search(r'hop "127\.0\.0\.1" is tcp, but "tcp\.example" is of type lync, which speaks TLS only', answer.stderr), answer.stderr
    finally:
        (gateway.directory / "federation.conf").write_text(before)


def test_dialogs_and_connections_are_shown(house):
    answer = json.loads(house.ctl("main", "--json", "sip", "dialogs", "refuses-users.example").stdout)
    assert [(d["kind"], d["local"], d["foreign"], d["state"]) for d in answer["dialogs"]] == [
        ("watch", USER, "romeo@refuses-users.example", "waiting")]
    dialog = answer["dialogs"][0]
    assert dialog["next"] == "SUBSCRIBE" and 0 < dialog["in"] <= 1800 and answer["total"] == 1
    peers = json.loads(house.ctl("main", "--json", "sip", "peers").stdout)
    edge = [c for c in peers["connections"] if c["host"] == "edge.refuses-users.example"]
    assert len(edge) == 1 and edge[0]["direction"] == "out" and edge[0]["tls"] == "TLSv1.3" and edge[0]["cipher"].startswith("TLS_")
    assert edge[0]["names"] == "edge.refuses-users.example" and edge[0]["sent"] >= 1 and edge[0]["received"] >= 1 and edge[0]["state"] == "open"
    assert "refuses-users" in house.ctl("main", "sip", "peers").stdout
    assert house.ctl("main", "sip", "dialogs", "nobody.example").returncode == 1


def test_each_kind_of_dialog_tells_what_was_heard_and_what_is_next(house):
    house.juliet.send("<presence type='subscribe' to='romeo@busy.example'/>")
    house.juliet.send("<message to='romeo@busy.example' type='chat'><body>art thou not Romeo?</body></message>")
    assert knock(house, "busy.example").startswith(b"SIP/2.0 20")
    dialogs = lambda: {d["kind"]: d for d in json.loads(house.ctl("main", "--json", "sip", "dialogs", "busy.example").stdout)["dialogs"]}
    settled = lambda: {k: d["last"] for k, d in dialogs().items()} == {
        "watch": "202 Accepted to SUBSCRIBE", "watcher": "200 OK to NOTIFY", "session": "200 OK to MESSAGE"}
    assert system.wait_until(settled, 10 * system.PATIENCE, 0.2), dialogs()
    found = dialogs()
    assert all(d["call_id"] and d["age"] < 30 and d["ago"] < 30 and d["local"] == USER for d in found.values())
    assert found["watch"]["foreign"] == "romeo@busy.example" and found["watcher"]["foreign"] == "erin@busy.example"
    watch, watcher, talk = found["watch"], found["watcher"], found["session"]
    assert watch["state"] == "listening" and watch["next"] == "first NOTIFY" and watch["in"] <= 32 and 3500 < watch["expires"] <= 3600
    assert watcher["state"] == "pending" and watcher["their_cseq"] == 1 and watcher["cseq"] >= 1 and watcher["next"] == "a change of state"
    assert talk["state"] == "ready" and talk["cseq"] == 2 and talk["next"] == "BYE when idle" and talk["in"] <= 600
    everything = json.loads(house.ctl("main", "--json", "sip", "dialogs").stdout)
    assert everything["total"] == 4 + sum("was-ill" in d["foreign"] for d in everything["dialogs"]) and any(d["domain"] == "busy.example" and d["watchers"] == 1 for d in everything["domains"])
    assert json.loads(house.ctl("main", "--json", "sip", "dialogs", "--from", str(everything["total"] - 1)).stdout)["dialogs"][0]["kind"] == "session"
    peers = json.loads(house.ctl("main", "--json", "sip", "peers").stdout)["connections"]
    assert any(c["transport"] == "tcp" and c["direction"] == "out" and c["speaks_for"].startswith("closed-tcp-port.example, ") for c in peers), peers


def test_in_the_name_of_a_domain_of_ours(house):
    assert house.ctl("main", "explain", "--from", US, "WELL.example").returncode in (0, 1)
    answer = house.ctl("main", "explain", "--from", "montague.example", "well.example")
    assert answer.returncode == 1 and "none of local-domains" in answer.stderr


def test_a_trace_ends_by_itself(house):
    began = time.monotonic()
    answer = house.ctl("main", "sip", "trace", "busy.example", "--seconds", "1")
    assert answer.returncode == 0 and "its time is over" in answer.stdout and time.monotonic() - began >= 1
    for wrong in (["busy.example", "--seconds", "0"], ["busy.example", "everywhere"], ["nobody.example"]):
        assert house.ctl("main", "sip", "trace", *wrong).returncode == 1


def test_a_trace_shows_whole_messages_of_one_domain_and_ends(house):
    gateway = house.gateways["main"]
    path = gateway.directory / "ctl.conf"
    tracing = subprocess.Popen([system.program("xmppctl"), "-c", path, "sip", "trace", "guest.example", "--seconds", "30"],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    begun = lambda: "guest.example the messages of this domain are shown" in gateway.process.log()
    assert system.wait_until(begun, 5 * system.PATIENCE, 0.05)
    knock(house, "guest.example")
    knock(house, "nobody.example")
    assert house.ctl("main", "sip", "trace", "off").returncode == 0
    text, _ = tracing.communicate(timeout=10 * system.PATIENCE)
    assert tracing.returncode == 0 and "it was switched off" in text, text
    assert re.search(r"--- \S+Z from - 127\.0\.0\.1:\d+ TCP in\nSUBSCRIBE sip:juliet@capulet\.example SIP/2\.0\n", text), text
    assert re.search(r"--- \S+Z to - 127\.0\.0\.1:\d+ TCP in\nSIP/2\.0 403 Forbidden\n", text), text
    assert "nobody.example" not in text
    assert house.ctl("main", "sip", "trace", "off").returncode == 1, "none is running"


def test_a_trace_into_the_log_hides_secrets(house):
    gateway = house.gateways["main"]
    assert house.ctl("main", "sip", "trace", "guest.example", "log").returncode == 0
    with socket.create_connection(("127.0.0.1", gateway.tcp_port), timeout=5 * system.PATIENCE) as s:
        s.sendall((f"MESSAGE sip:{USER} SIP/2.0\r\nVia: SIP/2.0/TCP x.example;branch=z9hG4bKsecret\r\nMax-Forwards: 70\r\n"
                   f"From: <sip:erin@guest.example>;tag=1\r\nTo: <sip:{USER}>\r\nCall-ID: secret\r\nCSeq: 1 MESSAGE\r\n"
                   f"Proxy-Authorization: Digest username=\"erin\",\r\n response=\"s3same\"\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello").encode())
        assert s.recv(4096).startswith(b"SIP/2.0 403")
    assert house.ctl("main", "sip", "trace", "off").returncode == 0
    log = gateway.process.log()
    traced = [line for line in log.splitlines() if "sip.trace" in line and "z9hG4bKsecret" in line]
    assert len(traced) == 2 and "hello" in traced[0] and "Proxy-Authorization:(hidden)" in traced[0], traced
    assert "s3same" not in log


def test_the_gateway_is_down(house):
    """Then the server says so."""
    path = house.gateways["main"].directory / "down.conf"
    path.write_text(config.render({"control": str(house.server.control), "sipcomp-control": "/nonexistent/c.sock"}) + 'include("federation.conf")\n')
    answer = subprocess.run([system.program("xmppctl"), "-c", path, "explain", "wrong-secret.example"], text=True, capture_output=True,
                            timeout=30 * system.PATIENCE)
    assert answer.returncode == 1
    assert re.search(r"^wrong-secret\.example: a SIP domain: .* is not connected \[sip\]$", answer.stdout.splitlines()[0]), answer.stdout + answer.stderr


def test_whoever_knocks_without_end_fills_neither_the_log_nor_the_memory(house):
    gateway = house.gateways["main"]
    before = gateway.process.log().count(" with 403 ")
    began = time.monotonic()
    for i in range(200):
        assert knock(house, f"n{i}.example") == b"SIP/2.0 403 Forbidden"
    assert gateway.process.log().count(" with 403 ") - before <= 2 + time.monotonic() - began
    refusals = json.loads(house.ctl("main", "--json", "sip", "peers").stdout)["refusals"]
    assert sum(r["place"] == "127.0.0.1" for r in refusals) == 16
    assert any(r["domain"] == "n199.example" for r in refusals) and any(r["refused"] == "our request" for r in refusals)
