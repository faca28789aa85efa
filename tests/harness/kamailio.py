"""Debian's kamailio as the SIMPLE server of a foreign domain: proxy with Record-Route, registrar and presence server, over TCP or TLS.

    server = kamailio.Kamailio("simple.test", product=("127.0.0.1", gateway.tcp_port), local="capulet.example")
    server.start()
    erin = kamailio.Phone(server, "erin")       # registered; a sip.Peer whose proxy is the server
"""
import os
import shutil
import signal
import subprocess
import time

from . import pki, process, sip, system

CONFIG = """
debug=2
log_stderror=yes
children=2
tcp_children=2
auto_aliases=no
alias="%(domain)s"
listen=tcp:127.0.0.1:%(tcp_port)d
listen=tls:127.0.0.1:%(tls_port)d
enable_tls=yes
tcp_connection_lifetime=3605
dns_try_ipv6=no
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/:/usr/lib/aarch64-linux-gnu/kamailio/modules/"
loadmodule "ctl.so"
loadmodule "tls.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "db_text.so"
loadmodule "presence.so"
loadmodule "presence_xml.so"
modparam("ctl", "binrpc", "unix:%(directory)s/ctl")
modparam("tls", "config", "%(directory)s/tls.cfg")
modparam("presence|presence_xml", "db_url", "text://%(directory)s/db")
modparam("presence", "server_address", "sip:%(address)s")
modparam("presence", "subs_db_mode", 0)
modparam("presence", "publ_cache", 2)
modparam("presence", "notifier_processes", 0)
modparam("presence", "send_fast_notify", 1)
modparam("presence_xml", "force_active", 1)
modparam("rr", "enable_double_rr", 0)

request_route {
    if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
    if (has_totag()) {
        if (loose_route()) { t_relay(); exit; }
        if (is_method("SUBSCRIBE") && $rd == "%(domain)s" || is_method("SUBSCRIBE") && uri == myself) { route(PRESENCE); exit; }
        if (is_method("ACK")) { t_relay(); exit; }
        sl_send_reply("404", "Not Here");
        exit;
    }
    if (is_method("CANCEL")) { t_relay(); exit; }
    if (is_method("REGISTER")) { save("location"); exit; }
    if (is_method("INVITE|SUBSCRIBE")) record_route();
    if (uri == myself) {
        if (is_method("PUBLISH|SUBSCRIBE")) { route(PRESENCE); exit; }
        if (!lookup("location")) { sl_send_reply("404", "Not Found"); exit; }
        t_relay();
        exit;
    }
    if ($rd == "%(local)s") {
        $du = "sip:%(product)s;transport=%(wire)s";
        t_relay();
        exit;
    }
    sl_send_reply("403", "Not Relaying");
}

route[PRESENCE] {
    if (!t_newtran()) { sl_reply_error(); exit; }
    if (is_method("PUBLISH")) handle_publish();
    else handle_subscribe();
    t_release();
}
"""

TLS = """
[server:default]
method = TLSv1.2+
verify_certificate = yes
require_certificate = no
private_key = %(key)s
certificate = %(certificate)s
ca_list = %(ca)s
[client:default]
method = TLSv1.2+
verify_certificate = yes
require_certificate = yes
private_key = %(key)s
certificate = %(certificate)s
ca_list = %(ca)s
"""
TABLES = "/usr/share/kamailio/dbtext/kamailio"


