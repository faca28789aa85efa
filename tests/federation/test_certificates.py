"""What a certificate of another server is good for, and until when."""
import queue
import ssl
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import authority, dns, foreign, pki, servers, stream, system  # noqa: E402

US = "capulet.example"
SECONDS = 1 / 86400


class Stage:
    def __init__(self, directory):
        self.names = dns.Server(ttl=0)
        self.authority = authority.Authority(directory)
        self.root = self.authority.root("Root")
        self.peers, self.servers = [], []

    def issue(self, domain, **wishes):
        return self.authority.issue(domain, self.root, [domain], **wishes)

    def server(self, **federation):
        server = servers.Xmppd([US], {"dns": {"servers": [self.names.address]}, "s2s": {"trust": str(self.root.crt)}},
                               {"xmpp-federation": {"tls": "required", **federation.pop("all", {})}, **federation.pop("sections", {})})
        server.settings["s2s"]["listen"] = [f"127.0.0.1:{server.s2s}"]
        server.write()
        self.servers.append(server.start())
        return server

    def peer(self, domain, serve):
        self.peers.append(foreign.Peer(serve))
        self.names.srv(f"_xmpp-server._tcp.{domain}", [(0, 0, self.peers[-1].port, f"xmpp.{domain}")])
        self.names.host(f"xmpp.{domain}", "127.0.0.1")

    def stop(self):
        for peer in self.peers:
            peer.stop()
        complaints = [server.stop() for server in self.servers]
        self.names.stop()
        assert complaints == [None] * len(complaints)


@pytest.fixture
def stage(tmp_path):
    made = Stage(tmp_path)
    yield made
    made.stop()


def come(server, domain, certificate):
    """A stream to our server with TLS, up to its features."""
    s = stream.Stream("127.0.0.1", server.s2s, foreign.SERVER)
    header = f" from='{domain}' xmlns:db='{foreign.DIALBACK}'"
    s.open(US, header)
    s.wait("stream")
    s.wait("features")
    s.send(f"<starttls xmlns='{stream.TLS}'/>")
    s.wait("proceed")
    s.start_tls(US, stream.client_tls(certificate=certificate.file()))
    s.open(US, header)
    s.wait("stream")
    return s


def prove(s, domain):
    assert s.wait("features").find("mechanisms", stream.SASL) is not None
    s.auth("EXTERNAL", "=")
    s.parser.restart()
    s.open(US, f" from='{domain}' xmlns:db='{foreign.DIALBACK}'")
    s.wait("stream")
    s.wait("features")


@pytest.mark.parametrize("usage", ["serverAuth", "serverAuth,clientAuth", ""])
def test_who_connects_proves_itself_with_a_certificate_for_servers(stage, usage):
    s = come(stage.server(), "rome.example", stage.issue("rome.example", usage=usage))
    prove(s, "rome.example")
    s.close()


def test_one_for_clients_alone_proves_nothing(stage):
    s = come(stage.server(all={"require-valid-certificates": False}), "rome.example", stage.issue("rome.example", usage="clientAuth"))
    assert s.wait("features").find("mechanisms", stream.SASL) is None
    s.close()


@pytest.mark.parametrize("valid", [True, False])
def test_who_came_with_a_certificate_goes_when_it_expires(stage, valid):
    """Whether or not valid ones are asked for: the proof is gone."""
    server = stage.server(all={"require-valid-certificates": valid})
    s = come(server, "rome.example", stage.issue("rome.example", ends=(4 + system.PATIENCE) * SECONDS))
    prove(s, "rome.example")
    error = s.wait("error", seconds=10)
    assert error.find("reset") is not None
    s.close()
    assert "the certificate of rome.example has expired on " in server.process.log()


def test_a_pinned_one_goes_when_it_expires(stage):
    certificate = stage.authority.issue("rome.example", None, [], ends=(4 + system.PATIENCE) * SECONDS)
    server = stage.server(sections={("xmpp-peer", "rome.example"): {"pin": certificate.pin()}})
    s = come(server, "rome.example", certificate)
    prove(s, "rome.example")
    assert s.wait("error", seconds=10).find("reset") is not None
    s.close()


def test_a_stream_of_ours_ends_when_the_other_side_expires(stage):
    heard = queue.Queue()
    certificate = stage.issue("rome.example", ends=(5 + system.PATIENCE) * SECONDS)
    serve = foreign.server("rome.example", foreign.tls(certificate.file()), dialback="valid")

    def listen(s):
        receive = s.receive

        def note(seconds):
            event = receive(seconds)
            if event is not None and event[0] == "stanza":
                heard.put(event[1])
            return event
        s.receive = note
        serve(s)

    stage.peer("rome.example", listen)
    server = stage.server()
    server.add_users([(f"juliet@{US}", "pencil")])
    juliet = stream.Stream("127.0.0.1", server.c2s)
    juliet.secure(US, context=ssl.create_default_context(cafile=pki.shared().ca))
    juliet.login("juliet", US, "pencil")
    juliet.bind(US, "test")
    juliet.send("<message to='romeo@rome.example' type='chat'><body>one</body></message>")
    seen = []
    while not seen or seen[-1].local != "error":
        seen.append(heard.get(timeout=15 * system.PATIENCE))
    assert "message" in [node.local for node in seen]
    assert seen[-1].find("reset") is not None
    juliet.cut()
