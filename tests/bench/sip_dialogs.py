#!/usr/bin/python3
"""What one sipcomp costs with very many presence dialogs, both directions counted, and how it comes back.

The XMPP server and the SIP edge are played here, in one process that only counts: half of the dialogs are subscriptions of local users,
half belong to foreign watchers. Three figures: resident bytes for each dialog; after `kill -9` the time until every stored state has
been shown again to the XMPP server; how fast the refreshes came, and the most in any one second (`subscribe-rate`).
"""
import argparse
import asyncio
import collections
import hashlib
import json
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.dont_write_bytecode = True

from harness import config, servers, sip  # noqa: E402

LOCAL, FOREIGN = "capulet.example", "simple.test"
HEAD = re.compile(rb"(?im)^(?:content-length|l)[ \t]*:[ \t]*(\d+)")
PRESENCE = re.compile(rb"<presence\b([^>]*?)(?:/>|>.*?</presence>)", re.S)
ATTRIBUTE = re.compile(rb"([\w:]+)=[\"']([^\"']*)")
# As long as those of a Microsoft edge (3.4 of the dialects).
ROUTES = "".join(f"Record-Route: <sip:{host};transport=tls;lr;ms-key-info={'A' * 120};ms-route-sig={'b' * 60}>;tag=33080DF1E72C6E4A\r\n"
                 for host in ("pool.simple.test:5061", "edge.simple.test:5061"))


class Xmpp:
    """The component port of an XMPP server that never refuses anything."""

    def __init__(self):
        self.writer, self.up = None, asyncio.Event()
        self.states, self.accepted, self.asked, self.probes = {}, 0, 0, 0
        self.seen = 0.0

    async def serve(self):
        self.server = await asyncio.start_server(self.stream, "127.0.0.1", 0, limit=1 << 24)
        return self.server.sockets[0].getsockname()[1]

    async def stream(self, reader, writer):
        data = b""
        while b">" not in data or b"<stream:stream" not in data:
            data += await reader.read(65536)
        writer.write(f"<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' id='1' from='{FOREIGN}'>".encode())
        await reader.readuntil(b"</handshake>")
        writer.write(b"<handshake/>")
        self.writer = writer
        self.up.set()
        data = b""
        while piece := await reader.read(1 << 20):
            data += piece
            data = data[self.take(data):]
        self.up.clear()

    def take(self, data):
        end = 0
        for m in PRESENCE.finditer(data):
            end = m.end()
            of = dict(ATTRIBUTE.findall(m[1]))
            kind, sender, to = of.get(b"type"), of[b"from"], of[b"to"]
            bare = sender.split(b"/")[0]
            if kind == b"subscribed":
                self.accepted += 1
            elif kind == b"subscribe":
                self.asked += 1
                self.writer.write(b"<presence type='subscribed' from='%s' to='%s'/><presence from='%s/a' to='%s'><show>away</show><status>out for lunch</status></presence>" % (to, bare, to, bare))
            elif kind == b"probe":
                self.probes += 1
                self.writer.write(b"<presence from='%s/a' to='%s'><show>away</show><status>out for lunch</status></presence>" % (to, bare))
            else:
                self.states[bare] = kind
                self.seen = time.monotonic()
        return end

    def subscribe(self, user, contact):
        self.writer.write(f"<presence type='subscribe' from='{user}' to='{contact}'/>".encode())


