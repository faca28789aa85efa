"""Which certificate a client is shown where every local domain has its own: by SNI, else by the `to` of the stream before STARTTLS."""
import os
import ssl

import pytest

from harness import pki, servers, stream, system

pytestmark = pytest.mark.skipif(os.environ.get("CI") != "true" and not system.have("xmppd"), reason="xmppd is not built")

ONE, TWO, THREE, FOUR = DOMAINS = ["capulet.example", "montague.example", "bücher.example", "friends.example"]
ASCII = {THREE: "xn--bcher-kva.example"}
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
IDS = ["1.2", "1.3"]


@pytest.fixture(scope="module", params=[1, pytest.param(4, marks=pytest.mark.workers4)], ids=["1", "4"])
def xmppd(request):
    names = {ONE: [ONE], TWO: [TWO], THREE: [ASCII[THREE]], FOUR: [FOUR, ONE]}
    settings = {("domain", d): {"certificate": str(pki.shared().issue(names[d]))} for d in DOMAINS}
    server = servers.Xmppd([ONE], settings, workers=request.param).start()
    server.add_users([(f"juliet@{ONE}", "pencil"), (f"romeo@{TWO}", "pencil")])
    yield server
    assert server.stop() is None


def client_tls(version, check=False):
    context = stream.client_tls(version)
    context.check_hostname = check
    return context


def secure(xmppd, to, sni, version, context=None, session=None):
    s = stream.Stream("127.0.0.1", xmppd.c2s)
    s.features(to)
    s.send(f"<starttls xmlns='{stream.TLS}'/>")
    s.wait("proceed")
    s.start_tls(sni, context or client_tls(version), session)
    return s


def shown(s):
    return [name for kind, name in s.socket.getpeercert()["subjectAltName"] if kind == "DNS"]


@pytest.mark.parametrize("version", VERSIONS, ids=IDS)
@pytest.mark.parametrize("domain", DOMAINS)
def test_without_sni_the_stream_says_whose_certificate(xmppd, version, domain):
    s = secure(xmppd, domain, None, version)
    assert shown(s)[0] == ASCII.get(domain, domain)
    assert s.features(domain).find("mechanisms", stream.SASL)
    s.close()


@pytest.mark.parametrize("version", VERSIONS, ids=IDS)
def test_sni_comes_first_and_an_unknown_name_counts_as_none(xmppd, version):
    for to, sni, names in ((ONE, TWO, [TWO]), (TWO, TWO.upper(), [TWO]), (TWO, "elsewhere.example", [TWO]), (ONE, "elsewhere.example", [ONE])):
        s = secure(xmppd, to, sni, version)
        assert shown(s) == names, (to, sni)
        s.close()


def test_with_tls_from_the_first_byte_there_is_only_sni(xmppd):
    for sni, names in ((TWO, [TWO]), (None, [ONE])):
        s = stream.Stream("127.0.0.1", xmppd.c2s_tls)
        s.start_tls(sni, client_tls(None))
        assert shown(s) == names
        s.features(TWO)
        s.close()


def test_what_was_secured_for_one_domain_does_not_serve_another(xmppd):
    s = secure(xmppd, ONE, None, None)
    s.open(TWO)
    assert s.wait("stream").get("from") == ONE
    assert s.wait("error").elements()[0].local == "host-unknown"
    s.close()
    s = secure(xmppd, FOUR, None, None)         # unless its certificate names the other too
    assert s.features(ONE).find("mechanisms", stream.SASL)
    s.close()


@pytest.mark.parametrize("version", VERSIONS, ids=IDS)
def test_sessions_are_resumed_for_each_domain_without_sni(xmppd, version):
    for domain, user in ((ONE, "juliet"), (TWO, "romeo")):
        context = client_tls(version)
        s = secure(xmppd, domain, None, version, context)
        s.login(user, domain, "pencil")         # a TLS 1.3 ticket comes with what the server says
        s.bind(domain)
        session = s.socket.session
        s.close()
        again = secure(xmppd, domain, None, version, context, session)
        assert again.socket.session_reused and shown(again) == [domain]
        again.login(user, domain, "pencil")
        again.bind(domain)
        again.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1], ids=["1.0", "1.1"])
@pytest.mark.parametrize("domain", [ONE, TWO])
def test_older_tls_is_refused_whatever_the_domain(xmppd, version, domain):
    context = client_tls(version)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match="alert protocol version"):
        secure(xmppd, domain, domain, version, context)
