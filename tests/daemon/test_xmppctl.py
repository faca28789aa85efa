"""xmppctl: accounts, import, what is going on, checks; while the server runs and while it does not."""
import json
import os
import subprocess
import time

import pytest

from harness import servers, stream, system

pytestmark = pytest.mark.skipif(os.environ.get("CI") != "true" and not (system.have("xmppd") and system.have("xmppctl")), reason="xmppd is not built")


@pytest.fixture(scope="module")
def xmppd():
    server = servers.Xmppd(["example.com", "example.org"], {("component", "echo.example.com"): {"secret": "sesame"}}).start()
    yield server
    assert server.stop() is None


def signs_in(server, jid, password, mechanism="SCRAM-SHA-256"):
    local, _, domain = jid.partition("@")
    link = stream.Stream("127.0.0.1", server.c2s)
    try:
        link.secure(domain)
        link.login(local, domain, password, mechanism)
        link.bind(domain, "x")
        return True
    except stream.StreamError as e:
        assert "refused" in str(e), e
        return False
    finally:
        link.cut()


def test_accounts_come_change_and_go(xmppd):
    xmppd.ctl("user", "add", "ann@example.com", "--password", "first", "--mail", "ann@mail.example", "--name", "Ann")
    assert signs_in(xmppd, "ann@example.com", "first")
    assert signs_in(xmppd, "ann@example.com", "first", "SCRAM-SHA-1")
    assert signs_in(xmppd, "ann@example.com", "first", "PLAIN")
    assert not signs_in(xmppd, "ann@example.com", "second")
    xmppd.ctl("user", "passwd", "ann@example.com", "--password", "second")
    assert signs_in(xmppd, "ann@example.com", "second")
    assert not signs_in(xmppd, "ann@example.com", "first")
    shown = xmppd.ctl("user", "show", "ann@example.com").stdout
    assert "ann@example.com" in shown and "ann@mail.example" in shown and "Ann" in shown
    assert "second" not in shown
    xmppd.ctl("user", "del", "ann@example.com")
    assert not signs_in(xmppd, "ann@example.com", "second")
    assert "ann@example.com" not in xmppd.ctl("user", "list").stdout


def check_mail_addresses(server, name, number):
    """name@ has an address; who else wants it is refused, by set, add and import."""
    def refused(*arguments):
        done = server.ctl(*arguments, check=False)
        assert done.returncode == 1, done.stdout
        return done.stderr

    path, other = server.directory / "people.jsonl", f"other{number}@example.com"
    server.ctl("user", "add", name, "--password", "x", "--mail", f"{name[:3]}.Mail@mail.example")
    server.ctl("user", "add", other, "--password", "x")
    told = refused("user", "set", other, "--mail", f"{name[:3]}.mail@mail.example")
    assert name in told and f"{name[:3]}.mail@mail.example" in told
    assert name in refused("user", "add", f"third{number}@example.com", "--password", "x", "--mail", f"{name[:3]}.mail@mail.example")
    assert "JID" in refused("user", "set", other, "--mail", name)
    assert "component at" in refused("user", "set", other, "--mail", "x@echo.example.com")
    server.ctl("user", "set", name, "--name", "Somebody")
    server.ctl("user", "set", name, "--mail", f"{name[:3]}@mail.example")
    people = (("a", "a@mail.example"), ("b", "A@mail.example"), ("c", f"{name[:3]}@mail.example"))
    path.write_text("".join(json.dumps({"jid": f"{who}{number}@example.com", "password": "x", "mail": mail}) + "\n" for who, mail in people))
    told = refused("import", path)
    assert f"people.jsonl:2: the mail address a@mail.example is that of a{number}@example.com" in told and "nothing was imported" in told, told
    path.write_text(path.read_text().replace('"A@', f'"b{number}@'))
    assert f"people.jsonl:3: the mail address {name[:3]}@mail.example is that of {name}" in refused("import", path)
    server.ctl("user", "set", other, "--mail", f"{name[:3]}.mail@mail.example")