class Edge:
    """The SIP side: grants every SUBSCRIBE and tells a state, and watches with dialogs of its own."""

    def __init__(self):
        self.subscribes, self.notifies, self.granted = collections.Counter(), 0, 0
        self.first_request = None
        self.tags, self.calls = 0, set()
        self.out = None

    async def serve(self):
        self.server = await asyncio.start_server(self.connection, "127.0.0.1", 0, limit=1 << 24)
        return self.server.sockets[0].getsockname()[1]

    async def connect(self, port):
        reader, self.out = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
        self.reading = asyncio.create_task(self.connection(reader, self.out))

    async def connection(self, reader, writer):
        data = b""
        try:
            while piece := await reader.read(1 << 20):
                data += piece
                at = 0
                while True:
                    while data[at:at + 2] == b"\r\n":
                        at += 2
                    end = data.find(b"\r\n\r\n", at)
                    if end < 0:
                        break
                    length = int(HEAD.search(data, at, end + 2)[1])
                    if len(data) < end + 4 + length:
                        break
                    self.message(data[at:end], writer)
                    at = end + 4 + length
                data = data[at:]
                await writer.drain()
        except ConnectionError:
            pass

    def message(self, head, writer):
        lines = head.decode().split("\r\n")
        headers = collections.defaultdict(list)
        for line in lines[1:]:
            name, _, value = line.partition(": ")
            headers[name].append(value)
        if lines[0].startswith("SIP/2.0"):
            self.granted += lines[0].startswith("SIP/2.0 200") and headers["CSeq"][0].endswith("SUBSCRIBE")
            return
        method, call = lines[0].split()[0], headers["Call-ID"][0]
        if method == "NOTIFY":
            self.notifies += 1
            writer.write(self.answer(headers, headers["To"][0]))
            return
        now = time.monotonic()
        self.first_request = self.first_request or now
        self.subscribes[int(now - self.first_request)] += 1
        self.calls.add(call)
        to = headers["To"][0]
        fresh = ";tag=" not in to
        if fresh:
            self.tags += 1
            to += f";tag=t{self.tags:08x}"
        writer.write(self.answer(headers, to, f"Expires: 3600\r\nContact: <sip:edge.{FOREIGN}:5060;transport=tcp>\r\n" + (ROUTES if fresh else "")))
        user = re.search(r"sip:([^@]*)@", to)[1]
        body = sip.pidf(f"{user}@{FOREIGN}", "open", "away", "Out of office until Monday")
        contact = re.search(r"<([^>]*)>", headers["Contact"][0])[1]
        cseq = 2 * int(headers["CSeq"][0].split()[0])
        writer.write((f"NOTIFY {contact} SIP/2.0\r\nVia: SIP/2.0/TCP edge.{FOREIGN}:5060;branch=z9hG4bK{call[:20]}{cseq}\r\nMax-Forwards: 70\r\n"
                      f"From: {to}\r\nTo: {headers['From'][0]}\r\nCall-ID: {call}\r\nCSeq: {cseq} NOTIFY\r\n"
                      f"Contact: <sip:edge.{FOREIGN}:5060;transport=tcp>\r\nEvent: presence\r\nSubscription-State: active;expires=3600\r\n"
                      f"Content-Type: application/pidf+xml\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode())

    @staticmethod
    def answer(headers, to, more=""):
        vias = "".join(f"Via: {via}\r\n" for via in headers["Via"])
        return (f"SIP/2.0 200 OK\r\n{vias}From: {headers['From'][0]}\r\nTo: {to}\r\nCall-ID: {headers['Call-ID'][0]}\r\n"
                f"CSeq: {headers['CSeq'][0]}\r\n{more}Content-Length: 0\r\n\r\n").encode()

    def watch(self, number, user):
        foreign = f"watcher{number}@{FOREIGN}"
        self.out.write((f"SUBSCRIBE sip:{user} SIP/2.0\r\nVia: SIP/2.0/TCP edge.{FOREIGN}:5060;branch=z9hG4bKw{number}\r\nMax-Forwards: 70\r\n"
                        f"{ROUTES}From: <sip:{foreign}>;tag=w{number:08x}\r\nTo: <sip:{user}>\r\nCall-ID: watch-{number:08x}-23ffb7f27@edge.{FOREIGN}\r\n"
                        f"CSeq: 1 SUBSCRIBE\r\nContact: <sip:{foreign};transport=tcp>\r\nEvent: presence\r\nExpires: 3600\r\n"
                        "Content-Length: 0\r\n\r\n").encode())


async def wait_until(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"gave up: {what}")
        await asyncio.sleep(0.02)


def resident(pid):
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"Anonymous:\s+(\d+)", text)[1]) * 1024, int(re.search(r"Rss:\s+(\d+)", text)[1]) * 1024


