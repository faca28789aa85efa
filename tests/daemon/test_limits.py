"""Each limit is reached, has the consequence that is written down, is counted, and nobody else notices."""
import json
import os
import time

import pytest

from harness import servers, stream, system

pytestmark = pytest.mark.skipif(os.environ.get("CI") != "true" and not system.have("xmppd"), reason="xmppd is not built")

DOMAIN = "capulet.example"
USERS = ("juliet", "romeo", "nurse")
SMALL = {"max-resources": 2, "max-roster": 3, "max-requests": 2, "max-blocked": 3, "max-directed": 2, "max-card": 2000, "max-private": 2000,
         "max-held": 2, "max-held-bytes": 2000, "max-depth": 10, "max-attributes": 8, "max-name": 200, "login-timeout": 2,
         "max-login-attempts": 2, "max-offline": 3, "max-bytes-per-second": 20000, "burst": 1}


@pytest.fixture(scope="module", params=[1, pytest.param(4, marks=pytest.mark.workers4)], ids=["1", "4"])
def xmppd(request):
    server = servers.Xmppd([DOMAIN], {"c2s": {"tls": "optional", "max-stanza": 20000}, "limits": SMALL}, workers=request.param).start()
    server.add_users([(f"{name}@{DOMAIN}", "pencil") for name in (*USERS, *(f"s{i}" for i in range(6)))])
    yield server
    assert server.stop() is None


def sign_in(server, name, resource="test"):
    s = stream.Stream("127.0.0.1", server.c2s)
    s.login(name, DOMAIN, "pencil", "SCRAM-SHA-1")
    s.bind(DOMAIN, resource)
    return s


@pytest.fixture
def juliet(xmppd):
    s = sign_in(xmppd, "juliet")
    yield s
    s.cut()
    gone(xmppd, "juliet@")


def gone(server, who):
    deadline = time.monotonic() + 5 * system.PATIENCE
    while who in server.ctl("sessions").stdout and time.monotonic() < deadline:
        time.sleep(0.05)


def hits(server, name):
    rows = json.loads(server.ctl("--json", "limits").stdout)["limits"]
    return next(row["hits"] for row in rows if row["limit"] in (f"limits.{name}", f"c2s.{name}"))


class Counted:
    """Inside, one limit is reached once (or oftener), and romeo goes on."""

    def __init__(self, server, name, times=1):
        self.server, self.name, self.times = server, name, times

    def __enter__(self):
        self.before, self.romeo = hits(self.server, self.name), sign_in(self.server, "romeo")
        return self

    def __exit__(self, kind, *unused):
        if kind is not None:
            return
        deadline = time.monotonic() + 5 * system.PATIENCE       # a stream's limit is counted when the stream has closed
        while hits(self.server, self.name) < self.before + self.times and time.monotonic() < deadline:
            time.sleep(0.05)
        assert hits(self.server, self.name) == self.before + self.times
        assert ask(self.romeo, "<ping xmlns='urn:xmpp:ping'/>", to=DOMAIN) is None
        self.romeo.cut()


def ask(s, inside, kind="get", to=None):
    """The condition of the error that answers this request; None: a result."""
    ask.number = getattr(ask, "number", 0) + 1
    s.send(f"<iq type='{kind}' id='q{ask.number}'{f' to={chr(39)}{to}{chr(39)}' if to else ''}>{inside}</iq>")
    while (answer := s.wait("iq", "presence", "message", seconds=10)).local != "iq" or answer.get("id") != f"q{ask.number}":
        if answer.local == "iq":
            s.send(f"<iq type='result' id='{answer.get('id')}'/>")
    return answer.find("error").elements()[0].local if answer.get("type") == "error" else None


def ends_with(s, seconds=8):
    s.follow(seconds)
    while (event := s.receive(0)) is not None and event[0] != "end":
        if event[0] == "stanza" and event[1].local == "error":
            return event[1].elements()[0].local
    return None


# -- a stream

@pytest.mark.parametrize("name, text", [
    ("max-depth", "<message>" + "<a>" * 10 + "</a>" * 10 + "</message>"),
    ("max-attributes", "<message " + " ".join(f"a{i}=''" for i in range(9)) + "/>"),
    ("max-name", f"<message><{'a' * 300}/></message>"),
    ("max-name", f"<message {'a' * 300}=''/>"),
    ("max-name", f"<message><x xmlns='{'u' * 300}'/></message>"),
    ("max-stanza", f"<message><body>{'x' * 20000}</body></message>"),
    ("max-stanza", f"<message><body>{'x' * 20100}"),
], ids=["depth", "attributes", "name", "attribute-name", "namespace", "stanza", "half-a-stanza"])
def test_a_stanza_that_is_too_much_ends_the_stream(xmppd, juliet, name, text):
    with Counted(xmppd, name):
        juliet.send(text)
        assert ends_with(juliet) == "policy-violation"


