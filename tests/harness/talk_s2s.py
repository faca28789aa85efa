"""What a foreign server does in a conversation: it connects to xmppd, and xmppd to it, since the name server of the talk has its records."""
import hashlib
import hmac
import os
import re
import socket
import ssl

from . import authority, foreign, pki, stream, system, xmlnode
from .talk_party import WAIT, XmppParty

FEATURES = {
    "starttls": f"<starttls xmlns='{stream.TLS}'/>",
    "required": f"<starttls xmlns='{stream.TLS}'><required/></starttls>",
    "EXTERNAL": f"<mechanisms xmlns='{stream.SASL}'><mechanism>EXTERNAL</mechanism></mechanisms>",
    "dialback": f"<dialback xmlns='{foreign.DIALBACK_FEATURE}'/>",
    "errors": f"<dialback xmlns='{foreign.DIALBACK_FEATURE}'><errors/></dialback>",
    "bidi": "<bidi xmlns='urn:xmpp:features:bidi'/>",
    "sm": "<sm xmlns='urn:xmpp:sm:3'/>",
}
SECOND = 1 / 86400
_made = {}


def dialback_key(secret, receiving, originating, stream_id):
    """XEP-0185."""
    keyed = hashlib.sha256(secret.encode()).hexdigest().encode()
    return hmac.new(keyed, f"{receiving} {originating} {stream_id}".encode(), "sha256").hexdigest()


def put_pins(text, parties):
    """{pin:KIND}: of such a certificate of the first peer of the talk."""
    home = next((p.home for p in parties.values() if isinstance(p, ServerParty)), None)
    return re.sub(r"\{pin:([^{}]+)\}", lambda m: certificates().pin(m.group(1), home.domains), text)


def put_keys(text, values):
    """{key SECRET RECEIVING ORIGINATING ID}"""
    def put(m):
        return dialback_key(*xmlnode.substitute(m.group(1), values).split())
    return re.sub(r"\{key ((?:[^{}]|\{[^{}]*\})+)\}", put, text)


class Certificates:
    """Those of foreign servers, by the one authority that the servers under test trust, and by others."""

    def __init__(self):
        self.directory = system.short_directory("xa-")
        self.maker = authority.Authority(self.directory)
        self.trusted = authority.Certificate(self.directory, "ca", [])
        self.trusted.crt, self.trusted.key = pki.shared().ca, pki.shared().directory / "ca.key"
        self.unknown = None
        self.made = {}

    def file(self, kind, domains):
        """kind: as tests/talk/README.md lists them; None: there is none."""
        if kind == "none":
            return None
        known = (kind, tuple(domains))
        if known not in self.made or kind.startswith("brief"):
            self.made[known] = self.make(kind, domains)
        return self.made[known].file()

    def pin(self, kind, domains):
        self.file(kind, domains)
        return self.made[kind, tuple(domains)].pin()

    def make(self, kind, domains):
        name, signer, wishes = domains[0], self.trusted, {"names": domains}
        word, _, value = kind.partition(":")
        if word in ("servers", "clients"):
            wishes["usage"] = {"servers": "serverAuth", "clients": "clientAuth"}[word]
        elif word == "expired":
            wishes.update(begins=-20, ends=-1)
        elif word == "early":
            wishes["begins"] = 1
        elif word == "brief":
            wishes["ends"] = (float(value) + system.PATIENCE) * SECOND
        elif word == "self-signed":
            signer = None
        elif word == "untrusted":
            self.unknown = self.unknown or self.maker.root("Nobody knows this root")
            signer = self.unknown
        elif word == "names":
            name, wishes["names"] = "nobody.example", value.split(",")
        elif word == "also":
            wishes["names"] = value.split(",")
        elif word == "srv":
            wishes["san"] = ",".join(f"otherName:1.3.6.1.5.5.7.8.7;IA5STRING:_xmpp-server.{d}" for d in domains)
        elif word == "xmppaddr":
            wishes["san"] = ",".join(f"otherName:1.3.6.1.5.5.7.8.5;UTF8:{d}" for d in domains)
        elif word == "cn":
            wishes["names"] = ()
        elif word != "good":
            raise ValueError(f"no such certificate: {kind}")
        return self.maker.issue(name, signer, **wishes)


