"""Mail addresses for federation, between two servers: subscriptions, presence and messages under the mail domain, which is proven like any other."""
import json
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import dns, foreign, pki, servers, stream, system  # noqa: E402

OURS, MAIL, THEIRS = "imp.capulet.example", "capulet.example", "montague.example"
JULIET, SEEN, ROMEO = f"juliet@{OURS}", f"j.capulet@{MAIL}", f"romeo@{THEIRS}"


class Stage:
    def __init__(self, workers):
        self.names = dns.Server()
        self.ours = self.server(OURS, workers, {"email": {"enabled": True}, ("xmpp-policy", "verona.example"): {"action": "deny"}}, MAIL)
        self.theirs = self.server(THEIRS, workers, {})
        for server, *domains in ((self.ours, OURS, MAIL), (self.theirs, THEIRS)):
            for domain in domains:
                self.names.srv(f"_xmpp-server._tcp.{domain}", [(0, 0, server.s2s, f"xmpp.{domain}")])
                self.names.host(f"xmpp.{domain}", "127.0.0.1")
        self.ours.ctl("user", "add", JULIET, "--password", "x", "--mail", SEEN)
        self.ours.ctl("user", "add", f"nurse@{OURS}", "--password", "x")
        self.theirs.ctl("user", "add", ROMEO, "--password", "x")
        self.juliet, self.nurse = self.client(self.ours, JULIET), self.client(self.ours, f"nurse@{OURS}")
        self.romeo = self.client(self.theirs, ROMEO)

    def server(self, domain, workers, federation, *names):
        server = servers.Xmppd([domain], {"c2s": {"tls": "none"}, "dns": {"servers": [self.names.address]}, "s2s": {"trust": str(pki.shared().ca)}},
                               {"xmpp-federation": {"tls": "optional"}, **federation}, workers)
        server.settings["domain", domain]["certificate"] = str(pki.shared().issue([domain, *names]))
        server.settings["s2s"]["listen"] = [f"127.0.0.1:{server.s2s}"]
        server.write()
        return server.start()

    @staticmethod
    def client(server, jid):
        local, _, domain = jid.partition("@")
        made = stream.Stream("127.0.0.1", server.c2s)
        made.login(local, domain, "x", "SCRAM-SHA-256")
        made.bind(domain, "here")
        made.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq><presence/>")
        return made

    def stop(self):
        for client in (self.juliet, self.nurse, self.romeo):
            client.cut()
        complaints = [self.ours.stop(), self.theirs.stop()]
        self.names.stop()
        assert complaints == [None, None]


@pytest.fixture(params=[1, 4])
def stage(request):
    made = Stage(request.param)
    yield made
    made.stop()


def hear(client, name, sender, seconds=15, **attributes):
    """The next one of this kind from this sender; what else comes is passed over."""
    while True:
        kind, node = client.receive(seconds * system.PATIENCE) or ("nothing", None)
        assert kind == "stanza", f"{name} from {sender}: {kind}"
        if node.local == name and node.get("from") == sender and all(node.get(k) == v for k, v in attributes.items()):
            return node


def subscribe(asker, asked, address, seen):
    asker.send(f"<presence to='{address}' type='subscribe'/>")
    hear(asked, "presence", seen, type="subscribe")
    asked.send(f"<presence to='{seen}' type='subscribed'/>")
    hear(asker, "presence", address, type="subscribed")
    hear(asker, "presence", address + "/here", type=None)


def test_users_appear_under_their_mail_addresses(stage):
    subscribe(stage.juliet, stage.romeo, ROMEO, SEEN)
    subscribe(stage.romeo, stage.juliet, SEEN, ROMEO)
    stage.juliet.send("<presence><show>dnd</show></presence>")
    assert hear(stage.romeo, "presence", SEEN + "/here", type=None).find("show").text() == "dnd"
    stage.juliet.send(f"<message to='{ROMEO}' id='m1'><body>art thou not Romeo?</body></message>")
    assert hear(stage.romeo, "message", SEEN + "/here").get("id") == "m1"
    stage.romeo.send(f"<iq to='{SEEN}/here' type='get' id='q1'><ping xmlns='urn:xmpp:ping'/></iq>")
    ping = hear(stage.juliet, "iq", ROMEO + "/here", type="get")
    assert ping.get("to") == JULIET + "/here"
    stage.juliet.send(f"<iq to='{ROMEO}/here' type='result' id='{ping.get('id')}'/>")
    hear(stage.romeo, "iq", SEEN + "/here", id="q1", type="result")
    # The JID is good no longer, which nobody is told.
    stage.romeo.send(f"<message to='{JULIET}' id='m2'><body>old</body></message>")
    stage.romeo.send(f"<message to='{SEEN}' id='m3'><body>new</body></message>")
    assert hear(stage.juliet, "message", ROMEO + "/here").get("id") == "m3"
    end = time.monotonic() + 10 * system.PATIENCE       # it may have waited for a stream between these two domains
    while (dropped := json.loads(stage.ours.ctl("--json", "status").stdout)["mail-dropped"]) == 0 and time.monotonic() < end:
        time.sleep(0.05)
    assert dropped == 1
    # Who has no mail address keeps the JID.
    stage.nurse.send(f"<message to='{ROMEO}' id='m4'><body>my lady</body></message>")
    assert hear(stage.romeo, "message", f"nurse@{OURS}/here").get("id") == "m4"
    # Nobody of the mail domain.
    stage.romeo.send(f"<message to='nobody@{MAIL}' id='m5'><body>who?</body></message>")
    assert hear(stage.romeo, "message", f"nobody@{MAIL}", type="error").find("error").find("service-unavailable") is not None


def test_what_cannot_leave_comes_back_to_the_jid(stage):
    stage.names.srv("_xmpp-server._tcp.mantua.example", [(0, 0, 0, ".")])
    stage.juliet.send("<message to='balthasar@mantua.example' id='m1'><body>?</body></message>")
    error = hear(stage.juliet, "message", "balthasar@mantua.example", type="error")
    assert error.get("to") == JULIET + "/here" and error.get("id") == "m1"
    # What policy stops has not become a stanza of the mail address yet.
    stage.juliet.send("<message to='tybalt@verona.example' id='m2'><body>?</body></message>")
    error = hear(stage.juliet, "message", "tybalt@verona.example", type="error")
    assert error.get("to") == JULIET + "/here" and error.find("error").find("not-allowed") is not None


def test_nobody_else_speaks_for_a_mail_domain(stage):
    s = stream.Stream("127.0.0.1", stage.ours.s2s, foreign.SERVER)
    s.open(OURS, f" from='{MAIL}' xmlns:db='{foreign.DIALBACK}'")
    s.send(f"<db:result from='{MAIL}' to='{OURS}'>key</db:result>")
    told = []
    while (event := s.receive(5 * system.PATIENCE)) is not None and event[0] != "close":
        told.append(str(event[1]))
    assert any("invalid-from" in text and f"{MAIL} is a domain of this server" in text for text in told), told
    s.cut()
