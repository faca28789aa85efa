"""Signing in: certificates of clients, resumed TLS sessions, channel binding, and what guessing costs whom."""
import base64
import hashlib
import hmac
import json
import os
import ssl
import statistics
import time

import pytest

from harness import pki, servers, stream, system

pytestmark = pytest.mark.skipif(os.environ.get("CI") != "true" and not system.have("xmppd"), reason="xmppd is not built")

DOMAIN, OTHER = "capulet.example", "montague.example"
DELAY = 0.05
TLS_VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(scope="module", params=[1, pytest.param(4, marks=pytest.mark.workers4)], ids=["1", "4"])
def xmppd(request):
    authority = pki.shared().authority("clients")
    settings = {"c2s": {"client-ca": str(authority)}, "login": {"delay": int(DELAY * 1000), "max-delay": 3, "forget": 3600}}
    server = servers.Xmppd([DOMAIN, OTHER], settings, workers=request.param).start()
    server.add_users([(f"{name}@{DOMAIN}", "pencil") for name in ("juliet", "nurse", "tybalt")] + [(f"romeo@{OTHER}", "pencil")])
    yield server
    assert server.stop() is None


def connect(xmppd, certificate=None, source=None, domain=DOMAIN, **tls):
    s = stream.Stream("127.0.0.1", xmppd.c2s, source=source)
    s.secure(domain, context=stream.client_tls(tls.pop("version", None), certificate), **tls)
    features = s.features(domain)
    return s, [m.text() for m in features.find("mechanisms", stream.SASL).elements()]


def ask(s, mechanism, response):
    """The name of the failure, or "success"."""
    s.send(f"<auth xmlns='{stream.SASL}' mechanism='{mechanism}'>{response}</auth>")
    answer = s.wait("success", "failure", "challenge", seconds=15)
    return answer.elements()[0].local if answer.local == "failure" else answer.local


# -- EXTERNAL

def client(*accounts, **more):
    more.setdefault("authority", "clients")
    return pki.shared().client(accounts, **more)


def test_a_certificate_names_its_account(xmppd):
    s, offered = connect(xmppd, client(f"juliet@{DOMAIN}"))
    assert offered[0] == "EXTERNAL"
    assert ask(s, "EXTERNAL", "=") == "success"
    s.parser.restart()
    assert s.bind(DOMAIN, "balcony") == f"juliet@{DOMAIN}/balcony"


def test_the_name_may_be_said_as_well_and_after_a_challenge(xmppd):
    s, _ = connect(xmppd, client(f"juliet@{DOMAIN}"))
    assert ask(s, "EXTERNAL", stream.b64(f"juliet@{DOMAIN}")) == "success"
    s, _ = connect(xmppd, client(f"juliet@{DOMAIN}"))
    assert ask(s, "EXTERNAL", "") == "challenge"
    s.send(f"<response xmlns='{stream.SASL}'/>")
    assert s.wait("success", "failure").local == "success"


def test_nobody_acts_for_another(xmppd):
    s, _ = connect(xmppd, client(f"juliet@{DOMAIN}"))
    assert ask(s, "EXTERNAL", stream.b64(f"nurse@{DOMAIN}")) == "invalid-authzid"
    assert ask(s, "EXTERNAL", stream.b64("\0")) == "invalid-authzid"


def test_of_several_names_the_client_says_one(xmppd):
    both = client(f"juliet@{DOMAIN}", f"romeo@{OTHER}", f"nurse@{DOMAIN}")
    s, offered = connect(xmppd, both)
    assert "EXTERNAL" in offered
    assert ask(s, "EXTERNAL", "=") == "invalid-authzid"
    assert ask(s, "EXTERNAL", stream.b64(f"nurse@{DOMAIN}")) == "success"
    s, _ = connect(xmppd, both, domain=OTHER)          # in this domain there is one only
    assert ask(s, "EXTERNAL", "=") == "success"


@pytest.mark.parametrize("make, failure, cause", [
    (lambda: client(f"juliet@{DOMAIN}", days=0), "credentials-expired", "expired on"),
    (lambda: client(f"juliet@{DOMAIN}", authority="self"), "not-authorized", "self-signed"),
    (lambda: client(f"juliet@{DOMAIN}", authority="ca"), "not-authorized", "self-signed certificate in certificate chain"),
    (lambda: client(f"nobody@{DOMAIN}"), "not-authorized", "no xmppAddr in it is an account of"),
    (lambda: client(f"romeo@{OTHER}"), "not-authorized", "no xmppAddr in it is an account of"),
    (lambda: client(f"juliet@{DOMAIN}/balcony"), "not-authorized", "no xmppAddr in it is an account of"),
    (lambda: client(), "not-authorized", "no xmppAddr in it is an account of"),
    (lambda: None, "not-authorized", None),
], ids=["expired", "self-signed", "foreign", "no-account", "other-domain", "full-jid", "no-name", "none"])
def test_what_does_not_fit_is_not_offered_and_refused(xmppd, make, failure, cause):
    certificate = make()
    if failure == "credentials-expired":
        time.sleep(1.1)
    mark = len(xmppd.process.log(True))
    s, offered = connect(xmppd, certificate)
    assert "EXTERNAL" not in offered and "SCRAM-SHA-256-PLUS" in offered
    assert ask(s, "EXTERNAL", "=") == failure
    assert cause is None or f"EXTERNAL is not offered, the client's certificate: {cause}" in xmppd.process.log(True)[mark:]
    assert ask(s, "PLAIN", stream.plain("juliet", "pencil")) == "success"      # a bad certificate costs the client nothing else


