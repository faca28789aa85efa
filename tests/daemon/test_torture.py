"""The torture messages of RFC 4475, and what RFC 5118 asks of IPv6, over TCP and TLS: each has the answer that the RFC demands of an element like ours."""
import os
import re
import socket

import pytest

from harness import pki, servers, sip, system

pytestmark = [pytest.mark.sip, pytest.mark.skipif(os.environ.get("CI") != "true" and not (system.have("xmppd") and system.have("sipcomp")),
                                                   reason="needs xmppd and sipcomp")]
MESSAGES = system.TESTS / "peers" / "rfc4475"
SDP = ("v=0\r\no=- 0 0 IN IP6 2001:db8::20\r\ns=-\r\nc=IN IP6 2001:db8::20\r\nt=0 0\r\nm=message 5060 sip null\r\na=accept-types:text/plain\r\n")
AUDIO = ("v=0\r\no=bob 1 1 IN IP4 host.example.net\r\ns=-\r\nt=0 0\r\nm=audio 22334 RTP/AVP 0\r\nc=IN IP4 192.0.2.1\r\n"
         "m=video 6024 RTP/AVP 107\r\nc=IN IP6 2001:db8::1\r\n")

# RFC 5118, section 4: the method, the Request-URI, Vias, Contact, body; what must come back. A literal is never one of our domains: 404 where it can be read.
IPV6 = {
    "4.1 reference": ("OPTIONS", "sip:[2001:db8::10]", ["[2001:db8::9:1]"], None, "", "404"),
    "4.2 without delimiters": ("OPTIONS", "sip:2001:db8::10", ["[2001:db8::9:1]"], None, "", "400"),
    "4.3 port or address": ("OPTIONS", "sip:[2001:db8::10:5070]", ["[2001:db8::9:1]"], None, "", "404"),
    "4.4 port": ("OPTIONS", "sip:[2001:db8::10]:5070", ["[2001:db8::9:1]"], None, "", "404"),
    "4.5 received": ("OPTIONS", "sip:user@example.com", ["[2001:db8::9:1];received=[2001:db8::9:255]"], None, "", "200"),
    "4.5 received without delimiters": ("OPTIONS", "sip:user@example.com", ["[2001:db8::9:1];received=2001:db8::9:255"], None, "", "200"),
    "4.6 session": ("INVITE", "sip:user@example.com", ["[2001:db8::20]"], "<sip:caller@[2001:db8::20]>", SDP, "200"),
    "4.7 both in headers": ("BYE", "sip:user@example.com", ["[2001:db8::9:1]:6050", "192.0.2.1", "[2001:db8::9:255];received=192.0.2.200"], None, "", "481"),
    "4.8 both in a session": ("INVITE", "sip:user@example.com", ["[2001:db8::9:1]"], "<sip:caller@[2001:db8::9:1]>", AUDIO, "488"),
    "4.9 mapped": ("OPTIONS", "sip:user@example.com", ["[::ffff:192.0.2.10]:19823", "[::ffff:192.0.2.2]"], "<sip:ted@[::ffff:192.0.2.2]>", "", "200"),
    "4.10 three colons": ("OPTIONS", "sip:user@[2001:db8:::192.0.2.1]", ["[2001:db8::9:1]"], None, "", "400"),
    "4.10 two colons": ("OPTIONS", "sip:user@[2001:db8::192.0.2.1]", ["[2001:db8::9:1]"], None, "", "404"),
}


class House:
    """One gateway; what comes from any of the foreign domains comes from 127.0.0.1, or with the certificate of proxy.simple.test."""

    def __init__(self, local, foreign, wire):
        federation = {("sip-peer", "proxy.simple.test"): {"domains": foreign}}
        for domain in foreign:
            federation["sip-domain", domain] = {"type": "simple"}
            federation["sip-route", domain] = {("hop", "127.0.0.1"): {"port": 5061, "transport": wire, "priority": 1, "weight": 1}}
        self.wire, self.local, self.foreign = wire, local[0], foreign[0]
        self.server = servers.Xmppd(local, federation=federation)
        self.gateway = servers.Sipcomp(self.server, local, foreign, transport=wire, federation=federation)
        self.server.start()
        self.server.add_users([(f"{user}@{local[0]}", "pencil") for user in ("user", "kumiko")])
        self.gateway.start()
        assert system.wait_until(lambda: all(d in self.server.ctl("components").stdout for d in foreign), 15, 0.1)

    def connect(self):
        made = socket.create_connection(("127.0.0.1", self.gateway.tcp_port if self.wire == "tcp" else self.gateway.tls_port), 5)
        return sip.contexts(pki.shared().directory, "simple")["client"].wrap_socket(made) if self.wire == "tls" else made

    def ask(self, message, seconds, to_the_end=False):
        """What comes up to the first final answer; to_the_end: and whether the connection is closed behind it."""
        answer = b""
        with self.connect() as connection:
            connection.settimeout(seconds)
            try:
                connection.sendall(message)
                while piece := connection.recv(65536):
                    answer += piece
                    if not to_the_end and final(answer.decode("utf-8", "replace")):
                        return answer.decode("utf-8", "replace"), False
                return answer.decode("utf-8", "replace"), True
            except TimeoutError:
                return answer.decode("utf-8", "replace"), False
            except OSError:
                return answer.decode("utf-8", "replace"), True

    def stop(self):
        return self.gateway.stop(), self.server.stop()


