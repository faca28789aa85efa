"""Debian's prosody and ejabberd, each with temporary state on loopback."""
import os
import shutil
import signal

from harness import pki, process, servers, system

from subjects import DOMAIN, Subject, accounts, on_core, own, provision

PROSODY = """
log = { { levels = { min = "warn" }, to = "console" } }
limits = {}
modules_enabled = { "roster", "saslauth", "tls", "disco", "ping", "version", "blocklist", "offline", "presence", "message", "iq", "c2s",
        "smacks", "carbons", "csi_simple" }
"""


def prosody(users, settings=""):
    server = servers.Prosody([DOMAIN], settings=PROSODY + settings)
    server.process.argv = on_core(0) + server.process.argv
    server.add_users(accounts(users))
    server.start()
    return Subject("prosody", server)


class Ejabberd(servers.Server):
    """ejabberd from its Debian package."""

    def __init__(self, listen="", settings="", modules="", wrapper=()):
        """listen, settings, modules: lines of its configuration beyond the usual ones."""
        super().__init__([DOMAIN])
        certificate = shutil.copy(pki.shared().issue(self.domains), self.directory / "certificate.pem")
        self.http = system.free_port()
        (self.directory / "spool").mkdir()
        (self.directory / "ejabberdctl.cfg").touch()    # that of the package would put its own configuration back
        (self.directory / "ejabberd.yml").write_text(f"""
hosts: ["{DOMAIN}"]
loglevel: warning
certfiles: ["{certificate}"]
auth_password_format: scram
listen:
  - port: {self.c2s}
    ip: "127.0.0.1"
    module: ejabberd_c2s
    starttls_required: true
    shaper: none
    access: all
  - port: {self.http}
    ip: "127.0.0.1"
    module: ejabberd_http
    request_handlers:
      /api: mod_http_api
{listen}{settings}
api_permissions:
  "all": {{from: [mod_http_api], who: {{ip: "127.0.0.1/8"}}, what: "*"}}
modules:
  mod_roster: {{}}
  mod_ping: {{}}
  mod_disco: {{}}
  mod_offline: {{}}
  mod_carboncopy: {{}}
  mod_stream_mgmt: {{}}
  mod_http_api: {{}}
{modules}""")
        # ERL_DIST_PORT does without epmd, a daemon that would stay behind.
        environment = {"EJABBERD_CONFIG_PATH": str(self.directory / "ejabberd.yml"), "SPOOL_DIR": str(self.directory / "spool"),
                       "LOGS_DIR": str(self.directory), "ERLANG_NODE": f"bench{os.getpid()}@localhost", "HOME": str(self.directory),
                       "ERL_DIST_PORT": str(system.free_port())}
        as_its_user = ["runuser", "-u", "ejabberd", "--"] if os.geteuid() == 0 else []
        self.process = process.Process("ejabberd", on_core(0) + list(wrapper) + as_its_user + [
            system.which("ejabberdctl"), "--config-dir", self.directory, "--ctl-config", self.directory / "ejabberdctl.cfg", "--config", self.directory / "ejabberd.yml",
            "--spool", self.directory / "spool", "--logs", self.directory, "foreground"], self.directory, environment)

    def start(self):
        if os.geteuid() == 0:                           # ejabberdctl wants the user of its package
            own(self.directory, "ejabberd")
        try:
            self.process.start().wait_ready(lambda: system.listening(self.c2s) and system.listening(self.http), 40)
        except BaseException:
            self.stop()
            raise

    def stop(self):
        if self.process.child is not None:              # it is a shell with Erlang below
            try:
                os.killpg(self.process.child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.kill()
        self.remove()


def ejabberd(users, **more):
    subject = Subject("ejabberd", Ejabberd(**more))
    subject.server.start()
    try:
        provision("provision-ejabberd", f"http://127.0.0.1:{subject.server.http}/api", DOMAIN, users)
    except BaseException:
        subject.server.stop()
        raise
    return subject
