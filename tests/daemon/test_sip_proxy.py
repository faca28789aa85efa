"""A balancer in front of sipcomp: the PROXY head in front of a connection says where it comes from, if the balancer is one of ours (product 3.10)."""
import os
import socket
import ssl
import struct
import time

import pytest

from harness import config, pki, servers, sip, system

pytestmark = pytest.mark.skipif(os.environ.get("CI") != "true" and not (system.have("sipcomp") and system.have("xmppd")), reason="sipcomp or xmppd is not built")
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
OPTIONS = ("OPTIONS sip:juliet@capulet.example SIP/2.0\r\nVia: SIP/2.0/{0} proxy.simple.test;branch=z9hG4bK{1}\r\nMax-Forwards: 70\r\n"
           "From: <sip:erin@simple.test>;tag=1\r\nTo: <sip:juliet@capulet.example>\r\nCall-ID: {1}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n")


def line(source):
    return f"PROXY TCP4 {source} 192.0.2.1 41522 5060\r\n".encode()


def block(source):
    return SIGNATURE + b"\x21\x11\0\x0c" + socket.inet_aton(source) + socket.inet_aton("192.0.2.1") + struct.pack(">HH", 41522, 5060)


def block_of_itself():
    return SIGNATURE + b"\x20\0\0\0"


@pytest.fixture(scope="module")
def gateway():
    """Over TCP only 192.0.2.7 may speak for simple.test."""
    federation = servers.sip_federation(["simple.test"], {"simple.test": 5060}, "tcp")
    federation["sip-route", "simple.test"] = {("hop", "192.0.2.7"): {"port": 5060, "transport": "tcp", "priority": 1, "weight": 1}}
    server = servers.Xmppd(["capulet.example"], {}, federation)
    gateway = servers.Sipcomp(server, ["capulet.example"], ["simple.test"], settings={"proxy-from": ["127.0.0.0/8", "2001:db8::/32"]}, federation=federation)
    server.start()
    gateway.start()
    yield gateway
    assert (gateway.stop(), server.stop()) == (None, None)


def status(connection):
    """Of the answer; None when the connection is closed without one."""
    connection.settimeout(5 * system.PATIENCE)
    try:
        answer = connection.recv(4096)
    except ConnectionError:
        return None
    return int(answer.split()[1]) if answer else None


def ask(gateway, *pieces, pause=0.0):
    with socket.create_connection(("127.0.0.1", gateway.tcp_port)) as connection:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)
        return status(connection)


def options(name, wire="TCP"):
    return OPTIONS.format(wire, name).encode()


@pytest.mark.parametrize("head", [line, block], ids=["line", "block"])
def test_the_head_says_who_speaks(gateway, head):
    assert ask(gateway, head("192.0.2.7") + options("a" + head.__name__)) == 200
    assert ask(gateway, head("192.0.2.8") + options("b" + head.__name__)) == 403


def test_the_head_may_come_in_pieces(gateway):
    text = block("192.0.2.7") + options("pieces")
    assert ask(gateway, *[text[i:i + 5] for i in range(0, 40, 5)], text[40:], pause=0.01) == 200


def test_the_balancer_may_speak_for_itself(gateway):
    assert ask(gateway, block_of_itself() + options("itself")) == 403     # 127.0.0.1 is no hop


def test_tls_begins_behind_the_head(gateway):
    """Also when both come in one segment."""
    context = sip.contexts(pki.shared().directory, "simple")["client"]
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing)
    with socket.create_connection(("127.0.0.1", gateway.tls_port)) as connection:
        connection.settimeout(5 * system.PATIENCE)
        pending = line("192.0.2.99")

        def step(what, *arguments):
            nonlocal pending
            while True:
                try:
                    return what(*arguments)
                except ssl.SSLWantReadError:
                    connection.sendall(pending + outgoing.read())
                    pending = b""
                    incoming.write(connection.recv(65536))

        step(tls.do_handshake)
        tls.write(options("tls", "TLS"))
        connection.sendall(outgoing.read())
        assert b"SIP/2.0 200" in step(tls.read, 4096)
    assert "192.0.2.99" not in gateway.process.log()


@pytest.mark.parametrize("bytes_", [options("bare"), b"PROXY TCP4 nonsense\r\n", b"PROXY " + b"x" * 200, SIGNATURE + b"\x21\x11\xff\xff", b"\x16\x03\x01\0\5"],
                         ids=["nothing", "nonsense", "long", "huge", "tls"])
def test_without_a_head_a_balancer_is_not_heard(gateway, bytes_):
    assert ask(gateway, bytes_) is None


def test_who_connects_and_says_nothing_is_a_health_check(gateway):
    before = len(gateway.process.log(True))
    for _ in range(5):
        socket.create_connection(("127.0.0.1", gateway.tcp_port)).close()
    assert ask(gateway, line("192.0.2.7") + options("health")) == 200
    assert gateway.process.log(True)[before:].count("PROXY") == 0


def test_from_others_a_head_is_no_word_of_sip(gateway):
    text = gateway.config.read_text()
    try:
        gateway.config.write_text(text.replace('"127.0.0.0/8"', '"192.0.2.0/24"'))
        gateway.process.signal(1)
        assert system.wait_until(lambda: "reloaded" in gateway.process.log(), 5)
        assert ask(gateway, line("192.0.2.7") + options("forged")) is None
        assert ask(gateway, options("plain")) == 403
    finally:
        gateway.config.write_text(text)
        gateway.process.signal(1)
