"""dnsmasq with the zones of a test: what other servers ask, each in its own way, and xmppd too.

    names = dnsmasq.Names()
    names.srv("_xmpp-server._tcp.rome.example", [(0, 0, 5269, "xmpp.rome.example")])
    names.host("xmpp.rome.example", "127.0.0.1", "::1")
    names.start()

All names are given before it starts. It knows of .example and nothing else, and asks nobody.
"""
import os
import random
import shutil
import socket

from . import process, system


def loopback_address():
    """One of the 127.0.0.0/8 that nobody else uses, so that well-known ports are free there."""
    return "127." + ".".join(str(random.randint(*ends)) for ends in ((16, 250), (1, 250), (1, 250)))


def ascii_domain(domain):
    return ".".join(label if label.isascii() else label.encode("idna").decode() for label in domain.split("."))


class Names:
    def __init__(self):
        self.lines = []
        self.directory = system.short_directory("xd-")
        self.address = loopback_address()
        self.port = 53 if may_bind(self.address, 53) else system.free_port()      # jabberd2 can ask at port 53 only
        self.process = process.Process("dnsmasq", [system.which("dnsmasq"), "--keep-in-foreground", f"--conf-file={self.directory}/dnsmasq.conf"],
                                       self.directory)

    def srv(self, name, targets):
        """targets: (priority, weight, port, host); host "." offers nothing."""
        for priority, weight, port, host in targets:
            rest = "" if host == "." else f",{ascii_domain(host)},{port},{priority},{weight}"
            self.lines.append(f"srv-host={ascii_domain(name)}{rest}")

    def host(self, name, *addresses):
        self.lines.append(f"host-record={','.join([ascii_domain(name), *addresses])},1")

    def start(self):
        user = "user=root\n" if os.geteuid() == 0 else ""
        (self.directory / "dnsmasq.conf").write_text(
            f"{user}port={self.port}\nlisten-address={self.address}\nbind-interfaces\nno-resolv\nno-hosts\nlocal=/example/\nlocal-ttl=1\n"
            "cache-size=0\npid-file\nlog-facility=-\n" + "".join(f"{line}\n" for line in self.lines))
        self.process.start().wait_ready(lambda: system.listening(self.port, self.address))
        return self

    def stop(self):
        self.process.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


def may_bind(address, port):
    with socket.socket() as s:
        try:
            s.bind((address, port))
        except OSError:
            return False
    return True
