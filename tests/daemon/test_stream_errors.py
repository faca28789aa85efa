"""Stream errors that a conversation cannot bring about: what the administrator does, and who does not read (RFC 6120 4.9.3)."""
import os
import time

import pytest

from harness import servers, stream, system

pytestmark = pytest.mark.skipif(os.environ.get("CI") != "true" and not system.have("xmppd"), reason="xmppd is not built")

ONE, TWO = "capulet.example", "montague.example"


def sign_in(server, user, domain, resource="here"):
    s = stream.Stream("127.0.0.1", server.c2s)
    s.secure(domain)
    s.login(user, domain, "pencil")
    s.bind(domain, resource)
    return s


def ends_with(s, condition):
    while (error := s.wait("error", "presence", "stream", seconds=10)).local != "error":
        pass
    assert error.elements()[0].local == condition, error
    s.close()


@pytest.fixture(params=[1, pytest.param(4, marks=pytest.mark.workers4)], ids=["1", "4"])
def server(request):
    server = servers.Xmppd([ONE, TWO], workers=request.param).start()
    server.add_users([(f"{name}@{ONE}", "pencil") for name in ("juliet", "nurse")] + [(f"{name}@{TWO}", "pencil") for name in ("romeo", "paris")])
    yield server
    server.process.kill()


def test_the_clients_of_a_domain_that_is_gone(server):
    """4.9.3.5, and 4.9.3.6 from then on; those of the other domains notice nothing, and those who had not bound are sent away too."""
    juliet, romeo = sign_in(server, "juliet", ONE), sign_in(server, "romeo", TWO)
    for s in (juliet, romeo):
        s.send("<presence/>")
        s.wait("presence")
    half = stream.Stream("127.0.0.1", server.c2s)
    half.secure(TWO)
    half.login("paris", TWO, "pencil")
    del server.settings["domain", TWO]
    server.write()
    server.ctl("reload")
    ends_with(romeo, "host-gone")
    ends_with(half, "host-gone")
    late = stream.Stream("127.0.0.1", server.c2s)
    late.open(TWO)
    assert late.wait("stream").get("from") == ONE
    ends_with(late, "host-unknown")
    juliet.send(f"<message to='romeo@{TWO}' id='m'/>")
    answer = juliet.wait("message")
    assert answer.get("type") == "error" and "remote-server-not-found" in str(answer)
    juliet.close()
    assert server.stop() is None


def test_an_account_that_is_deleted(server):
    """4.9.3.12: its sessions end, the others' see it go."""
    juliet, nurse = sign_in(server, "juliet", ONE), sign_in(server, "nurse", ONE)
    juliet.send(f"<presence/><presence to='nurse@{ONE}/here'/>")
    assert nurse.wait("presence").get("type") is None
    server.ctl("user", "del", f"juliet@{ONE}")
    ends_with(juliet, "not-authorized")
    assert nurse.wait("presence").get("type") == "unavailable"
    nurse.close()
    assert server.stop() is None


def test_who_does_not_read(server):
    """4.9.3.17; if she does not read even then she will never know, but everybody else does."""
    server.settings = servers.config.merge(server.settings, {"limits": {"max-queue": 65536}})
    server.write()
    server.ctl("reload")
    juliet, nurse = sign_in(server, "juliet", ONE), sign_in(server, "nurse", ONE)
    juliet.send(f"<presence to='nurse@{ONE}/here'/>")
    nurse.wait("presence")
    end, gone = time.monotonic() + 20 * system.PATIENCE, None
    while gone is None and time.monotonic() < end:          # until the buffers of both kernels are full
        nurse.send(f"<message to='juliet@{ONE}/here' type='headline'><body>{'x' * 50000}</body></message>")
        gone = nurse.receive(0.01)
    assert gone and gone[1].get("type") == "unavailable" and gone[1].get("from") == f"juliet@{ONE}/here"
    while (event := juliet.receive(10 * system.PATIENCE))[0] == "stanza" and event[1].local == "message":
        pass
    assert event[0] == "end" or event[1].elements()[0].local == "resource-constraint"
    row = next(line for line in server.ctl("limits").stdout.splitlines() if "max-queue" in line)
    assert "resource-constraint" in row and " 1 " in row, row
    nurse.close()
    assert server.stop() is None
