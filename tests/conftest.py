"""Collects conversations (.talk) beside the Python tests, each with one worker and with four, and keeps daemons between them."""
import os
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import system, talk  # noqa: E402

houses = talk.Houses()


def pytest_addoption(parser):
    parser.addoption("--server", choices=["xmppd", "prosody"], help="play the conversations against this server instead of xmppd")
    parser.addoption("--one-worker", action="store_true", help="leave out the runs with four workers")


def pytest_configure(config):
    config.addinivalue_line("markers", "workers4: runs xmppd with four workers (the thread sanitizer's part)")
    config.addinivalue_line("markers", "slow: takes more than a few seconds; not in make check-fast")
    config.addinivalue_line("markers", "long: takes minutes; only in make check-long")
    config.addinivalue_line("markers", "sip: needs sipcomp")
    config.addinivalue_line("markers", "edges: plays the emulated SIP edges in full; not in make check-fast")


def skip_reason(setup):
    """Why this setup cannot run on this machine, or None. With CI=true nothing is forgiven."""
    missing = []
    if setup.kind == "xmppd" and not system.have("xmppd"):
        missing.append("xmppd is not built")
    if setup.kind != "xmppd" and not system.which({"ejabberd": "ejabberdctl"}.get(setup.kind, setup.kind)):
        missing.append(f"{setup.kind} is not installed")
    if setup.sipcomp and not system.have("sipcomp"):
        missing.append("sipcomp is not built")
    return ", ".join(missing) or None


def pytest_collect_file(file_path, parent):
    if file_path.suffix == ".talk":
        return TalkFile.from_parent(parent, path=file_path)


# The gateway speaks plain XEP-0114: its conversations are played with other servers as its host too. These of them in every run, the rest in the long one.
HOSTS = ("prosody", "ejabberd")
IN_EVERY_RUN = {"glare", "im_in", "im_out", "im_out_404", "pager_in", "subscribe_in", "subscribe_out", "subscribe_out_rejected", "survives_restart", "typing",
                "unsubscribe_out"}


class TalkFile(pytest.File):
    def collect(self):
        text = self.path.read_text()
        kind = self.config.getoption("--server")
        only_xmppd = re.search(r"(?m)^# only xmppd", text)
        sip = re.search(r"(?m)^server sipcomp", text)
        if kind == "prosody" and (only_xmppd or sip):
            return
        workers = [1] if kind == "prosody" or self.config.getoption("--one-worker") else [1, 4]
        for number in workers:
            yield TalkItem.from_parent(self, name=f"{self.path.stem}[{number}]", workers=number, kind=kind)
        for host in HOSTS if sip and not only_xmppd and kind is None else ():
            if re.search(rf"(?m)^# not {host}", text):
                continue
            item = TalkItem.from_parent(self, name=f"{self.path.stem}[{host}]", workers=1, kind=host)
            item.add_marker(pytest.mark.edges)
            if self.path.stem not in IN_EVERY_RUN:
                item.add_marker(pytest.mark.long)
            yield item


class TalkItem(pytest.Item):
    def __init__(self, *, workers, kind, **rest):
        super().__init__(**rest)
        self.workers, self.kind = workers, kind
        if workers == 4:
            self.add_marker(pytest.mark.workers4)

    def runtest(self):
        play = talk.Talk(self.path, self.kind)
        reason = skip_reason(play.setup)
        if reason:
            if os.environ.get("CI") == "true":
                pytest.fail(reason, pytrace=False)
            pytest.skip(reason)
        play.play(houses, self.workers)

    def repr_failure(self, excinfo, style=None):
        if excinfo.errisinstance(talk.TalkError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self):
        return self.path, 0, f"{self.path.name} with " + (self.kind or f"{self.workers} worker{'s' if self.workers > 1 else ''}")


class CleanStop(pytest.Item):
    """The last test: every daemon that was shared ends with exit code 0 and nothing to report."""

    def runtest(self):
        complaints = houses.stop()
        if complaints:
            pytest.fail("\n\n".join(complaints), pytrace=False)

    def reportinfo(self):
        return self.path, 0, "the shared daemons stop cleanly"


def pytest_collection_modifyitems(session, config, items):
    marks = [item for item in items if isinstance(item, TalkItem)]
    if marks:
        last = CleanStop.from_parent(session, name="shared daemons stop cleanly")
        last.add_marker(pytest.mark.workers4)
        items.append(last)


def pytest_sessionfinish(session, exitstatus):
    houses.stop()


@pytest.fixture(params=[1, pytest.param(4, marks=pytest.mark.workers4)], ids=["1", "4"])
def workers(request):
    return request.param
