"""A SIP peer that means no good: what it gets, that it costs little, and that an innocent one is served meanwhile (DIALECTS.md 3.2 and 14)."""
import os
import re
import socket
import time

import pytest

from harness import person, pki, servers, sip, system

pytestmark = [pytest.mark.sip, pytest.mark.skipif(os.environ.get("CI") != "true" and not (system.have("xmppd") and system.have("sipcomp")),
                                                   reason="needs xmppd and sipcomp")]
US, JULIET = "capulet.example", "juliet@capulet.example"
OURS, THEIRS = "lync.test", "simple.test"       # the innocent one, and the one that attacks
SDP = sip.sdp()


class Stage:
    def __init__(self):
        self.server = servers.Xmppd([US], {}, servers.sip_federation([OURS, THEIRS], {OURS: 5061, THEIRS: 5061}))
        self.gateway = servers.Sipcomp(self.server, [US], [OURS, THEIRS])
        self.server.start()
        self.server.add_users([(JULIET, "pencil")])
        self.gateway.start()
        assert system.wait_until(lambda: OURS in self.server.ctl("components").stdout, 15, 0.1)
        self.juliet = person.Person(self.server, JULIET, "pencil")
        self.friend = self.peer(OURS, "lync-edge")
        self.count = 0

    def peer(self, domain, certificate):
        return sip.Peer(domain, "127.0.0.1", 0, ("127.0.0.1", self.gateway.tls_port), sip.contexts(pki.shared().directory, certificate))

    def connect(self, certificate="simple"):
        """A bare TLS connection."""
        made = socket.create_connection(("127.0.0.1", self.gateway.tls_port), 5)
        made.settimeout(5 * system.PATIENCE)
        return sip.contexts(pki.shared().directory, certificate)["client"].wrap_socket(made)

    def request(self, method, more="", body="", user="erin", to=JULIET, tag="", cseq=1, call=None, domain=THEIRS):
        self.count += 1
        head = (f"{method} sip:{to} SIP/2.0\r\nVia: SIP/2.0/TLS proxy.{domain};branch=z9hG4bKh{self.count}\r\nMax-Forwards: 70\r\nFrom: <sip:{user}@{domain}>;tag=f{user}\r\n"
                f"To: <sip:{to}>{f';tag={tag}' if tag else ''}\r\nCall-ID: {call or f'h{self.count}'}\r\nCSeq: {cseq} {method}\r\n"
                f"Contact: <sip:{user}@proxy.{domain};transport=tls>\r\n{more}Content-Length: {len(body)}\r\n\r\n{body}")
        return head.encode()

    def subscribe(self, **more):
        return self.request("SUBSCRIBE", "Event: presence\r\nExpires: 600\r\n", **more)

    def innocent_is_served(self):
        """Within a second: an OPTIONS, and a line that reaches Juliet."""
        began = time.monotonic()
        self.count += 1
        dialog = self.friend.new_dialog("carol", f"sip:{JULIET}")
        self.friend.request("MESSAGE", dialog, [("Content-Type", "text/plain")], f"line {self.count}".encode())
        answer = self.friend.receive(5 * system.PATIENCE)
        assert answer is not None and answer.status == 200, answer
        wanted = f"line {self.count}"
        self.juliet.expect("the innocent line", lambda n: n.local == "message" and n.find("body") is not None and n.find("body").text() == wanted)
        assert time.monotonic() - began < system.PATIENCE, "others had to wait"

    def memory(self):
        with open(f"/proc/{self.gateway.process.child.pid}/smaps_rollup") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("Anonymous:"))

    def grew_less_than(self, before, mib):
        if not re.search("asan|tsan", str(system.BUILD)):           # a sanitizer has memory of its own
            assert self.memory() - before < mib * 1024, f"{before} KiB, then {self.memory()} KiB"

    def stop(self):
        self.friend.stop()
        assert (self.gateway.stop(), self.server.stop()) == (None, None)


@pytest.fixture(scope="module")
def stage():
    made = Stage()
    yield made
    made.stop()


