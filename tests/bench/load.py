"""Runs the load tool against a subject and reads its line of JSON."""
import json
import subprocess

from harness import process, system

from subjects import DOMAIN, on_core


class LoadError(Exception):
    """The load tool gave no result."""


class Loads:
    """All runs of the load tool of one benchmark; `all_arrived` is false once something that was sent did not arrive."""

    def __init__(self, program):
        self.program = program
        self.all_arrived = True

    def command(self, subject, mode, arguments, pinned=True):
        sasl = () if "--raw" in subject.first_arguments else ("--sasl", subject.sasl)
        return (on_core(1) if pinned else []) + [
            str(self.program), mode, "--port", str(subject.server.c2s), "--domain", DOMAIN, "--pid", subject.pids(), "--label", subject.name,
            *map(str, subject.first_arguments), *sasl, *map(str, arguments)]

    def read(self, subject, mode, text, complaint, code):
        try:
            result = json.loads(text.strip().splitlines()[-1])
        except (IndexError, ValueError):
            raise LoadError(f"xload {mode} against {subject.name}: exit {code}\n{text}{complaint}\n{subject.log()[-2000:]}")
        print(json.dumps({**result, "exit": code}), flush=True)
        if code != 0 and subject.name in ("xmppd", "relay", "sipcomp"):    # what a peer loses is not for us to judge
            self.all_arrived = False
        return result

    def run(self, subject, mode, *arguments, limit=180, pinned=True):
        """One run from beginning to end: its result."""
        try:
            done = subprocess.run(self.command(subject, mode, arguments, pinned), capture_output=True, text=True, timeout=limit * system.PATIENCE)
        except subprocess.TimeoutExpired:
            raise LoadError(f"xload {mode} against {subject.name} took more than {limit} s\n{subject.log()[-2000:]}")
        return self.read(subject, mode, done.stdout, done.stderr, done.returncode)

    def beside(self, subject, mode, *arguments, pinned=True):
        """A run that goes on beside others; see Beside."""
        return Beside(self, subject, mode, self.command(subject, mode, arguments, pinned))


class Beside:
    """A load that has announced that all its users are online, and stays."""

    def __init__(self, loads, subject, mode, command):
        self.loads, self.subject, self.mode = loads, subject, mode
        self.process = process.Process(f"xload-{mode}-{id(self)}", command, subject.server.directory)

    def wait_online(self, seconds):
        self.process.start()
        online = lambda: self.process.log().count("\n") > 0
        if not system.wait_until(lambda: online() or not self.process.alive(), seconds) or not online():
            self.process.kill()
            raise LoadError(f"xload {self.mode} against {self.subject.name}: its users did not get online\n{self.process.log()[-2000:]}")
        return json.loads(self.process.log().splitlines()[0])

    def result(self, seconds):
        code = self.process.wait(seconds)
        return self.loads.read(self.subject, self.mode, self.process.log(), "", code)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.kill()
