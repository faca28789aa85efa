"""Conversations: `.talk` files, read and played. README.md in tests/talk describes the language.

A talk is a list of lines; each names a party and what it does. One thread plays them from top to bottom; whatever arrives in between
waits in the parties' sockets, so a script decides alone in which order things happen.
"""
import codecs
import itertools
import re
import shlex
import time

from . import dns, peers, pki, servers, sip, stream, system, xmlnode
from .talk_party import WAIT, SipParty, XmppParty
from .talk_msrp import MsrpParty, MsrpPlayer
from .talk_s2s import ServerParty, ServerPlayer, put_pins
from .talk_sip import SipPlayer

_counter = itertools.count(1)
_run_mark = format(int(time.time()) % 46656, "x")


def milliseconds(text):
    if not re.fullmatch(r"[0-9]+ms", text):
        raise ValueError(f"{text}: expected milliseconds, 300ms")
    return int(text[:-2])


class TalkError(Exception):
    def __init__(self, line, text):
        super().__init__(f"{line.path}:{line.number}: {line.first}\n    {text}" if line else text)
        self.line = line


class Line:
    def __init__(self, path, number, text):
        self.path, self.number, self.first, self.more = path, number, text, []

    def words(self):
        return shlex.split(self.first)

    @property
    def whole(self):
        return "\n".join([self.first, *self.more])


def read(path):
    """The lines of a talk; indented ones continue the line above, # starts a comment in column one."""
    lines = []
    for number, text in enumerate(path.read_text().splitlines(), 1):
        if text.startswith("#") or not text.strip():
            continue
        if text[0] in " \t":
            if not lines:
                raise TalkError(Line(path, number, text), "nothing to continue")
            lines[-1].more.append(text.strip())
        else:
            lines.append(Line(path, number, text.rstrip()))
    return lines


class Setup:
    """What the `server` lines ask for; talks with equal setups share their daemons."""

    def __init__(self, lines):
        self.kind, self.domains, self.settings, self.federation = None, [], {}, {}
        self.sip_domains, self.components, self.sipcomp, self.alone = [], [], None, False
        self.sip_settings, self.transport, self.direct, self.s2s, self.shared = {}, "tls", False, False, False
        for line in lines:
            if not line.first.startswith("server "):
                continue
            words = line.words()
            if words[1] in ("xmppd", "prosody", "ejabberd"):
                self.kind = words[1]
                self.read_server(line, words[2:])
            elif words[1] == "sipcomp":
                self.sipcomp = True
                self.read_sipcomp(line, words[2:])
            elif words[1] in ("restart", "kill", "stop", "start"):
                self.alone = True
        for line in lines:
            if re.match(r"sipcomp\s+(restart|kill|stop|start|shared)", line.first):
                self.alone = True
        if self.kind is None:
            raise TalkError(lines[0] if lines else None, "no server line")
        self.domains = self.domains or ["capulet.example"]

    def read_server(self, line, words):
        words = iter(words)
        for word in words:
            if word == "domain":
                self.domains.append(next(words))
            elif word == "set":
                path, _, text = next(words).partition("=")
                self.settings = servers.config.merge(self.settings, servers.config.from_path(path, text))
            elif word == "component":
                name, _, secret = next(words).partition("=")
                self.components.append((name, secret))
            elif word == "sip-domain":
                self.sip_domains.append(next(words))
            elif word in ("alone", "s2s"):
                setattr(self, word, True)
            else:
                raise TalkError(line, f"unknown word {word}")

    def read_sipcomp(self, line, words):
        words = iter(words)
        for word in words:
            if word == "domain":
                self.sip_domains.append(next(words))
            elif word == "set":
                path, _, text = next(words).partition("=")
                self.sip_settings = servers.config.merge(self.sip_settings, servers.config.from_path(path, text))
            elif word == "tcp":
                self.transport = "tcp"
            elif word in ("direct", "shared"):
                setattr(self, word, True)
            elif word == "msrp":                # the ports are found when it starts
                self.sip_settings = servers.config.merge(self.sip_settings, {"msrp": {"address": "127.0.0.1", "host": "127.0.0.1"}})
            else:
                raise TalkError(line, f"unknown word {word}")

    def key(self, workers):
        return repr((self.kind, sorted(self.domains), self.settings, sorted(self.components), sorted(self.sip_domains), self.sipcomp,
                     self.sip_settings, self.transport, self.direct, self.shared, self.s2s, workers))