def test_no_certificate_is_asked_for_unless_configured():
    server = servers.Xmppd([DOMAIN]).start()
    try:
        server.add_users([(f"juliet@{DOMAIN}", "pencil")])
        s, offered = connect(server, client(f"juliet@{DOMAIN}"))
        assert "EXTERNAL" not in offered
        assert ask(s, "EXTERNAL", "=") == "invalid-mechanism"
    finally:
        assert server.stop() is None


# -- TLS

def resume(xmppd, version, certificate=None, between=lambda: None):
    context = stream.client_tls(version, certificate)
    first = stream.Stream("127.0.0.1", xmppd.c2s)
    first.secure(DOMAIN, context=context)
    first.features(DOMAIN)                              # TLS 1.3 sends its ticket after the handshake
    session = first.socket.session
    assert session.has_ticket or certificate
    first.cut()
    between()
    again = stream.Stream("127.0.0.1", xmppd.c2s)
    again.secure(DOMAIN, context=context, session=session)
    return again


@pytest.mark.parametrize("version", TLS_VERSIONS)
def test_a_tls_session_is_resumed_on_any_worker_and_after_a_reload(xmppd, version):
    for _ in range(4):
        again = resume(xmppd, version)
        assert again.socket.session_reused
        again.login("juliet", DOMAIN, "pencil", "SCRAM-SHA-256")
    assert resume(xmppd, version, between=lambda: xmppd.ctl("reload")).socket.session_reused


@pytest.mark.parametrize("version", TLS_VERSIONS)
def test_who_showed_a_certificate_shows_it_again(xmppd, version):
    again = resume(xmppd, version, client(f"juliet@{DOMAIN}"))
    assert not again.socket.session_reused
    assert "EXTERNAL" in [m.text() for m in again.features(DOMAIN).find("mechanisms", stream.SASL).elements()]


@pytest.mark.parametrize("version", TLS_VERSIONS)
def test_resumption_can_be_off(version):
    server = servers.Xmppd([DOMAIN], {"c2s": {"tls-resumption": False}}).start()
    try:
        context = stream.client_tls(version)
        session = None
        for _ in range(2):
            s = stream.Stream("127.0.0.1", server.c2s)
            s.secure(DOMAIN, context=context, session=session)
            s.features(DOMAIN)
            session = s.socket.session
            assert not s.socket.session_reused and (session is None or not session.has_ticket)
    finally:
        assert server.stop() is None


def test_direct_tls_agrees_on_xmpp_and_gets_the_certificate_of_its_domain(xmppd):
    for domain in DOMAIN, OTHER:
        context = stream.client_tls()
        context.set_alpn_protocols(["xmpp-client"])
        s = stream.Stream("127.0.0.1", xmppd.c2s_tls)
        s.start_tls(domain, context)                    # verifies the name
        assert s.socket.selected_alpn_protocol() == "xmpp-client"
        s.features(domain)
    context = stream.client_tls()
    context.set_alpn_protocols(["http/1.1"])
    with pytest.raises(ssl.SSLError, match="alert no application protocol"):
        stream.Stream("127.0.0.1", xmppd.c2s_tls).start_tls(DOMAIN, context)