def test_just_within(xmppd, juliet):
    juliet.send("<message to='juliet@capulet.example/test'>" + "<a xmlns='x'>" * 9 + "</a>" * 9 + "</message>")
    assert juliet.wait("message") is not None
    juliet.send(f"<message to='juliet@{DOMAIN}/test'><x xmlns='u' {'a' * 198}=''/></message>")
    assert juliet.wait("message") is not None


def test_bytes_come_no_faster_than_allowed(xmppd, juliet):
    before, began = hits(xmppd, "max-bytes-per-second"), time.monotonic()
    for number in range(8):                                     # 64 KB, 20 KB at once, then 20 KB in a second
        juliet.send(f"<message to='juliet@{DOMAIN}/test' id='m{number}'><body>{'x' * 8000}</body></message>")
    assert [juliet.wait("message", seconds=20).get("id") for _ in range(8)] == [f"m{i}" for i in range(8)]
    assert time.monotonic() - began > 1
    assert hits(xmppd, "max-bytes-per-second") > before


def test_failed_logins_of_one_stream(xmppd):
    with Counted(xmppd, "max-login-attempts"):
        s = stream.Stream("127.0.0.1", xmppd.c2s, source="127.0.0.5")
        s.features(DOMAIN)
        for _ in range(2):
            s.send(f"<auth xmlns='{stream.SASL}' mechanism='NONE'/>")
            s.wait("failure")
        assert ends_with(s) == "policy-violation"


def test_login_takes_too_long(xmppd):
    with Counted(xmppd, "login-timeout"):
        s = stream.Stream("127.0.0.1", xmppd.c2s)
        s.features(DOMAIN)
        assert ends_with(s) == "connection-timeout"


def test_presence_to_many(xmppd, juliet):
    juliet.send("<presence/>")
    juliet.wait("presence")
    nurse = sign_in(xmppd, "nurse")
    with Counted(xmppd, "max-directed"):
        for name in ("s0", "s1"):
            juliet.send(f"<presence to='{name}@{DOMAIN}/test'/>")
        juliet.send(f"<presence to='nurse@{DOMAIN}/test'/>")
        assert ask(juliet, "<ping xmlns='urn:xmpp:ping'/>", to=DOMAIN) is None
    assert nurse.receive(0.3) is None                           # dropped
    nurse.cut()


@pytest.mark.parametrize("name, body", [("max-held", ""), ("max-held-bytes", "x" * 2100)], ids=["stanzas", "bytes"])
def test_what_waits_for_an_inactive_client(xmppd, juliet, name, body):
    romeo = sign_in(xmppd, "romeo", "csi")
    juliet.send("<inactive xmlns='urn:xmpp:csi:0'/>")
    assert ask(juliet, "<ping xmlns='urn:xmpp:ping'/>", to=DOMAIN) is None
    state = f"<message to='juliet@{DOMAIN}/test' type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/><x xmlns='y'>{body}</x></message>"
    with Counted(xmppd, name):
        if body == "":
            romeo.send(state * 2)
            assert juliet.receive(0.3) is None
        romeo.send(state)
        assert [juliet.wait("message").local for _ in range(1 if body else 3)]
    romeo.cut()


# -- an account

def test_resources(xmppd, juliet):
    second = sign_in(xmppd, "juliet", "second")
    with Counted(xmppd, "max-resources"):
        third = stream.Stream("127.0.0.1", xmppd.c2s)
        third.login("juliet", DOMAIN, "pencil", "SCRAM-SHA-1")
        third.features(DOMAIN)
        assert ask(third, f"<bind xmlns='{stream.BIND}'/>", "set") == "resource-constraint"
        third.cut()
    second.cut()


def test_roster(xmppd, juliet):
    item = "<query xmlns='jabber:iq:roster'><item jid='{0}'/></query>"
    for number in range(3):
        assert ask(juliet, item.format(f"c{number}@{DOMAIN}"), "set") is None
    with Counted(xmppd, "max-roster"):
        assert ask(juliet, item.format(f"c3@{DOMAIN}"), "set") == "not-allowed"
    assert ask(juliet, item.format(f"c2@{DOMAIN}"), "set") is None


