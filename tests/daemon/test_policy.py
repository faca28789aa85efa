"""Whom we federate with: the rule that decides, sections that are added and removed by command, conflicts, and the zone records."""
import concurrent.futures
import itertools
import json
import os
import re
import socket
import subprocess
import time

import pytest

from harness import dns, pki, servers, stream, system

pytestmark = pytest.mark.skipif(os.environ.get("CI") != "true" and not (system.have("xmppd") and system.have("xmppctl")), reason="xmppd is not built")

INCLUDE = 'include("federation.d/*.conf")\n'
KINDS = ("xmpp-policy", "xmpp-peer", "sip-domain", "sip-route", "sip-peer")


@pytest.fixture
def files():
    """A configuration whose server does not run; federation(text) writes federation.conf."""
    server = servers.Xmppd(["example.com"], {("component", "echo.example.com"): {"secret": "sesame"}})
    server.federation = lambda text: (server.directory / "federation.conf").write_text(text + INCLUDE)
    server.federation("")
    yield server
    server.remove()


def rows(server, kind):
    return json.loads(server.ctl("--json", kind, "list").stdout)


def refused(server, *arguments):
    done = server.ctl(*arguments, check=False)
    assert done.returncode == 1, done
    return done.stderr


def test_the_rule_that_decides_is_named(files):
    files.federation('xmpp-federation { default-policy = deny }\nxmpp-policy "*.example.net" { action = allow }\n'
                     'xmpp-policy "bad.example.net" { action = deny  direction = in }\n')
    for domain, direction, allowed, rule, line in [
            ("bad.example.net", "in", False, "bad.example.net", 3),
            ("bad.example.net", "out", True, "*.example.net", 2),
            ("EXAMPLE.net", "in", True, "*.example.net", 2),
            ("example.org", "in", False, "default-policy", 1),
            ("echo.example.com", "out", False, "component", None),
    ]:
        done = files.ctl("policy", "test", domain, direction, check=False)
        assert done.returncode == (0 if allowed else 1), done
        assert done.stderr == "" and "So say the files" in done.stdout
        first = done.stdout.splitlines()[0]
        assert ("allowed" if allowed else "refused") in first and rule in first, first
        assert line is None or first.endswith(f"federation.conf:{line}"), first
        told = json.loads(files.ctl("--json", "policy", "test", domain, direction, check=False).stdout)
        assert told["allowed"] == allowed and told["rule"] == rule and told["direction"] == direction
        assert line is None or told["place"].endswith(f"federation.conf:{line}")
    assert files.ctl("policy", "test", "example.org", "sideways", check=False).returncode == 2
    assert "not a domain" in refused(files, "policy", "test", "no domain", "in")


def test_sections_come_and_go_by_command(files):
    files.ctl("xmpp-policy", "add", "*.example.net", "deny", "in")
    files.ctl("xmpp-policy", "add", "partner.org", "--action", "allow", "--direction=both")
    files.ctl("xmpp-peer", "add", "partner.org", "required", "--require-valid-certificates", "false")
    files.ctl("sip-domain", "add", "partner.com", "lync", "--description", 'Partner "Inc" \\ Söhne')
    files.ctl("sip-route", "add", ".com.partner.*", "edge.partner.com:5061", "priority=1")
    files.ctl("sip-route", "add", ".com.partner.*", "[2001:db8::1]:5062", "--priority", "2")
    files.ctl("sip-peer", "add", "edge.partner.com", "partner.com")
    assert [(r["name"], r["action"], r["direction"]) for r in rows(files, "xmpp-policy")] == [
        ("*.example.net", "deny", "in"), ("partner.org", "allow", "both")]
    assert [(r["tls"], r["require-valid-certificates"], r["pin"]) for r in rows(files, "xmpp-peer")] == [("required", False, None)]
    assert [(r["type"], r["description"]) for r in rows(files, "sip-domain")] == [("lync", 'Partner "Inc" \\ Söhne')]
    assert [(r["hop"], r["port"], r["priority"]) for r in rows(files, "sip-route")] == [("edge.partner.com", 5061, 1), ("[2001:db8::1]", 5062, 2)]
    assert [r["domains"] for r in rows(files, "sip-peer")] == [["partner.com"]]
    assert all(r["written"] == "by xmppctl" for kind in KINDS for r in rows(files, kind))
    assert files.ctl("policy", "test", "a.example.net", "in", check=False).returncode == 1
    files.ctl("check")

    assert "partner.com" in refused(files, "sip-domain", "del", "partner.com"), "a sip-peer names it"
    files.ctl("sip-peer", "del", "EDGE.partner.com")
    files.ctl("sip-route", "del", ".com.partner.*", "edge.partner.com")
    assert [r["hop"] for r in rows(files, "sip-route")] == ["[2001:db8::1]"]
    files.ctl("sip-route", "del", ".com.partner.*", "[2001:db8::1]")
    files.ctl("sip-domain", "del", "Partner.COM")
    files.ctl("xmpp-peer", "del", "partner.org")
    files.ctl("xmpp-policy", "del", "*.EXAMPLE.net")
    files.ctl("xmpp-policy", "del", "partner.org")
    assert [rows(files, kind) for kind in KINDS] == [[]] * 5
    assert list((files.directory / "federation.d").iterdir()) == []


