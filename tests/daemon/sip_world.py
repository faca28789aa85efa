"""A small world for presence over SIP: two users, three contacts in one SIP domain that watch and are watched, and what each of them sees.

Things happen by chance (a seed says which): roster changes, states, subscriptions that end, dialogs that are forgotten, connections that break,
kill -9 of sipcomp, xmppd or both, an edge that is away for a while. After each few of them, within five seconds, both sides must agree: what a user
sees of a contact is what the SIP side says, what a watcher sees of a user is what the user's state and roster say.
"""
import random
import re
import socket
import threading
import time
from xml.sax.saxutils import escape

from harness import pki, process, servers, sip, stream, system

LOCAL, FOREIGN = "capulet.example", "lync.test"
STATES = [("open", None), ("open", "busy"), ("open", "away"), ("closed", None)]
SHOWN = {("open", None): ("", ""), ("open", "busy"): ("away", "Busy"), ("open", "away"): ("away", ""), ("closed", None): None}
SHOWS = {None: ("open", None), "away": ("open", "away"), "dnd": ("open", "busy"), "xa": ("open", "away")}
BOUND = 5                                       # seconds
OFFLINE = ("closed", None)


class Broken(AssertionError):
    """A rule that always holds does not."""


class Edge:
    """The SIP side. Its threads answer at once; `lock` keeps what they know whole."""

    def __init__(self, world, port, product):
        self.world, self.port, self.product = world, port, product
        self.tls = sip.contexts(pki.shared().directory, servers.EDGES["lync"][1])
        self.lock = threading.RLock()
        self.states = {c: OFFLINE for c in world.contacts}
        self.subscribers = {}                   # Call-ID: sipcomp watches for one of its users
        self.watches = {}                       # Call-ID: a contact watches a user
        self.faults = []
        self.peer, self.away = None, False
        self.up()

    def up(self):
        for _ in range(100):
            try:
                self.peer = sip.Peer(FOREIGN, "127.0.0.1", self.port, self.product, self.tls)
                break
            except OSError:                     # the old connections are not quite gone
                time.sleep(0.05)
        self.peer.arrived = self.take
        self.away = False

    def down(self):
        self.away = True
        self.peer.stop()

    def cut(self):
        for wire in list(self.peer.wires):
            wire.close()
        if self.peer.own:
            self.peer.own.close()

    def take(self, message):
        if self.away:                           # a connection that was just being made
            return message.wire.close()
        try:
            with self.lock:
                if message.is_response:
                    self.take_answer(message)
                else:
                    self.take_request(message)
        except (OSError, ssl_error):
            pass                                # it broke: the other side will come again

    # -- we are watched

    def take_request(self, request):
        call = request.get("Call-ID")
        if request.method == "SUBSCRIBE":
            self.take_subscribe(call, request)
        elif request.method == "NOTIFY":
            self.take_notify(call, request)
        elif request.method == "OPTIONS":
            self.peer.respond(request, 200, "OK")
        elif request.method != "ACK":
            self.peer.respond(request, 501, "Not Implemented")

    def take_subscribe(self, call, request):
        known, ends = self.subscribers.get(call), request.get("Expires") == "0"
        if request.tag("To") and known is None:
            return self.peer.respond(request, 481, "Subscription Does Not Exist")
        number = int(request.get("CSeq").split()[0])
        if known is None:
            contact = sip.address_of(request.get("To")).partition("@")[0]
            answer = self.peer.respond(request, 200, "OK", [("Expires", "3600")])
            dialog = sip.Dialog.of_request(request, answer.tag("To"))
            known = self.subscribers[call] = {"dialog": dialog, "contact": contact, "user": sip.address_of(request.get("From")), "number": number}
        else:
            if number <= known["number"]:
                self.faults.append(f"CSeq {number} after {known['number']} in {call}")
            known["number"] = number
            known["dialog"].wire = request.wire
            self.peer.respond(request, 200, "OK", [("Expires", "0" if ends else "3600")])
        self.notify(call, "terminated;reason=timeout" if ends else "active;expires=3600")
        if ends:
            self.subscribers.pop(call, None)

    def notify(self, call, state):
        known = self.subscribers[call]
        body = sip.pidf(f"{known['contact']}@{FOREIGN}", *[w for w in self.states[known["contact"]] if w])
        self.peer.request("NOTIFY", known["dialog"], [("Event", "presence"), ("Subscription-State", state), ("Content-Type", "application/pidf+xml")], body)

    def set_state(self, contact, state):
        with self.lock:
            self.states[contact] = state
            for call, known in list(self.subscribers.items()):
                if known["contact"] == contact:
                    self.quietly(self.notify, call, "active;expires=3600")

    def end(self, contact, reason):
        """The contact's server ends the subscriptions, and says so."""
        with self.lock:
            for call, known in list(self.subscribers.items()):
                if known["contact"] == contact:
                    self.quietly(self.notify, call, f"terminated;reason={reason}")
                    del self.subscribers[call]

    def forget(self):
        """... or does not: who comes with an old dialog gets 481."""
        with self.lock:
            self.subscribers.clear()

    def quietly(self, what, *arguments):
        try:
            what(*arguments)
        except OSError:
            pass

    def take_answer(self, answer):
        call = answer.get("Call-ID")
        if answer.status < 200:
            return
        if answer.method == "NOTIFY" and answer.status == 481:
            self.subscribers.pop(call, None)
        elif answer.method == "SUBSCRIBE" and call in self.watches:
            watch = self.watches[call]
            watch["answered"] = answer.status
            if answer.status == 200:
                watch["dialog"].learn(answer)
            elif watch["granted"] and not watch["ends"]:
                self.faults.append(f"{answer.status} to a refresh of {call}")
            watch["granted"] |= answer.status == 200

    # -- we watch

    def watch(self, contact, user):
        with self.lock:
            dialog = self.peer.new_dialog(contact, f"sip:{user}")
            self.watches[dialog.call_id] = {"dialog": dialog, "contact": contact, "user": user, "seen": None, "number": 0, "granted": False,
                                            "ends": False, "answered": None}
        self.ask(dialog, 3600)
        return dialog.call_id

    def ask(self, dialog, expires):
        self.quietly(self.peer.request, "SUBSCRIBE", dialog, [("Event", "presence"), ("Accept", "application/pidf+xml"), ("Expires", str(expires))])

    def refresh(self, call):
        with self.lock:
            watch = self.watches[call]
        self.ask(watch["dialog"], 3600)

    def unwatch(self, call):
        with self.lock:
            watch = self.watches[call]
            watch["ends"] = True
        self.ask(watch["dialog"], 0)

    def take_notify(self, call, request):
        watch = self.watches.get(call)
        if watch is None:
            return self.peer.respond(request, 481, "Subscription Does Not Exist")
        number = int(request.get("CSeq").split()[0])
        if number <= watch["number"]:
            self.faults.append(f"CSeq {number} after {watch['number']} in {call}")
        watch["number"] = number
        watch["dialog"].target = sip.uri_of(request.get("Contact"))
        watch["seen"] = (request.get("Subscription-State").split(";")[0], *sip.read_pidf(request.text()))
        if watch["dialog"].remote.count(";tag=") == 0:
            watch["dialog"].remote = request.get("From")
        self.peer.respond(request, 200, "OK")
        if watch["seen"][0] == "terminated":
            if not watch["ends"]:
                self.faults.append(f"{call} was terminated")
            del self.watches[call]


