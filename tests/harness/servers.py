"""xmppd, sipcomp and Prosody with temporary state on free loopback ports."""
import base64
import functools
import hashlib
import hmac
import json
import os
import random
import shutil
import signal
import subprocess

from . import config, pki, process, system


@functools.lru_cache
def scram_keys(password, rounds=10000):
    """What a server keeps of a password, as RFC 5803 writes it; one derivation for all accounts of a test run."""
    salt = os.urandom(16)
    keys = []
    for name, digest in (("SCRAM-SHA-1", "sha1"), ("SCRAM-SHA-256", "sha256")):
        salted = hashlib.pbkdf2_hmac(digest, password.encode(), salt, rounds)
        stored = hashlib.new(digest, hmac.digest(salted, b"Client Key", digest)).digest()
        server = hmac.digest(salted, b"Server Key", digest)
        text = [base64.b64encode(part).decode() for part in (salt, stored, server)]
        keys.append(f"{name}${rounds}:{text[0]}${text[1]}:{text[2]}")
    return keys


class Server:
    """What an XMPP server under test offers: ports and accounts."""

    def __init__(self, domains):
        self.domains = list(domains)
        self.directory = system.short_directory()
        self.c2s, self.c2s_tls, self.component_port = (system.free_port() for _ in range(3))
        self.process = None

    def start(self):
        self.process.start().wait_ready(self.ready())
        return self

    def ready(self):
        return None

    def restart(self, streams=()):
        """A clean stop and a new start; complains when the stop was not clean."""
        complaint = self.process.complaint(self.process.stop(streams=streams))
        if complaint:
            raise process.ProcessError(complaint)
        self.start()

    def kill(self):
        self.process.kill()

    def stop(self):
        """None, or what was wrong with the way it ended."""
        try:
            return self.process.complaint(self.process.stop())
        except process.ProcessError as e:
            return str(e)
        finally:
            self.remove()

    def remove(self):
        shutil.rmtree(self.directory, ignore_errors=True)


