"""Debian's baresip as a SIP user who is her own domain: it talks to the gateway directly, and is driven through its control socket."""
import json
import shutil
import socket
import time

from . import process, system

CONFIG = """
sip_listen 127.0.0.1:{port}
sip_trans_def tcp
dns_server {names}
module_path /usr/lib/baresip/modules
module contact.so
module account.so
module ctrl_tcp.so
module_app menu.so
module_app presence.so
ctrl_tcp_listen 127.0.0.1:{control}
"""


class Baresip:
    """user@domain at this TCP port of 127.0.0.1, which asks this name server (address:port); contacts: SIP addresses whose presence it asks for."""

    def __init__(self, address, port, gateway, names, contacts=()):
        self.address, self.port, self.control = address, port, system.free_port()
        self.directory = system.short_directory("xb-")
        (self.directory / "config").write_text(CONFIG.format(port=port, control=self.control, names=names))
        (self.directory / "accounts").write_text(f'<sip:{address};transport=tcp>;regint=0;outbound="sip:127.0.0.1:{gateway};transport=tcp"\n')
        (self.directory / "contacts").write_text("".join(f'"{c}" <sip:{c}>;presence=p2p\n' for c in contacts))
        self.process = process.Process("baresip", [system.which("baresip"), "-4", "-v", "-s", "-f", self.directory], self.directory)
        self.socket, self.bytes, self.kept = None, b"", []

    def start(self):
        self.process.start().wait_ready(lambda: system.listening(self.port) and system.listening(self.control), 20)
        self.socket = socket.create_connection(("127.0.0.1", self.control), timeout=5 * system.PATIENCE)
        return self

    def command(self, command, params="", seconds=5):
        text = json.dumps({"command": command, "params": params, "token": command}).encode()
        self.socket.sendall(b"%d:%s," % (len(text), text))
        answer = self.expect(lambda event: event.get("response") and event.get("token") == command, seconds)
        assert answer and answer["ok"], f"{command} {params}: {answer}"
        return answer

    def expect(self, fits, seconds=10):
        """The next thing it tells that fits; the rest stays."""
        for event in self.kept:
            if fits(event):
                self.kept.remove(event)
                return event
        end = time.monotonic() + seconds * system.PATIENCE
        while (event := self._read(end - time.monotonic())) is not None:
            if fits(event):
                return event
            self.kept.append(event)
        return None

    def _read(self, seconds):
        """One netstring."""
        end = time.monotonic() + seconds
        while True:
            head, colon, rest = self.bytes.partition(b":")
            if colon and len(rest) > int(head):
                self.bytes = rest[int(head) + 1:]
                return json.loads(rest[:int(head)])
            if time.monotonic() >= end:
                return None
            self.socket.settimeout(max(0.01, end - time.monotonic()))
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                return None
            if not data:
                return None
            self.bytes += data

    def stop(self):
        if self.socket:
            self.socket.close()
        if self.process.alive():
            self.process.stop()
        shutil.rmtree(self.directory, ignore_errors=True)