def test_old_tls_and_weak_ciphers_are_refused(xmppd):
    for version, ciphers in (ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0"), (ssl.TLSVersion.TLSv1_2, "AES256-GCM-SHA384:AES128-SHA"):
        context = stream.client_tls(version)
        context.set_ciphers(ciphers)
        with pytest.raises((ssl.SSLError, OSError)):
            stream.Stream("127.0.0.1", xmppd.c2s).secure(DOMAIN, context=context)


# -- channel binding (RFC 5802, 6; XEP-0440)

def scram(s, header, binding=b"", user="juliet", password="pencil", mechanism="SCRAM-SHA-256-PLUS", name="sha256", claim=None):
    """The failure or "success"; header is the GS2 header, claim what the final message says instead of it."""
    bare = f"n={user},r=fyko+d2lbbFgONRv9qkxdawL"
    s.send(f"<auth xmlns='{stream.SASL}' mechanism='{mechanism}'>{stream.b64(header + bare)}</auth>")
    challenge = s.wait("challenge", "failure", seconds=15)
    if challenge.local == "failure":
        return challenge.elements()[0].local
    first = base64.b64decode(challenge.text()).decode()
    fields = dict(part.split("=", 1) for part in first.split(","))
    salted = hashlib.pbkdf2_hmac(name, password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
    key = hmac.digest(salted, b"Client Key", name)
    final = f"c={stream.b64((claim or header).encode() + binding)},r={fields['r']}"
    signed = hmac.digest(hashlib.new(name, key).digest(), f"{bare},{first},{final}".encode(), name)
    proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signed))).decode()
    s.send(f"<response xmlns='{stream.SASL}'>{stream.b64(final + ',p=' + proof)}</response>")
    answer = s.wait("success", "failure", seconds=15)
    return answer.local if answer.local == "success" else answer.elements()[0].local


def end_point(s):
    return hashlib.sha256(s.socket.getpeercert(True)).digest()


def test_the_bindings_that_are_announced_hold(xmppd):
    s = stream.Stream("127.0.0.1", xmppd.c2s)
    s.secure(DOMAIN)
    types = [t.get("type") for t in s.features(DOMAIN).find("sasl-channel-binding", "urn:xmpp:sasl-cb:0").elements()]
    assert types == ["tls-exporter", "tls-server-end-point"]
    assert scram(s, "p=tls-server-end-point,,", end_point(s)) == "success"


def test_what_is_not_there_is_not_announced():
    """tls-exporter binds under TLS 1.2 only with the extended master secret, which Python's OpenSSL always has."""
    server = servers.Xmppd([DOMAIN], {"c2s": {"tls": "optional"}}).start()
    try:
        features = stream.Stream("127.0.0.1", server.c2s).features(DOMAIN)
        assert features.find("sasl-channel-binding", "urn:xmpp:sasl-cb:0") is None
        offered = [m.text() for m in features.find("mechanisms", stream.SASL).elements()]
        assert offered == ["SCRAM-SHA-256", "SCRAM-SHA-1"]
    finally:
        assert server.stop() is None


@pytest.mark.parametrize("header, binding, claim, outcome, mechanism", [
    ("p=tls-server-end-point,,", b"wrong", None, "not-authorized", "SCRAM-SHA-256-PLUS"),
    ("p=tls-server-end-point,,", None, "p=tls-exporter,,", "not-authorized", "SCRAM-SHA-256-PLUS"),
    ("p=tls-nothing,,", b"x", None, "not-authorized", "SCRAM-SHA-256-PLUS"),
    ("n,,", b"", None, "malformed-request", "SCRAM-SHA-256-PLUS"),     # PLUS without a binding
    ("y,,", b"", None, "not-authorized", "SCRAM-SHA-256"),             # "you could not": we could, so somebody took it out
    ("n,,", b"", "y,,", "not-authorized", "SCRAM-SHA-256"),
    ("n,,", b"", None, "success", "SCRAM-SHA-256"),
    ("n,a=juliet@capulet.example,", b"", None, "success", "SCRAM-SHA-256"),
    ("n,a=nurse@capulet.example,", b"", None, "invalid-authzid", "SCRAM-SHA-256"),
    ("x,,", b"", None, "malformed-request", "SCRAM-SHA-256"),
    ("n,b=juliet,", b"", None, "malformed-request", "SCRAM-SHA-256"),
    ("", b"", None, "malformed-request", "SCRAM-SHA-256"),
], ids=["wrong-data", "other-type", "unknown-type", "plus-unbound", "downgrade", "header-changed", "unbound", "authzid", "other-authzid",
        "flag", "field", "no-header"])
def test_gs2_headers(xmppd, header, binding, claim, outcome, mechanism):
    s, _ = connect(xmppd, source="127.0.0.9")
    assert scram(s, header, end_point(s) if binding is None else binding, claim=claim, mechanism=mechanism) == outcome


def test_names_and_passwords_are_prepared(xmppd):
    """SASLprep: case of the name folds by nodeprep, a soft hyphen is mapped to nothing, a wide letter to its narrow one."""
    xmppd.add_users([(f"mercutio@{DOMAIN}", "pencilIX")])
    for password in "pencilIX", "pen\u00adcilIX", "pencil\u2168":
        s, _ = connect(xmppd, source="127.0.0.10")
        assert ask(s, "PLAIN", stream.plain("MerCutio", password)) == "success"
    s, _ = connect(xmppd, source="127.0.0.10")
    assert ask(s, "PLAIN", stream.plain("mercutio", "pencil\u0007IX")) == "not-authorized"


# -- guessing

def plain_time(s, user, password="wrong"):
    began = time.monotonic()
    outcome = ask(s, "PLAIN", stream.plain(user, password))
    return outcome, time.monotonic() - began