class House:
    """The running daemons of one setup."""

    def __init__(self, setup, workers):
        self.setup = setup
        self.sipcomp = self.names = None
        self.peers = {}                         # listeners of the SIP domains, kept between talks
        if setup.kind in ("prosody", "ejabberd"):
            parts = setup.components + [(d, "sesame") for d in setup.sip_domains]
            self.server = servers.Prosody(setup.domains, parts) if setup.kind == "prosody" else peers.EjabberdHome(setup.domains, parts)
        else:
            settings = dict(setup.settings)
            for name, secret in setup.components:
                settings["component", name] = {"secret": secret}
            federation = servers.sip_federation(setup.sip_domains, {d: 5061 for d in setup.sip_domains})
            self.server = servers.Xmppd(setup.domains, settings, federation, workers)
            if setup.s2s:
                self.names = dns.Server(ttl=0)
                self.server.federate(self.names.address)
        if setup.sipcomp:
            self.sipcomp = servers.Sipcomp(self.server, setup.domains, setup.sip_domains, settings=setup.sip_settings, transport=setup.transport,
                                           direct=setup.direct, shared=setup.shared)

    def start(self):
        try:
            self.server.start()
            if self.sipcomp:
                if not self.setup.alone:        # a next hop that refuses connections would be left aside for a minute
                    for domain in self.setup.sip_domains:
                        self.peer(domain)
                self.sipcomp.start()
        except Exception:
            self.stop()
            raise
        return self

    def peer(self, domain, certificate=None):
        """The edge of a SIP domain, listening where the static route points."""
        if domain not in self.peers:
            kind = servers.kind_of(domain)
            tcp = servers.wire_of(kind, self.setup.transport, self.setup.direct) == "tcp"
            tls = None if tcp else sip.contexts(pki.shared().directory, certificate or servers.EDGES[kind][1])
            product = ("127.0.0.1", self.sipcomp.tcp_port if tcp else self.sipcomp.tls_port)
            self.peers[domain] = sip.Peer(domain, "127.0.0.1", self.sipcomp.peers[domain], product, tls, domain)
            self.peers[domain].accept_filter = lambda message: False
        return self.peers[domain]

    def parts(self):
        return [p for p in (self.sipcomp, self.server) if p]

    def dead(self):
        """What has died or reported memory errors although nobody asked it to stop."""
        for part in self.parts():
            process = part.process
            report = process.sanitizer_report()
            if report:
                return f"{process.name}: sanitizer report\n{report}"
            if process.child is not None and not process.alive() and process.child.returncode not in (0, -9):
                return f"{process.name} died with {process.child.returncode}:\n{process.log()[-4000:]}"
        return None

    def stop(self):
        complaints = [c for c in [p.stop() for p in self.parts()] if c]
        for peer in self.peers.values():
            peer.stop()
        if self.names:
            self.names.stop()
        return "\n".join(complaints) or None


class Houses:
    """Daemons that are kept between talks."""

    def __init__(self):
        self.kept = {}

    def get(self, setup, workers):
        if setup.alone:
            return House(setup, workers).start()
        key = setup.key(workers)
        if key not in self.kept:
            self.kept[key] = House(setup, workers).start()
        return self.kept[key]

    def drop(self, house):
        self.kept = {k: h for k, h in self.kept.items() if h is not house}

    def stop(self):
        complaints = [house.stop() for house in self.kept.values()]
        self.kept = {}
        return [c for c in complaints if c]


# ---------------------------------------------------------------- parties

class Talk:
    def __init__(self, path, kind=None):
        self.path = path
        self.lines = read(path)
        if kind:                                # play it against another server than the script names
            for line in self.lines:
                line.first = re.sub(r"^server xmppd\b", f"server {kind}", line.first)
        self.setup = Setup(self.lines)

    def play(self, houses, workers=1):
        house = houses.get(self.setup, workers)
        player = Player(self, house)
        trouble = None
        try:
            player.run()
        except TalkError as e:
            trouble = e
        finally:
            for party in player.parties.values():
                try:
                    party.finish()
                except OSError:
                    pass
        dead = house.dead()
        if dead:
            houses.drop(house)
            house.stop()
            raise TalkError(trouble.line if trouble else None, f"{trouble or ''}\n{dead}")
        if self.setup.alone:
            complaint = house.stop()
            if complaint and not trouble:
                raise TalkError(None, complaint)
        if trouble:
            raise trouble