def test_what_is_written_by_hand_is_left_alone(files):
    files.federation('xmpp-policy "hand.example" { action = deny }\nsip-domain "sip.example" { type = lync }\n'
                     'sip-route "sip.example" { hop "a.example" { } }\n')
    files.ctl("xmpp-policy", "add", "mine.example", "deny")
    path = files.directory / "federation.d" / "xmpp-policy.conf"
    path.write_text(path.read_text() + '# why\nxmpp-policy "lines.example" {\n    action = deny\n}\n')
    for name, place in (("hand.example", "federation.conf:1"), ("lines.example", "federation.d/xmpp-policy.conf:4")):
        assert place in refused(files, "xmpp-policy", "del", name)
        assert place in refused(files, "xmpp-policy", "add", name.upper(), "allow"), "it is there already"
    assert "federation.conf:3" in refused(files, "sip-route", "add", ".example.sip.*", "b.example") + refused(files, "sip-route", "add", "sip.example", "b.example")
    files.ctl("xmpp-policy", "del", "mine.example")
    assert path.read_text().splitlines()[1:] == ["# why", 'xmpp-policy "lines.example" {', "    action = deny", "}"]
    assert {r["name"]: r["written"] for r in rows(files, "xmpp-policy")} == {"hand.example": "by hand", "lines.example": "by hand"}


def test_what_the_daemons_would_refuse_is_never_there(files):
    files.ctl("xmpp-policy", "add", "good.example", "deny")
    before = (files.directory / "federation.d" / "xmpp-policy.conf").read_text()
    for arguments, why in [
            (("xmpp-policy", "add", "bad", "perhaps"), "perhaps"),
            (("xmpp-policy", "add", "bad", "action=perhaps"), "action"),
            (("xmpp-policy", "add", "*", "deny"), "default-policy"),
            (("xmpp-policy", "add", "bad.example"), "action is missing"),
            (("xmpp-policy", "add", "bad.example", "deny", "--action", "allow"), "twice"),
            (("xmpp-policy", "add", "bad.example", "deny", "--colour", "red"), "colour"),
            (("xmpp-policy", "add", "echo.example.com", "allow"), "component"),
            (("xmpp-peer", "add", "example.com"), "domain"),
            (("xmpp-peer", "add", "a.example", "pin=abc"), "SHA-256"),
            (("sip-domain", "add", "example.com", "lync"), "conflict"),
            (("sip-domain", "add", "a.example", "teams"), "teams"),
            (("sip-peer", "add", "edge.example", "nowhere.example"), "no sip-domain"),
    ]:
        stderr = refused(files, *arguments)
        assert why in stderr, (arguments, stderr)
        assert [p.name for p in (files.directory / "federation.d").iterdir()] == ["xmpp-policy.conf"], arguments
    assert (files.directory / "federation.d" / "xmpp-policy.conf").read_text() == before
    assert files.ctl("sip-route", "add", ".com.x.*", check=False).returncode == 2

    # Who was killed half-way has left a file that nobody reads.
    (files.directory / "federation.d" / "xmpp-peer.conf.new").write_text("nonsense\n")
    files.ctl("check")
    files.ctl("xmpp-policy", "add", "better.example", "deny")
    assert not (files.directory / "federation.d" / "xmpp-peer.conf.new").exists()

    (files.directory / "federation.conf").write_text("")
    assert "include" in refused(files, "xmpp-peer", "add", "a.example", "required")