class Listener:
    component_port = 0


async def run(count, rate, settle, keep_running):
    xmpp, edge = Xmpp(), Edge()
    Listener.component_port = await xmpp.serve()
    sip_port = await edge.serve()
    federation = {("sip-domain", FOREIGN): {"type": "simple"},
                  ("sip-route", FOREIGN): {("hop", "127.0.0.1"): {"port": sip_port, "transport": "tcp"}}}
    gateway = servers.Sipcomp(Listener, [LOCAL], [FOREIGN], federation=federation,
                              settings={"subscribe-rate": rate})
    await asyncio.to_thread(gateway.start)
    figures = {}
    half = count // 2
    try:
        await asyncio.wait_for(xmpp.up.wait(), 20)
        await edge.connect(gateway.tcp_port)
        pid = gateway.process.child.pid
        await asyncio.sleep(0.5)
        before = resident(pid)
        began = time.monotonic()
        for i in range(half):
            xmpp.subscribe(f"user{i % (half // 10 + 1)}@{LOCAL}", f"contact{i}@{FOREIGN}")
            edge.watch(i, f"user{i % (half // 10 + 1)}@{LOCAL}")
            if i % 100 == 0:
                await wait_until(lambda: i - min(xmpp.accepted, edge.granted, edge.notifies // 2) < 500, 60, "the dialogs do not come up")
        await wait_until(lambda: xmpp.accepted >= half and len(xmpp.states) >= half and edge.notifies >= 2 * half, 120, "the last dialogs do not come up")
        figures["up_seconds"] = round(time.monotonic() - began, 1)
        await asyncio.sleep(settle)
        after = resident(pid)
        figures["bytes_per_dialog"] = round((after[0] - before[0]) / count)
        figures["rss_per_dialog"] = round((after[1] - before[1]) / count)
        if keep_running:
            print(f"pid {pid}", flush=True)
            await asyncio.sleep(keep_running)

        calls = set(edge.calls)
        gateway.kill()
        await wait_until(lambda: not xmpp.up.is_set(), 10, "the stream does not break")
        xmpp.states.clear()
        edge.subscribes.clear()
        edge.calls.clear()
        edge.first_request = None
        xmpp.probes = edge.notifies = 0
        began = time.monotonic()
        await asyncio.to_thread(gateway.start)
        figures["ready_seconds"] = round(time.monotonic() - began, 2)
        await wait_until(lambda: len(xmpp.states) >= half, 60, "the stored states are not shown")
        figures["shown_seconds"] = round(xmpp.seen - began, 2)
        pid = gateway.process.child.pid
        await wait_until(lambda: xmpp.probes >= half, 60, "the users are not asked for their states")
        figures["probed_seconds"] = round(time.monotonic() - began, 2)
        await wait_until(lambda: sum(edge.subscribes.values()) >= half, half / rate * 2 + 30, "the subscriptions are not refreshed")
        seconds = time.monotonic() - edge.first_request
        figures["refresh_rate"] = round(half / seconds)
        figures["refresh_most_in_a_second"] = max(edge.subscribes.values())
        figures["refreshed_in_their_dialogs"] = len(edge.calls & calls)
        await asyncio.sleep(1)
        again = resident(pid)
        figures["bytes_per_dialog_after_restart"] = round((again[0] - before[0]) / count)
    except SystemExit as e:
        print(json.dumps(figures), xmpp.accepted, len(xmpp.states), xmpp.probes, sum(edge.subscribes.values()), dict(edge.subscribes), edge.notifies, file=sys.stderr)
        raise
    finally:
        complaint = gateway.stop()
    if complaint:
        raise SystemExit(complaint)
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dialogs", type=int, default=50000)
    parser.add_argument("--rate", type=int, default=2000)
    parser.add_argument("--settle", type=float, default=40, help="seconds until stored answers are gone")
    parser.add_argument("--look", type=float, default=0, help="seconds to look at the process before it is killed")
    options = parser.parse_args()
    print(json.dumps(asyncio.run(run(options.dialogs, options.rate, options.settle, options.look))))


if __name__ == "__main__":
    main()