class User:
    """A client that comes back when its stream breaks, unless it has signed out."""

    def __init__(self, world, name):
        self.world, self.name, self.bare = world, name, f"{name}@{LOCAL}"
        self.show, self.wants_online = None, True
        self.accepts = {}                       # contact: accept, deny, ignore
        self.seen, self.roster, self.asked = {}, {}, {}
        self.stream = None

    def sign_in(self):
        self.seen, self.roster = {}, {}
        self.stream = stream.Stream("127.0.0.1", self.world.server.c2s)
        self.stream.secure(LOCAL)
        self.stream.login(self.name, LOCAL, "pencil")
        self.stream.bind(LOCAL, "test")
        self.send("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>")
        self.say_state()

    def keep_up(self):
        """Takes what has come; signs in again when it must."""
        if self.stream is None:
            if not self.wants_online:
                return
            try:
                self.sign_in()
            except (OSError, stream.StreamError):
                self.stream = None
                return
        while self.stream and (event := self.stream.receive(0.001)) is not None:
            kind, node = event
            if kind == "stanza":
                self.take(node)
            elif kind in ("end", "close"):
                self.leave()

    def leave(self):
        if self.stream:
            self.stream.cut()
        self.stream, self.seen = None, {}

    def send(self, text):
        if self.stream:
            self.stream.send(text)

    def say_state(self):
        self.send(f"<presence>{f'<show>{self.show}</show>' if self.show else ''}</presence>")

    def take(self, node):
        contact = (node.get("from") or "").partition("@")[0]
        if node.local == "iq":
            query = node.find("query", "jabber:iq:roster")
            for item in query.elements() if query else ():
                who = item.get("jid").partition("@")[0]
                self.roster[who] = (item.get("subscription"), item.get("ask"))
                if self.roster[who][0] not in ("to", "both") and not self.roster[who][1]:
                    self.seen.pop(who, None)    # what was under way is not meant any more
            if node.get("type") == "set":
                self.send(f"<iq type='result' id='{node.get('id')}'/>")
            elif node.get("id") == "roster":
                for who, (_, ask) in self.roster.items():
                    if ask:                     # nobody knows how far it came
                        self.subscribe(who)
        elif node.local == "presence" and contact in self.world.contacts:
            self.take_presence(node, contact)

    def take_presence(self, node, contact):
        kind = node.get("type")
        if kind == "subscribe":
            answer = self.accepts.get(contact, "accept")
            if answer != "ignore":
                self.decide(contact, answer)
        elif kind is None:
            texts = [child.text() if (child := node.find(name)) is not None else "" for name in ("show", "status")]
            self.seen[contact] = tuple(texts)
        elif kind == "unavailable":
            self.seen.pop(contact, None)

    def decide(self, contact, decision):
        self.accepts[contact] = decision
        self.send(f"<presence type='{'subscribed' if decision == 'accept' else 'unsubscribed'}' to='{contact}@{FOREIGN}'/>")

    def subscribe(self, contact):
        self.send(f"<presence type='subscribe' to='{contact}@{FOREIGN}'/>")

    def unsubscribe(self, contact):
        self.send(f"<presence type='unsubscribe' to='{contact}@{FOREIGN}'/>")
        self.seen.pop(contact, None)

    def watched_by(self, contact):
        """What a watcher of this name must see: the roster decides."""
        if self.roster.get(contact, ("none",))[0] not in ("from", "both"):
            return OFFLINE
        return SHOWS[self.show] if self.stream else OFFLINE