def certificates():
    """Of this test run."""
    if "all" not in _made:
        import atexit
        import shutil
        _made["all"] = Certificates()
        atexit.register(shutil.rmtree, _made["all"].directory, True)
    return _made["all"]


class Home:
    """One foreign server: its domains, their records, its port, its certificate."""

    def __init__(self, names, domains, certificate, is_direct, is_known, listens):
        self.names, self.domains, self.certificate = names, domains, certificate
        self.listener = socket.create_server(("127.0.0.1", 0))
        if is_known:
            for domain in domains:
                target = (0, 0, self.listener.getsockname()[1], f"xmpp.{domain}")
                names.srv(f"_{'xmpps' if is_direct else 'xmpp'}-server._tcp.{domain}", [target])
                names.host(f"xmpp.{domain}", "127.0.0.1")
        if not listens:
            self.listener.close()

    def context(self, kind, accepts):
        file = certificates().file(kind or self.certificate, self.domains)
        if accepts:
            return foreign.tls(file, trust=pki.shared().ca)
        context = stream.client_tls(certificate=file)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def accept(self, seconds):
        """None: nobody has come."""
        self.listener.settimeout(seconds)
        try:
            return foreign.Connection(self.listener.accept()[0])
        except (TimeoutError, socket.timeout):
            return None


class ServerParty(XmppParty):
    """One connection of a foreign server, or none yet."""

    def __init__(self, name, home):
        super().__init__(name, None, home.domains[0], False)
        self.home, self.accepts, self.has_opened, self.owner = home, False, False, False

    def take(self, connection, accepts):
        if self.stream:
            self.stream.cut()
        self.stream, self.accepts, self.has_opened, self.gone, self.told_to_close = connection, accepts, False, False, False

    def finish(self):
        super().finish()
        if self.owner:
            self.home.listener.close()


