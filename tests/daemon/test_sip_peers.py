"""The emulated edges of run-sip-peer against xmppd and sipcomp: the pairs of scenarios/pairs.tsv, with the product in place of self-*."""
import itertools
import os
import subprocess
import sys
import time

import pytest

from harness import pki, servers, stream, system

BUILT = system.have("xmppd") and system.have("sipcomp")
pytestmark = [
    pytest.mark.sip,
    pytest.mark.edges,
    pytest.mark.skipif(os.environ.get("CI") != "true" and not (BUILT and system.which("sipp")), reason="needs xmppd, sipcomp and sipp"),
]

DOMAINS = {"ocs": ("bob", "ocs.test"), "lync": ("carol", "lync.test"), "aol": ("dave", "aol.com"), "simple": ("erin", "simple.test")}
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def xmppd():
    federation = servers.sip_federation([d for _, d in DOMAINS.values()], {d: 5061 for _, d in DOMAINS.values()})
    server = servers.Xmppd(["example.com"], federation=federation).start()
    yield server
    assert server.stop() is None


class User:
    """Alice, who reacts to what comes and remembers it."""

    def __init__(self, server, name):
        self.jid = f"{name}@example.com"
        server.add_users([(self.jid, "pencil")])
        self.stream = stream.Stream("127.0.0.1", server.c2s)
        self.stream.secure("example.com")
        self.stream.login(name, "example.com", "pencil")
        self.full = self.stream.bind("example.com", "x")
        self.stanzas, self.states, self.texts, self.errors = [], [], [], []
        self.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq><presence/>")
        self.later = []                         # (time, text to send)

    def send(self, text, after=0.0):
        if after:
            self.later.append((time.monotonic() + after, text))
            self.later.sort()
        else:
            self.stream.send(text)

    def turn(self, seconds=0.05):
        """One event, if there is one; its stanza."""
        while self.later and self.later[0][0] <= time.monotonic():
            self.stream.send(self.later.pop(0)[1])
        event = self.stream.receive(seconds)
        if event is None:
            return None
        assert event[0] == "stanza", f"alice's stream ended: {event}"
        stanza = event[1]
        if stanza.local == "iq" and stanza.get("type") in ("get", "set"):
            self.send(f"<iq type='result' id='{stanza.get('id')}'/>")
            return None
        self.stanzas.append(stanza)
        sender = stanza.get("from", "")
        text = lambda name: stanza.find(name).text() if stanza.find(name) else None
        if sender.startswith(self.jid) or stanza.local == "iq":
            return None
        if stanza.get("type") == "error":
            error = stanza.find("error")
            self.errors.append(error.elements()[0].local if error and error.elements() else "?")
        elif stanza.local == "presence" and stanza.get("type") in (None, "unavailable"):
            state = "unavailable" if stanza.get("type") else text("show") or "available"
            if (state, text("status")) != (self.states[-1] if self.states else None):
                self.states.append((state, text("status")))
        elif stanza.local == "message" and stanza.find("body"):
            self.texts.append(text("body"))
        return stanza


class Case:
    """One scenario: what alice does (start, react) and what must have happened."""

    def __init__(self, scenario, *arguments, start=None, react=None, check=None, settings=None, seconds=30):
        self.scenario, self.arguments = scenario, arguments
        self.start, self.react, self.check, self.settings, self.seconds = start, react, check, settings, seconds
        self.id = scenario + ("-" + arguments[1].partition("=")[2] if arguments[:1] == ("--key",) else "")


def subscribe(user, peer):
    user.send(f"<presence type='subscribe' to='{peer}'/>")


def unsubscribe_after(*wanted):
    """Ends the subscription when these states were seen in this order."""
    def react(user, peer, _stanza):
        seen = iter(user.states)
        if all(any(w == s[0] or w == s for s in seen) for w in wanted) and not getattr(user, "left", False):
            user.left = True
            user.send(f"<presence type='unsubscribe' to='{peer}'/>", 0.8)      # sipp takes nothing while it pauses
    react.wanted = wanted
    return react


def accept_and_show(*shows):
    """Authorises the watcher and then shows these states."""
    def react(user, peer, stanza):
        if stanza is not None and stanza.get("type") == "subscribe":
            user.send(f"<presence type='subscribed' to='{peer}'/>")
            for i, show in enumerate(shows):
                user.send("<presence type='unavailable'/>" if show == "unavailable" else f"<presence><show>{show}</show></presence>", 0.5 * (i + 1))
    return react


def write(*texts):
    def start(user, peer):
        for i, text in enumerate(texts):
            user.send(f"<message type='chat' to='{peer}' id='m{i}'><body>{text}</body></message>")
    return start


def answer(text):
    def react(user, peer, stanza):
        if stanza is not None and stanza.local == "message" and stanza.find("body") and not getattr(user, "answered", False):
            user.answered = True
            time.sleep(0.1)                             # sipp cannot be answered while it is on its way to the next step
            user.send(f"<message type='chat' to='{stanza.get('from')}' id='a1'><body>{text}</body></message>")
    return react