ssl_error = sip.ssl.SSLError


class World:
    def __init__(self, seed, workers=1, shared=False):
        self.random, self.seed = random.Random(seed), seed
        self.contacts = ["carol", "dave", "erin"]
        self.trace, self.ended, self.requested = [], set(), False
        self.server = servers.Xmppd([LOCAL], federation=servers.sip_federation([FOREIGN], {FOREIGN: 5061}), workers=workers)
        self.gateway = servers.Sipcomp(self.server, [LOCAL], [FOREIGN], settings={"subscribe-rate": 1000}, shared=shared)
        self.users = [User(self, name) for name in ("juliet", "nurse")]
        self.edge, self.switches = None, shared

    def start(self):
        self.server.start()
        self.server.add_users([(u.bare, "pencil") for u in self.users])
        self.edge = Edge(self, self.gateway.peers[FOREIGN], ("127.0.0.1", self.gateway.tls_port))
        self.start_gateway()
        return self

    def stop(self):
        for user in self.users:
            user.leave()
        self.edge.down()
        complaints = [self.gateway.stop(), self.server.stop()]
        if any(complaints):
            raise Broken(f"{[c for c in complaints if c]}")

    # -- what happens

    def roster_change(self):
        self.requested = True
        user, contact = self.random.choice(self.users), self.random.choice(self.contacts)
        if user.roster.get(contact, ("none",))[0] in ("to", "both") and self.random.random() < 0.4:
            user.unsubscribe(contact)
            return f"{user.name} gives {contact} up"
        user.subscribe(contact)
        return f"{user.name} adds {contact}"

    def decision(self):
        self.requested = True
        user, contact = self.random.choice(self.users), self.random.choice(self.contacts)
        decision = self.random.choice(["accept", "accept", "deny", "ignore"])
        user.accepts[contact] = decision
        if decision == "deny":
            user.decide(contact, "deny")
        return f"{user.name} will {decision} {contact}"

    def own_state(self):
        user = self.random.choice(self.users)
        user.show = self.random.choice(list(SHOWS))
        user.say_state()
        return f"{user.name} is {user.show or 'available'}"

    def go_or_come(self):
        user = self.random.choice(self.users)
        user.wants_online = not user.wants_online
        if not user.wants_online:
            user.send("<presence type='unavailable'/></stream:stream>") if self.random.random() < 0.5 else None
            user.leave()
        return f"{user.name} {'comes' if user.wants_online else 'goes'}"

    def their_state(self):
        contact, state = self.random.choice(self.contacts), self.random.choice(STATES)
        self.edge.set_state(contact, state)
        return f"{contact} is {state}"

    def terminated(self):
        contact, reason = self.random.choice(self.contacts), self.random.choice(["deactivated", "timeout"])
        if contact in self.ended:               # thrice in a minute is a loop, which is left alone for a while (4.3 of the dialects)
            return f"{contact} had enough"
        self.ended.add(contact)
        self.edge.end(contact, reason)
        return f"{contact} terminates: {reason}"

    def watch(self):
        self.requested = True
        contact, user = self.random.choice(self.contacts), self.random.choice(self.users)
        if len(self.edge.watches) < 8:
            self.edge.watch(contact, user.bare)
        return f"{contact} watches {user.name}"

    def refresh(self):
        calls = [c for c, w in self.edge.watches.items() if w["granted"] and not w["ends"]]
        if calls:
            self.edge.refresh(self.random.choice(calls))
        return "a watcher refreshes"

    def unwatch(self):
        calls = [c for c, w in self.edge.watches.items() if w["granted"] and not w["ends"]]
        if calls:
            self.edge.unwatch(self.random.choice(calls))
        return "a watcher leaves"

    def cut(self):
        self.edge.cut()
        return "the connections break"

    def let_requests_pass(self):
        """Nothing in XEP-0114 acknowledges a `subscribe`: what is on its way when a stream breaks is lost, so it is not on its way then."""
        if self.requested:
            self.pass_time(0.15 * system.PATIENCE)
        self.requested = False

    def start_gateway(self):
        self.gateway.start()
        system.wait_until(lambda: "attached to " in self.gateway.process.log(), BOUND)

    def start_server(self):
        attached = self.gateway.process.log().count(" attached to ")
        self.server.start()
        system.wait_until(lambda: self.gateway.process.log().count(" attached to ") > attached, BOUND)

    def kill_gateway(self):
        self.let_requests_pass()
        self.gateway.kill()
        self.ended.clear()
        if forgets := self.random.random() < 0.3:
            self.edge.forget()
        self.start_gateway()
        return f"sipcomp is killed{' and its dialogs are forgotten' if forgets else ''}"

    def kill_server(self):
        self.let_requests_pass()
        self.server.kill()
        self.start_server()
        return "xmppd is killed"

    def kill_both(self):
        self.let_requests_pass()
        self.server.kill()
        self.gateway.kill()
        self.ended.clear()
        self.server.start()
        self.start_gateway()
        return "both are killed"

    def outage(self):
        """The edge is away and comes back without its memory; what is tried meanwhile finds nobody."""
        self.edge.down()
        self.edge.forget()
        for what in self.random.sample([self.own_state, self.their_state, self.roster_change], 2):
            self.trace.append("  " + what())
        self.pass_time(self.random.uniform(0.1, 1))
        self.kick()                             # somebody must ask for something, or nobody notices
        self.pass_time(0.2)
        self.edge.up()
        self.ended.clear()
        return "the edge was away"

    def kick(self):
        watched = next((c for c in self.contacts if any(u.roster.get(c, ("",))[0] in ("to", "both") for u in self.users)), None)
        if watched:
            for user in self.users:
                user.send(f"<message to='{watched}@{FOREIGN}' type='chat' id='k'><body>{escape('are you there?')}</body></message>")

    def switch(self):
        if not self.switches:
            return "nothing happens"
        shared = self.random.random() < 0.5
        self.gateway.share(shared)
        return f"subscriptions are {'' if shared else 'not '}shared"

    EVENTS = [(roster_change, 4), (decision, 2), (own_state, 4), (go_or_come, 2), (their_state, 5), (terminated, 2), (watch, 4), (refresh, 2),
              (unwatch, 1), (cut, 2), (kill_gateway, 2), (kill_server, 1), (kill_both, 1), (outage, 1),
              (switch, 1)]

    def happen(self):
        events, weights = zip(*self.EVENTS)
        self.trace.append(self.random.choices(events, weights)[0](self))

    # -- what everybody sees

    def pass_time(self, seconds):
        end = time.monotonic() + seconds
        while True:
            for user in self.users:
                user.keep_up()
            if time.monotonic() >= end:
                return
            time.sleep(0.01)

    def disagreement(self):
        with self.edge.lock:
            for user in self.users:
                if user.wants_online and user.stream is None:
                    return f"{user.name} is not back yet"
                for contact in self.contacts:
                    sees = user.roster.get(contact, ("none",))[0] in ("to", "both")
                    wanted = SHOWN[self.edge.states[contact]] if sees and user.stream else None
                    if user.seen.get(contact) != wanted:
                        return f"{user.name} sees {contact} as {user.seen.get(contact)}, not {wanted}; roster {user.roster.get(contact)}"
            for call, watch in self.edge.watches.items():
                if not watch["granted"]:
                    continue                    # the answer was lost with a connection: it never was a dialog
                if watch["ends"]:
                    continue
                user = next(u for u in self.users if u.bare == watch["user"])
                wanted = user.watched_by(watch["contact"])
                if watch["seen"] is None or watch["seen"][1:] != wanted:
                    return f"{watch['contact']} sees {user.name} as {watch['seen']}, not {wanted}; roster {user.roster.get(watch['contact'])} {call}"
        return None

    def agree(self):
        end = time.monotonic() + BOUND * system.PATIENCE
        while why := self.disagreement():
            self.pass_time(0.02)
            if time.monotonic() > end:
                raise Broken(f"after {BOUND} s: {why}\nseed {self.seed}\n" + "\n".join(self.trace[-25:]))
        self.pass_time(0.1)                     # ... and it stays so
        if why := self.disagreement():
            raise Broken(f"it did not stay so: {why}\nseed {self.seed}\n" + "\n".join(self.trace[-25:]))
        if self.edge.faults:
            raise Broken(f"{self.edge.faults}\nseed {self.seed}\n" + "\n".join(self.trace[-25:]))


def run(seconds, seed, **how):
    """Returns how many times all agreed."""
    world, rounds, end = World(seed, **how), 0, time.monotonic() + seconds
    try:
        world.start()
        world.agree()
        while time.monotonic() < end:
            for _ in range(world.random.randint(1, 4)):
                world.happen()
                world.pass_time(world.random.choice([0, 0, 0.05, 0.3]))
            world.trace.append("-- all agree?")
            world.agree()
            rounds += 1
    except BaseException:
        world.edge and world.edge.down()
        for part in (world.gateway, world.server):
            part.kill()
            part.remove()
        raise
    world.stop()
    return rounds
