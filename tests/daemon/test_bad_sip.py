"""The 126 malformed and hostile messages of peers/bad, over TCP and TLS: the answer is one of those allowed, the process lives, and
nothing that must not reach XMPP does."""
import os
import subprocess
import sys

import pytest

from harness import pki, servers, stream, system, xmlnode

pytestmark = [pytest.mark.sip, pytest.mark.skipif(os.environ.get("CI") != "true" and not (system.have("xmppd") and system.have("sipcomp")),
                                                   reason="needs xmppd and sipcomp")]


@pytest.mark.slow
@pytest.mark.parametrize("wire", ["tcp", "tls"])
def test_bad_messages(wire):
    federation = servers.sip_federation(["simple.test"], {"simple.test": 5061})
    xmppd = servers.Xmppd(["example.com"], federation=federation)
    gateway = servers.Sipcomp(xmppd, ["example.com"], ["simple.test"], transport=wire)
    complaints = []
    try:
        xmppd.start()
        gateway.start()
        xmppd.add_users([("alice@example.com", "pencil"), ("bob@example.com", "pencil")])
        user = stream.Stream("127.0.0.1", xmppd.c2s)
        user.secure("example.com")
        user.login("alice", "example.com", "pencil")
        user.bind("example.com", "x")
        user.send("<presence/>")
        port = gateway.tcp_port if wire == "tcp" else gateway.tls_port
        command = [sys.executable, str(system.TESTS / "peers" / "send-bad"), "--to", f"127.0.0.1:{port}", "--wait", "0.7"]
        if wire == "tls":
            command += ["--tls", "--pki", str(pki.shared().directory)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=400)
        assert gateway.process.alive(), gateway.process.log()[-6000:]
        wrong = [line for line in done.stdout.splitlines() if line.startswith(("WRONG", "DEAD")) or "SLOW" in line]
        assert done.returncode == 0 and not wrong, "\n".join(wrong) + "\n" + done.stdout.splitlines()[-1]
        # what came through is from the one who may speak, and is well-formed text
        while (event := user.receive(0.3)) is not None:
            assert event[0] == "stanza", event
            sender = event[1].get("from", "")
            assert sender.startswith(("erin", "alice@example.com", "example.com")) or sender.partition("/")[0].endswith("simple.test"), event[1]
            assert "root:" not in event[1].show(xmlnode.STREAM), "a file was read"
        user.close()
    finally:
        complaints = [c for c in (gateway.stop() if gateway.process.child else None, xmppd.stop() if xmppd.process.child else None) if c]
    assert not complaints, "\n".join(complaints)