def test_a_mail_address_is_that_of_one_account():
    server = servers.Xmppd(["example.com"], {("component", "echo.example.com"): {"secret": "sesame"}, "email": {"enabled": True}})
    try:
        check_mail_addresses(server, "kim@example.com", 0)
        server.start()
        check_mail_addresses(server, "lee@example.com", 1)
        assert server.stop() is None
    finally:
        server.process.kill()
        server.remove()


def test_the_address_that_others_see_is_shown():
    server = servers.Xmppd(["example.com"], {"email": {"enabled": True}})
    try:
        server.ctl("user", "add", "ann@example.com", "--password", "x", "--mail", "Ann@mail.example")
        server.ctl("user", "add", "bob@example.com", "--password", "x", "--mail", "nonsense")
        for name, seen in (("ann@example.com", "ann@mail.example"), ("bob@example.com", "bob@example.com")):
            assert json.loads(server.ctl("--json", "user", "show", name).stdout)["federation"] == seen
    finally:
        server.remove()


def test_the_password_may_come_on_standard_input(xmppd):
    xmppd.ctl("user", "add", "ben@example.org", "--password-stdin", stdin="päss wörd\n")
    assert signs_in(xmppd, "ben@example.org", "päss wörd")
    assert not signs_in(xmppd, "ben@example.org", "päss wörd ")


def test_the_list_can_be_cut_down_to_a_domain(xmppd):
    xmppd.ctl("user", "add", "cat@example.com", "--password", "x")
    xmppd.ctl("user", "add", "cat@example.org", "--password", "x")
    both = xmppd.ctl("user", "list").stdout
    assert "cat@example.com" in both and "cat@example.org" in both
    one = xmppd.ctl("user", "list", "example.org").stdout
    assert "cat@example.com" not in one and "cat@example.org" in one


@pytest.mark.parametrize("arguments", [
    ("user", "add", "cat@example.com", "--password", "again"),      # exists
    ("user", "add", "cat@nowhere.example", "--password", "x"),      # no domain of ours
    ("user", "add", "@example.com", "--password", "x"),
    ("user", "add", "dan@example.com", "--password", ""),
    ("user", "passwd", "nobody@example.com", "--password", "x"),
    ("user", "del", "nobody@example.com"),
    ("user", "show", "nobody@example.com"),
    ("import", "/nonexistent"),
], ids=lambda a: " ".join(a))
def test_what_cannot_be_done_is_said_in_one_line(xmppd, arguments):
    xmppd.ctl("user", "add", "cat@example.com", "--password", "x", check=False)
    done = xmppd.ctl(*arguments, check=False)
    assert done.returncode == 1, done
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


@pytest.mark.parametrize("arguments", [(), ("nonsense",), ("user",), ("user", "add"), ("user", "add", "x@example.com")], ids=lambda a: " ".join(a) or "none")
def test_wrong_usage(xmppd, arguments):
    done = xmppd.ctl(*arguments, check=False, stdin="")
    assert done.returncode == 2, done


def test_ten_thousand_accounts_in_seconds(xmppd):
    path = xmppd.directory / "many.jsonl"
    keys = ["SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="]
    path.write_text("".join(json.dumps({"jid": f"bulk{i}@example.com", "keys": keys}) + "\n" for i in range(10000)))
    began = time.monotonic()
    xmppd.ctl("import", str(path))
    assert time.monotonic() - began < 10 * system.PATIENCE
    assert xmppd.ctl("user", "list", "example.com").stdout.count("bulk") == 10000
    # RFC 7677's example keys
    assert signs_in(xmppd, "bulk9999@example.com", "pencil")


