"""Other XMPP servers from their Debian packages as peers of a federation, and xmppd in the same role. All serve several domains.

Each has an address of its own in 127.0.0.0/8 with the well-known port for servers; a host (Host) is one domain there with what is special about it.
A password of all accounts: PASSWORD.
"""
import gzip
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

from . import dnsmasq, pki, process, servers, system

PASSWORD = "pencil"


class Host:
    """One domain of a peer: its certificate (authority.Certificate), whether it offers TLS, the only version of it, whether it insists on TLS,
    and on whether streams go both ways (XEP-0288) where that has to be switched on."""

    def __init__(self, domain, certificate, tls=True, version=None, strict=False, bidi=False):
        self.domain, self.certificate, self.tls, self.version, self.strict, self.bidi = domain, certificate, tls, version, strict, bidi


class Relay:
    """Connections to a loopback port go on to another address; a server that listens on IPv4 is reached by IPv6 so."""

    def __init__(self, host, target):
        self.target = target
        self.listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self.target, timeout=5)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(one, other), daemon=True).start()

    @staticmethod
    def _copy(one, other):
        try:
            while data := one.recv(65536):
                other.sendall(data)
        except OSError:
            pass
        for s in (one, other):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class NotHere(Exception):
    """Nothing that is promised to be there is missing, but this machine does not let us."""


def with_resolver(path):
    """The start of a command that sees this as /etc/resolv.conf."""
    return ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', str(path)]


class Peer(servers.Server):
    mechanism = "SCRAM-SHA-1"
    needs = ()                                  # programs
    has_blocking = True                         # XEP-0191; otherwise privacy lists
    settles = 0                                 # seconds after which rosters and the like are safe from kill

    def __init__(self, hosts, names, trust, strict_with=()):
        """strict_with: domains that have to show a valid certificate, where the server tells them apart by their own name."""
        super().__init__([h.domain for h in hosts])
        self.hosts, self.names, self.trust = hosts, names, trust
        self.address = dnsmasq.loopback_address()
        self.s2s, self.s2s_tls = 5269, 5270             # the latter: TLS from the first byte
        self.directory.chmod(0o700)

    @classmethod
    def missing(cls, names):
        """What is missing here, or None."""
        lacking = [p for p in cls.needs if not system.which(p)]
        return f"not there: {', '.join(lacking)}" if lacking else None

    def up(self):
        return system.listening(self.c2s) and system.listening(self.s2s, self.address)

    def start(self):
        try:
            self.process.start().wait_ready(self.up, 60)
        except BaseException:
            self.kill()
            raise
        return self

    def log(self):
        return self.process.log(everything=True)

    def stop(self):
        self.kill()
        self.remove()


class Prosody(Peer):
    needs = ("prosody",)
    add_users = servers.Prosody.add_users

    def __init__(self, hosts, names, trust, strict_with=()):
        super().__init__(hosts, names, trust)
        secure = ", ".join(f'"{d}"' for d in strict_with)
        data = self.directory / "data"
        data.mkdir()
        parts = "".join(self.host(h) for h in hosts)
        for h in hosts:                                 # where it looks for a port with TLS from the first byte
            for suffix in ("crt", "key"):
                (self.directory / "certs").mkdir(exist_ok=True)
                shutil.copy(h.certificate.file(), self.directory / "certs" / f"{h.domain}.{suffix}")
        (self.directory / "prosody.cfg.lua").write_text(f"""
run_as_root = true
daemonize = false
pidfile = "{self.directory}/prosody.pid"
data_path = "{data}"
plugin_paths = {{}}
c2s_interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {self.c2s} }}
c2s_direct_tls_ports = {{}}
s2s_interfaces = {{ "{self.address}" }}
s2s_ports = {{ {self.s2s} }}
s2s_direct_tls_interfaces = {{ "{self.address}" }}
s2s_direct_tls_ports = {{ {self.s2s_tls} }}
modules_enabled = {{ "roster", "saslauth", "tls", "disco", "ping", "blocklist", "dialback" }}
modules_disabled = {{ "limits" }}
authentication = "internal_hashed"
storage = "internal"
c2s_require_encryption = false
s2s_require_encryption = false
s2s_secure_auth = false
s2s_secure_domains = {{ {secure} }}
unbound = {{ resolvconf = false, hoststxt = false, forward = {{ "{names.address}@{names.port}" }},
        options = {{ ["do-not-query-localhost:"] = "no", ["cache-max-ttl:"] = "0", ["cache-max-negative-ttl:"] = "0" }} }}
ssl = {{ capath = "/nonexistent", cafile = "{trust}" }}
log = {{ {{ levels = {{ min = "debug" }}, to = "console" }} }}
{parts}""")
        self.process = process.Process("prosody", [system.which("prosody"), "-F", "--config", self.directory / "prosody.cfg.lua"], self.directory)

    @staticmethod
    def host(h):
        protocol = f', protocol = "{h.version}"' if h.version else ""
        certificate = h.certificate.file()
        return (f'VirtualHost "{h.domain}"\n    ssl = {{ certificate = "{certificate}", key = "{certificate}"{protocol} }}\n'
                f"    s2s_allow_encryption = {'true' if h.tls else 'false'}\n" + ('    modules_enabled = { "s2s_bidi" }\n' if h.bidi else ""))


