"""profanity, the terminal client, under a pseudo terminal of its own: commands are typed, what it shows and logs is read."""
import codecs
import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import termios
import threading

from . import pki, process, system

ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|[()][0-9A-B]|[=>78]|\][^\x07]*\x07)")
LINES, COLUMNS = 60, 200


class ProfanityError(Exception):
    pass


class Profanity:
    """One user at one terminal, with `with`. Everything it keeps is in a directory that goes with it."""

    def __init__(self, server, jid, password, resource="terminal", trusts=True):
        self.directory = system.short_directory("xf-")
        self.jid = jid
        self.log_path = self.directory / "log"
        self.seen = 0                                   # where the log stood when the last line was typed
        self.shown = ""                                 # everything it has drawn, without the escapes
        config, data, trusted = (self.directory / name for name in ("config", "data", "certs"))
        for folder in (config / "profanity", data / "profanity", trusted):
            folder.mkdir(parents=True)
        if trusts:
            shutil.copy(pki.shared().ca, trusted / "ca.pem")
            subprocess.run(["openssl", "rehash", trusted], check=True, capture_output=True)
        (config / "profanity" / "profrc").write_text(
            f"[connection]\nreconnect=1\ntls.certpath={trusted}\n[ui]\nsplash=false\nbeep=false\n")
        (data / "profanity" / "accounts").write_text(
            f"[me]\nenabled=true\njid={jid}\nresource={resource}\nserver=127.0.0.1\nport={server.c2s}\npassword={password}\n"
            "tls.policy=force\npresence.last=online\npresence.login=online\n")
        environment = {name: value for name, value in os.environ.items() if name not in ("DBUS_SESSION_BUS_ADDRESS", "DISPLAY")}
        environment.update(HOME=str(self.directory), XDG_CONFIG_HOME=str(config), XDG_DATA_HOME=str(data), GNUPGHOME=str(self.directory),
                           TERM="xterm", LC_ALL="C.UTF-8")
        self.terminal, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self.child = subprocess.Popen([system.which("profanity"), "-l", "DEBUG", "-f", self.log_path], stdin=theirs, stdout=theirs,
                                      stderr=theirs, env=environment, cwd=self.directory, start_new_session=True,
                                      preexec_fn=process.die_with_parent)
        os.close(theirs)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.logs("Starting main event loop")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()
        self.reader.join(5)
        os.close(self.terminal)
        shutil.rmtree(self.directory, ignore_errors=True)

    def _read(self):
        """Keeps the terminal empty, or profanity would wait for it."""
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        while True:
            try:
                data = os.read(self.terminal, 65536)
            except OSError:                             # EIO: it has ended
                return
            if not data:
                return
            self.shown += ESCAPES.sub("", decode(data))

    def type(self, line):
        self.seen = len(self.log())
        os.write(self.terminal, line.encode() + b"\r")

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def _wait(self, condition, what, seconds):
        found = system.wait_until(lambda: condition() or self.child.poll() is not None, seconds, every=0.05)
        if not found or not (found := condition()):
            state = "" if self.child.poll() is None else f" (it ended with {self.child.returncode})"
            raise ProfanityError(f"profanity of {self.jid} never {what}{state}\nits log:\n{self.log()[-6000:]}")
        return found

    def logs(self, pattern, seconds=20):
        """Waits for the pattern in what it has logged since the last line was typed."""
        return self._wait(lambda: re.compile(pattern).search(self.log(), self.seen), f"logged {pattern!r}", seconds)

    def receives(self, pattern, seconds=20):
        """Waits for a stanza."""
        return self.logs(rf"RECV: (?=.*{pattern}).*", seconds)

    def shows(self, text, seconds=20):
        """Waits until it has drawn this anywhere."""
        self._wait(lambda: text in self.shown, f"showed {text!r}", seconds)

    def sign_in(self):
        self.type("/connect me")
        return self

    def signed_in(self):
        """Until what it asks for after signing in has been answered, carbons last."""
        self.logs("logged in successfully")
        self.logs("Message carbons enabled")
        return self

    def quit(self):
        """Its exit code after /quit."""
        self.type("/quit")
        return self.child.wait(20 * system.PATIENCE)
