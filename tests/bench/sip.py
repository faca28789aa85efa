"""Measures of the gateway: what a message and a presence update between XMPP and SIP cost, beside Debian's kamailio, which relays the same
MESSAGE from SIP to SIP; what many dialogs cost, and how fast they are back; and whether it all holds for long.

The load tool plays the users and the foreign domain, with all its contacts behind one port.
"""
import json
import signal
import time

from harness import config, pki, process, servers, system

import subjects
from traffic import Counter

REMOTE = "remote.example"
EDGE = servers.EDGES["simple"][0]               # the subject of its certificate
RATE = 2000                                     # SUBSCRIBE requests a second after a restart
SETTINGS = {"store": {"map-size": 1024}, "log": {"level": "warn"}}


class Gateway(subjects.Subject):
    """sipcomp with an xmppd that it serves. A context."""

    def __init__(self, users, wire, wrapper=None, settings=None):
        self.wire = wire
        self.xmppd = subjects.OurServer(1, subjects.on_core(0), federation=servers.sip_federation([REMOTE], {REMOTE: 5061}, wire))
        self.sipcomp = servers.Sipcomp(self.xmppd, [subjects.DOMAIN], [REMOTE], transport=wire, settings=config.merge(SETTINGS, settings or {}))
        self.sipcomp.process.argv = (subjects.on_core(0) if wrapper is None else wrapper) + self.sipcomp.process.argv
        super().__init__("sipcomp", self.sipcomp)
        self.xmppd.start()
        try:
            self.xmppd.add_users(subjects.accounts(users))
            self.sipcomp.c2s = self.xmppd.c2s               # where the load tool's users sign in
            self.start_gateway()
        except BaseException:
            self.__exit__()
            raise
        port = self.sipcomp.tls_port if wire == "tls" else self.sipcomp.tcp_port
        self.first_arguments = ("--remote", REMOTE, "--sip-port", port, "--listen", self.sipcomp.peers[REMOTE], *tls_arguments(wire))

    def start_gateway(self):
        self.sipcomp.process.start().wait_ready(lambda: system.listening(self.sipcomp.tcp_port), 60)

    def restart_gateway(self):
        """Killed and started again: what it has promised is there."""
        self.sipcomp.process.kill()
        self.start_gateway()

    def reload(self):
        for server in (self.sipcomp, self.xmppd):
            server.process.signal(signal.SIGHUP)

    def pids(self):
        return f"{self.sipcomp.process.child.pid},{self.xmppd.process.child.pid}"

    def log(self):
        return self.sipcomp.process.log() + self.xmppd.process.log()

    def __exit__(self, *unused):
        for server in (self.sipcomp, self.xmppd):
            server.process.kill()
            server.remove()


def tls_arguments(wire):
    return ("--sip-tls", "--certificate", pki.shared().issue([EDGE, REMOTE])) if wire == "tls" else ()


class Proxy:
    """kamailio from its Debian package: it relays every request with state to one place, and nothing else."""

    def __init__(self, wire, target):
        self.directory = system.short_directory()
        self.c2s = self.port = system.free_port()
        certificate = pki.shared().issue(["proxy.example"])
        tls = 'loadmodule "tls.so"\n' if wire == "tls" else ""
        (self.directory / "tls.cfg").write_text("".join(f"""[{side}:default]
method = TLSv1.2+
verify_certificate = no
require_certificate = no
certificate = {certificate}
private_key = {certificate}
""" for side in ("server", "client")))
        (self.directory / "kamailio.cfg").write_text(f"""#!KAMAILIO
debug = 0
log_stderror = yes
children = 1
tcp_children = 2
disable_tcp = no
enable_tls = {"yes" if wire == "tls" else "no"}
listen = {wire}:127.0.0.1:{self.port}
tcp_connection_lifetime = 3600
{tls}loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
{'modparam("tls", "config", "' + str(self.directory / "tls.cfg") + '")' if wire == "tls" else ""}
request_route {{
        if (!mf_process_maxfwd_header("10")) {{
                sl_send_reply("483", "Too Many Hops");
                exit;
        }}
        $du = "sip:127.0.0.1:{target};transport={wire}";
        if (!t_relay()) sl_send_reply("500", "Relay Failed");
}}
""")
        self.process = process.Process("kamailio", subjects.on_core(0) + [
            system.which("kamailio"), "-DD", "-E", "-f", self.directory / "kamailio.cfg", "-P", self.directory / "kamailio.pid", "-Y", self.directory,
            "-m", 1024, "-M", 32], self.directory)

    def start(self):
        self.process.start().wait_ready(lambda: system.listening(self.port), 20)

    def stop(self):
        """kamailio is a process with children, which end with it."""
        try:
            self.process.stop()
        except process.ProcessError:
            self.process.kill()
        servers.Server.remove(self)


def kamailio(wire):
    target = system.free_port()
    subject = subjects.Subject("kamailio", Proxy(wire, target))
    subject.server.start()
    subject.first_arguments = ("--remote", REMOTE, "--sip-port", subject.server.port, "--listen", target, *tls_arguments(wire))
    return subject


