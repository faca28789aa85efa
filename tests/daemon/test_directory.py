"""Passwords that a directory keeps: a real slapd, one that does not answer, and one that is not who it says."""
import os
import socket
import time

import pytest

from harness import pki, servers, slapd, stream, system

pytestmark = pytest.mark.skipif(os.environ.get("CI") != "true" and not system.have("xmppd"), reason="xmppd is not built")

DOMAIN, SLOW, HERE = "capulet.example", "slow.example", "here.example"
LDIF = f"dn: uid={{0}},ou=people,{slapd.SUFFIX}\n"


@pytest.fixture(scope="module")
def directory():
    people = (slapd.person("juliet", "pencil", mail="juliet@mail.example", displayName="Juliet Capulet") + slapd.person("nurse", "pencil")
              + slapd.person("tybalt", "pencil") + slapd.person("sampson", None) + slapd.person("o(x)", "pencil"))
    server = slapd.Slapd(people).start()
    yield server
    server.remove()


@pytest.fixture(scope="module")
def silent():
    """Accepts connections and says nothing."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=100)
    yield listener.getsockname()[1]
    listener.close()


def rules(server, **more):
    return {"servers": [server], "trust": str(pki.shared().ca), "bind-dn": slapd.SERVICE, "bind-password": slapd.SECRET,
            "base": slapd.SUFFIX, "timeout": 2, **more}


@pytest.fixture(scope="module", params=[1, pytest.param(4, marks=pytest.mark.workers4)], ids=["1", "4"])
def xmppd(request, directory, silent):
    settings = {("directory", DOMAIN): rules(f"ldap://localhost:{directory.port}"),
                ("directory", SLOW): rules(f"ldap://127.0.0.1:{silent}", **{"at-most": 4})}
    server = servers.Xmppd([DOMAIN, SLOW, HERE], settings, workers=request.param).start()
    server.add_users([(f"abram@{DOMAIN}", "own password"), (f"romeo@{HERE}", "pencil")])
    yield server
    assert server.stop() is None


def connect(xmppd, domain=DOMAIN):
    s = stream.Stream("127.0.0.1", xmppd.c2s)
    s.secure(domain)
    return s, s.features(domain)


def ask(s, user, password, seconds=8):
    s.send(f"<auth xmlns='{stream.SASL}' mechanism='PLAIN'>{stream.plain(user, password)}</auth>")
    answer = s.wait("success", "failure", seconds=seconds)
    return "success" if answer.local == "success" else answer.elements()[0].local


def log_in(xmppd, user, password="pencil", domain=DOMAIN):
    return ask(connect(xmppd, domain)[0], user, password)


def test_only_plain_is_offered_and_only_under_tls(xmppd):
    _, features = connect(xmppd)
    assert [m.text() for m in features.find("mechanisms", stream.SASL).elements()] == ["PLAIN"]
    assert features.find("sasl-channel-binding", "urn:xmpp:sasl-cb:0") is None
    s, _ = connect(xmppd)
    s.send(f"<auth xmlns='{stream.SASL}' mechanism='SCRAM-SHA-256'>{stream.b64('n,,n=juliet,r=abcdefgh')}</auth>")
    assert s.wait("failure").elements()[0].local == "invalid-mechanism"
    _, features = connect(xmppd, HERE)
    assert "SCRAM-SHA-256" in [m.text() for m in features.find("mechanisms", stream.SASL).elements()]


def test_an_account_is_made_at_the_first_login_and_kept_current(xmppd, directory):
    s = stream.Stream("127.0.0.1", xmppd.c2s)
    s.secure(DOMAIN)
    s.login("juliet", DOMAIN, "pencil", "PLAIN")
    assert s.bind(DOMAIN, "balcony") == f"juliet@{DOMAIN}/balcony"
    shown = xmppd.ctl("user", "show", f"juliet@{DOMAIN}").stdout
    assert "juliet@mail.example" in shown and "Juliet Capulet" in shown
    directory.change(LDIF.format("juliet") + "changetype: modify\nreplace: displayName\ndisplayName: Juliet Montague\n-\ndelete: mail\n")
    assert log_in(xmppd, "Juliet") == "success"
    shown = xmppd.ctl("user", "show", f"juliet@{DOMAIN}").stdout
    assert "Juliet Montague" in shown and "juliet@mail.example" not in shown
    directory.change(LDIF.format("juliet") + "changetype: modify\nreplace: displayName\ndisplayName: Juliet Capulet\n-\n"
                     "add: mail\nmail: juliet@mail.example\n")


@pytest.mark.parametrize("user, password, failure", [
    ("juliet", "wrong", "not-authorized"), ("nobody", "pencil", "not-authorized"), ("sampson", "pencil", "not-authorized"),
    ("*", "pencil", "not-authorized"), ("jul*", "pencil", "not-authorized"), ("juliet)(uid=*", "pencil", "not-authorized"),
    ("*)(|(uid=*", "pencil", "not-authorized"), ("juliet\\2a", "pencil", "not-authorized"), ("juliet", "", "malformed-request"),
])
def test_what_is_not_right_is_refused(xmppd, user, password, failure):
    assert log_in(xmppd, user, password) == failure
    assert f"{user}@{DOMAIN}" == f"juliet@{DOMAIN}" or user not in xmppd.ctl("user", "list", DOMAIN).stdout


def test_letters_with_a_meaning_in_filters_are_letters_in_names(xmppd):
    assert log_in(xmppd, "o(x)") == "success"
    assert log_in(xmppd, "nurse") == "success"


def test_an_account_of_ours_keeps_its_own_password(xmppd):
    assert log_in(xmppd, "abram", "own password") == "success"
    assert log_in(xmppd, "abram", "pencil") == "not-authorized"


def test_the_password_is_not_changed_here(xmppd):
    s = stream.Stream("127.0.0.1", xmppd.c2s)
    s.secure(DOMAIN)
    s.login("nurse", DOMAIN, "pencil", "PLAIN")
    s.bind(DOMAIN, "r")
    s.send("<iq type='set' id='p' to='" + DOMAIN + "'><query xmlns='jabber:iq:register'><username>nurse</username>"
           "<password>new</password></query></iq>")
    answer = s.wait("iq")
    assert answer.get("type") == "error" and answer.find("error").find("not-allowed") is not None
    assert log_in(xmppd, "nurse") == "success"


def test_who_is_deleted_there_is_out_here(xmppd, directory):
    assert log_in(xmppd, "tybalt") == "success"
    directory.change(LDIF.format("tybalt") + "changetype: delete\n")
    assert log_in(xmppd, "tybalt") == "not-authorized"
    directory.change(slapd.person("tybalt", "pencil").replace("\nobjectClass", "\nchangetype: add\nobjectClass", 1))
    assert log_in(xmppd, "tybalt") == "success"


def test_a_directory_that_is_down_is_told_as_such(xmppd, directory):
    directory.stop()
    assert log_in(xmppd, "juliet") == "temporary-auth-failure"
    assert log_in(xmppd, "abram", "own password") == "success"
    directory.start()
    assert log_in(xmppd, "juliet") == "success"


def test_a_slow_directory_delays_nobody_else(xmppd):
    """More logins than it has threads hang; other domains' passwords, which are derived in the same pool, are checked meanwhile."""
    hanging = [connect(xmppd, SLOW)[0] for _ in range(12)]
    began = time.monotonic()
    for s in hanging:
        s.send(f"<auth xmlns='{stream.SASL}' mechanism='PLAIN'>{stream.plain('juliet', 'pencil')}</auth>")
    time.sleep(0.1)
    for _ in range(4):
        asked = time.monotonic()
        assert log_in(xmppd, "romeo", domain=HERE) == "success"
        assert log_in(xmppd, "juliet") == "success"
        assert time.monotonic() - asked < 1 * system.PATIENCE
    assert time.monotonic() - began < 2 * system.PATIENCE
    for s in hanging[6:]:
        s.cut()                                         # gone while they wait
    answers = [s.wait("failure", seconds=20).elements()[0].local for s in hanging[:6]]
    assert set(answers) == {"temporary-auth-failure"}


