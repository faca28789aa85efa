"""Addresses as long as they may be, and other scripts, from signing in to the disk and back (RFC 6122; product: domains up to 255 characters)."""
import os
import time

import pytest

from harness import servers, stream, system

pytestmark = pytest.mark.skipif(os.environ.get("CI") != "true" and not system.have("xmppd"), reason="xmppd is not built")

DOMAIN = ".".join(["d" * 61] * 3 + ["d" * 60, "example"])         # 254: the ASCII form has 255 octets at most
SHORT = "capulet.example"
LONG, RESOURCE = "l" * 1023, "r" * 1023
GREEK = "α" * 511                                               # 1022 bytes


@pytest.fixture(scope="module", params=[1, pytest.param(4, marks=pytest.mark.workers4)], ids=["1", "4"])
def xmppd(request):
    server = servers.Xmppd([SHORT, DOMAIN], workers=request.param).start()
    server.add_users([(f"{LONG}@{DOMAIN}", "pencil"), (f"{GREEK}@{SHORT}", "pencil"), (f"juliet@{SHORT}", "pencil"), (f"away@{DOMAIN}", "pencil"),
                      (f"{'m' * 1023}@{DOMAIN}", "pencil")])
    yield server
    assert server.stop() is None


def sign_in(xmppd, user, domain, resource, mechanism="SCRAM-SHA-1"):
    s = stream.Stream("127.0.0.1", xmppd.c2s)
    context = stream.client_tls()
    context.check_hostname = False                              # the test authority's names are shorter
    s.secure(domain, context=context)
    s.login(user, domain, "pencil", mechanism)
    assert s.bind(domain, resource) == f"{user}@{domain}/{resource}"
    return s


def wait_for(s, name, **attributes):
    while True:
        node = s.wait("presence", "iq", "message")
        if node.local == name and all(node.get(k.rstrip("_")) == v for k, v in attributes.items()):
            return node


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256", "PLAIN"])
@pytest.mark.parametrize("user, domain, resource", [(LONG, DOMAIN, RESOURCE), (GREEK, SHORT, "Ω" * 511)], ids=["ascii", "greek"])
def test_the_longest_address_signs_in_and_speaks(xmppd, user, domain, resource, mechanism):
    me = f"{user}@{domain}/{resource}"
    s = sign_in(xmppd, user, domain, resource, mechanism)
    s.send(f"<message to='{me}' id='self'><body>hello</body></message>")
    message = wait_for(s, "message", id="self")
    assert message.get("from") == message.get("to") == me
    s.close()


def test_contacts_with_the_longest_addresses(xmppd):
    juliet, other = sign_in(xmppd, "juliet", SHORT, RESOURCE), sign_in(xmppd, LONG, DOMAIN, RESOURCE)
    far = f"{LONG}@{DOMAIN}"
    for s in (juliet, other):
        s.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq><presence/>")
        wait_for(s, "iq", id="r")
    juliet.send(f"<presence type='subscribe' to='{far}'/>")
    assert wait_for(other, "presence", type="subscribe").get("from") == f"juliet@{SHORT}"
    other.send(f"<presence type='subscribed' to='juliet@{SHORT}'/>")
    wait_for(juliet, "presence", type="subscribed", from_=far)
    assert wait_for(juliet, "presence", from_=f"{far}/{RESOURCE}").get("type") is None
    other.cut()
    wait_for(juliet, "presence", type="unavailable", from_=f"{far}/{RESOURCE}")
    juliet.send(f"<message to='{far}' type='chat' id='later'><body>kept</body></message>")
    juliet.send(f"<iq type='get' id='p' to='{SHORT}'><ping xmlns='urn:xmpp:ping'/></iq>")
    wait_for(juliet, "iq", id="p")
    juliet.close()
    time.sleep(0.2)
    xmppd.restart()
    juliet, other = sign_in(xmppd, "juliet", SHORT, "x"), sign_in(xmppd, LONG, DOMAIN, RESOURCE)
    other.send("<presence/>")
    assert wait_for(other, "message", id="later").get("from") == f"juliet@{SHORT}/{RESOURCE}"
    juliet.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
    item = wait_for(juliet, "iq", id="r").elements()[0].elements()[0]
    assert item.get("jid") == far and item.get("subscription") == "to"
    other.close()
    juliet.close()


@pytest.mark.parametrize("to", [f"{LONG}l@{SHORT}", f"juliet@{SHORT}/{RESOURCE}r", f"x@{'e' * 64}.example", f"x@d.{DOMAIN}", "é" * 512 + "@" + SHORT,
                                f"a b@{SHORT}", f"a@{SHORT}/\u202e", f"a@-x.example", f"a@x.1", "a@b@c", f"a\u200e@{SHORT}"],
                         ids=["local", "resource", "label", "domain", "bytes", "space", "bidi", "hyphen", "digit", "two", "prohibited"])
def test_what_is_too_long_or_prohibited_is_malformed(xmppd, to):
    s = sign_in(xmppd, "juliet", SHORT, "here")
    for kind, payload in ("message", "<body>x</body>"), ("iq", "<query xmlns='jabber:iq:version'/>"), ("presence", ""):
        mark = " type='get'" if kind == "iq" else ""
        s.send(f"<{kind}{mark} id='{kind}' to='{to}'>{payload}</{kind}>")
        answer = s.wait(kind)
        assert answer.get("type") == "error" and answer.get("id") == kind and "jid-malformed" in str(answer)
    s.send(f"<iq type='set' id='set'><query xmlns='jabber:iq:roster'><item jid='{to}'/></query></iq>")
    assert "jid-malformed" in str(s.wait("iq"))
    s.close()


def test_other_spellings_are_the_same_address(xmppd):
    s = sign_in(xmppd, "juliet", SHORT, "here")
    for to in (f"JULIET@{SHORT.upper()}/here", f"ju\u00adliet@{SHORT}./here", f"ｊｕｌｉｅｔ@ｃａｐｕｌｅｔ.example/here", f"juliet@capulet。example/ｈｅｒｅ"):
        s.send(f"<message to='{to}' id='m'/>")
        assert s.wait("message").get("to") == f"juliet@{SHORT}/here", to
    s.send(f"<message to='juliet@{SHORT}/HERE' id='other'/>")   # case matters there
    assert s.wait("message").get("type") == "error"
    s.close()