def ejabberd_process(directory, before=()):
    """ejabberdctl with all it needs in this directory: ejabberd.yml, spool, log. ERL_DIST_PORT does without epmd, a daemon that would stay behind."""
    (directory / "spool").mkdir()
    (directory / "ejabberdctl.cfg").touch()             # that of the package would put its own configuration back
    environment = {"EJABBERD_CONFIG_PATH": str(directory / "ejabberd.yml"), "SPOOL_DIR": str(directory / "spool"), "LOGS_DIR": str(directory),
                   "ERLANG_NODE": f"peer{system.free_port()}@localhost", "HOME": str(directory), "ERL_DIST_PORT": str(system.free_port())}
    return process.Process("ejabberd", [*before, "runuser", "-u", "ejabberd", "--", system.which("ejabberdctl"), "--config-dir", directory,
                                        "--ctl-config", directory / "ejabberdctl.cfg", "--config", directory / "ejabberd.yml",
                                        "--spool", directory / "spool", "--logs", directory, "foreground"], directory, environment)


def give_to_ejabberd(directory):
    """ejabberdctl wants the user of its package."""
    for path in (directory, *directory.rglob("*")):
        shutil.chown(path, "ejabberd", "ejabberd")


def register_at_ejabberd(port, accounts):
    """While it runs, through its HTTP interface."""
    for jid, password in accounts:
        user, _, host = jid.partition("@")
        request = urllib.request.Request(f"http://127.0.0.1:{port}/api/register", json.dumps({"user": user, "host": host, "password": password}).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=20 * system.PATIENCE) as answer:
            answer.read()