def join_xml(pieces):
    """Continued lines as one; no white space gets between tag and text."""
    text = ""
    for piece in pieces:
        text += ("" if not text or text.endswith(">") or piece.startswith("<") else " ") + piece
    return text


def habit_of_prosody(event):
    """Prosody answers a pending request with `unavailable` from the bare address."""
    kind, node = event
    return kind == "stanza" and node.local == "presence" and node.get("type") == "unavailable" and "/" not in node.get("from", "")


def habit_of_ejabberd(event):
    """ejabberd writes the full address of the session into presence that is for the account."""
    kind, node = event
    if kind == "stanza" and node.local == "presence" and node.get("to"):
        node.attributes["to"] = node.get("to").partition("/")[0]
    return False


class Player(SipPlayer, MsrpPlayer, ServerPlayer):
    def __init__(self, talk, house):
        self.talk, self.house = talk, house
        self.parties, self.values, self.accounts = {}, {}, {}
        self.mark = f"{_run_mark}{next(_counter)}"
        self.line = None
        self.declare_accounts()

    # -- accounts with fresh names

    def declare_accounts(self):
        renames = {}
        for line in self.talk.lines:
            words = line.words() if re.match(r"(client|user|stream|peer)\b", line.first) else []
            if not words:
                continue
            if words[0] == "peer":
                renames.update({d: self.fresh_domain(d) for d in words[3:4] + words[4:] if words[2] == "s2s" and "." in d and ":" not in d})
                continue
            jid = words[2] if len(words) > 2 else ""
            local, domain, _ = stream.split_jid(jid) if jid else (None, None, None)
            if not local:
                continue
            bare = f"{local}@{domain}"
            if bare not in renames:
                renames[bare] = f"{local}-{self.mark}@{domain}"
            fresh = renames[bare]
            name = words[1]
            password = "pencil"
            if "password" in words:
                password = words[words.index("password") + 1]
            self.accounts.setdefault(fresh, password)
            user = fresh.partition("@")[0]
            self.values.update({f"{name}.bare": fresh, f"{name}.user": user, f"{name}.password": password,
                                f"{name}.plain": stream.plain(user, password), f"{name}.domain": domain})
        for line in self.talk.lines:
            for old, new in renames.items():
                pattern = rf"(?<![\w.-]){re.escape(old)}(?![\w.-]*\w)"
                line.first = re.sub(pattern, new, line.first)
                line.more = [re.sub(pattern, new, text) for text in line.more]
        if self.accounts:
            self.house.server.add_users(sorted(self.accounts.items()))
        self.users = {bare.partition("@")[0] for bare in self.accounts}

    def fresh_domain(self, domain):
        """Of a foreign server: nobody remembers anything of it. One that the daemon's settings name stays as it is."""
        settings = [word for line in self.talk.lines if line.first.startswith("server ") for word in re.split(r"[\s=:]", line.first)]
        first, _, rest = domain.partition(".")
        return domain if domain in settings else f"{first}-{self.mark}.{rest}"

    def fail(self, text):
        raise TalkError(self.line, text)

    def run(self):
        for self.line in self.talk.lines:
            try:
                self.step(self.line)
            except (stream.StreamError, OSError, KeyError, ValueError, servers.process.ProcessError) as e:
                self.fail(f"{type(e).__name__}: {e}")

    def step(self, line):
        words = line.first.split(None, 2)
        if words[0] == "server":
            return self.do_server(words[1])
        if words[:2] == ["sipcomp", "shared"]:
            return self.house.sipcomp.share(words[2] == "on")
        if words[0] == "sipcomp":
            return self.do_part(self.house.sipcomp, words[1])
        if words[0] == "pause":
            return time.sleep(milliseconds(words[1]) / 1000)
        declare = {"client": self.do_client, "user": lambda w: None, "stream": self.do_stream, "component": self.do_component, "peer": self.do_peer}
        if words[0] in declare:
            return declare[words[0]](line.words())
        if words[0] == "ctl":
            return self.do_ctl(line)
        if words[0] not in self.parties:
            self.fail(f"nobody is called {words[0]}")
        party = self.parties[words[0]]
        action = words[1] if len(words) > 1 else ""
        first = words[2] if len(words) > 2 else ""
        if isinstance(party, ServerParty):
            return self.do_peer_server(party, action, join_xml([first, *line.more]))
        if isinstance(party, MsrpParty):
            return self.do_msrp(party, action, "\n".join([first, *line.more]))
        if isinstance(party, SipParty):
            return self.do_sip(party, action, "\n".join([first, *line.more]).strip())
        return self.do_xmpp(party, action, join_xml([first, *line.more]))

    # -- daemons

    def do_server(self, what):
        if what in ("xmppd", "prosody", "ejabberd", "sipcomp"):
            return
        self.do_part(self.house.server, what)

    def do_part(self, part, what):
        streams = [p.stream for p in self.parties.values() if isinstance(p, XmppParty) and not p.gone]
        if what == "restart":
            part.restart(streams if part is self.house.server else ())
        elif what == "kill":
            part.kill()
        elif what == "start":
            part.start()
        elif what == "stop":
            complaint = part.process.complaint(part.process.stop(streams=streams if part is self.house.server else ()))
            if complaint:
                self.fail(complaint)
        else:
            self.fail(f"unknown: {what}")

    def do_ctl(self, line):
        """`ctl user del juliet@...` runs xmppctl; it must succeed."""
        text = put_pins(line.first, self.parties)
        self.house.server.ctl(*shlex.split(xmlnode.substitute(text, self.values))[1:])

    # -- XMPP

    def do_client(self, words):
        """client NAME JID [tls start|direct] [sasl MECHANISM] [password P]"""
        name, jid = words[1], words[2]
        local, domain, resource = stream.split_jid(jid)
        options = dict(zip(words[3::2], words[4::2]))
        how = options.get("tls", "start")
        server = self.house.server
        connection = stream.Stream("127.0.0.1", server.c2s_tls if how == "direct" else server.c2s)
        party = self.parties[name] = XmppParty(name, connection, domain, True)
        party.forgive = {"prosody": habit_of_prosody, "ejabberd": habit_of_ejabberd}.get(self.house.setup.kind, party.forgive)
        connection.secure(domain, how)
        connection.login(local, domain, self.values[f"{name}.password"], options.get("sasl", "SCRAM-SHA-1"))
        self.values[name] = connection.bind(domain, resource)
        self.values[f"{name}.resource"] = self.values[name].partition("/")[2]
        return party

    def do_stream(self, words):
        """stream NAME DOMAIN|JID [tcp|tls|direct|auth]: a stream that is not logged in"""
        name, jid = words[1], words[2]
        stage = words[3] if len(words) > 3 else "tls"
        local, domain, _ = stream.split_jid(jid)
        server = self.house.server
        connection = stream.Stream("127.0.0.1", server.c2s_tls if stage == "direct" else server.c2s)
        self.parties[name] = XmppParty(name, connection, domain, False)
        if stage != "tcp":
            connection.secure(domain, "direct" if stage == "direct" else "start")
        if stage == "auth":
            connection.login(local, domain, self.accounts[f"{local}@{domain}"])

    def do_component(self, words):
        """component NAME DOMAIN [secret S | raw]"""
        name, domain = words[1], words[2]
        connection = stream.Stream("127.0.0.1", self.house.server.component_port, stream.COMPONENT)
        self.parties[name] = XmppParty(name, connection, domain, False)
        self.values[name] = domain
        if "raw" not in words:
            connection.handshake(domain, words[words.index("secret") + 1] if "secret" in words else "sesame")

    def do_xmpp(self, party, action, rest):
        link = party.stream
        if action == ">":
            self.send_xml(party, rest)
        elif action == ">>":
            text = xmlnode.substitute(rest, self.values)
            link.send(codecs.escape_decode(text.encode())[0])
        elif action in ("<", "<*"):
            self.await_xml(party, rest, any_order=action == "<*")
        elif action == "closed":
            self.await_closed(party)
        elif action == "silent":
            self.expect_silence(party, rest)
        elif action == "online":                # available, and her own presence has come back
            self.send_xml(party, f"<presence><priority>{rest}</priority></presence>" if rest else "<presence/>")
            self.await_xml(party, f'<presence from="{self.values[party.name]}" ...>...</presence>', any_order=True)
        elif action == "roster":                # interested in roster pushes
            token = f"roster{next(_counter)}"
            self.send_xml(party, f"<iq type='get' id='{token}'><query xmlns='jabber:iq:roster'/></iq>")
            self.await_xml(party, f'<iq type="result" id="{token}" ...>...</iq>', any_order=True)
        elif action == "forget":                # whatever has come so far does not matter
            token = f"forget{next(_counter)}"
            self.send_xml(party, f"<iq type='get' id='{token}' to='{party.domain}'><ping xmlns='urn:xmpp:ping'/></iq>")
            self.await_xml(party, f'<iq id="{token}" ...>...</iq>', any_order=True)
            link.waiting.clear()
        elif action == "close":
            link.close()
            party.gone = True
        elif action == "gone":
            link.cut()
            party.gone = True
        elif action == "restart":               # after our own SASL success: a new document begins
            link.parser.restart()
        elif action == "starttls":
            link.start_tls(party.domain)
        else:
            self.fail(f"unknown action {action}")

    def send_xml(self, party, text):
        text = xmlnode.substitute(text, self.values | self.dynamic(party))
        if re.match(r"<stream:stream\b", text):
            party.stream.parser.restart()
        party.stream.send(text)

    def dynamic(self, party):
        """{digest:SECRET} of XEP-0114 needs the id of the stream, which the script captured as {id}."""
        return {f"digest.{s}": stream.digest(self.values.get("id", ""), s) for s in ("sesame", "wrong")}

    def await_xml(self, party, text, any_order=False):
        link, seen = party.stream, []
        text = xmlnode.repeat(text)
        end = time.monotonic() + WAIT * system.PATIENCE
        closing = text == "</stream:stream>"
        want = None if closing else xmlnode.awaited(text, link.namespace)
        is_open = re.match(r"<stream:stream\b", text) is not None
        try:
            while True:
                event = party.receive(max(0, end - time.monotonic()))
                if event is None or event[0] == "end":
                    self.fail(self.report(text, seen, event))
                kind, node = event
                if closing:
                    if kind == "close":
                        party.told_to_close = True
                        return
                    why = "the stream goes on"
                elif kind == "close":
                    why = "the stream was closed"
                elif (kind == "open") != is_open:
                    why = "no stream header was awaited" if kind == "open" else "a stream header was awaited"
                else:
                    why = xmlnode.difference(want, node, self.values, is_open)
                    if why is None:
                        return
                seen.append((event, why))
                if not any_order or kind == "close":
                    if kind == "stanza":            # what else is there helps the reader
                        more = party.receive(0.05)
                        if more:
                            seen.append((more, "came after it"))
                    self.fail(self.report(text, seen, None))
        finally:
            if any_order:
                link.push_back([e for e, _ in seen])

    def report(self, text, seen, event):
        shorten = lambda l: l if len(l) < 1500 else l[:1000] + " [...] " + l[-300:]
        lines = [f"awaited: {xmlnode.awaited(text, 'jabber:client') if text != '</stream:stream>' else text}", f"   with: {self.bound(text)}"]
        for (kind, node), why in seen:
            lines.append(f"came:    {node if kind == 'stanza' else node.show('', True) if kind == 'open' else kind}")
            lines.append(f"         {why}")
        if event is None and not seen:
            lines.append(f"came:    nothing for {WAIT * system.PATIENCE:.0f} s")
        elif event is not None:
            lines.append(f"then:    {event[1]}")
        return "\n    ".join(shorten(l) for l in lines if not l.endswith("with: "))

    def bound(self, text):
        return ", ".join(f"{n}={self.values[n]}" for n in dict.fromkeys(re.findall(xmlnode._NAME, text)) if n in self.values)

    def await_closed(self, party):
        """The peer ends the stream and the connection, and says nothing else before."""
        link = party.stream
        if party.told_to_close and not link.closing:
            link.closing = True
            link.send("</stream:stream>")
        end = time.monotonic() + WAIT * system.PATIENCE
        while True:
            event = party.receive(max(0, end - time.monotonic()))
            if event is None:
                self.fail("the connection is still open")
            if event[0] == "end":
                party.gone = True
                link.cut()
                return
            if event[0] == "close":
                if not link.closing:
                    link.closing = True
                    link.send("</stream:stream>")
                continue
            self.fail(f"awaited the end, came {event[1]}")

    def expect_silence(self, party, rest):
        """`silent 300ms`: nothing for so long. `silent`: nothing before the answer to a ping to the server."""
        link = party.stream
        if rest:
            event = party.receive(milliseconds(rest) / 1000)
            if event is not None:
                self.fail(f"awaited nothing, came {event[1]}")
            return
        token = f"quiet{next(_counter)}"
        link.send(f"<iq type='get' id='{token}' to='{party.domain}'><ping xmlns='urn:xmpp:ping'/></iq>")
        event = party.receive(WAIT * system.PATIENCE)
        if event is None:
            self.fail("the server does not answer a ping")
        if event[0] != "stanza" or event[1].get("id") != token:
            self.fail(f"awaited nothing, came {event[1]}")
