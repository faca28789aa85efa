"""A daemon as a child process: started, watched, stopped, and its log searched for what must not be there."""
import atexit
import ctypes
import os
import re
import signal
import subprocess
import time

from . import system

SANITIZER = re.compile(r"(ERROR: (Address|Leak|Memory)Sanitizer|WARNING: ThreadSanitizer|SUMMARY: \w+Sanitizer|runtime error:)")
_running = set()


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)          # PR_SET_PDEATHSIG


class ProcessError(Exception):
    pass


class Process:
    """One child process. Its standard output and error go to DIRECTORY/NAME.log, also over several starts."""

    def __init__(self, name, argv, directory, environment=None, limits=None):
        self.name, self.argv, self.directory = name, [str(a) for a in argv], directory
        self.log_path = directory / f"{name}.log"
        self.environment = environment or {}
        self.limits = limits                            # called in the child before exec
        self.child = None
        self.log_start = 0

    def start(self):
        environment = {
            **os.environ,
            "ASAN_OPTIONS": "detect_leaks=1:exitcode=99:detect_stack_use_after_return=0",
            "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=99",
            "TSAN_OPTIONS": "exitcode=99:second_deadlock_stack=1",
            **self.environment,
        }

        def prepare():
            die_with_parent()
            if self.limits:
                self.limits()

        self.log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        with open(self.log_path, "ab") as log:
            self.child = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory,
                                          env=environment, preexec_fn=prepare, start_new_session=True)
        _running.add(self)
        return self

    def log(self, everything=False):
        """What it has written since it was started last, or in all."""
        if not self.log_path.exists():
            return ""
        with open(self.log_path, "rb") as f:
            f.seek(0 if everything else self.log_start)
            return f.read().decode("utf-8", "replace")

    def alive(self):
        return self.child is not None and self.child.poll() is None

    def wait_ready(self, condition=None, seconds=10):
        """Until the log says it is ready (or condition() holds)."""
        condition = condition or (lambda: re.search(r"(?m)^.*\bready\b", self.log()))
        if system.wait_until(lambda: condition() or not self.alive(), seconds) and self.alive():
            return self
        why = "did not become ready" if self.alive() else f"ended with exit code {self.child.returncode}"
        self.kill()
        raise ProcessError(f"{self.name} {why}:\n{self.log()[-4000:]}")

    def wait(self, seconds=10):
        """Its exit code; kills it when it does not end in time."""
        try:
            code = self.child.wait(seconds * system.PATIENCE)
        except subprocess.TimeoutExpired:
            os.kill(self.child.pid, signal.SIGABRT)     # a core or a sanitizer's stacks say where it hangs
            time.sleep(0.2)
            self.kill()
            raise ProcessError(f"{self.name} did not end within {seconds} s:\n{self.log()[-4000:]}")
        _running.discard(self)
        return code

    def stop(self, seconds=10, streams=()):
        """SIGTERM, then the exit code. The streams are those of clients that follow when the server ends them."""
        if self.child is None:
            return 0
        if self.alive():
            self.child.send_signal(signal.SIGTERM)
        for link in streams:
            link.follow()
        return self.wait(seconds)

    def kill(self):
        """SIGKILL: what a power failure leaves."""
        if self.child is not None:
            if self.alive():
                self.child.kill()
            self.child.wait()
        _running.discard(self)

    def signal(self, number):
        self.child.send_signal(number)

    def sanitizer_report(self):
        text = self.log(everything=True)
        found = SANITIZER.search(text)
        return text[max(0, found.start() - 200):found.start() + 6000] if found else None

    def complaint(self, code):
        """Why a stop that ended with this code is not clean, or None."""
        report = self.sanitizer_report()
        if report:
            return f"{self.name}: sanitizer report\n{report}"
        if code != 0:
            return f"{self.name}: exit code {code} after SIGTERM\n{self.log()[-3000:]}"
        return None


@atexit.register
def _kill_all():
    for process in list(_running):
        process.kill()
