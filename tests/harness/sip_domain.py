"""A SIP domain with as many people as are spoken of: peers/echo-peer as a process of its own, led over its standard input.

    lync = sip_domain.Domain("lync.test", port, gateway_port, certificate)
    carol = lync.person("carol")
    carol.says(juliet, "Hi")
    carol.sees(juliet, "open", "busy")
"""
import queue
import subprocess
import sys
import threading
import time

from . import pki, system
from .person import PATIENCE, Missing


class Domain:
    def __init__(self, name, port, gateway, certificate):
        self.name = name
        program = system.TESTS / "peers" / "echo-peer"
        self.process = subprocess.Popen(
            [sys.executable, str(program), "--listen", f"127.0.0.1:{port}", "--gateway", f"127.0.0.1:{gateway}", "--certificate", str(certificate),
             "--trust", str(pki.shared().ca), "--domain", name, "--control"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.lines, self.unasked = queue.Queue(), []
        threading.Thread(target=self._read, daemon=True).start()
        self.expect("ready:")

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))

    def person(self, name):
        return Person(self, name)

    def order(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def expect(self, beginning, seconds=PATIENCE):
        """The first line, also of those that came before, that begins like this."""
        end = time.monotonic() + seconds * system.PATIENCE
        while True:
            for line in self.unasked:
                if f"{line} ".startswith(f"{beginning} "):
                    self.unasked.remove(line)
                    return line
            try:
                self.unasked.append(self.lines.get(timeout=max(0.01, end - time.monotonic())))
            except queue.Empty:
                raise Missing(f"{self.name} waited for `{beginning}`; there was {'; '.join(self.unasked[-8:]) or 'nothing'}")

    def nothing(self, beginning):
        """No line that came so far begins like this. Ask after something that comes later."""
        for line in self.unasked:
            if line.startswith(beginning):
                raise Missing(f"{self.name} got `{line}`")

    def forget(self):
        """What came so far is not what is awaited next."""
        time.sleep(0.2)
        while not self.lines.empty():
            self.lines.get()
        self.unasked.clear()

    def stop(self):
        try:
            self.order("quit")
            self.process.wait(3)
        except (OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()


class Person:
    """Somebody of the domain; the others are whoever has a .jid."""

    def __init__(self, domain, name):
        self.domain, self.name, self.jid = domain, name, f"{name}@{domain.name}"

    def order(self, verb, *words):
        self.domain.order(" ".join([verb, self.name, *words]))

    def watches(self, other):
        self.order("watch", other.jid)

    def watched_by(self, other):
        self.domain.expect(f"watched {self.name} {other.jid}")

    def sees(self, other, basic, activity="-"):
        """basic: open, closed, or the state of a subscription that shows nothing, such as pending."""
        self.domain.expect(f"presence {self.name} {other.jid} {basic}" + (f" {activity}" if basic in ("open", "closed") else ""))

    def shows(self, word):
        self.order("state", word)

    def says(self, other, text):
        self.order("say", other.jid, text)

    def hears(self, other, text):
        self.domain.expect(f"text {self.name} {other.jid} {text}")

    def hangs_up(self, other):
        self.order("hangup", other.jid)

    def session(self, other, what):
        """begins, ends"""
        self.domain.expect(f"session {self.name} {other.jid} {what}")

    def blocks(self, other, is_blocked=True):
        self.order("block" if is_blocked else "unblock", other.jid)