def guess(xmppd, source, times, user="tybalt"):
    took = []
    while len(took) < times:
        s, _ = connect(xmppd, source=source)
        outcome, seconds = plain_time(s, user)
        assert outcome == "not-authorized"
        took.append(seconds)
        s.cut()
    return took


def test_whoever_guesses_waits_ever_longer_and_nobody_else_does(xmppd):
    took = guess(xmppd, "127.0.0.20", 9)
    assert took[0] < 10 * DELAY and took[8] > 1.2 and took[8] > 3 * took[4]
    began = time.monotonic()                            # the owner of the account, from elsewhere
    s, _ = connect(xmppd, source="127.0.0.21")
    outcome, seconds = plain_time(s, "tybalt", "pencil")
    assert outcome == "success" and seconds < 0.6
    s, _ = connect(xmppd, source="127.0.0.21")
    assert scram(s, "n,,", user="tybalt", mechanism="SCRAM-SHA-256") == "success"
    assert time.monotonic() - began < 2
    typo = guess(xmppd, "127.0.0.21", 1)[0]             # one wrong key of his own costs what it always costs
    assert typo < 10 * DELAY
    logins = json.loads(xmppd.ctl("--json", "status").stdout)["logins"]
    assert logins["refused"] >= 10 and logins["delayed"] >= 3 and logins["longest-delay-ms"] >= 1600


def test_a_right_guess_is_told_no_sooner_than_a_wrong_one(xmppd):
    guess(xmppd, "127.0.0.30", 7, "nurse")
    streams = [connect(xmppd, source="127.0.0.30")[0] for _ in range(2)]
    began = time.monotonic()
    streams[0].send(f"<auth xmlns='{stream.SASL}' mechanism='PLAIN'>{stream.plain('nurse', 'wrong')}</auth>")
    time.sleep(0.2)
    assert ask(streams[1], "PLAIN", stream.plain("nurse", "pencil")) == "success"
    assert time.monotonic() - began > 1


def test_many_places_that_guess_one_account_are_slow_soon(xmppd):
    for place in range(40, 48):
        guess(xmppd, f"127.0.0.{place}", 3, "paris")
    assert guess(xmppd, "127.0.0.47", 1, "paris")[0] > 2        # its own fourth, the account's twenty-fifth


# -- strangers learn nothing

def test_an_unknown_user_is_told_the_same_in_the_same_time(xmppd):
    times = {"juliet": [], "nobody": []}
    answers = {"juliet": set(), "nobody": set()}
    for turn in range(24):
        for user in ("juliet", "nobody") if turn % 2 else ("nobody", "juliet"):
            s, _ = connect(xmppd, source=f"127.0.1.{turn + 1}" if user == "juliet" else f"127.0.2.{turn + 1}")
            began = time.monotonic()
            s.send(f"<auth xmlns='{stream.SASL}' mechanism='PLAIN'>{stream.plain(user, 'wrong')}</auth>")
            answers[user].add(str(s.wait("failure")))
            times[user].append(time.monotonic() - began)
            s.cut()
    assert answers["juliet"] == answers["nobody"] and len(answers["juliet"]) == 1
    known, unknown = (statistics.median(times[u]) for u in ("juliet", "nobody"))
    assert abs(known - unknown) < 0.25 * DELAY, (known, unknown)


@pytest.mark.parametrize("mechanism, name", [("SCRAM-SHA-1", "sha1"), ("SCRAM-SHA-256", "sha256")])
def test_a_challenge_tells_nothing_of_who_exists(xmppd, mechanism, name):
    times, shapes, salts = {"juliet": [], "nobody": []}, {"juliet": set(), "nobody": set()}, set()
    for turn in range(30):
        for user in ("juliet", "nobody") if turn % 2 else ("nobody", "juliet"):
            s, _ = connect(xmppd, source="127.0.3.1")
            began = time.monotonic()
            s.send(f"<auth xmlns='{stream.SASL}' mechanism='{mechanism}'>{stream.b64(f'n,,n={user},r=fyko+d2lbbFgONRv9qkxdawL')}</auth>")
            first = base64.b64decode(s.wait("challenge").text()).decode()
            times[user].append(time.monotonic() - began)
            fields = dict(part.split("=", 1) for part in first.split(","))
            shapes[user].add((len(first), len(fields["r"]), len(base64.b64decode(fields["s"])), fields["i"]))
            if user == "nobody":
                salts.add(fields["s"])
            s.cut()
    assert shapes["juliet"] == shapes["nobody"] and len(shapes["nobody"]) == 1
    assert len(salts) == 1
    known, unknown = (statistics.median(times[u]) for u in ("juliet", "nobody"))
    assert abs(known - unknown) < max(0.004, 0.5 * known), (known, unknown)