@pytest.fixture(scope="module", params=["tcp", "tls"])
def houses(request):
    made = {"example.com": House(["example.com"], ["example.net", "example.org"], request.param),
            "example.org": House(["example.org", "company.com", "chair-dnrc.example.com"], ["example.com"], request.param)}
    yield made
    assert [house.stop() for house in made.values()] == [(None, None)] * 2


def final(answer):
    found = [status for status in re.findall(r"(?m)^SIP/2\.0 (\d+)", answer) if status >= "200"]
    return found[0] if found else None


def differs(house, message, wanted):
    """What came in place of what is allowed, or None. wanted: "400|404", with " close" where the connection must end; "none", "close"."""
    statuses, _, must_close = wanted.partition(" ")
    quiet = statuses in ("none", "close")
    answer, closed = house.ask(message, 0.2 if statuses == "none" else 5 * system.PATIENCE, bool(must_close))
    status = final(answer)
    right = status is None if quiet else status in statuses.split("|")
    if right and (closed or not (must_close or statuses == "close")):
        return None
    return f"{status}{' and closed' if closed else ''} in place of {wanted}\n{answer}"


def is_alive(house, name):
    answer, _ = house.ask((f"OPTIONS sip:{house.local} SIP/2.0\r\nVia: SIP/2.0/{house.wire.upper()} proxy.simple.test;branch=z9hG4bK{name}\r\n"
                           f"Max-Forwards: 70\r\nFrom: <sip:erin@{house.foreign}>;tag=1\r\nTo: <sip:{house.local}>\r\nCall-ID: {name}@alive\r\n"
                           "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n").encode(), 5 * system.PATIENCE)
    return final(answer) == "200"


def test_rfc_4475(houses):
    wrong, rows = [], [line.split("\t") for line in (MESSAGES / "expect.tsv").read_text().splitlines() if line and not line.startswith("#")]
    assert {row[0] for row in rows} == {path.stem for path in MESSAGES.glob("*.dat")}
    for name, place, wanted, why in rows:
        house = houses[place]
        problem = differs(house, (MESSAGES / f"{name}.dat").read_bytes(), wanted)
        if problem:
            wrong.append(f"{name} ({why}): {problem}")
        assert is_alive(house, name), name
    assert not wrong, "\n".join(wrong)


def test_rfc_5118(houses):
    house, wrong = houses["example.com"], []
    wire = house.wire.upper()
    for i, (name, (method, uri, vias, contact, body, wanted)) in enumerate(IPV6.items()):
        lines = [f"{method} {uri} SIP/2.0", *(f"Via: SIP/2.0/{wire} {via};branch=z9hG4bKv6{i}{n}" for n, via in enumerate(vias)), "Max-Forwards: 70",
                 "From: <sip:caller@example.net>;tag=81x2", "To: <sip:user@example.com>" + (";tag=9817" if method == "BYE" else ""),
                 f"Call-ID: {i}-9559905523997077@hlau_4100", f"CSeq: {8612 + i} {method}"]
        lines += [f"Contact: {contact}"] if contact else []
        lines += ["Content-Type: application/sdp"] if body else []
        message = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body])
        answer, _ = house.ask(message.encode(), 5 * system.PATIENCE)
        if final(answer) != wanted:
            wrong.append(f"{name}: {final(answer)} in place of {wanted}\n{answer}")
        elif [line for line in answer.splitlines() if line.startswith("Via:")][-len(vias):] != [line for line in lines if line.startswith("Via:")]:
            wrong.append(f"{name}: the Vias come back changed\n{answer}")
    assert not wrong, "\n".join(wrong)