def test_many_may_write_at_once(files):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: files.ctl("xmpp-policy", "add", f"d{i}.example", "deny"), range(12)))
    assert {r["name"] for r in rows(files, "xmpp-policy")} == {f"d{i}.example" for i in range(12)}


def test_changes_take_effect_in_the_running_server():
    server = servers.Xmppd(["example.com"], {("component", "echo.example.com"): {"secret": "sesame"}})
    (server.directory / "federation.conf").write_text(INCLUDE)
    server.start()
    try:
        with pytest.raises(stream.StreamError):
            join(server, "new.test")
        assert "in force in xmppd" in server.ctl("sip-domain", "add", "new.test", "simple").stdout
        join(server, "new.test").close()
        told = json.loads(server.ctl("--json", "sip-domain", "del", "new.test").stdout)
        assert told["done"] == "removed" and "xmppd" in told["report"]
        with pytest.raises(stream.StreamError):
            join(server, "new.test")
    finally:
        assert server.stop() is None
        server.remove()


def join(server, domain):
    part = stream.Stream("127.0.0.1", server.component_port, stream.COMPONENT)
    try:
        part.handshake(domain, "sesame")
    except BaseException:
        part.cut()
        raise
    return part


def check(server):
    return subprocess.run([system.program("xmppd"), "-t", "-c", server.config], capture_output=True, text=True, timeout=60 * system.PATIENCE)


def test_conflicts_name_both_places(files):
    files.federation('sip-domain "a.example" { type = lync }\nxmpp-policy "a.example" { action = allow }\nxmpp-peer "a.example" { }\n'
                     'xmpp-policy "echo.example.com" { action = allow }\n')
    done = check(files)
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if "federation.conf" in line]
    assert re.search(r"federation\.conf:2: .*federation\.conf:1", lines[0]), lines
    assert any(re.search(r"federation\.conf:3: .*federation\.conf:1", line) for line in lines), lines
    assert any(re.search(r"federation\.conf:4: .*xmppd\.conf:\d+", line) for line in lines), lines


def test_a_hundred_thousand_exceptions_are_read_in_seconds(files):
    files.federation("".join(f'xmpp-policy "{"*." if i % 2 else ""}d{i}.example.net" {{ action = deny  direction = both }}\n' for i in range(100000)))
    began = time.monotonic()
    done = check(files)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < 10 * system.PATIENCE
    assert files.ctl("policy", "test", "x.d99999.example.net", "in", check=False).stdout.splitlines()[0].endswith("federation.conf:100000")


def records(server, *arguments):
    told = json.loads(server.ctl("--json", "dns-records", *arguments).stdout)
    return told["host"], {(r["name"], r["priority"], r["port"], r["target"]) for r in told["records"]}