def note_each(bench, name, key, result):
    """CPU of sipcomp, and of it with its xmppd."""
    each = result.get("server_cpu_us_each") or [None, None]
    bench.note(name, key, each[0])
    bench.note(name, key + "_all", None if each[0] is None else sum(each))


def sip_im(bench, name):
    """CPU per message over TLS and over TCP, those that leave and those that come: one after the other in each of 100 sessions, and over TLS also
    at a rate at which hardly two meet."""
    for wire, kind, more in (("tls", "tls", ()), ("tcp", "tcp", ()), ("tls", "paced", ("--msg-rate", 1000))):
        if name == "kamailio":
            with kamailio(wire) as subject:
                result = bench.loads.run(subject, "sip-relay", "--users", 100, "--timeout", 10, *bench.window, *more)
                for way in ("out", "in"):                   # to it they are the same
                    bench.note(name, f"sip_{way}_{kind}_us", result.get("server_cpu_us_per_msg"))
            continue
        with Gateway(100, wire) as subject:
            for way in ("out", "in"):
                note_each(bench, name, f"sip_{way}_{kind}_us", bench.loads.run(subject, "sip", "--users", 100, "--way", way, *bench.window, *more))


def sip_presence(bench, name):
    """CPU per state of a contact that reaches a user, and per state of a user that reaches a contact."""
    settings = {"notify-interval": 0}
    for key, way in (("sip_notify_in_us", "in"), ("sip_notify_out_us", "out")):
        with Gateway(100, "tls", settings=settings) as subject:
            note_each(bench, name, key, bench.loads.run(subject, "sip-presence", "--users", bench.small(100, 20), "--way", way, *bench.window))


def sip_instructions(bench, name):
    """Instructions of sipcomp for each message, which no neighbour on the machine can change."""
    if not system.which("valgrind") or not system.which("callgrind_control"):
        print("# valgrind is not here: no instructions are counted", flush=True)
        return
    with Gateway(20, "tls", wrapper=subjects.on_core(0) + Counter.WRAPPER) as subject:
        counter = Counter(subject)
        for key, way in (("instructions_sip_out", "out"), ("instructions_sip_in", "in")):
            bench.note(name, key, counter.per_message(bench, "--way", way, mode="sip"))


def sip_dialogs(bench, name):
    """50,000 contacts are watched; sipcomp is killed and started again. Nobody is bound to a core here, the whole machine is theirs."""
    users, contacts = bench.small(500, 10), 100 if not bench.quick else 20
    settings = {"subscribe-rate": RATE}
    with Gateway(users, "tls", wrapper=[], settings=settings) as subject:
        arguments = ("--users", users, "--contacts", contacts, "--inflight", 200, "--settle", bench.small(3, 0.3), "--timeout", 180)
        with bench.loads.beside(subject, "sip-dialogs", *arguments, pinned=False) as load:
            made = load.wait_online(240)
            bench.note(name, "dialog_kib", made.get("kib_each"))
            bench.note(name, "dialogs", made.get("dialogs"))
            subject.restart_gateway()
            result = load.result(240)
            bench.note(name, "shown_s", result.get("shown_s"))
            bench.note(name, "refresh_per_s", result.get("refresh_per_s"))


def anonymous_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Anonymous:"))


def slope(points):
    """KiB a minute: the straight line through (seconds, KiB) with the least squares."""
    n, xs, ys = len(points), [p[0] for p in points], [p[1] for p in points]
    mean_x, mean_y = sum(xs) / n, sum(ys) / n
    spread = sum((x - mean_x) ** 2 for x in xs)
    return 60 * sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def soak(bench, name):
    """200 messages a second for long, with reloads, and a foreign domain that breaks down and comes back: nothing is lost, nothing comes twice,
    memory stays where it is after the first third."""
    seconds = 12 if bench.quick else 60 * bench.minutes
    with Gateway(100, "tls", settings={"subscribe-rate": RATE}) as subject:
        load = bench.loads.beside(subject, "sip", "--users", 100, "--way", "both", "--msg-rate", 200, "--settle", 0.5, "--warmup", 0,
                                  "--duration", seconds, "--break-every", seconds / 4 if bench.quick else 120)
        points, began = [], time.monotonic()
        pids = [s.process.child.pid for s in (subject.sipcomp, subject.xmppd)]
        with load:
            load.process.start()
            while time.monotonic() - began < seconds and load.process.alive():
                time.sleep(min(seconds / 10, 10))
                subject.reload()
                points.append((time.monotonic() - began, [anonymous_kib(pid) for pid in pids]))
            result = load.result(120)
        print(json.dumps({"soak_kib": [[round(x), *kib] for x, kib in points]}), flush=True)
        bench.note(name, "soak_lost", result.get("lost"))
        bench.note(name, "soak_doubled", result.get("duplicated"))
        bench.note(name, "soak_msgs", result.get("delivered"))
        for i, key in enumerate(("soak_sipcomp_kib", "soak_xmppd_kib")):
            bench.note(name, key, slope([(x, kib[i]) for x, kib in points if x > seconds / 3]))
