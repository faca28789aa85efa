"""Paths, free ports and temporary directories."""
import os
import random
import shutil
import socket
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
SOURCE = TESTS.parent
BUILD = Path(os.environ.get("BUILD_DIR") or SOURCE)



def sanitizer():
    """"address", "thread" or None: how xmppd was built."""
    try:
        data = (BUILD / "xmppd" / "xmppd").read_bytes()
    except OSError:
        return None
    return "address" if b"__asan_init" in data else "thread" if b"__tsan_init" in data else None


# Sanitizers make everything slower; TEST_PATIENCE=3 triples every deadline.
PATIENCE = float(os.environ.get("TEST_PATIENCE") or {"address": 2, "thread": 4}.get(sanitizer(), 1))

# Runs side by side draw their ports from ranges of their own.
PORTS = [int(end) for end in os.environ.get("TEST_PORTS", "12000-32000").split("-")]

_given = set()


def free_port():
    """A loopback port nobody listens on, never the same twice in one run and outside the range the kernel hands out."""
    for _ in range(500):
        port = random.randrange(*PORTS)
        if port in _given:
            continue
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
    raise RuntimeError("no free port on 127.0.0.1")


def has_ipv6():
    """Whether ::1 is there."""
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


def program(name):
    """The path of one of our programs in the build tree."""
    room = {"xmppd": "xmppd", "xmppctl": "xmppd", "sipcomp": "sipcomp", "xload": "tests/bench/xload"}[name]
    return BUILD / room / name


def have(name):
    return program(name).is_file()


def which(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin:/sbin:/bin")


def need(*programs):
    """For fixtures: a program that is missing, ours or another's, is a skip; with CI=true nothing is forgiven."""
    import pytest
    ours = ("xmppd", "xmppctl", "sipcomp", "xload")
    missing = [p for p in programs if not (have(p) if p in ours else which(p))]
    if missing:
        reason = f"not there: {', '.join(missing)}"
        pytest.fail(reason, pytrace=False) if os.environ.get("CI") == "true" else pytest.skip(reason)


def short_directory(prefix="xt-"):
    """A new directory whose path is short enough for Unix sockets."""
    return Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))


def wait_until(condition, seconds, every=0.01):
    """Polls until condition() is true; its last value."""
    end = time.monotonic() + seconds * PATIENCE
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(every)


def listening(port, host="127.0.0.1"):
    try:
        socket.create_connection((host, port), timeout=1).close()
        return True
    except OSError:
        return False