def test_zone_records(files):
    files.settings.update({
        "hostname": "xmpp.example.com", ("domain", "bücher.example"): files.settings[("domain", "example.com")],
        ("chat", "rooms.example.com"): {"aliases": ["rooms-2.example.com"]},
        "c2s": {"listen": ["127.0.0.1:5222", "127.0.0.1:52220"], "listen-tls": ["127.0.0.1:5223"]}, "s2s": {"listen": ["0.0.0.0:5269"], "listen-tls": ["0.0.0.0:5270"]}})
    files.write()
    files.federation('email { enabled = true  domains = { "mail.example" } }\nsip-domain "partner.com" { type = lync }\n')
    files.ctl("user", "add", "ann@example.com", "--password", "x", "--mail", "ann@people.example")
    host, found = records(files)
    expected = set()
    for domain, has_clients in (("example.com", True), ("xn--bcher-kva.example", True), ("echo.example.com", False), ("rooms.example.com", False),
                                ("rooms-2.example.com", False), ("mail.example", False), ("people.example", False)):
        services = [("_xmpp-server", 0, 5269), ("_xmpps-server", 0, 5270)]
        services += [("_xmpp-client", 0, 5222), ("_xmpp-client", 1, 52220), ("_xmpps-client", 0, 5223)] if has_clients else []
        expected |= {(f"{service}._tcp.{domain}.", priority, port, "xmpp.example.com.") for service, priority, port in services}
    assert host == "xmpp.example.com" and found == expected

    zone = files.ctl("dns-records").stdout
    line = re.compile(r"(_[a-z-]+\._tcp\.\S+\.)\s+IN SRV (\d+) \d+ (\d+) (\S+\.)$")
    assert all(text == "" or text.startswith(";") or line.match(text) for text in zone.splitlines()), zone
    assert {(m[1], int(m[2]), int(m[3]), m[4]) for m in filter(None, map(line.match, zone.splitlines()))} == expected
    assert "this machine only" in zone, "clients listen on loopback"

    gateway = files.directory / "elsewhere.conf"
    gateway.write_text('local-domains = { "example.com", "other.example" }\nrouting-fqdn = "sip.example.com"\nlisten "tcp" { transport = tcp  port = 5060 }\n'
                       'listen "peer-auth" { port = 5062  transport = tls  advertise-port = 5061 }\nxmpp { secret = x }\n')
    sip = {("_sipfederationtls._tcp.example.com.", 0, 5061, "sip.example.com."), ("_sipfederationtls._tcp.other.example.", 0, 5061, "sip.example.com.")}
    assert records(files, "--sipcomp", str(gateway))[1] == expected | sip
    assert "sip.example.com is not in other.example" in files.ctl("dns-records", "--sipcomp", str(gateway)).stdout
    assert "no _sipfederationtls._tcp.mail.example" in files.ctl("dns-records", "--sipcomp", str(gateway)).stdout
    gateway.rename(files.directory / "sipcomp.conf")
    assert records(files)[1] == expected | sip, "sipcomp.conf beside xmppd.conf is found"
    assert "cannot read" in refused(files, "dns-records", "--sipcomp", "/nonexistent")
    files.federation("xmpp-federation { enabled = false }\n")
    assert {name.split(".")[0] for name, *_ in records(files)[1]} == {"_xmpp-client", "_xmpps-client", "_sipfederationtls"}


class Two:
    """Two of our servers that find each other, with juliet on the first and romeo on the second."""

    def __init__(self, names, federation="", workers=1):
        self.servers = []
        for domain, user in (("capulet.example", "juliet"), ("montague.example", "romeo")):
            server = servers.Xmppd([domain], workers=workers)
            server.settings["s2s"] = {"listen": [f"127.0.0.1:{server.s2s}"], "listen-tls": [], "trust": str(pki.shared().ca), "max-wait": 2}
            server.settings["dns"] = {"servers": [names.address]}
            server.write()
            (server.directory / "federation.conf").write_text(federation + INCLUDE)
            server.add_users([(f"{user}@{domain}", "secret")])
            names.srv(f"_xmpp-server._tcp.{domain}", [(0, 5, server.s2s, f"xmpp.{domain}")])
            names.host(f"xmpp.{domain}", "127.0.0.1")
            self.servers.append(server)
        for server in self.servers:
            server.start()
        self.clients = [sign_in(self.servers[0], "juliet", "capulet.example"), sign_in(self.servers[1], "romeo", "montague.example")]

    def say(self, sender, text):
        """The message as it arrives, or the error that comes back: (who heard of it, the node)."""
        to = "romeo@montague.example" if sender == 0 else "juliet@capulet.example"
        self.clients[sender].send(f'<message to="{to}" type="chat" id="{text}"><body>{text}</body></message>')
        end = time.monotonic() + 30 * system.PATIENCE
        while time.monotonic() < end:
            for who, client in enumerate(self.clients):
                event = client.receive(0.1)
                if event is not None and event[0] == "stanza" and event[1].local == "message" and event[1].get("id") == text:
                    return who, event[1]
        raise AssertionError(f"{text}: nothing came")

    def stop(self):
        for client in self.clients:
            client.cut()
        for server in self.servers:
            assert not server.process.alive() or server.stop() is None
            server.remove()


