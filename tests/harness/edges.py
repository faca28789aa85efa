"""The emulated edges of peers/run-sip-peer, many at a time: each run has a foreign domain, a port, a certificate and a local user of its own,
so that all of them share one xmppd and two sipcomp, and nothing that one leaves behind reaches another.

    stage = edges.Stage(runs)
    stage.start()                       # and wait until all of them are over
    stage.stories[run]                  # None, or how it failed
"""
import asyncio
import concurrent.futures
import socket
import threading
import time
import traceback

from . import person, pki, servers, sip, stream, system

EDGES = 16                              # certificates; a domain's edge is the next of them
PLAYERS = 12                            # runs at a time


class Alice:
    """The local user of a run, who reacts to what comes and remembers it."""

    def __init__(self, server, jid, password):
        self.jid = jid
        name, _, domain = jid.partition("@")
        self.stream = stream.Stream("127.0.0.1", server.c2s)
        self.stream.secure(domain)
        self.stream.login(name, domain, password)
        self.full = self.stream.bind(domain, "x")
        self.stanzas, self.states, self.texts, self.errors = [], [], [], []
        self.later = []                         # (time, text to send)
        self.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq><presence/>")

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
        if person.bare(stanza.get("from", "")) == self.jid or stanza.local == "iq":
            return None
        self.remember(stanza)
        return stanza

    def remember(self, stanza):
        text = lambda name: stanza.find(name).text() if stanza.find(name) else None
        if stanza.get("type") == "error":
            error = stanza.find("error")
            self.errors.append(error.elements()[0].local if error and error.elements() else "?")
        elif stanza.local == "presence" and stanza.get("type") in (None, "unavailable"):
            state = "unavailable" if stanza.get("type") else text("show") or "available"
            if (state, text("status")) != (self.states[-1] if self.states else None):
                self.states.append((state, text("status")))
        elif stanza.local == "message" and stanza.find("body"):
            self.texts.append(text("body"))


class Run:
    """A scenario on one wire ("tls" or "tcp"), with one policy for the peer's own requests, written in pieces of `chop` bytes or whole."""

    def __init__(self, case, wire="tls", policy="own", chop=0):
        self.case, self.wire, self.policy, self.chop = case, wire, policy, chop
        self.kind = case.scenario.split("-")[0]
        self.id = "-".join([case.id, *(["tcp"] if wire == "tcp" else []), policy, *(["chopped"] if chop else [])])

    def place(self, number):
        """Where it is played."""
        self.edge = f"edge{number % EDGES}.test"
        self.domain = f"{self.kind}{number}.test"
        self.port = system.free_port()
        self.user = f"alice{number}@example.com"
        self.peer = f"{self.case.peer}@{self.domain}"


def federation(runs):
    """federation.conf for the domains of these runs."""
    sections = {}
    for run in runs:
        sections["sip-domain", run.domain] = {"type": run.kind, "direct": run.kind == "ocs" and run.wire == "tcp"}
        sections["sip-route", run.domain] = {("hop", "127.0.0.1"): {"port": run.port, "transport": run.wire, "priority": 1, "weight": 1}}
        sections.setdefault(("sip-peer", run.edge), {"domains": []})["domains"].append(run.domain)
    return sections


def teach_pager_mode(run, alice):
    """Lets sipcomp find out that this domain takes no sessions: sipp cannot take the INVITE that comes first."""
    edge = sip.Peer(run.domain, "127.0.0.1", run.port, None, sip.contexts(pki.shared().directory, run.certificate) if run.wire == "tls" else None)
    try:
        alice.send(f"<message type='chat' to='teacher@{run.domain}' id='t'><body>first</body></message>")
        for wanted, code, reason in (("INVITE", 405, "Method Not Allowed"), ("ACK", 0, ""), ("MESSAGE", 200, "OK")):
            request = edge.receive(10 * system.PATIENCE)
            assert request is not None and request.method == wanted, f"{wanted} does not come, but {request}"
            if code:
                edge.respond(request, code, reason)
        for wire in list(edge.wires):           # sipcomp has to know that the connection is gone
            wire.connection.shutdown(socket.SHUT_WR)
        assert system.wait_until(lambda: not edge.wires, 10), "sipcomp keeps the connection"
    finally:
        edge.stop()


