"""What a SIP peer does in a conversation."""
import re
import secrets
import shlex
import time

from . import sip, system, xmlnode
from .talk_party import WAIT, SipParty


class SipPlayer:
    def do_peer(self, words):
        """peer NAME sip DOMAIN [tls|tcp] [cert NAME]; NAME s2s ... and NAME msrp have declarations of their own"""
        if words[2] == "s2s":
            return self.declare_server(words)
        if words[2] == "msrp":
            return self.declare_msrp(words)
        if words[2] != "sip":
            self.fail(f"no such kind of peer: {words[2]}")
        name, domain = words[1], words[3]
        certificate = words[words.index("cert") + 1] if "cert" in words else None
        if certificate and not self.talk.setup.alone:
            self.fail("another certificate needs `alone` on the server line")
        peer = self.house.peer(domain, certificate)
        while peer.receive(0) is not None:
            pass
        peer.accept_filter = lambda m: m.is_response or any(u in m.start or u in m.get("From") or u in m.get("To") for u in self.users)
        self.parties[name] = SipParty(name, peer)

    def do_sip(self, party, action, rest):
        head, *fields = rest.split("\n") if rest else [""]
        if action == ">":
            self.send_sip(party, head, fields)
        elif action in ("<", "<*", "<+"):
            self.await_sip(party, head, fields, action == "<*", action == "<+")
        elif action == "silent":
            message = party.kept.pop(0) if party.kept else party.peer.receive(float((head or "300ms").rstrip("ms")) / 1000)
            if message is not None:
                self.fail(f"awaited nothing, came\n{message}")
        elif action == "drop":                  # all its connections break
            for wire in list(party.peer.wires):
                wire.close()
            system.wait_until(lambda: not party.peer.wires, 2)
        else:
            self.fail(f"unknown action {action}")

    def compose(self, party, fields, entity):
        headers, body = [], []
        for field in fields:
            if field.startswith("|"):
                body.append(xmlnode.substitute_bytes(field[2:], self.values))
            elif field.startswith("pidf "):
                words = shlex.split(field)[1:]
                body = [sip.pidf(entity, *words).encode()]
                headers.append(("Content-Type", "application/pidf+xml"))
            elif field.startswith("sdp"):
                body = [sip.sdp(*field.split()[1:]).encode()]
                headers.append(("Content-Type", "application/sdp"))
            elif field.startswith("text "):
                body = [xmlnode.substitute(field[5:], self.values).encode()]
                headers.append(("Content-Type", "text/plain;charset=UTF-8"))
            else:
                name, colon, value = field.partition(":")
                if not colon:
                    self.fail(f"neither header nor body: {field}")
                headers.append((name.strip(), xmlnode.substitute(value.strip(), self.values)))
        return headers, b"\r\n".join(body)

    def send_sip(self, party, head, fields):
        """> 200 OK [in NAME] | > METHOD URI from USER [as NAME] | > METHOD in NAME | > ACK | > CANCEL in NAME"""
        head = xmlnode.substitute(head, self.values)
        name = None
        m = re.search(r"\s(?:as|in)\s+(\w+)$", head)
        if m:
            name, head = m.group(1), head[:m.start()]
        words = head.split()
        if words[0].isdigit():
            request = party.requests.get(name) or party.last_request
            if request is None:
                self.fail("there is no request to answer")
            entity = sip.address_of(request.get("To"))
            headers, body = self.compose(party, fields, entity)
            dialog = party.dialogs.get(name) or next((d for d in party.dialogs.values() if d.call_id == request.get("Call-ID")), None)
            tag = re.search(r";tag=([^;>\s]+)$", dialog.local).group(1) if dialog and not request.tag("To") else None
            party.peer.respond(request, int(words[0]), " ".join(words[1:]) or "Answer", headers, body, tag)
        elif words[0] == "ACK":
            party.peer.ack(party.last_response)
        elif words[0] == "CANCEL" and len(words) == 1:
            party.peer.send(party.peer.cancel(party.invites[name]))
        elif len(words) == 1:
            dialog = party.dialogs[name]
            headers, body = self.compose(party, fields, sip.address_of(dialog.local))
            party.peer.request(words[0], dialog, headers, body)
        else:
            user = words[words.index("from") + 1] if "from" in words else "carol"
            dialog = party.peer.new_dialog(user, words[1])
            party.dialogs[name or words[0]] = dialog
            self.values[f"{name}.call"] = dialog.call_id
            headers, body = self.compose(party, [f for f in fields if f != "cancelled"], sip.address_of(dialog.local))
            party.invites[name] = party.peer.request(words[0], dialog, headers, body, cancelled="cancelled" in fields)

    def await_sip(self, party, head, fields, any_order, at_last=False):
        """< METHOD URI [as NAME] | < STATUS [METHOD]. <+ answers such requests with 200 until the right one comes."""
        name = None
        m = re.search(r"\s(?:as|in)\s+(\w+)$", head)
        if m:
            name, head = m.group(1), head[:m.start()]
        words = head.split()
        if words[0] == "NOTIFY" and self.house.setup.kind != "xmppd":   # other servers answer a probe with more than one stanza
            at_last, fields = True, [f for f in fields if not f.startswith("CSeq:")]
        end = time.monotonic() + WAIT * system.PATIENCE
        passed, old, party.kept = [], party.kept, []
        try:
            while True:
                message = old.pop(0) if old else party.peer.receive(max(0, end - time.monotonic()))
                if message is None:
                    self.fail(f"awaited {head}, came " + ("\n---\n".join(map(str, passed)) if passed else f"nothing for {WAIT * system.PATIENCE:.0f} s"))
                if message.is_response and message.status == 100 and words[0] != "100":
                    continue
                why = self.differ_sip(party, words, fields, message, name)
                if why is None:
                    break
                if at_last and message.method == words[0] and not message.is_response:
                    party.peer.respond(message, 200, "OK")
                    continue
                passed.append(message)
                # requests and answers travel on different connections: each kind has its own order
                if not any_order and message.is_response == bool(re.match(r"\d", words[0])):
                    self.fail(f"{why}\ncame:\n{message}")
        finally:
            party.kept = passed + old
        if message.is_response:
            party.last_response = message
            for dialog in party.dialogs.values():
                if dialog.call_id == message.get("Call-ID") and message.status < 300 and message.method != "CANCEL":
                    dialog.learn(message)
        else:
            party.last_request = message
            if name:
                party.requests[name] = message
                known = party.dialogs.get(name)
                if known is None or known.call_id != message.get("Call-ID"):
                    party.dialogs[name] = sip.Dialog.of_request(message, secrets.token_hex(5))

    def differ_sip(self, party, words, fields, message, name):
        trial = dict(self.values)
        if words[0].isdigit() or words[0].endswith("xx"):
            if not message.is_response:
                return f"a request is not a {words[0]}"
            if str(message.status) != words[0] and words[0] != f"{str(message.status)[0]}xx":
                return f"{message.status} is not {words[0]}"
            if len(words) > 1 and message.method != words[1]:
                return f"it answers {message.method}, not {words[1]}"
        else:
            if message.is_response:
                return f"a response is not a {words[0]}"
            if message.method != words[0]:
                return f"{message.method} is not {words[0]}"
            if len(words) > 1 and not xmlnode.fits(words[1], message.uri, trial):
                return f"the Request-URI is {message.uri}, not {words[1]}"
            if name in party.dialogs and message.tag("To") and message.get("Call-ID") != party.dialogs[name].call_id:
                return f"it is not in the dialog {name}"
        body = []
        for field in fields:
            if field.startswith("|"):
                body.append(xmlnode.repeat(field[2:]))
            elif field.startswith("pidf "):
                want = tuple((shlex.split(field)[1:] + [None])[:2])
                if sip.read_pidf(message.text()) != want:
                    return f"the document says {sip.read_pidf(message.text())}, not {want}"
            elif field.startswith("xml "):
                try:
                    got = xmlnode.parse(re.sub(r"^<\?xml.*?\?>", "", message.text().strip()))
                except Exception as e:
                    return f"the body is no XML: {e}"
                why = xmlnode.difference(xmlnode.awaited(field[4:]), got, trial)
                if why:
                    return why
            elif field.startswith("text "):
                body.append(xmlnode.repeat(field[5:]))
            elif field.startswith("not "):
                key, _, pattern = field[4:].partition(":")
                if any(xmlnode.fits(pattern.strip(), v, trial) for v in message.all(key.strip())):
                    return f"{key} is {pattern.strip()}"
            elif field.startswith("no "):
                if message.all(field[3:].strip()):
                    return f"it has a {field[3:]}"
            else:
                key, _, pattern = field.partition(":")
                if not any(xmlnode.fits(pattern.strip(), v, trial) for v in message.all(key.strip())):
                    return f"{key}: {message.all(key.strip()) or 'absent'}, not {pattern.strip()}"
        text = message.text()
        if body and not any(xmlnode.fits("\r\n".join(body) + end, text, trial) for end in ("\r\n", "")):
            return f"the body is {message.text()!r}, not {chr(13).join(body)!r}"
        self.values.update(trial)
        return None