@pytest.mark.parametrize("change, outcome, cause", [
    (lambda d, silent: {"servers": [f"ldaps://localhost:{d.tls_port}"]}, "success", None),
    (lambda d, silent: {"servers": ["ldap://127.0.0.1:1", f"ldap://127.0.0.1:{silent}", f"ldap://localhost:{d.port}"]}, "success", None),
    (lambda d, silent: {"start-tls": False}, "success", None),
    (lambda d, silent: {"trust": str(pki.shared().authority("strangers"))}, "temporary-auth-failure", "TLS: "),
    (lambda d, silent: {"servers": [f"ldaps://127.0.0.1:{d.tls_port}"]}, "temporary-auth-failure", "signing in as bind-dn: Can't contact"),
    (lambda d, silent: {"bind-password": "wrong"}, "temporary-auth-failure", "signing in as bind-dn: Invalid credentials"),
    (lambda d, silent: {"filter": "(|(uid=%u)(uid=nurse))"}, "not-authorized", "several entries fit the filter"),
], ids=["ldaps", "next-server", "clear", "other-authority", "other-name", "wrong-secret", "several"])
def test_settings(directory, silent, change, outcome, cause):
    settings = {**rules(f"ldap://localhost:{directory.port}"), **change(directory, silent)}
    server = servers.Xmppd([DOMAIN], {("directory", DOMAIN): settings}).start()
    try:
        assert log_in(server, "juliet") == outcome
        assert cause is None or cause in server.process.log()
    finally:
        assert server.stop() is None