def test_sessions_name_the_client(xmppd):
    """XEP-0115: what the client says of itself, believed once its hash is right."""
    xmppd.ctl("user", "add", "adam@example.com", "--password", "x")
    link = stream.Stream("127.0.0.1", xmppd.c2s)
    link.secure("example.com")
    link.login("adam", "example.com", "x")
    link.bind("example.com", "desk")
    try:
        assert session_of(xmppd, "adam@example.com/desk")["client"] == ""
        link.send('<presence><c xmlns="http://jabber.org/protocol/caps" hash="sha-1" node="urn:exodus" ver="QgayPKawpkPSDYmwT/WM94uAlu0="/></presence>')
        question = link.wait("iq")
        features = "".join(f'<feature var="http://jabber.org/protocol/{name}"/>' for name in ("caps", "disco#info", "disco#items", "muc"))
        link.send(f'<iq type="result" to="example.com" id="{question.attributes["id"]}"><query xmlns="http://jabber.org/protocol/disco#info">'
                  f'<identity category="client" type="pc" name="Exodus 0.9.1"/>{features}</query></iq>')
        assert system.wait_until(lambda: session_of(xmppd, "adam@example.com/desk")["client"] == "Exodus 0.9.1", 5, 0.1)
        assert "Exodus 0.9.1" in xmppd.ctl("sessions").stdout
    finally:
        link.close()


def session_of(xmppd, jid):
    return next(row for row in json.loads(xmppd.ctl("--json", "sessions").stdout)["sessions"] if row["jid"] == jid)


def test_a_bad_line_of_an_import_is_named(xmppd):
    path = xmppd.directory / "bad.jsonl"
    path.write_text('{"jid": "fine@example.com", "password": "x"}\n{"jid": "no password@", "password": "x"}\n')
    done = xmppd.ctl("import", str(path), check=False)
    assert done.returncode == 1
    assert "2" in done.stderr, done.stderr


def test_sessions_components_and_status(xmppd):
    xmppd.ctl("user", "add", "eve@example.com", "--password", "x")
    link = stream.Stream("127.0.0.1", xmppd.c2s)
    link.secure("example.com")
    link.login("eve", "example.com", "x")
    link.bind("example.com", "desk")
    part = stream.Stream("127.0.0.1", xmppd.component_port, stream.COMPONENT)
    part.handshake("echo.example.com", "sesame")
    try:
        assert "eve@example.com/desk" in xmppd.ctl("sessions").stdout
        assert "echo.example.com" in xmppd.ctl("components").stdout
        assert xmppd.ctl("status").stdout.strip()
        for command in ("status", "sessions", "components"):
            json.loads(xmppd.ctl("--json", command).stdout)
        for row in json.loads(xmppd.ctl("--json", "status").stdout)["long-handlers"]:
            assert row["handler"] and row["count"] > 0 and row["longest-ms"] >= 10, row
    finally:
        link.close()
        part.cut()
    assert system.wait_until(lambda: "eve@example.com/desk" not in xmppd.ctl("sessions").stdout, 5, 0.1)


def test_check_and_reload(xmppd):
    assert xmppd.ctl("check").returncode == 0
    good = xmppd.config.read_text()
    try:
        xmppd.config.write_text(good + "nonsense = 1\n")
        for command in ("check", "reload"):
            done = xmppd.ctl(command, check=False)
            assert done.returncode == 1
            assert f"xmppd.conf:{len(good.splitlines()) + 1}: " in done.stdout + done.stderr
    finally:
        xmppd.config.write_text(good)
    assert xmppd.ctl("reload").returncode == 0


