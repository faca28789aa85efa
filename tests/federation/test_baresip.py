"""Debian's baresip as a real SIP client, which is a SIMPLE domain of its own over TCP: messages and presence both ways."""
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import baresip, dns, person, servers, system  # noqa: E402

JULIET, ERIN = "juliet@capulet.example", "erin@simple.test"


@pytest.fixture
def people():
    system.need("xmppd", "sipcomp", "baresip")
    port = system.free_port()
    federation = servers.sip_federation(["simple.test"], {"simple.test": port}, "tcp")
    server = servers.Xmppd(["capulet.example"], {}, federation)
    gateway = servers.Sipcomp(server, ["capulet.example"], ["simple.test"], federation=federation)
    names = dns.Server()
    names.host("sip.example.com", "127.0.0.1")
    erin = baresip.Baresip(ERIN, port, gateway.tcp_port, names.address, [JULIET])
    server.start()
    server.add_users([(JULIET, "pencil")])
    gateway.start()
    assert system.wait_until(lambda: "simple.test" in server.ctl("components").stdout, 15, 0.1)
    juliet = person.Person(server, JULIET, "pencil")
    erin.start()
    yield juliet, erin
    erin.stop()
    names.stop()
    assert (gateway.stop(), server.stop()) == (None, None)


def told(erin, text):
    """On its screen, colours aside."""
    seen = lambda: re.sub(r"\x1b?\[[0-9;]*m", "", erin.process.log())
    assert system.wait_until(lambda: text in seen(), 10, 0.05), seen()


def test_messages_both_ways(people):
    juliet, erin = people
    erin.command("message", "Watson, come here. €")
    juliet.expect("what erin says", lambda n: n.local == "message" and n.find("body") is not None and n.find("body").text() == "Watson, come here. €")
    # It takes no session of texts: single messages.
    juliet.send(f"<message type='chat' id='m1' to='{ERIN}'><body>I come.</body><request xmlns='urn:xmpp:receipts'/></message>")
    juliet.expect("the receipt", lambda n: n.local == "message" and n.find("received") is not None and n.find("received").get("id") == "m1")
    told(erin, "I come.")


def test_presence_both_ways(people):
    juliet, erin = people
    juliet.expect("erin's request", lambda n: n.local == "presence" and n.get("type") == "subscribe")
    juliet.send(f"<presence type='subscribed' to='{ERIN}'/>")
    told(erin, f"<sip:{JULIET}> changed status from Offline to Online")
    juliet.send("<presence><show>dnd</show></presence>")
    told(erin, f"<sip:{JULIET}> changed status from Online to Busy")
    juliet.send(f"<presence type='subscribe' to='{ERIN}'/>")
    told(erin, "SUBSCRIBE sip:erin@simple.test")
    juliet.linger(0.3)
    erin.command("presence_online")                 # it tells changes only
    juliet.expect("that erin accepts", lambda n: n.local == "presence" and n.get("type") == "subscribed")
    for command, kind in (("presence_online", None), ("presence_offline", "unavailable")):
        erin.command(command)
        juliet.expect(command, lambda n: n.local == "presence" and n.get("from", "").startswith(ERIN + "/") and n.get("type") == kind)
