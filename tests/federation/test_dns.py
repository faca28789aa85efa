"""Where a domain is looked for: the name servers of the configuration in force, also while those before it say nothing."""
import socket
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import dns, pki, servers, system  # noqa: E402


@pytest.fixture
def server():
    made = servers.Xmppd(["capulet.example"], {"s2s": {"trust": str(pki.shared().ca)}}, {"xmpp-federation": {"enabled": True}})
    made.settings["s2s"]["listen"] = [f"127.0.0.1:{made.s2s}"]
    yield made
    assert made.stop() is None
    made.remove()


def ask_at(server, names):
    server.settings["dns"] = {"servers": [names.address]}
    server.write()


def first_line(server, domain):
    return server.ctl("explain", domain, check=False, seconds=45).stdout.splitlines()[0]


def test_a_reload_changes_the_name_servers(server):
    with dns.Server() as before, dns.Server() as after, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        after.srv("_xmpp-server._tcp.rome.example", [(0, 0, closed.getsockname()[1], "xmpp.rome.example")])
        after.host("xmpp.rome.example", "127.0.0.1")
        before.mute("milan.example")
        after.srv("_xmpp-server._tcp.milan.example", [(0, 0, 0, ".")])
        ask_at(server, before)
        server.start()
        assert "[dns-no-name]" in first_line(server, "rome.example")
        assert "[dns-failed]" in first_line(server, "milan.example")
        ask_at(server, after)
        server.ctl("reload")
        began = time.monotonic()
        assert "[tcp-refused]" in first_line(server, "rome.example")     # what was kept of the old ones is gone
        assert "[dns-not-offered]" in first_line(server, "milan.example")
        assert time.monotonic() - began < 3 * system.PATIENCE