class Stage:
    def __init__(self, runs):
        self.runner = pki.load_peer_runner()
        self.runner.free_port = system.free_port        # not of the range from which others connect
        self.runs = sorted(runs, key=lambda run: -run.case.seconds)
        for number, run in enumerate(self.runs):
            run.place(number)
        self.gateways, self.stories = {}, {}
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.players = concurrent.futures.ThreadPoolExecutor(PLAYERS)

    def start(self):
        store = pki.shared()
        for number in range(min(EDGES, len(self.runs))):
            store.issue([f"edge{number}.test"], name=f"edge{number}.test")
        self.xmppd = servers.Xmppd(["example.com"], federation=federation(self.runs)).start()
        self.xmppd.add_users([(run.user, "pencil") for run in self.runs])
        for idle in sorted({run.case.idle for run in self.runs}):
            mine = [run for run in self.runs if run.case.idle == idle]
            gateway = servers.Sipcomp(self.xmppd, ["example.com"], [], federation=federation(mine), settings={"session-idle": idle})
            self.gateways[idle] = gateway.start()
        self.thread.start()
        self.stories = dict(zip(self.runs, self.players.map(self.play, self.runs)))
        return self

    def stop(self):
        """Complaints, if there are any."""
        self.players.shutdown(cancel_futures=True)
        if self.thread.is_alive():
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join()
        self.loop.close()
        return [c for c in [*(g.stop() for g in self.gateways.values()), self.xmppd.stop()] if c]

    # -- in a thread of its own

    def arguments(self, run, gateway, work):
        case = run.case
        role = "uas" if "-uas-" in case.scenario else "uac"
        words = [role, case.scenario, f"--{run.wire}", "--pki", pki.shared().directory, "--listen", f"127.0.0.1:{run.port}",
                 "--product", f"127.0.0.1:{gateway.tls_port if run.wire == 'tls' else gateway.tcp_port}", "--policy", run.policy,
                 "--our", run.user, "--peer", run.peer, "--edge-host", run.edge, "--cert", run.edge, "--server-name", "sip.example.com",
                 "--hold", int(4000 * system.PATIENCE), "--work", work, "--verbose", "--chop", run.chop, *case.arguments]
        return self.runner.parser().parse_args([str(word) for word in words])

    def play(self, run):
        try:
            return self.perform(run)
        except Exception:                       # with the others the show goes on
            return traceback.format_exc()

    def perform(self, run):
        case, gateway = run.case, self.gateways[run.case.idle]
        run.certificate = run.edge
        work = gateway.directory / run.domain
        alice, ready, lines = Alice(self.xmppd, run.user, "pencil"), threading.Event(), []
        if case.pager:
            teach_pager_mode(run, alice)

        async def edge():
            self.runner.told.set(lines)
            try:
                return await self.runner.run_one(self.arguments(run, gateway, work), "uas" if "-uas-" in case.scenario else "uac", ready.set)
            finally:
                ready.set()

        code = asyncio.run_coroutine_threadsafe(edge(), self.loop)
        try:
            ready.wait(10 * system.PATIENCE)
            if case.start:
                case.start(alice, run.peer)
            end = time.monotonic() + case.seconds * system.PATIENCE
            while not code.done() and time.monotonic() < end:
                stanza = alice.turn()
                if case.react:
                    case.react(alice, run.peer, stanza)
            for _ in range(6):
                alice.turn(0.05)
            if not code.done():
                wrong = "it does not end"
            elif (code.result() != 0) != case.refused:
                wrong = "sipp says so"
            else:
                wrong = "alice saw something else" if case.check and not case.check(alice) else None
            saw = f"--- alice saw states {alice.states}, texts {alice.texts}, errors {alice.errors}"
            return wrong and "\n".join([wrong, *lines, saw, self.log_of(run, gateway)])
        finally:
            code.cancel()
            alice.stream.cut()

    @staticmethod
    def log_of(run, gateway):
        """What sipcomp says of this run."""
        words = (run.domain, run.user, str(run.port))
        lines = [line for line in gateway.process.log().splitlines() if any(word in line for word in words)]
        return "--- sipcomp\n" + "\n".join(lines[-40:])