def error(*conditions):
    return lambda user: user.errors and user.errors[0] in conditions


def states(*wanted):
    def check(user):
        seen = iter(user.states)
        return all(any(w == s[0] or w == s for s in seen) for w in wanted)
    return check


def each_text_once(user):
    return user.texts and len(user.texts) == len(set(user.texts))


def nothing(user):
    return not user.texts and not user.errors


MICROSOFT = ("available", ("away", "Busy"), "away", "unavailable")
WATCHED = ("--hold", "2500", "--expect")
CASES = [
    Case("ocs-uas-presence", start=subscribe, react=unsubscribe_after(*MICROSOFT), check=states(*MICROSOFT)),
    Case("lync-uas-presence", start=subscribe, react=unsubscribe_after(*MICROSOFT), check=states(*MICROSOFT)),
    Case("aol-uas-presence", start=subscribe, react=unsubscribe_after("available", "away", "available", "unavailable"),
         check=states("available", "away", "available", "unavailable")),
    Case("simple-uas-presence", start=subscribe, react=unsubscribe_after("available", "dnd", "away", "unavailable"),
         check=states("available", "dnd", "away", "unavailable")),
    Case("simple-uas-presence-pending", start=subscribe, react=unsubscribe_after("away"), check=states("away")),
    Case("simple-uas-presence-rejected", start=subscribe,
         check=lambda user: any(s.get("type") == "unsubscribed" for s in user.stanzas)),
    Case("simple-uas-presence-restart", start=subscribe, check=states("available")),
    Case("simple-uas-presence-423", start=subscribe, react=unsubscribe_after("available"), check=states("available")),
    Case("simple-uas-presence-hostile", start=subscribe, react=unsubscribe_after("away", "dnd"), check=states("away", "dnd")),
    Case("ocs-uas-presence-refresh", "--hold", "25000", start=subscribe, react=unsubscribe_after("available", "away"), seconds=45),
    Case("ocs-uas-presence-lost", "--calls", "2", "--hold", "25000", start=subscribe, check=states("available"), seconds=45),
    Case("lync-uas-presence-refuse", "--key", "code=403", start=subscribe, check=error("forbidden")),
    Case("lync-uas-presence-refuse", "--key", "code=404", start=subscribe, check=error("item-not-found")),
    Case("ocs-uac-presence", *WATCHED, "pending,open,away,busy,closed,closed,terminated", react=accept_and_show("away", "dnd", "unavailable")),
    Case("lync-uac-presence", *WATCHED, "pending,open,away,busy,closed,closed,terminated", react=accept_and_show("away", "dnd", "unavailable")),
    Case("aol-uac-presence", *WATCHED, "pending,open,away,closed,terminated", react=accept_and_show("dnd", "unavailable")),
    Case("aol-uac-presence-mail", *WATCHED, "pending,open,away,closed,terminated", react=accept_and_show("dnd", "unavailable")),
    Case("simple-uac-presence", *WATCHED, "pending,open,away,busy,closed,closed,terminated", react=accept_and_show("away", "dnd", "unavailable")),
    Case("simple-uac-presence-fetch", "--expect", "terminated", check=nothing),
    Case("ocs-uas-im", start=write("hello"), check=each_text_once),
    Case("lync-uas-im", start=write("hello"), check=each_text_once),
    Case("aol-uas-im", start=write("hello"), check=each_text_once),
    Case("simple-uas-im", start=write("hello"), check=each_text_once),
    Case("ocs-uas-im-wait", start=write("one", "two"), settings={"session-idle": 1}),
    Case("ocs-uas-im-slow", "--gap", "800", "--hold", "2000", start=write("one", "two", "three")),
    Case("lync-uas-echo", "--hold", "2500", start=write("hello"), check=each_text_once, settings={"session-idle": 1}),
    # their answers carry Warning 309, which counts before the status
    Case("lync-uas-im-refuse", "--key", "code=486", start=write("hello"), check=error("policy-violation")),
    Case("lync-uas-im-refuse", "--key", "code=480", start=write("hello"), check=error("policy-violation")),
    Case("lync-uas-im-refuse", "--key", "code=603", start=write("hello"), check=error("policy-violation")),
    Case("ocs-uas-im-refuse-conversation", start=write("hello")),
    Case("lync-uas-message-refuse", "--key", "code=606", "--hold", "1500", start=write("hello"), check=error("policy-violation")),
    Case("ocs-uac-im", "--hold", "1500", react=answer("and to you"), check=each_text_once),
    Case("lync-uac-im", "--hold", "1500", react=answer("and to you"), check=each_text_once),
    Case("aol-uac-im", "--hold", "1500", react=answer("and to you"), check=each_text_once),
    Case("simple-uac-im", "--hold", "1500", react=answer("and to you"), check=each_text_once),
    Case("ocs-uac-reinvite"),
    Case("lync-uac-refer"),
    Case("ocs-uac-conference", check=nothing),
    Case("ocs-uac-conference-endpoints", check=nothing),
    Case("lync-uac-conference-invite", check=nothing),
    Case("ocs-uac-audio", check=nothing),
    Case("simple-uac-msrp", check=nothing),
    Case("simple-uac-cancel", check=nothing),
    Case("ocs-uac-options", check=nothing),
    Case("lync-uac-benotify", check=nothing),
    Case("simple-uac-pager", check=each_text_once),
    Case("simple-uas-pager", start=write("hello"), check=lambda user: not user.errors),
    Case("simple-uas-pager-refuse", "--key", "code=480", start=write("hello"), check=error("recipient-unavailable")),
]
# sipp does not take the INVITE that comes before pager mode: a domain without session mode is known by then
PAGER = {"simple-uas-pager", "simple-uas-pager-refuse"}
SLOW = {"ocs-uas-presence-refresh", "ocs-uas-presence-lost"}


