"""What one address may have at the port for other servers."""
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import foreign, servers, stream, system  # noqa: E402

US = "capulet.example"


def hits(server, name):
    rows = json.loads(server.ctl("--json", "limits").stdout)["limits"]
    return next(row["hits"] for row in rows if row["limit"] == f"limits.{name}")


def come(server, source="127.0.0.1"):
    return stream.Stream("127.0.0.1", server.s2s, foreign.SERVER, source=source)


def is_served(s):
    s.open(US, " from='rome.example'")
    return s.receive(5 * system.PATIENCE)[0] == "open"


def make(limits, **federation):
    server = servers.Xmppd([US], {"limits": limits}, {"xmpp-federation": federation})
    server.settings["s2s"]["listen"] = [f"127.0.0.1:{server.s2s}"]
    server.write()
    return server.start()


def test_one_address_does_not_hold_all_the_places_of_strangers():
    server = make({"max-s2s-negotiating": 10, "max-s2s-negotiating-per-address": 6})
    try:
        crowd = [come(server) for _ in range(6)]
        assert all(is_served(s) for s in crowd)
        assert come(server).receive(10 * system.PATIENCE)[0] == "end"
        assert hits(server, "max-s2s-negotiating-per-address") == 1
        others = [come(server, "127.0.0.7") for _ in range(4)]
        assert all(is_served(s) for s in others)
        assert come(server, "127.0.0.8").receive(10 * system.PATIENCE)[0] == "end"
        assert hits(server, "max-s2s-negotiating") == 1
        crowd[0].cut()
        deadline = time.monotonic() + 5 * system.PATIENCE
        while not is_served(come(server)):      # who goes makes room
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        assert server.stop() is None


def test_streams_of_one_address_are_counted_and_come_one_after_the_other():
    server = make({"max-s2s-per-address": 15, "max-s2s-per-second": 5, "burst": 1})
    try:
        began = time.monotonic()
        crowd = [come(server) for _ in range(15)]
        assert all(is_served(s) for s in crowd)
        assert 1.2 < time.monotonic() - began < 10 * system.PATIENCE        # five at once, then five in a second
        assert come(server).receive(10 * system.PATIENCE)[0] == "end"
        assert hits(server, "max-s2s-per-address") == 1
        assert is_served(come(server, "127.0.0.7"))
    finally:
        assert server.stop() is None


def test_without_federation_no_port_is_open():
    server = make({}, enabled=False)
    try:
        assert not system.listening(server.s2s)
        (server.directory / "federation.conf").write_text("xmpp-federation { enabled = true }\n")
        server.ctl("reload")
        assert system.listening(server.s2s) and is_served(come(server))
        (server.directory / "federation.conf").write_text("xmpp-federation { enabled = false }\n")
        server.ctl("reload")
        assert not system.listening(server.s2s)
    finally:
        assert server.stop() is None