class ServerPlayer:
    def declare_server(self, words):
        """peer NAME s2s DOMAIN [also DOMAIN] [cert KIND] [direct] [unknown | refuses]"""
        options, domains, certificate, rest = set(), [words[3]], "good", iter(words[4:])
        for word in rest:
            if word == "also":
                domains.append(next(rest))
            elif word == "cert":
                certificate = next(rest)
            elif word in ("direct", "unknown", "refuses"):
                options.add(word)
            else:
                self.fail(f"unknown word {word}")
        home = Home(self.house.names, domains, certificate, "direct" in options, "unknown" not in options, "refuses" not in options)
        party = self.parties[words[1]] = ServerParty(words[1], home)
        party.owner = True
        self.values[words[1]] = domains[0]

    def do_peer_server(self, party, action, rest):
        words = rest.split()
        act = {"connects": self.connect_server, "accepts": self.accept_server, "opens": self.open_server, "starts": self.start_server_tls,
               "offers": self.offer, "offered": self.await_offer}.get(action)
        if act:
            return act(party, words)
        if party.stream is None:
            if action != "silent":
                self.fail(f"{party.name} has no connection yet")
            if party.home.accept(float(rest.rstrip("ms")) / 1000 if rest else 0.3):
                self.fail("a connection came")
            return None
        return self.do_xmpp(party, action, put_keys(rest, self.values))

    def named(self, party, words):
        """... as NAME: another party of the same home."""
        if "as" not in words:
            return party, words
        at = words.index("as")
        other = self.parties[words[at + 1]] = ServerParty(words[at + 1], party.home)
        return other, words[:at] + words[at + 2:]

    # -- as far as the script wants it

    def connect_server(self, party, words):
        """connects [direct] [tls|proven] [to DOMAIN] [cert KIND] [as NAME]"""
        party, words = self.named(party, words)
        options = self.read_options(words)
        server = self.house.server
        is_direct = "direct" in words
        party.take(stream.Stream("127.0.0.1", server.s2s_tls if is_direct else server.s2s, foreign.SERVER), False)
        self.pass_steps(party, is_direct, words, options)

    def accept_server(self, party, words):
        """accepts [direct] [tls|proven] [cert KIND] [as NAME]"""
        party, words = self.named(party, words)
        options = self.read_options(words)
        connection = party.home.accept(WAIT * system.PATIENCE)
        if connection is None:
            self.fail(f"nobody has connected for {WAIT * system.PATIENCE:.0f} s")
        party.take(connection, True)
        self.pass_steps(party, "direct" in words, words, options)

    def read_options(self, words):
        return {key: words[words.index(key) + 1] for key in ("to", "cert") if key in words}

    def pass_steps(self, party, is_direct, words, options):
        kind, header = options.get("cert"), [f"to={options['to']}"] if "to" in options else []
        if is_direct:
            self.handshake(party, kind)
        if "tls" not in words and "proven" not in words:
            return
        if not is_direct:
            self.open_server(party, header)
            if party.accepts:
                self.offer(party, ["starttls"])
            else:
                party.stream.wait("features")
            self.start_server_tls(party, ["TLS", kind] if kind else ["TLS"])
        self.open_server(party, header)
        if "proven" not in words:
            return
        if party.accepts:
            self.offer(party, ["EXTERNAL"])
            party.stream.wait("auth")
            party.stream.send(f"<success xmlns='{stream.SASL}'/>")
        else:
            party.stream.wait("features")
            party.stream.auth("EXTERNAL", "=")
        self.open_server(party, header)
        self.offer(party, []) if party.accepts else party.stream.wait("features")

    # -- one step each

    def open_server(self, party, words):
        """opens [ATTRIBUTE=VALUE ...]: headers are exchanged; an empty value leaves the attribute out"""
        link = party.stream
        if party.has_opened:
            link.parser.restart()
        party.has_opened = True
        if party.accepts:
            theirs = link.wait("stream")
            header = {"from": theirs.get("to", party.domain), "to": theirs.get("from", ""), "id": f"{party.name}{os.urandom(6).hex()}"}
        else:
            header = {"from": party.domain, "to": self.talk.setup.domains[0]}
        header["version"] = "1.0"
        header.update(word.split("=", 1) for word in words)
        text = "".join(f" {key}={xmlnode.quoteattr(xmlnode.substitute(value, self.values))}" for key, value in header.items() if value)
        link.send(f"<?xml version='1.0'?><stream:stream xmlns='{foreign.SERVER}' xmlns:db='{foreign.DIALBACK}' xmlns:stream='{xmlnode.STREAM}'{text}>")
        if not party.accepts:
            theirs = link.wait("stream")
        self.values[f"{party.name}.id"] = header.get("id") if party.accepts else theirs.get("id", "")

    def start_server_tls(self, party, words):
        """starts TLS [KIND of certificate]"""
        if party.accepts:
            party.stream.wait("starttls")
            party.stream.send(f"<proceed xmlns='{stream.TLS}'/>")
        else:
            party.stream.send(f"<starttls xmlns='{stream.TLS}'/>")
            party.stream.wait("proceed")
        self.handshake(party, words[1] if len(words) > 1 else None)

    def handshake(self, party, kind):
        context = party.home.context(kind, party.accepts)
        if party.accepts:
            party.stream.answer_tls(context)
        else:
            party.stream.start_tls(self.talk.setup.domains[0], context)
        party.has_opened = False

    def features(self, names):
        return "<stream:features>" + "".join(FEATURES[name] for name in names) + "</stream:features>"

    def offer(self, party, names):
        """offers FEATURE ..."""
        party.stream.send(self.features(names))

    def await_offer(self, party, names):
        """offered FEATURE ...: these and no others"""
        self.await_xml(party, self.features(names))