def play(case, xmppd, policy):
    kind = case.scenario.split("-")[0]
    number = next(numbers)
    person, domain = DOMAINS[kind]
    peer = "user(gmail.com)@aol.com" if case.scenario == "aol-uac-presence-mail" else f"{person}{number}@{domain}"
    domains = [d for _, d in DOMAINS.values()]
    gateway = servers.Sipcomp(xmppd, ["example.com"], domains, settings=case.settings)
    user = User(xmppd, f"alice{number}")
    role = "uas" if "-uas-" in case.scenario else "uac"
    command = [sys.executable, str(system.TESTS / "peers" / "run-sip-peer"), role, case.scenario, "--tls", "--pki", str(pki.shared().directory),
               "--listen", f"127.0.0.1:{gateway.peers[domain]}", "--product", f"127.0.0.1:{gateway.tls_port}", "--policy", policy,
               "--our", user.jid, "--peer", peer, "--server-name", "sip.example.com", "--work", str(gateway.directory / "sipp"),
               "--verbose", *case.arguments]
    runner, complaint, output = None, None, ""
    log = open(gateway.directory / "runner.log", "w+")
    try:
        gateway.start()
        runner = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        assert system.wait_until(lambda: system.listening(gateway.peers[domain]) or runner.poll() is not None, 5)
        time.sleep(0.3)
        if case.start:
            case.start(user, peer)
        end = time.monotonic() + case.seconds * system.PATIENCE
        while runner.poll() is None and time.monotonic() < end:
            stanza = user.turn()
            if case.react:
                case.react(user, peer, stanza)
        for _ in range(6):
            user.turn(0.05)
    finally:
        if runner and runner.poll() is None:
            runner.terminate()
            try:
                runner.wait(5)
            except subprocess.TimeoutExpired:
                runner.kill()
                runner.wait()
        user.stream.cut()
        log.seek(0)
        output = log.read()
        log.close()
        gateway_log = gateway.process.log()
        complaint = gateway.stop()
    story = (f"{output}\n--- alice saw states {user.states}, texts {user.texts}, errors {user.errors}\n"
             f"--- the end of sipcomp's log\n{gateway_log[-3000:]}")
    assert complaint is None, complaint
    assert runner.returncode == 0, story
    if case.check:
        assert case.check(user), story


def parameters():
    for case in CASES:
        marks = [pytest.mark.slow] if case.scenario in SLOW else []
        if case.scenario in PAGER:
            continue
        yield pytest.param(case, marks=marks, id=case.id)


@pytest.mark.parametrize("case", parameters())
def test_scenario(case, xmppd):
    play(case, xmppd, "own")


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["lync-uac-presence", "lync-uas-im", "lync-uac-im", "lync-uas-presence"])
def test_scenario_on_the_connection_of_the_dialog(scenario, xmppd):
    play(next(c for c in CASES if c.scenario == scenario), xmppd, "reuse")


@pytest.mark.parametrize("certificate", ["rogue", "expired", "other", "none"])
def test_a_wrong_certificate_is_refused(certificate, xmppd):
    """Who cannot show a certificate that may speak for the domain gets nothing, and XMPP hears nothing."""
    number = next(numbers)
    gateway = servers.Sipcomp(xmppd, ["example.com"], ["lync.test"])
    user = User(xmppd, f"alice{number}")
    show = ["--no-client-certificate"] if certificate == "none" else ["--cert", certificate]
    try:
        gateway.start()
        done = subprocess.run([sys.executable, str(system.TESTS / "peers" / "run-sip-peer"), "uac", "lync-uac-im", "--tls", "--pki",
                               str(pki.shared().directory), "--product", f"127.0.0.1:{gateway.tls_port}", "--our", user.jid, "--hold", "500",
                               "--limit", "4", *show], capture_output=True, text=True, timeout=60, cwd=gateway.directory)
        user.turn(0.2)
        assert done.returncode != 0, done.stdout
        assert nothing(user)
    finally:
        user.stream.cut()
        complaint = gateway.stop()
    assert complaint is None
