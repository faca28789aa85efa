"""Debian's kamailio as a SIMPLE domain: a real proxy with Record-Route, a real presence server, over TCP and TLS."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import kamailio, person, servers, system  # noqa: E402

JULIET, ERIN = "juliet@capulet.example", "erin@simple.test"


class House:
    def __init__(self, tls):
        system.need("xmppd", "sipcomp", "kamailio", "kamcmd")
        port = system.free_port()
        federation = servers.sip_federation(["simple.test"], {"simple.test": port}, "tls" if tls else "tcp")
        self.server = servers.Xmppd(["capulet.example"], {}, federation)
        self.gateway = servers.Sipcomp(self.server, ["capulet.example"], ["simple.test"], federation=federation)
        self.kamailio = kamailio.Kamailio("simple.test", ("127.0.0.1", self.gateway.tls_port if tls else self.gateway.tcp_port),
                                          "capulet.example", tls, port)
        self.server.start()
        self.server.add_users([(JULIET, "pencil")])
        self.gateway.start()
        self.kamailio.start()
        assert system.wait_until(lambda: "simple.test" in self.server.ctl("components").stdout, 15, 0.1)
        self.erin = kamailio.Phone(self.kamailio, "erin")
        self.juliet = person.Person(self.server, JULIET, "pencil")

    def stop(self):
        self.erin.stop()
        complaints = self.gateway.stop(), self.server.stop()
        self.kamailio.stop()
        assert complaints == (None, None)


@pytest.fixture(params=["tcp", "tls"])
def house(request):
    made = House(request.param == "tls")
    yield made
    made.stop()


def presence_of_erin(house, kind=None, show=None):
    def matches(n):
        said = n.find("show").text() if n.find("show") is not None else None
        return n.local == "presence" and n.get("from", "").startswith(ERIN) and n.get("type") == kind and said == show
    return house.juliet.expect(f"erin {kind or show or 'available'}", matches)


def test_our_user_watches_one_of_theirs(house):
    house.erin.publish("open")
    house.juliet.send(f"<presence type='subscribe' to='{ERIN}'/>")
    presence_of_erin(house, "subscribed")
    presence_of_erin(house)
    house.erin.publish("open", "busy")
    presence_of_erin(house, show="dnd")
    house.erin.publish("closed")
    presence_of_erin(house, "unavailable")
    # Their server is gone for a moment and knows nothing of us any more; nobody has to ask again.
    house.kamailio.kill()
    house.kamailio.start()
    house.erin.own = None
    house.erin.tag = None
    house.erin.register()
    house.erin.publish("open", "away")
    presence_of_erin(house, show="away")
    house.juliet.send(f"<presence type='unsubscribe' to='{ERIN}'/>")
    house.juliet.linger(0.5)
    house.erin.publish("open", "busy")
    house.juliet.linger(0.5)
    house.juliet.nothing("what she no longer wants to see", lambda n: n.get("from", "").startswith(ERIN) and n.find("show") is not None)


def test_one_of_theirs_watches_our_user(house):
    dialog = house.erin.watch(JULIET)
    assert len(dialog.route) == 1, "kamailio stays in the way"
    assert house.erin.sees()[:2] == ("pending", "closed")
    house.juliet.expect("the request", lambda n: n.local == "presence" and n.get("type") == "subscribe")
    house.juliet.send(f"<presence type='subscribed' to='{ERIN}'/>")
    while (seen := house.erin.sees()) != ("active", "open", None):
        assert seen[1] == "closed"
    house.juliet.send("<presence><show>dnd</show></presence>")
    assert house.erin.sees() == ("active", "open", "busy")
    # A refresh goes the same way, and brings the whole state.
    house.erin.request("SUBSCRIBE", dialog, [("Event", "presence"), ("Expires", "600")])
    assert house.erin.answer("SUBSCRIBE").status == 200
    assert house.erin.sees() == ("active", "open", "busy")
    house.juliet.leave()
    assert house.erin.sees()[:2] == ("active", "closed")


def test_single_messages_both_ways(house):
    """Their phone takes no session: what it cannot take comes as single messages."""
    house.juliet.send(f"<message type='chat' id='m1' to='{ERIN}'><body>Grüße &amp; €</body></message>")
    invite = house.erin.asked("INVITE")
    house.erin.respond(invite, 488, "Not Acceptable Here")
    assert house.erin.asked("ACK")
    message = house.erin.asked("MESSAGE")
    assert message.text() == "Grüße & €" and message.tag("To") is None
    house.erin.respond(message, 200, "OK")
    assert house.erin.page(JULIET, "hello") == 200
    house.juliet.expect("hello", lambda n: n.local == "message" and n.find("body") is not None and n.find("body").text() == "hello")
    house.juliet.send("<message type='chat' id='m2' to='nobody@simple.test'><body>hello?</body></message>")
    assert house.juliet.refused("m2")[0] == "item-not-found"


def test_a_session_through_their_proxy(house):
    house.juliet.send(f"<message type='chat' id='m1' to='{ERIN}'><body>one</body></message>")
    invite = house.erin.asked("INVITE")
    sdp = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=message 5060 sip sip:erin@simple.test\r\na=accept-types:text/plain\r\n"
    answer = house.erin.respond(invite, 200, "OK", [("Content-Type", "application/sdp")], sdp)
    assert house.erin.asked("ACK")
    message = house.erin.asked("MESSAGE")
    assert message.text() == "one"
    house.erin.respond(message, 200, "OK")
    dialog = kamailio.sip.Dialog.of_request(invite, answer.tag("To"))
    house.erin.request("MESSAGE", dialog, [("Content-Type", "text/plain")], b"two", wire=house.erin.connect())
    assert house.erin.answer("MESSAGE").status == 200
    house.juliet.expect("two", lambda n: n.local == "message" and n.find("body") is not None and n.find("body").text() == "two")
    house.erin.request("BYE", dialog, wire=house.erin.connect())
    assert house.erin.answer("BYE").status == 200
