"""Measures of federation: what a message to and from another server costs, what a foreign domain costs, how fast the first message gets there.

The load tool plays the foreign server, for all its domains; a name server of ours leads to it. Every subject trusts its authority.
"""
import os
import random
import subprocess

from harness import dns, pki, system

import subjects
from load import LoadError
from traffic import Counter, cpu

REMOTE = "remote.example"
DEAD = "dead.example"                           # its first target refuses
DELAY_MS = 50


class World:
    """Names and ports: where the subject listens for servers, and where the foreign server does. A context."""

    def __init__(self, domains):
        self.own, self.foreign = system.free_port(), system.free_port()
        # ejabberd asks for addresses by the C library, at port 53 only.
        self.names = dns.Server(ttl=300, host=".".join(map(str, (127, *(random.randint(1, 250) for _ in range(3))))), port=53 if os.geteuid() == 0 else 0)
        self.names.host("peer.example", "127.0.0.1")
        refused = system.free_port()
        for i in range(domains):
            self.names.srv(f"_xmpp-server._tcp.d{i}.{REMOTE}", [(0, 0, self.foreign, "peer.example")])
            self.names.srv(f"_xmpp-server._tcp.d{i}.{DEAD}", [(0, 0, refused, "peer.example"), (1, 0, self.foreign, "peer.example")])

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.names.stop()

    def address(self):
        host, _, port = self.names.address.rpartition(":")
        return host, int(port)

    def subject(self, name, users, wrapper=None):
        subject = {"xmppd": self.xmppd, "prosody": self.prosody, "ejabberd": self.ejabberd}[name](users, wrapper)
        certificate = pki.shared().issue([f"*.{REMOTE}", f"*.{DEAD}"])
        subject.first_arguments = ("--s2s-port", self.own, "--listen", self.foreign, "--remote", REMOTE, "--certificate", certificate)
        return subject

    def xmppd(self, users, wrapper):
        settings = {"s2s": {"listen": [f"127.0.0.1:{self.own}"], "trust": str(pki.shared().ca)}, "dns": {"servers": [self.names.address]},
                    "limits": {"max-s2s-per-second": 100000, "max-s2s-negotiating-per-address": 100000}}
        return subjects.xmppd(users, wrapper=wrapper, settings=settings, federation={"xmpp-federation": {"tls": "required"}})

    def prosody(self, users, wrapper):
        import peers
        host, port = self.address()
        certificate = pki.shared().issue([subjects.DOMAIN])
        return peers.prosody(users, f"""
modules_disabled = {{ "limits" }}
modules_enabled = {{ "roster", "saslauth", "tls", "disco", "ping", "blocklist", "offline", "presence", "message", "iq", "c2s", "s2s", "dialback" }}
s2s_interfaces = {{ "127.0.0.1" }}
s2s_ports = {{ {self.own} }}
s2s_direct_tls_ports = {{}}
s2s_require_encryption = true
unbound = {{ resolvconf = false, hoststxt = false, forward = {{ "{host}@{port}" }}, options = {{ ["do-not-query-localhost:"] = "no" }} }}
ssl = {{ certificate = "{certificate}", key = "{certificate}", capath = "/nonexistent", cafile = "{pki.shared().ca}" }}
""")

    def ejabberd(self, users, wrapper):
        import peers
        host, port = self.address()
        directory = pki.shared().directory
        for path in (directory, pki.shared().ca):
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
        (directory / "resolv.conf").write_text(f"nameserver {host}\n")
        (directory / "resolv.conf").chmod(0o644)
        shown = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', str(directory / "resolv.conf")]
        if port != 53 or subprocess.run([*shown, "true"], capture_output=True).returncode != 0:
            raise LoadError("ejabberd asks the name server of /etc/resolv.conf, which takes a mount namespace")
        return peers.ejabberd(users, wrapper=shown, modules="  mod_s2s_dialback: {}\n", listen=f"""
  - port: {self.own}
    ip: "127.0.0.1"
    module: ejabberd_s2s_in
    shaper: none
""", settings=f"""
s2s_use_starttls: required
s2s_cafile: "{pki.shared().ca}"
""")


def s2s(bench, name):
    """CPU per message over one stream in each direction: half of them come, half go; then each alone."""
    with World(1) as world, world.subject(name, 100) as subject:
        for key, way in (("s2s_us", "both"), ("s2s_out_us", "out"), ("s2s_in_us", "in")):
            result = bench.loads.run(subject, "s2s", "--users", 100, "--way", way, *bench.window)
            bench.note(name, key, cpu(result))


def s2s_instructions(bench, name):
    """The same in instructions."""
    if not system.which("valgrind") or not system.which("callgrind_control"):
        return
    with World(1) as world, world.subject(name, 20, subjects.on_core(0) + Counter.WRAPPER) as subject:
        counter = Counter(subject)
        for key, way in (("instructions_s2s_out", "out"), ("instructions_s2s_in", "in")):
            bench.note(name, key, counter.per_message(bench, "--way", way, mode="s2s"))


def domains(bench, name):
    """Memory of a foreign domain with a stream in each direction that has been used and is idle now, and the CPU that both took."""
    count = bench.small(2000 if name == "xmppd" else 400, 80)
    with World(count) as world, world.subject(name, 1) as subject:
        result = bench.loads.run(subject, "domains", "--domains", count, "--settle", 1 if bench.quick else 15, "--timeout", 120)
        bench.note(name, "domain_kib", result.get("anon_kib_per_domain"))
        bench.note(name, "domain_ms", result["server_cpu_us_per_domain"] / 1000 if "server_cpu_us_per_domain" in result else None)


def first(bench, name):
    """Round trips until the first message to a new domain is there, those of DNS counted and that of TCP not; with EXTERNAL, and with dialback, where
    the other side does not ask back. Then without delays, where the first target refuses."""
    count = bench.small(20, 5)
    for key, more in (("trips", ()), ("trips_dialback", ("--dialback",))):
        with World(count) as world, world.subject(name, 1) as subject:
            world.names.delay = DELAY_MS / 1000
            bench.note(name, key, bench.loads.run(subject, "first", "--domains", count, "--delay", DELAY_MS, *more).get("round_trips"))
    with World(count) as world, world.subject(name, 1) as subject:
        result = bench.loads.run(subject, "first", "--domains", count, "--remote", DEAD)
        bench.note(name, "refused_ms", result.get("most_ms"))