def test_requests_of_strangers(xmppd):
    strangers = [sign_in(xmppd, f"s{i}") for i in range(3)]
    with Counted(xmppd, "max-requests"):
        for s in strangers:
            s.send(f"<presence to='nurse@{DOMAIN}' type='subscribe'/>")
            assert ask(s, "<ping xmlns='urn:xmpp:ping'/>", to=f"nurse@{DOMAIN}") in (None, "service-unavailable")
    for s in strangers:
        s.cut()


def test_blocked(xmppd, juliet):
    item = "<block xmlns='urn:xmpp:blocking'><item jid='{0}'/></block>"
    for number in range(3):
        assert ask(juliet, item.format(f"b{number}@{DOMAIN}"), "set") is None
    with Counted(xmppd, "max-blocked"):
        assert ask(juliet, item.format(f"b3@{DOMAIN}"), "set") == "not-allowed"
    assert ask(juliet, "<unblock xmlns='urn:xmpp:blocking'/>", "set") is None


def test_card(xmppd, juliet):
    card = "<vCard xmlns='vcard-temp'><FN>{0}</FN></vCard>"
    assert ask(juliet, card.format("x" * 1500), "set") is None
    with Counted(xmppd, "max-card"):
        assert ask(juliet, card.format("x" * 2000), "set") == "resource-constraint"


def test_private_documents(xmppd, juliet):
    document = "<query xmlns='jabber:iq:private'><a xmlns='{0}'>{1}</a></query>"
    assert ask(juliet, document.format("one", "x" * 1500), "set") is None
    with Counted(xmppd, "max-private"):
        assert ask(juliet, document.format("two", "x" * 1500), "set") == "resource-constraint"


def test_offline_messages(xmppd):
    romeo = sign_in(xmppd, "romeo", "writer")
    with Counted(xmppd, "max-offline"):
        for number in range(4):
            romeo.send(f"<message to='s5@{DOMAIN}' type='chat' id='m{number}'><body>x</body></message>")
        error = romeo.wait("message")
        assert error.get("id") == "m3" and error.find("error").elements()[0].local == "service-unavailable"
    romeo.cut()


# -- the settings

def test_a_reload_reaches_those_who_are_connected():
    server = servers.Xmppd([DOMAIN], {"c2s": {"tls": "optional"}}).start()
    try:
        server.add_users([(f"{name}@{DOMAIN}", "pencil") for name in USERS])
        s, early = sign_in(server, "juliet"), stream.Stream("127.0.0.1", server.c2s)
        early.features(DOMAIN)
        deep = f"<message to='juliet@{DOMAIN}/test'>" + "<a xmlns='x'>" * 30 + "</a>" * 30 + "</message>"
        s.send(deep)
        s.wait("message")
        server.settings["limits"] = {"max-depth": 10, "max-early-bytes": 1024, "max-roster": 1}
        server.write()
        server.ctl("reload")
        item = "<query xmlns='jabber:iq:roster'><item jid='{0}'/></query>"
        assert ask(s, item.format("a@b.example"), "set") is None and ask(s, item.format("c@b.example"), "set") == "not-allowed"
        s.send(deep)
        early.send(f"<auth xmlns='{stream.SASL}' mechanism='{'x' * 1100}'/>")
        assert ends_with(s) == "policy-violation" and ends_with(early) == "policy-violation"
        rows = {row["limit"]: row for row in json.loads(server.ctl("--json", "limits").stdout)["limits"]}
        assert rows["limits.max-depth"]["value"] == 10 and rows["c2s.max-stanza"]["value"] == 262144
        assert all(row["consequence"] for row in rows.values())
    finally:
        assert server.stop() is None


def test_components_that_have_not_shown_their_secret():
    server = servers.Xmppd([DOMAIN], {("component", "echo.capulet.example"): {"secret": "sesame"}, "limits": {"max-component-negotiating": 2}}).start()
    component = lambda: stream.Stream("127.0.0.1", server.component_port, stream.COMPONENT)
    try:
        first, second = component(), component()
        first.handshake("echo.capulet.example", "sesame")       # it serves, and counts no more
        third = component()
        assert component().receive(5 * system.PATIENCE)[0] == "end"
        assert hits(server, "max-component-negotiating") == 1
        second.cut()
        time.sleep(0.2)
        fourth = component()
        assert third.receive(0.1) is None and fourth.receive(0.1) is None
    finally:
        assert server.stop() is None