def statuses(connection, count, seconds=5):
    """The final answers that come, at most count of them."""
    text, found, end = b"", [], time.monotonic() + seconds * system.PATIENCE
    while len(found) < count and time.monotonic() < end:
        connection.settimeout(max(0.01, end - time.monotonic()))
        try:
            piece = connection.recv(65536)
        except OSError:
            break
        if not piece:
            break
        text += piece
        found = [status for status in re.findall(rb"(?m)^SIP/2\.0 (\d+)", text) if status >= b"200"]
    return [int(status) for status in found]


def test_one_who_never_reads_is_let_go(stage):
    before, connection = stage.memory(), stage.connect()
    said = "closed: it does not read what it is sent"
    for _ in range(4000):
        try:
            connection.sendall(stage.request("OPTIONS") * 50)
        except OSError:
            break
        if said in stage.gateway.process.log():
            break
    assert system.wait_until(lambda: said in stage.gateway.process.log(), 10)
    stage.innocent_is_served()
    connection.close()
    stage.grew_less_than(before, 40)


def test_one_who_writes_byte_by_byte_holds_nobody_up(stage):
    with stage.connect() as connection:
        for byte in stage.request("OPTIONS")[:60]:
            connection.sendall(bytes([byte]))
        stage.innocent_is_served()


def test_connections_of_one_address_are_bounded(stage):
    """Those that have said nothing go first; nobody who is being served does."""
    before, made = stage.memory(), []
    for _ in range(400):
        try:
            made.append(socket.create_connection(("127.0.0.1", stage.gateway.tls_port), 5))
        except OSError:
            break
    time.sleep(0.2)
    stage.innocent_is_served()
    for connection in made:
        connection.close()
    stage.grew_less_than(before, 40)


def test_dialogs_of_one_user_are_bounded(stage):
    before = stage.memory()
    with stage.connect() as connection:
        wanted = 1050
        for i in range(0, wanted, 50):
            connection.sendall(b"".join(stage.subscribe(user="greedy", call=f"g{i + n}") for n in range(50)))
        got = statuses(connection, wanted, 30)
    # The NOTIFYs that come between them are not answered: nothing that a flood costs lasts.
    assert len(got) == wanted and set(got) == {200, 503} and got.count(200) <= 1000
    stage.innocent_is_served()
    stage.grew_less_than(before, 30)


def test_unknown_users_cost_no_more_than_others(stage):
    before = stage.memory()
    with stage.connect() as connection:
        connection.sendall(b"".join(stage.subscribe(user="curious", to=f"nobody{i}@{US}") for i in range(500)))
        assert set(statuses(connection, 500, 20)) <= {200, 503}
    stage.innocent_is_served()
    stage.grew_less_than(before, 20)


def test_invitations_that_nobody_acknowledges(stage):
    before = stage.memory()
    with stage.connect() as connection:
        connection.sendall(b"".join(stage.request("INVITE", "Content-Type: application/sdp\r\n", SDP, user=f"u{i}") for i in range(500)))
        got = statuses(connection, 500, 20)
        assert len(got) >= 500 and set(got) <= {200, 488, 503}
        stage.innocent_is_served()
    stage.grew_less_than(before, 30)


def test_a_storm_of_cancels(stage):
    with stage.connect() as connection:
        connection.sendall(b"".join(stage.request("CANCEL", call=f"c{i}") for i in range(1000)))
        assert set(statuses(connection, 1000, 20)) == {481}
    stage.innocent_is_served()


@pytest.mark.parametrize("more, body, wanted", [
    ("".join(f"X-{i}: x\r\n" for i in range(300)), "", {513}),
    ("Subject: " + "x" * 17000 + "\r\n", "", {513}),
    ("Supported: " + ", ".join(f"o{i}" for i in range(100)) + "\r\n", "", {513, 400}),
    ("Subject: " + "\r\n ".join(["x" * 4000] * 20) + "\r\n", "", {513, 400}),
    ("Content-Type: text/plain\r\n", "x" * 300000, {413}),
    ("Content-Type: text/plain\r\n", "x" * 100000, {413}),
], ids=["lines", "line", "list", "head", "body", "text"])
def test_what_is_too_much_has_its_answer(stage, more, body, wanted):
    with stage.connect() as connection:
        try:
            connection.sendall(stage.request("MESSAGE", more, body))
        except OSError:
            pass                                # refused while we were still writing: the answer may be there
        got = statuses(connection, 1)
    assert set(got) <= wanted and (got or wanted == {413}), got
    stage.innocent_is_served()


