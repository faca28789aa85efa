"""Debian's jabberd2: router, session manager and c2s as three processes on one SQLite database, with the modules of the package's configuration."""
import gzip
import subprocess
from pathlib import Path

from harness import pki, process, servers, system

from subjects import DOMAIN, Subject, on_core, provision

SCHEMA = Path("/usr/share/doc/jabberd2/db-setup.sqlite.gz")
PARTS = ("router", "sm", "c2s")
USER, SECRET = "jabberd", "secret"
CHAINS = {                                      # of sm.xml as it is installed
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


def modules():
    """The directory of its modules, which depends on the architecture."""
    return next(iter(sorted(Path("/usr/lib").glob("*/jabberd2"))), None)


def available():
    return modules() is not None and SCHEMA.is_file() and bool(system.which("sqlite3")) and all(system.which(f"jabberd2-{p}") for p in PARTS)


class Jabberd2(servers.Server):
    def __init__(self):
        super().__init__([DOMAIN])
        self.router = system.free_port()
        self.database = self.directory / "sqlite.db"
        self.certificate = pki.shared().issue(self.domains)
        self.write()
        schema = gzip.decompress(SCHEMA.read_bytes())
        subprocess.run([system.which("sqlite3"), self.database], input=schema, check=True, capture_output=True, timeout=60)
        self.processes = [process.Process(f"jabberd2-{part}", on_core(0) + [system.which(f"jabberd2-{part}"), "-c", self.directory / f"{part}.xml"],
                                          self.directory) for part in PARTS]
        self.process = self.processes[-1]

    def write(self):
        head = lambda part: f"<{part}><id>{part}</id><pidfile>{self.directory}/{part}.pid</pidfile><log type='stdout'/>"
        attach = (f"<router><ip>127.0.0.1</ip><port>{self.router}</port><user>{USER}</user><pass>{SECRET}</pass>"
                  "<retry><init>10</init><lost>3</lost><sleep>1</sleep></retry></router>")
        sqlite = (f"<sqlite><dbname>{self.database}</dbname><sql>PRAGMA synchronous = NORMAL;</sql><busy-timeout>5000</busy-timeout>%s</sqlite>")
        limits = "<max_fds>20000</max_fds><limits><bytes>0</bytes><stanzas>0</stanzas><connects>0</connects><stanzasize>65535</stanzasize></limits>"
        chains = "".join(f"<chain id='{name}'>{''.join(f'<module>{m}</module>' for m in names.split())}</chain>" for name, names in CHAINS.items())
        files = {
            "router-users.xml": f"<users><user><name>{USER}</name><secret>{SECRET}</secret></user></users>",
            "router-filter.xml": "<filter/>",
            "router.xml": f"{head('router')}<local><ip>127.0.0.1</ip><port>{self.router}</port><users>{self.directory}/router-users.xml</users>"
                          f"<secret>{SECRET}</secret></local><io>{limits}</io><aci><acl type='all'><user>{USER}</user></acl>"
                          f"<filter>{self.directory}/router-filter.xml</filter></aci></router>",
            "sm.xml": f"{head('sm')}{attach}<local><id>{DOMAIN}</id></local><storage><path>{modules()}</path><driver>sqlite</driver>{sqlite % ''}</storage>"
                      f"<modules><path>{modules()}</path>{chains}</modules>"
                      "<discovery><identity><category>server</category><type>im</type><name>bench</name></identity></discovery>"
                      "<user><template/></user></sm>",
            "c2s.xml": f"{head('c2s')}{attach}<local><id realm='{DOMAIN}' pemfile='{self.certificate}' require-starttls='mu'>{DOMAIN}</id>"
                       f"<ip>127.0.0.1</ip><port>{self.c2s}</port></local><io>{limits}</io>"
                       f"<authreg><path>{modules()}</path><module>sqlite</module><mechanisms><sasl><plain/></sasl></mechanisms>"
                       f"<ssl-mechanisms><sasl><plain/></sasl></ssl-mechanisms>{sqlite % '<password_type><plaintext/></password_type>'}</authreg></c2s>",
        }
        for name, text in files.items():
            (self.directory / name).write_text(text)

    def start(self):
        ports = {"router": self.router, "c2s": self.c2s}
        try:
            for part, running in zip(PARTS, self.processes):
                running.start().wait_ready(lambda: part not in ports or system.listening(ports[part]), 20)
        except BaseException:
            self.stop()
            raise

    def stop(self):
        for running in self.processes:
            running.kill()
        self.remove()


class Jabberd2Subject(Subject):
    sasl = "plain"                              # SCRAM it has not
    has_sm = False

    def pids(self):
        return ",".join(str(p.child.pid) for p in self.server.processes)

    def log(self):
        return "".join(p.log() for p in self.server.processes)


def jabberd2(users):
    server = Jabberd2()
    provision("provision-jabberd2", server.database, DOMAIN, users)
    server.start()
    return Jabberd2Subject("jabberd2", server)
