"""The servers under measurement: ours and the relay here, Debian's peers in peers.py and jabberd2.py."""
import os
import shutil
import subprocess
from pathlib import Path

from harness import config, pki, process, servers, system

DOMAIN = "localhost"
PASSWORD = "xload"
CORES = sorted(os.sched_getaffinity(0))
RELAY = system.BUILD / "tests" / "bench" / "relay"
PROVISION = Path(__file__).resolve().parent / "xload"


def on_core(number):
    """The start of a command that is to run on one core only."""
    return ["taskset", "-c", str(CORES[number % len(CORES)])] if system.which("taskset") else []


def accounts(count, first=0):
    return [(f"load{i}@{DOMAIN}", PASSWORD) for i in range(first, first + count)]


class Subject:
    """One running server with the accounts load0, load1 and so on. A context: leaving it stops the server."""
    sasl = "scram"
    has_sm = True                               # XEP-0198
    first_arguments = ()                        # of the load tool

    def __init__(self, name, server):
        self.name, self.server = name, server

    def pids(self):
        return str(self.server.process.child.pid)

    def log(self):
        return self.server.process.log()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.server.stop()


class Relay(servers.Server):
    """The floor: a bare TLS relay on our own connections, which xload speaks to with --raw."""

    def __init__(self, wrapper):
        super().__init__([DOMAIN])
        certificate = pki.shared().issue(self.domains)
        self.c2s = self.c2s_tls
        self.process = process.Process("relay", wrapper + [RELAY, certificate, f"127.0.0.1:{self.c2s}"], self.directory)

    def start(self):
        self.process.start().wait_ready(lambda: system.listening(self.c2s), 40)

    def stop(self):
        self.process.kill()
        self.remove()


class RelaySubject(Subject):
    first_arguments = ("--raw", "--tls", "direct")
    has_sm = False


def relay(users, wrapper=None):
    server = Relay(on_core(0) if wrapper is None else wrapper)
    server.start()
    return RelaySubject("relay", server)


# Nothing that paces, refuses or asks on its own is to be measured; the load tool is one address with ten thousand users in a hurry.
SETTINGS = {
    "store": {"map-size": 16384},
    "limits": {"max-stanzas-per-second": 1000000, "max-bytes-per-second": 1073741824, "max-connections-per-second": 100000,
               "max-negotiating-per-address": 10000,
               "max-unacked": 100000, "max-unacked-bytes": 268435456, "max-resume": 86400},
    "ping": {"idle": 3600},
    "log": {"level": "warn"},
}


class OurServer(servers.Xmppd):
    def __init__(self, workers, wrapper, settings=None, federation=None):
        super().__init__([DOMAIN], config.merge(SETTINGS, settings or {}), federation, workers=workers)
        self.command = self.process.argv
        self.as_made = wrapper + self.command, workers
        self.narrow()
        self.process.environment.pop("TEST_DELAY_LETTERS", None)    # the tests' shaker of letters

    def ready(self):
        return lambda: system.listening(self.c2s)

    def widen(self, workers):
        """From the next start on: so many workers, on whatever core they like."""
        self.set(self.command, workers)

    def narrow(self):
        """As it was made, from the next start on."""
        self.set(*self.as_made)

    def set(self, command, workers):
        self.process.argv = command
        self.settings["workers"] = workers
        self.write()

    def restart(self, streams=()):
        """Killed and started again: what it has promised is there."""
        self.kill()
        self.start()

    def stop(self):
        """As after a power failure: a clean end would take the time to write down ten thousand sessions."""
        self.process.kill()
        self.remove()


def xmppd(users, workers=1, wrapper=None, **more):
    """wrapper: what stands before the command; the default keeps it on the first core."""
    server = OurServer(workers, on_core(0) if wrapper is None else wrapper, **more)
    server.start()
    server.add_users(accounts(users))
    return Subject("xmppd", server)


def provision(script, *arguments):
    subprocess.run([PROVISION / script, *map(str, arguments)], check=True, capture_output=True, timeout=300)


def own(directory, user):
    """A peer that leaves root wants its directory."""
    for path in (directory, *directory.rglob("*")):
        shutil.chown(path, user)