def test_a_dialog_of_others_is_none_of_his(stage):
    """Call-ID and tags known, the certificate another one: 481, and Juliet hears nothing."""
    edge = sip.Peer(OURS, "127.0.0.1", stage.gateway.peers[OURS], ("127.0.0.1", stage.gateway.tls_port), sip.contexts(pki.shared().directory, "lync-edge"))
    try:
        stage.juliet.send(f"<message type='chat' id='s1' to='carol@{OURS}'><body>between us</body></message>")
        invite = edge.receive(10 * system.PATIENCE)
        assert invite is not None and invite.method == "INVITE"
        edge.respond(invite, 200, "OK", [("Content-Type", "application/sdp")], sip.sdp("sip:carol@lync.test"), tag="known")
        ack, message = edge.receive(5 * system.PATIENCE), edge.receive(5 * system.PATIENCE)
        assert ack.method == "ACK" and message.method == "MESSAGE"
        edge.respond(message, 200, "OK")
        ours = invite.tag("From")
        for user, domain in (("carol", THEIRS), ("carol", OURS)):       # in his own name, and in hers
            with stage.connect() as connection:
                connection.sendall(stage.request("MESSAGE", "Content-Type: text/plain\r\n", "a lie", user=user, tag=ours, call=invite.get("Call-ID"), cseq=7, domain=domain))
                assert statuses(connection, 1) == [481 if domain == THEIRS else 403]
                connection.sendall(stage.request("BYE", user=user, tag=ours, call=invite.get("Call-ID"), cseq=8, domain=domain))
                assert statuses(connection, 1)[0] in (481, 403)
        stage.juliet.send(f"<message type='chat' id='s2' to='carol@{OURS}'><body>still here</body></message>")
        message = edge.receive(10 * system.PATIENCE)
        assert message.method == "MESSAGE" and message.text() == "still here"
        edge.respond(message, 200, "OK")
        stage.juliet.nothing("a lie", lambda n: n.find("body") is not None and n.find("body").text() == "a lie")
    finally:
        edge.stop()


def test_answers_that_belong_to_nobody(stage):
    with stage.connect() as connection:
        for status in ("200 OK", "481 No", "603 Decline", "100 Trying"):
            connection.sendall((f"SIP/2.0 {status}\r\nVia: SIP/2.0/TLS sip.example.com;branch=z9hG4bKguess\r\nFrom: <sip:{JULIET}>;tag=a\r\n"
                                f"To: <sip:erin@{THEIRS}>;tag=b\r\nCall-ID: guess\r\nCSeq: 1 SUBSCRIBE\r\nContent-Length: 0\r\n\r\n").encode())
        connection.sendall(stage.request("OPTIONS"))
        assert statuses(connection, 1) == [200]


def test_a_connection_cut_in_the_middle_of_anything(stage):
    """Every message of a subscription and of a session, cut at several places: what came in part counts for nothing."""
    messages = [stage.subscribe(call="cut"), stage.request("INVITE", "Content-Type: application/sdp\r\n", SDP, call="cut2"),
                stage.request("MESSAGE", "Content-Type: text/plain\r\n", "in part", call="cut3"), stage.request("OPTIONS", call="cut4")]
    for message in messages:
        for part in (1, 2, 3, 4, 5, 6, 7):
            with stage.connect() as connection:
                connection.sendall(message[:len(message) * part // 8])
    stage.innocent_is_served()
    stage.juliet.nothing("a text in part", lambda n: n.find("body") is not None and n.find("body").text().startswith("in p"))