def kill_group(part):
    """A shell with Erlang below."""
    if part.child is not None:
        try:
            os.killpg(part.child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    part.kill()


class EjabberdHome(servers.Server):
    """Debian's ejabberd as another home for sipcomp, like servers.Prosody."""
    mechanism = "SCRAM-SHA-1"

    def __init__(self, domains=("capulet.example",), components=()):
        super().__init__(domains)
        self.directory.chmod(0o755)
        self.http = system.free_port()
        certificate = self.directory / "own.pem"
        certificate.write_bytes(pki.shared().issue(self.domains).read_bytes())
        (self.directory / "ejabberd.yml").write_text(json.dumps({
            "hosts": self.domains, "loglevel": "info", "certfiles": [str(certificate)], "acme": {"auto": False}, "auth_password_format": "scram",
            "listen": [
                {"port": self.c2s, "ip": "127.0.0.1", "module": "ejabberd_c2s", "starttls": True, "access": "all"},
                {"port": self.component_port, "ip": "127.0.0.1", "module": "ejabberd_service",
                 "hosts": {name: {"password": secret} for name, secret in components}},
                {"port": self.http, "ip": "127.0.0.1", "module": "ejabberd_http", "request_handlers": {"/api": "mod_http_api"}},
            ],
            # Any stream of a listener is given what is for any of its components; so what one user says keeps to one stream, in order.
            "domain_balancing": {name: {"type": "bare_source", "component_number": len(components)} for name, _ in components if len(components) > 1},
            "api_permissions": {"all": {"from": ["mod_http_api"], "who": {"ip": "127.0.0.1/8"}, "what": "*"}},
            "modules": {f"mod_{m}": {} for m in ("roster", "ping", "disco", "offline", "privacy", "blocking", "http_api")},
        }, indent=1))
        self.process = ejabberd_process(self.directory)

    def start(self):
        give_to_ejabberd(self.directory)
        self.process.start().wait_ready(lambda: all(system.listening(p) for p in (self.c2s, self.component_port, self.http)), 60)
        return self

    def add_users(self, accounts):
        register_at_ejabberd(self.http, accounts)

    def kill(self):
        kill_group(self.process)

    def restart(self, streams=()):
        time.sleep(Ejabberd.settles)
        self.kill()
        self.start()

    def stop(self):
        self.kill()
        self.remove()


class Ejabberd(Peer):
    needs = ("ejabberdctl",)
    settles = 2.5                               # mnesia writes its log that late
    versions = {"tlsv1_2": ["no_sslv3", "no_tlsv1", "no_tlsv1_1", "no_tlsv1_3"]}

    def __init__(self, hosts, names, trust, strict_with=()):
        super().__init__(hosts, names, trust)
        self.http = system.free_port()
        files = {}
        for h in hosts:
            files.setdefault(h.certificate, self.directory / f"{len(files)}.pem")
        for certificate, path in files.items():
            path.write_bytes(certificate.file().read_bytes())
        (self.directory / "trust.pem").write_bytes(Path(trust).read_bytes())
        # It looks SRV records up by itself, addresses by the C library, whose configuration is one of the machine: hence namespaces.
        (self.directory / "resolv.conf").write_text(f"nameserver {names.address}\n")
        (self.directory / "inetrc").write_text(
            f"{{resolv_conf,\"\"}}.\n{{hosts_file,\"\"}}.\n{{lookup,[dns]}}.\n{{nameserver, {{{names.address.replace('.', ',')}}}, {names.port}}}.\n{{cache_size, 0}}.\n{{timeout, 2000}}.\n")
        # JSON is YAML.
        (self.directory / "ejabberd.yml").write_text(json.dumps({
            "hosts": self.domains, "loglevel": "debug", "certfiles": [str(path) for path in files.values()], "acme": {"auto": False},
            "auth_password_format": "scram",
            "s2s_use_starttls": "optional", "s2s_cafile": str(self.directory / "trust.pem"), "s2s_max_retry_delay": 1, "s2s_timeout": 10,
            "host_config": {h.domain: {**({} if h.tls else {"s2s_use_starttls": False}), **({"s2s_use_starttls": "required"} if h.strict else {}),
                                       **({"s2s_protocol_options": self.versions[h.version]} if h.version else {})}
                            for h in hosts if not h.tls or h.version or h.strict},
            "listen": [
                {"port": self.c2s, "ip": "127.0.0.1", "module": "ejabberd_c2s", "starttls": True, "access": "all"},
                {"port": self.s2s, "ip": self.address, "module": "ejabberd_s2s_in"},
                {"port": self.s2s_tls, "ip": self.address, "module": "ejabberd_s2s_in", "tls": True},
                {"port": self.http, "ip": "127.0.0.1", "module": "ejabberd_http", "request_handlers": {"/api": "mod_http_api"}},
            ],
            "api_permissions": {"all": {"from": ["mod_http_api"], "who": {"ip": "127.0.0.1/8"}, "what": "*"}},
            "modules": {f"mod_{m}": {} for m in ("roster", "ping", "disco", "offline", "privacy", "blocking", "s2s_dialback", "http_api")},
        }, indent=1))
        self.process = ejabberd_process(self.directory, with_resolver(self.directory / "resolv.conf"))

    @classmethod
    def missing(cls, names):
        if names.port != 53 or subprocess.run(with_resolver("/etc/resolv.conf") + ["true"], capture_output=True).returncode != 0:
            raise NotHere("no mount namespace with a resolv.conf of its own, which ejabberd needs")
        return super().missing(names)

    def start(self):
        give_to_ejabberd(self.directory)
        return super().start()

    def up(self):
        return super().up() and system.listening(self.http)

    def add_users(self, accounts):
        register_at_ejabberd(self.http, accounts)

    def kill(self):
        kill_group(self.process)


class Jabberd2(Peer):
    """Four processes on one SQLite database."""
    mechanism = "PLAIN"
    parts = ("router", "sm", "s2s", "c2s")
    needs = tuple(f"jabberd2-{p}" for p in parts)
    has_blocking = False
    schema = Path("/usr/share/doc/jabberd2/db-setup.sqlite.gz")
    chains = {                                          # of sm.xml as it is installed
        "sess-start": "status",
        "sess-end": "status iq-last",
        "in-sess": "validate status privacy roster vacation iq-vcard iq-ping iq-private disco amp offline announce presence deliver",
        "in-router": "session validate presence privacy",
        "out-router": "privacy",
        "pkt-sm": "iq-last iq-ping iq-time iq-version amp disco announce help echo status presence",
        "pkt-user": "roster presence disco iq-vcard amp deliver vacation offline iq-last",
        "pkt-router": "session disco",
        "user-load": "active roster roster-publish privacy vacation",
        "user-create": "active template-roster",
        "user-delete": "active announce offline privacy roster vacation status iq-last iq-private iq-vcard",
        "disco-extend": "iq-version help",
    }

    def __init__(self, hosts, names, trust, own=None):
        """own: the certificate it shows where it connects, for all hosts."""
        super().__init__(hosts, names, trust)
        self.own = own or hosts[0].certificate
        self.router = system.free_port()
        self.database = self.directory / "sqlite.db"
        self.modules = next(iter(sorted(Path("/usr/lib").glob("*/jabberd2"))))
        for name, text in self.files().items():
            (self.directory / name).write_text(text)
        with sqlite3.connect(self.database) as made:
            made.executescript(gzip.decompress(self.schema.read_bytes()).decode())
        environment = {"NAMESERVERS": names.address}    # of udns
        self.processes = [process.Process(f"jabberd2-{part}", [system.which(f"jabberd2-{part}"), "-c", self.directory / f"{part}.xml"],
                                          self.directory, environment) for part in self.parts]
        self.process = self.processes[2]

    @classmethod
    def missing(cls, names):
        if names.port != 53:
            raise NotHere("jabberd2 asks name servers at port 53 only, which takes root")
        if super().missing(names) or not cls.schema.is_file():
            raise NotHere("jabberd2 is not there; not every release has it")
        return None

    def files(self):
        head = lambda part: f"<{part}><id>{part}</id><pidfile>{self.directory}/{part}.pid</pidfile><log type='stdout'/>"
        attach = (f"<router><ip>127.0.0.1</ip><port>{self.router}</port><user>jabberd</user><pass>secret</pass>"
                  "<retry><init>10</init><lost>3</lost><sleep>1</sleep></retry></router>")
        sqlite = f"<sqlite><dbname>{self.database}</dbname><sql>PRAGMA synchronous = OFF;</sql><busy-timeout>5000</busy-timeout>%s</sqlite>"
        limits = "<max_fds>1024</max_fds><limits><bytes>0</bytes><stanzas>0</stanzas><connects>0</connects><stanzasize>65535</stanzasize></limits>"
        chains = "".join(f"<chain id='{name}'>{''.join(f'<module>{m}</module>' for m in names.split())}</chain>"
                         for name, names in self.chains.items())
        ids = lambda more: "".join(f"<id realm='{h.domain}' pemfile='{h.certificate.file()}'{more}>{h.domain}</id>" for h in self.hosts)
        return {
            "router-users.xml": "<users><user><name>jabberd</name><secret>secret</secret></user></users>",
            "router-filter.xml": "<filter/>",
            "router.xml": f"{head('router')}<local><ip>127.0.0.1</ip><port>{self.router}</port><users>{self.directory}/router-users.xml</users>"
                          f"<secret>secret</secret></local><io>{limits}</io><aci><acl type='all'><user>jabberd</user></acl>"
                          f"<filter>{self.directory}/router-filter.xml</filter></aci></router>",
            "sm.xml": f"{head('sm')}{attach}<local>{''.join(f'<id>{d}</id>' for d in self.domains)}</local>"
                      f"<storage><path>{self.modules}</path><driver>sqlite</driver>{sqlite % ''}</storage>"
                      f"<modules><path>{self.modules}</path>{chains}</modules>"
                      "<discovery><identity><category>server</category><type>im</type><name>peer</name></identity></discovery>"
                      "<user><template/></user></sm>",
            "s2s.xml": f"{head('s2s')}{attach}<local><ip>{self.address}</ip><port>{self.s2s}</port>"
                       f"<origins><ip>{self.address}</ip>{'<ip>::1</ip>' if system.has_ipv6() else ''}</origins>"
                       f"<pemfile>{self.own.file()}</pemfile><cachain>{self.trust}</cachain>{ids('')}</local><io>{limits}</io>"
                       "<check><interval>1</interval><queue>20</queue><retry>20</retry><dnscache>1</dnscache></check>"
                       "<lookup><srv>xmpp-server</srv><resolve-ipv6/><min-ttl>1</min-ttl><max-ttl>1</max-ttl><bad-host-timeout>1</bad-host-timeout>"
                       "<no-cache/></lookup><security/></s2s>",
            "c2s.xml": f"{head('c2s')}{attach}<local>{ids('')}<ip>127.0.0.1</ip><port>{self.c2s}</port></local><io>{limits}</io>"
                       f"<authreg><path>{self.modules}</path><module>sqlite</module><mechanisms><sasl><plain/></sasl></mechanisms>"
                       f"<ssl-mechanisms><sasl><plain/></sasl></ssl-mechanisms>{sqlite % '<password_type><plaintext/></password_type>'}</authreg></c2s>",
        }

    def add_users(self, accounts):
        with sqlite3.connect(self.database, timeout=10) as database:
            for jid, password in accounts:
                user, _, domain = jid.partition("@")
                database.execute("INSERT INTO authreg (username, realm, password) VALUES (?, ?, ?)", (user, domain, password))
                database.execute('INSERT INTO active ("collection-owner", time) VALUES (?, 1)', (jid,))

    def start(self):
        ready = {"router": lambda: system.listening(self.router), "c2s": lambda: system.listening(self.c2s),
                 "s2s": lambda: system.listening(self.s2s, self.address), "sm": lambda: True}
        try:
            for part, running in zip(self.parts, self.processes):
                running.start().wait_ready(ready[part], 20)
        except BaseException:
            self.kill()
            raise
        return self

    def kill(self):
        for running in self.processes:
            running.kill()

    def log(self):
        return "".join(p.log(everything=True) for p in self.processes)


class Xmppd(servers.Xmppd):
    """xmppd for these hosts; rules: sections of federation.conf."""
    mechanism = "SCRAM-SHA-1"
    has_blocking = True
    settles = 0

    def __init__(self, hosts, names, trust, rules=None, workers=1, settings=None):
        self.address = dnsmasq.loopback_address()
        certificates = {("domain", h.domain): {"certificate": str(h.certificate.file())} for h in hosts}
        super().__init__([h.domain for h in hosts], {
            **certificates, "dns": {"servers": [f"{names.address}:{names.port}"]}, "s2s": {"trust": str(trust)}, **(settings or {})}, rules, workers)
        self.settings["s2s"]["listen"] = [f"127.0.0.1:{self.s2s}", f"{self.address}:5269"] + ([f"[::1]:{self.s2s}"] if system.has_ipv6() else [])
        self.own_tls = system.free_port()
        self.settings["s2s"]["listen-tls"] = [f"127.0.0.1:{self.own_tls}", f"{self.address}:5270"]
        self.write()
        self.s2s, self.s2s_tls, self.own_port = 5269, 5270, self.s2s    # as other peers: well-known ports of its address, and some of its own

    @classmethod
    def missing(cls, names):
        return None if system.have("xmppd") else "xmppd is not built"

    def log(self):
        return self.process.log(everything=True)


KINDS = {"prosody": Prosody, "ejabberd": Ejabberd, "jabberd2": Jabberd2, "xmppd": Xmppd}