class Kamailio:
    def __init__(self, domain, product, local, tls=False, port=None):
        self.domain, self.tls = domain, tls
        self.directory = system.short_directory("xk-")
        self.tcp_port, self.tls_port = system.free_port(), system.free_port()
        if tls:
            self.tls_port = port or self.tls_port
        else:
            self.tcp_port = port or self.tcp_port
        self.port = self.tls_port if tls else self.tcp_port
        (self.directory / "db").mkdir()
        for table in ("version", "presentity", "active_watchers", "watchers", "xcap", "pua"):
            shutil.copy(f"{TABLES}/{table}", self.directory / "db")
        store = pki.shared().directory
        wire = "tls" if tls else "tcp"
        values = {"domain": domain, "local": local, "directory": self.directory, "tcp_port": self.tcp_port, "tls_port": self.tls_port, "wire": wire,
                  "address": f"127.0.0.1:{self.port};transport={wire}", "product": "%s:%d" % product,
                  "key": store / "simple.key", "certificate": store / "simple.pem", "ca": store / "ca.pem"}
        (self.directory / "kamailio.cfg").write_text(CONFIG % values)
        (self.directory / "tls.cfg").write_text(TLS % values)
        self.process = process.Process("kamailio", [system.which("kamailio"), "-f", self.directory / "kamailio.cfg", "-DD", "-E", "-m", "32", "-M", "4",
                                                    "-Y", self.directory, "-P", self.directory / "pid"], self.directory)

    def start(self):
        self.process.start()
        self.process.wait_ready(lambda: system.listening(self.tcp_port) and system.listening(self.tls_port), 20)
        # It reads no /etc/hosts; its own cache is told where the gateway is.
        subprocess.run([system.which("kamcmd"), "-s", f"unix:{self.directory}/ctl", "dns.add_a", "sip.example.com", "100000", "127.0.0.1", "0"],
                       check=True, capture_output=True, timeout=10)
        return self

    def kill(self):
        """All of it at once, as a machine that loses its power."""
        os.killpg(self.process.child.pid, signal.SIGKILL)
        self.process.child.wait()

    def stop(self):
        if self.process.alive():
            self.process.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


class Phone(sip.Peer):
    """A SIP user of this server: all it says goes there over TCP, and it is found there by its registration."""

    def __init__(self, server, user):
        super().__init__(server.domain, "127.0.0.1", 0, ("127.0.0.1", server.tcp_port))
        self.user, self.tag = user, None
        self.register()

    def register(self):
        dialog = self.new_dialog(self.user, f"sip:{self.domain}")
        dialog.remote = f"<sip:{self.user}@{self.domain}>"
        self.request("REGISTER", dialog, [("Contact", self.contact(self.user)), ("Expires", "3600")])
        assert self.answer("REGISTER").status == 200

    def answer(self, method, seconds=10):
        """The final answer to our request of this method; what else comes meanwhile stays."""
        return self.take(lambda m: m.is_response and m.status >= 200 and m.get("CSeq").endswith(method), seconds)

    def asked(self, method, seconds=10):
        return self.take(lambda m: not m.is_response and m.method == method, seconds)

    def take(self, fits, seconds):
        end, others, found = time.monotonic() + seconds * system.PATIENCE, [], None
        while found is None and (message := self.receive(max(0, end - time.monotonic()))) is not None:
            if fits(message):
                found = message
            else:
                others.append(message)
        for message in others:
            self.inbox.put(message)
        return found

    def publish(self, basic, activity=None, note=None):
        """Its state, for whoever watches it at the server (RFC 3903)."""
        dialog = self.new_dialog(self.user, f"sip:{self.user}@{self.domain}")
        headers = [("Event", "presence"), ("Expires", "3600"), ("Content-Type", "application/pidf+xml")]
        if self.tag:
            headers.append(("SIP-If-Match", self.tag))
        self.request("PUBLISH", dialog, headers, sip.pidf(f"{self.user}@{self.domain}", basic, activity, note))
        answer = self.answer("PUBLISH")
        assert answer.status == 200, str(answer)
        self.tag = answer.get("SIP-ETag")

    def page(self, to, text):
        """One MESSAGE outside a dialog: its status."""
        dialog = self.new_dialog(self.user, f"sip:{to}")
        self.request("MESSAGE", dialog, [("Content-Type", "text/plain; charset=UTF-8")], text.encode())
        return self.answer("MESSAGE").status

    def watch(self, whom, expires=600):
        """SUBSCRIBE: the dialog."""
        dialog = self.new_dialog(self.user, f"sip:{whom}")
        self.request("SUBSCRIBE", dialog, [("Event", "presence"), ("Accept", "application/pidf+xml"), ("Expires", str(expires))])
        answer = self.answer("SUBSCRIBE")
        assert answer.status == 200, str(answer)
        dialog.learn(answer)
        return dialog

    def sees(self, seconds=10):
        """The next NOTIFY, answered: (its Subscription-State without parameters, basic, activity)."""
        notify = self.asked("NOTIFY", seconds)
        assert notify is not None, "no NOTIFY came"
        self.respond(notify, 200, "OK")
        return notify.get("Subscription-State").partition(";")[0], *sip.read_pidf(notify.text())