def sign_in(server, user, domain):
    link = stream.Stream("127.0.0.1", server.c2s)
    link.secure(domain)
    link.login(user, domain, "secret")
    link.bind(domain, "x")
    link.send("<presence/>")
    return link


def streams(server, remote):
    return [row for row in json.loads(server.ctl("--json", "s2s").stdout)["streams"] if row["remote"] == remote]


@pytest.mark.parametrize("workers", [1, 4])
def test_a_changed_policy_acts_on_streams_that_are_up(workers):
    with dns.Server() as names:
        two = Two(names, workers=workers)
        capulet = two.servers[0]
        try:
            assert two.say(0, "one")[0] == 1 and two.say(1, "two")[0] == 0
            assert streams(capulet, "montague.example")

            capulet.ctl("xmpp-policy", "add", "montague.example", "deny")
            assert system.wait_until(lambda: not streams(capulet, "montague.example"), 5, 0.1)
            assert "federation.d/xmpp-policy.conf:2" in capulet.process.log()
            who, node = two.say(0, "three")
            assert who == 0 and node.get("type") == "error" and "not-allowed" in str(node), node
            who, node = two.say(1, "four")
            assert who == 1 and node.get("type") == "error", node
            refusals = [line for line in capulet.process.log().splitlines() if " s2s.in " in line and "xmpp-policy.conf:2" in line]
            assert len(refusals) == 1 and "refused: montague.example" in refusals[0], refusals

            capulet.ctl("xmpp-policy", "del", "montague.example")
            assert two.say(0, "five")[0] == 1 and two.say(1, "six")[0] == 0

            capulet.ctl("xmpp-policy", "add", "*.example", "deny", "out")
            who, node = two.say(0, "seven")
            assert who == 0 and "not-allowed" in str(node), node
            assert two.say(1, "eight")[0] == 0

            capulet.ctl("xmpp-policy", "add", "montague.example", "deny", "in")
            capulet.ctl("xmpp-policy", "del", "*.example")
            assert two.say(0, "nine")[0] == 1
            who, node = two.say(1, "ten")
            assert who == 1 and node.get("type") == "error", node

            # A stream that both directions shared (XEP-0288) goes on in one.
            capulet.ctl("xmpp-policy", "del", "montague.example")
            assert two.say(0, "eleven")[0] == 1
            tries = itertools.count()       # a refusal is remembered for a moment
            assert system.wait_until(lambda: two.say(1, f"twelve-{next(tries)}")[0] == 0, 20, 0.2)
            capulet.ctl("xmpp-policy", "add", "montague.example", "deny", "in")
            assert two.say(0, "thirteen")[0] == 1
            who, node = two.say(1, "fourteen")
            assert who == 1 and node.get("type") == "error", node
        finally:
            two.stop()


@pytest.mark.parametrize("direction, sender", [("in", 0), ("out", 1)])
def test_one_direction_by_dialback(direction, sender):
    """The direction that is allowed is proven by a question in the other one (XEP-0220), which carries nothing else."""
    with dns.Server() as names:
        two = Two(names, "xmpp-federation { tls = none }\n")
        try:
            two.servers[0].ctl("xmpp-policy", "add", "montague.example", "deny", direction)
            who, node = two.say(sender, "allowed")
            assert who == 1 - sender and node.get("type") == "chat", node
            who, node = two.say(1 - sender, "denied")
            assert who == 1 - sender and node.get("type") == "error", node
        finally:
            two.stop()


def test_what_the_running_server_cannot_take_is_said(files):
    """Its files are good, but a port that they ask for is taken: it keeps all of its old configuration."""
    files.start()
    try:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            files.settings["s2s"] = {"listen": [f"127.0.0.1:{taken.getsockname()[1]}"], "listen-tls": []}
            files.write()
            done = files.ctl("xmpp-policy", "add", "a.example", "deny", check=False)
        assert done.returncode == 1 and "keeps its old configuration" in done.stderr and "not in force" in done.stdout, done
        assert [r["name"] for r in rows(files, "xmpp-policy")] == ["a.example"]
        files.ctl("reload")
    finally:
        assert files.stop() is None
