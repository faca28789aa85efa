"""Measures of stanzas on their way: chat, offline, fan-out, beside many idle sessions, on two workers, counted in instructions."""
import re
import subprocess
import time

from harness import system

import subjects
from load import LoadError

PAIRS = ("--users", 100, "--window", 1)
LATE = ("--sm", "--ack-every", 500, "--ask-every", 10)


def cpu(result, unit="msg"):
    return result.get(f"server_cpu_us_per_{unit}")


def chat(bench, name):
    """CPU per delivered message: bare and full JIDs, then stream management with a recipient that answers at once, and with one that lets hundreds
    of messages pass while the senders ask whether theirs are safe."""
    variants = [("message_us", ())]
    if name != "relay":
        variants.append(("message_full_us", ("--full-jid",)))
    with bench.subject(name, 100) as subject:
        if subject.has_sm:
            variants.append(("message_sm_us", ("--sm",)))
        if name == "xmppd":
            variants += [("message_asked_us", ("--sm", "--ask-every", 10)), ("message_late_us", LATE)]
        for key, more in variants:
            time.sleep(0.1 if bench.quick else 1)       # the sessions of the run before end
            result = bench.loads.run(subject, "chat", *PAIRS, *bench.window, *more)
            bench.note(name, key, cpu(result))


def offline(bench, name):
    """Messages to users who are not there, from 200 senders at full speed; ours also at a steady rate, for the latency of its promise."""
    ours = name == "xmppd"
    recipients, senders = bench.small(400, 40), bench.small(200, 20)
    messages = bench.small(40000 if ours else 4000, 1000)
    sm = ("--sm",) if ours else ()
    who = ("--users", recipients, "--senders", senders)
    with bench.subject(name, recipients + senders) as subject:
        result = bench.loads.run(subject, "offline", *who, "--messages", messages, "--window", 20, *sm)
        bench.note(name, "offline_us", result.get("store_server_cpu_us_per_msg"))
        bench.note(name, "offline_per_s", result.get("stored_per_s"))
        if ours:
            result = bench.loads.run(subject, "offline", *who, "--messages", bench.small(10000, 400), "--msg-rate", bench.small(2000, 400), *sm)
            bench.note(name, "answer_p50_ms", result.get("answer_p50_ms"))
            bench.note(name, "answer_p99_ms", result.get("answer_p99_ms"))


def fanout(bench, name):
    """One presence to 500 contacts; one message to a user with four resources."""
    users = bench.small(501, 21)
    with bench.subject(name, users) as subject:
        result = bench.loads.run(subject, "presence", "--users", users, *bench.window)
        bench.note(name, "presence_us", cpu(result, "delivery"))
    with bench.subject(name, 100) as subject:
        result = bench.loads.run(subject, "carbons", "--users", bench.small(25, 5), *bench.window)
        bench.note(name, "carbons_us", cpu(result, "delivery"))


def scale(bench, name):
    """The same chat beside 100 idle sessions and beside 10,000."""
    few, many = 20 if bench.quick else 100, bench.small(10000, 200)
    with bench.subject(name, 100 + many) as subject:
        for key, idle in (("few_idle_us", few), ("many_idle_us", many)):
            with bench.loads.beside(subject, "connect", "--first", 100, "--users", idle, "--announce", "--hold", 600, "--addresses", 4) as crowd:
                crowd.wait_online(120)
                bench.note(name, key, cpu(bench.loads.run(subject, "chat", *PAIRS, *bench.window)))
            time.sleep(bench.small(3, 0.5))             # the server sees them go


def split(result):
    """How much more than its even share the busiest worker did, in percent."""
    shares = [seconds for thread, seconds in result["thread_cpu_s"] if thread.startswith("worker")]
    return 100 * (max(shares) * len(shares) / sum(shares) - 1)


def workers(bench, name):
    """The same chat on one worker and on two. Nobody is bound to a core here, neither the server nor the load."""
    for count in (1, 2):
        with bench.subject(name, 200, workers=count, wrapper=[]) as subject:
            result = bench.loads.run(subject, "chat", "--users", 200, *bench.window, pinned=False)
            bench.note(name, f"workers{count}_us", cpu(result))
            if count == 2:
                bench.note(name, "split_percent", split(result))


class Counter:
    """A server under callgrind. Each reading is the instructions since the one before."""
    WRAPPER = ["valgrind", "--tool=callgrind", "--callgrind-out-file=callgrind.out.%p"]

    def __init__(self, subject):
        self.subject = subject
        self.seen = set()

    def read(self):
        """Dumps the counters, which also sets them to zero."""
        pid = self.subject.server.process.child.pid
        subprocess.run(["callgrind_control", "--dump=bench", str(pid)], capture_output=True, timeout=60 * system.PATIENCE, check=True)
        for _ in range(300):
            for path in set(self.subject.server.directory.glob(f"callgrind.out.{pid}.*")) - self.seen:
                total = re.search(r"(?m)^(?:totals|summary): (\d+)", path.read_text(errors="replace"))
                if total:
                    self.seen.add(path)
                    return int(total.group(1))
            time.sleep(0.1)
        raise LoadError(f"callgrind of {self.subject.name} writes no counters\n{self.subject.log()[-2000:]}")

    def per_message(self, bench, *arguments, mode="chat"):
        """Two runs that differ in nothing but their length."""
        short, long = bench.small(1000, 200), bench.small(5000, 1000)
        counts = []
        self.read()
        for messages in (short, long):
            bench.loads.run(self.subject, mode, "--users", 20, "--count", messages, "--settle", 0.5, "--timeout", 120, *arguments)
            counts.append(self.read())
        return (counts[1] - counts[0]) / (long - short)


def instructions(bench, name):
    """Instructions per message, which no neighbour on the machine can change."""
    if not system.which("valgrind") or not system.which("callgrind_control"):
        print("# valgrind is not here: no instructions are counted", flush=True)
        return
    with bench.subject(name, 20, wrapper=subjects.on_core(0) + Counter.WRAPPER) as subject:
        counter = Counter(subject)
        bench.note(name, "instructions", counter.per_message(bench))
        if subject.has_sm:
            bench.note(name, "instructions_sm", counter.per_message(bench, "--sm"))
            bench.note(name, "instructions_late", counter.per_message(bench, *LATE))