def test_probe_goes_through_the_real_listener(xmppd):
    xmppd.ctl("user", "add", "fay@example.com", "--password", "x")
    done = xmppd.ctl("probe", "fay@example.com", "--password", "x", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    done = xmppd.ctl("probe", "fay@example.com", "--password", "wrong", check=False)
    assert done.returncode == 1, done.stdout + done.stderr


def test_accounts_while_the_server_is_down():
    server = servers.Xmppd(["example.com"])
    try:
        server.ctl("user", "add", "gus@example.com", "--password", "x")
        assert "gus@example.com" in server.ctl("user", "list").stdout
        server.start()
        assert signs_in(server, "gus@example.com", "x")
        assert server.process.stop() == 0
        server.ctl("user", "del", "gus@example.com")
        done = server.ctl("sessions", check=False)
        assert done.returncode == 1 and len(done.stderr.strip().splitlines()) == 1, "a command that needs the server says so"
        server.start()
        assert not signs_in(server, "gus@example.com", "x")
        assert server.process.stop() == 0
    finally:
        server.process.kill()
        server.remove()


def test_a_password_is_never_on_disk_or_in_the_log():
    server = servers.Xmppd(["example.com"], {"log": {"level": "debug"}}).start()
    try:
        server.ctl("user", "add", "hal@example.com", "--password", "correct-horse-battery")
        assert signs_in(server, "hal@example.com", "correct-horse-battery", "PLAIN")
    finally:
        assert server.process.stop() == 0
    for path in [*(server.directory / "state").rglob("*"), server.process.log_path]:
        if path.is_file():
            data = path.read_bytes()
            for word in (b"correct-horse-battery", stream.plain("hal", "correct-horse-battery").encode()):
                assert word not in data, path
    server.remove()


def test_the_program_without_a_server_says_what_is_wrong():
    done = subprocess.run([system.program("xmppctl"), "-c", "/nonexistent.conf", "status"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert "/nonexistent.conf" in done.stderr


def test_what_was_exported_can_be_imported_elsewhere():
    one, other = servers.Xmppd(["example.com"]), servers.Xmppd(["example.com"])
    path = one.directory / "accounts.jsonl"
    try:
        one.ctl("user", "add", "ida@example.com", "--password", "x", "--mail", "ida@mail.example", "--name", "Ida")
        one.ctl("user", "add", "jim@example.com", "--password", "y")
        one.ctl("export", path)
        assert path.stat().st_mode & 0o077 == 0, "it holds keys"
        other.start()
        other.ctl("import", path)
        assert signs_in(other, "ida@example.com", "x") and signs_in(other, "jim@example.com", "y", "PLAIN")
        assert "ida@mail.example" in other.ctl("user", "show", "ida@example.com").stdout
        again = other.ctl("import", path, check=False)
        assert again.returncode == 1 and "exists" in again.stderr and "accounts.jsonl:1: " in again.stderr
        assert other.stop() is None
    finally:
        other.process.kill()
        for server in (one, other):
            server.remove()


def test_an_import_with_a_bad_line_changes_nothing_while_the_server_is_down():
    server = servers.Xmppd(["example.com"])
    try:
        lines = ['{"jid": "kim@example.com", "password": "x"}', "", "no json", '{"jid": "kim@elsewhere.example", "password": "x"}',
                 '{"jid": "kim@example.com", "password": "y"}', '{"type": "room"}', '{"jid": "lee@example.com"}']
        done = server.ctl("import", "-", stdin="\n".join(lines), check=False)
        assert done.returncode == 1
        assert [line.split(":")[1] for line in done.stderr.splitlines()[:-1]] == ["3", "4", "5", "6", "7"], done.stderr
        assert server.ctl("user", "list").stdout == ""
    finally:
        server.remove()


@pytest.mark.sip
@pytest.mark.skipif(os.environ.get("CI") != "true" and not system.have("sipcomp"), reason="sipcomp is not built")
def test_both_daemons_are_asked_and_reloaded():
    server = servers.Xmppd(["example.com"], federation=servers.sip_federation(["lync.test"], {"lync.test": 5061}))
    part = servers.Sipcomp(server, ["example.com"], ["lync.test"])
    server.settings["sipcomp-control"] = str(part.directory / "c.sock")
    server.write()
    try:
        assert server.ctl("reload", check=False).returncode == 1, "nobody runs"
        server.start()
        done = server.ctl("sip", "dialogs", check=False)
        assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done.stderr
        part.start()
        assert json.loads(server.ctl("--json", "reload").stdout) == {"xmppd": True, "sipcomp": True}
        routes = json.loads(server.ctl("--json", "sip", "routes", "lync.test").stdout)
        assert routes["hops"][0]["transport"] == "tls"
        assert server.ctl("sip", "routes", "elsewhere.test", check=False).returncode == 1
        assert "lync.test" in server.ctl("sip", "dialogs").stdout
        part.config.write_text(part.config.read_text() + "nonsense = 1\n")
        done = server.ctl("reload", check=False)
        assert done.returncode == 1 and "sipcomp.conf" in done.stderr and "nonsense" in done.stderr
    finally:
        for thing in (part, server):
            assert not thing.process.alive() or thing.stop() is None
            thing.process.kill()
            thing.remove()