class Xmppd(Server):
    """xmppd. `settings` is laid over the defaults below, `federation` becomes federation.conf."""

    def __init__(self, domains=("capulet.example",), settings=None, federation=None, workers=1):
        super().__init__(domains)
        self.s2s = system.free_port()
        self.control = self.directory / "c.sock"
        certificate = pki.shared().issue(self.domains)
        self.config = self.directory / "xmppd.conf"
        (self.directory / "federation.conf").write_text(config.render(federation or {}))
        (self.directory / "component.secret").write_text("sesame")
        (self.directory / "component.secret").chmod(0o600)
        base = {("domain", d): {"certificate": str(certificate)} for d in self.domains}
        base.update({
            "state-dir": str(self.directory / "state"),
            "control": str(self.control),
            "store": {"map-size": 512},
            "workers": workers,
            "c2s": {"listen": [f"127.0.0.1:{self.c2s}"], "listen-tls": [f"127.0.0.1:{self.c2s_tls}"]},
            "s2s": {"listen": [], "listen-tls": []},
            "components": {"listen": [f"127.0.0.1:{self.component_port}"], "secret": "file:component.secret"},
            "http": {"listen": []},
            "login": {"delay": 50, "max-delay": 1},     # conversations that fail on purpose share an address
            "log": {"level": "info"},
        })
        self.settings = config.merge(base, settings or {})
        self.write()
        # With several workers letters meet in orders that are rare otherwise; TEST_DELAY_LETTERS in our own environment fixes the seed.
        shaken = {"TEST_DELAY_LETTERS": os.environ.get("TEST_DELAY_LETTERS") or str(random.randrange(1, 1 << 30))} if workers > 1 else {}
        self.process = process.Process("xmppd", [system.program("xmppd"), "-c", self.config], self.directory, shaken)

    def write(self):
        self.config.write_text(config.render(self.settings) + 'include("federation.conf")\n')

    def federate(self, name_server):
        """Before the start: it listens for other servers, and finds them by this name server."""
        self.s2s_tls = system.free_port()
        own = {"s2s": {"listen": [f"127.0.0.1:{self.s2s}"], "listen-tls": [f"127.0.0.1:{self.s2s_tls}"], "trust": str(pki.shared().ca)},
               "dns": {"servers": [name_server]}}
        self.settings = config.merge(self.settings, own)
        (self.directory / "federation.d").mkdir()
        with (self.directory / "federation.conf").open("a") as file:
            file.write('include("federation.d/*.conf")\n')
        self.write()

    def ctl(self, *arguments, check=True, stdin=None, seconds=30):
        """xmppctl against this server."""
        done = subprocess.run([system.program("xmppctl"), "-c", self.config, *arguments], input=stdin, text=True, capture_output=True,
                              timeout=seconds * system.PATIENCE, cwd=self.directory)
        if check and done.returncode != 0:
            raise process.ProcessError(f"xmppctl {' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def add_users(self, accounts):
        """accounts: pairs of bare JID and password."""
        path = self.directory / "users.jsonl"
        path.write_text("".join(json.dumps({"jid": j, "keys": scram_keys(p)}) + "\n" for j, p in accounts))
        self.ctl("import", str(path))


class Sipcomp:
    """sipcomp attached to a server's component port. Every SIP domain has one peer, whose port on loopback is `peers[domain]`."""

    def __init__(self, server, local_domains, sip_domains, secret="sesame", settings=None, transport="tls", federation=None,
                 direct=False, shared=False):
        self.directory = system.short_directory()
        self.server = server
        self.tls_port, self.server_port, self.tcp_port = (system.free_port() for _ in range(3))
        store = pki.shared()
        self.peers = {domain: system.free_port() for domain in sip_domains}
        self.federation = federation if federation is not None else sip_federation(sip_domains, self.peers, transport, direct)
        self.write_shared(shared)
        certificate = store.issue(["sip.example.com", *local_domains])
        base = {
            "xmpp": {"host": "127.0.0.1", "port": server.component_port, "secret": secret},
            "local-domains": list(local_domains),
            "routing-fqdn": "sip.example.com",
            "state-dir": str(self.directory / "state"),
            "control": str(self.directory / "c.sock"),
            ("listen", "peer-auth"): {"address": "127.0.0.1", "port": self.tls_port, "transport": "tls", "client-certificate": "required"},
            ("listen", "server-auth"): {"address": "127.0.0.1", "port": self.server_port, "transport": "tls", "client-certificate": "optional"},
            ("listen", "tcp"): {"address": "127.0.0.1", "port": self.tcp_port, "transport": "tcp"},
            "tls": {"certificate": str(certificate), "trust": str(store.ca)},
            "notify-interval": 0,
            "log": {"level": "info"},
        }
        self.config = self.directory / "sipcomp.conf"
        if "msrp" in (settings or {}):
            base["msrp"] = {"port": system.free_port(), "tls-port": system.free_port()}
        self.settings = config.merge(base, settings or {})
        self.config.write_text(config.render(self.settings) + 'include("federation.conf")\n')
        self.process = process.Process("sipcomp", [system.program("sipcomp"), "-c", self.config], self.directory)

    start, ready, restart, kill, stop, remove = Server.start, Server.ready, Server.restart, Server.kill, Server.stop, Server.remove

    def write_shared(self, shared):
        extra = {key: {"shared-subscription": True} for key in self.federation if key[0] == "sip-domain"} if shared else {}
        (self.directory / "federation.conf").write_text(config.render(config.merge(self.federation, extra)))

    def share(self, shared):
        """Subscriptions are shared from now on, or no more."""
        self.write_shared(shared)
        reloads = self.process.log().count("reloaded ")
        self.process.signal(signal.SIGHUP)
        system.wait_until(lambda: self.process.log().count("reloaded ") > reloads, 5)


# TLS peer subject of each kind of peer, as run-sip-peer's certificates carry them
EDGES = {"ocs": ("edge.ocs.test", "ocs-edge"), "lync": ("edge.lync.test", "lync-edge"),
         "aol": ("sip.oscar.aol.com", "aol-sag"), "simple": ("proxy.simple.test", "simple")}


def kind_of(domain):
    """The dialect of a test domain, by its name."""
    first = domain.split(".")[0]
    return {"ocs": "ocs", "lync": "lync", "aol": "aol", "aim": "aol"}.get(first, "simple")


def wire_of(kind, transport, direct):
    """Where TCP is wanted: who may speak it does."""
    return "tcp" if transport == "tcp" and (kind == "simple" or (kind == "ocs" and direct)) else "tls"


def sip_federation(domains, ports, transport="tls", direct=False):
    """federation.conf for these SIP domains, each with a static route to its port on loopback."""
    sections = {}
    for domain in domains:
        kind = kind_of(domain)
        edge = EDGES[kind][0]
        wire = wire_of(kind, transport, direct)
        sections["sip-domain", domain] = {"type": kind, "direct": direct and kind in ("ocs", "lync")}
        sections["sip-route", domain] = {("hop", "127.0.0.1"): {"port": ports[domain], "transport": wire, "priority": 1, "weight": 1}}
        sections.setdefault(("sip-peer", edge), {"domains": []})["domains"].append(domain)
    return sections


class Prosody(Server):
    """Debian's prosody, for comparison and as another home for sipcomp."""

    def __init__(self, domains=("capulet.example",), components=(), secret="sesame", settings=None, workers=1):
        super().__init__(domains)
        self.has_components = bool(components)
        certificate = pki.shared().issue(self.domains)
        data = self.directory / "data"
        data.mkdir()
        hosts = "".join(f'VirtualHost "{d}"\n' for d in self.domains)
        parts = "".join(f'Component "{c}"\n    component_secret = "{s}"\n'
                        for c, s in (item if isinstance(item, tuple) else (item, secret) for item in components))
        (self.directory / "prosody.cfg.lua").write_text(f"""
run_as_root = true
daemonize = false
pidfile = "{self.directory}/prosody.pid"
data_path = "{data}"
plugin_paths = {{}}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {self.c2s} }}
c2s_direct_tls_ports = {{ {self.c2s_tls} }}
component_ports = {{ {self.component_port} }}
component_interface = "127.0.0.1"
modules_enabled = {{ "roster", "saslauth", "tls", "disco", "ping", "version", "blocklist", "offline", "presence", "message", "iq", "c2s" }}
modules_disabled = {{ "s2s", "limits" }}
authentication = "internal_hashed"
storage = "internal"
c2s_require_encryption = true
tls_profile = "intermediate"
ssl = {{ certificate = "{certificate}", key = "{certificate}" }}
log = {{ {{ levels = {{ min = "info" }}, to = "console" }} }}
{settings or ''}
{hosts}{parts}""")
        for path in (self.directory, data):
            path.chmod(0o700)
        binary = system.which("prosody")
        self.process = process.Process("prosody", [binary, "-F", "--config", self.directory / "prosody.cfg.lua"], self.directory)

    def ready(self):
        return lambda: system.listening(self.c2s) and (not self.has_components or system.listening(self.component_port))

    def add_users(self, accounts):
        """Writes prosody's account files; one key derivation for all accounts that share a password."""
        known = {}
        for jid, password in accounts:
            local, _, domain = jid.partition("@")
            if password not in known:
                salted = hashlib.pbkdf2_hmac("sha1", password.encode(), b"talk-salt", 10000)
                known[password] = (hashlib.sha1(hmac.digest(salted, b"Client Key", "sha1")).hexdigest(),
                                   hmac.digest(salted, b"Server Key", "sha1").hex())
            stored, server = known[password]
            name = lambda text: "".join(chr(b) if chr(b).isascii() and chr(b).isalnum() else "%%%02x" % b for b in text.encode())
            folder = self.directory / "data" / name(domain) / "accounts"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{name(local)}.dat").write_text(
                f'return {{\n\t["iteration_count"] = 10000;\n\t["salt"] = "talk-salt";\n'
                f'\t["stored_key"] = "{stored}";\n\t["server_key"] = "{server}";\n}};\n')

    def stop(self):
        try:
            self.process.stop()
            return None
        except process.ProcessError as e:
            return str(e)
        finally:
            self.remove()

    def restart(self, streams=()):
        self.process.stop(streams=streams)
        self.start()
