"""go-sendxmpp, a client in Go on an implementation of its own: it listens, and sends over STARTTLS, direct TLS and raw."""
import os
import re
import shutil
import subprocess
import threading

import pytest

from harness import pki, process, servers, system


@pytest.fixture
def xmppd(workers):
    system.need("xmppd", "go-sendxmpp")
    server = servers.Xmppd(["example.com"], workers=workers).start()
    server.add_users([(f"{name}@example.com", "pencil") for name in ("juliet", "romeo")])
    yield server
    assert server.stop() is None


@pytest.fixture
def environment():
    home = system.short_directory()
    yield {**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home), "SSL_CERT_FILE": str(pki.shared().ca)}
    shutil.rmtree(home, ignore_errors=True)


def command(user, port, *more):
    return ["go-sendxmpp", "-u", f"{user}@example.com", "-p", "pencil", "-j", f"127.0.0.1:{port}",
            "--timeout", str(int(20 * system.PATIENCE)), *more]


class Listener:
    """romeo, who prints what is written to him."""

    def __init__(self, server, environment):
        self.heard = ""
        self.child = subprocess.Popen(command("romeo", server.c2s, "-l"), env=environment, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                      preexec_fn=process.die_with_parent)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.child.stdout:
            self.heard += line

    def hears(self, text):
        assert system.wait_until(lambda: text in self.heard, 20), self.heard

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()
        self.reader.join(5)
        self.child.stdout.close()


def say(server, environment, text, *more, port=None):
    done = subprocess.run(command("juliet", port or server.c2s, *more), input=text, env=environment, text=True, capture_output=True,
                          timeout=40 * system.PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr


def test_lines_arrive_over_each_kind_of_connection(xmppd, environment):
    with Listener(xmppd, environment) as romeo:
        assert system.wait_until(lambda: re.search(r"user romeo@example.com/\S+ bound", xmppd.process.log()), 20), romeo.heard
        say(xmppd, environment, "by STARTTLS,\nin two lines", "romeo@example.com")
        romeo.hears("juliet@example.com: by STARTTLS,\nin two lines")
        say(xmppd, environment, "by direct TLS", "-t", "romeo@example.com", port=xmppd.c2s_tls)
        romeo.hears("juliet@example.com: by direct TLS")
        say(xmppd, environment, "TLS 1.3 & <nothing less>", "--tls-version", "13", "romeo@example.com")
        romeo.hears("juliet@example.com: TLS 1.3 & <nothing less>")
        say(xmppd, environment, '<message to="romeo@example.com" type="chat"><body>raw</body></message>', "--raw", "romeo@example.com")
        romeo.hears("juliet@example.com: raw")


def test_a_line_waits_for_who_is_away(xmppd, environment):
    say(xmppd, environment, "read me later", "romeo@example.com")
    with Listener(xmppd, environment) as romeo:
        romeo.hears("juliet@example.com: read me later")


def test_a_wrong_password_and_a_foreign_root_are_refused(xmppd, environment):
    for change, complaint in (({}, "auth"), ({"SSL_CERT_FILE": "/dev/null", "SSL_CERT_DIR": "/nonexistent"}, "certificate")):
        line = command("juliet", xmppd.c2s, "romeo@example.com")
        if not change:
            line[line.index("pencil")] = "pen"
        done = subprocess.run(line, input="x", env={**environment, **change}, text=True, capture_output=True, timeout=40 * system.PATIENCE)
        assert done.returncode != 0 and complaint in (done.stdout + done.stderr).lower(), done.stdout + done.stderr
