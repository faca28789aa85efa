"""What a real client library does with the server: slixmpp signs in, keeps a roster, talks, looks around and blocks."""
import asyncio
import itertools
import json
import os
import ssl

import pytest

from harness import pki, servers, system

slixmpp = pytest.importorskip("slixmpp")
pytestmark = pytest.mark.skipif(os.environ.get("CI") != "true" and not system.have("xmppd"), reason="xmppd is not built")

numbers = itertools.count(1)
WAIT = 10 * system.PATIENCE


@pytest.fixture(scope="module", params=[1, pytest.param(4, marks=pytest.mark.workers4)], ids=["1", "4"])
def xmppd(request):
    server = servers.Xmppd(["example.com"], workers=request.param).start()
    yield server
    assert server.stop() is None


class Client(slixmpp.ClientXMPP):
    def __init__(self, server, name, resource="slix", plugins=()):
        super().__init__(f"{name}@example.com/{resource}", "pencil")
        self.under_test = server
        self.ca_certs = str(pki.shared().ca)
        self.ssl_context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.seen = asyncio.Queue()
        self.texts = asyncio.Queue()
        self.asked = asyncio.Queue()
        self.auto_authorize = None
        self.auto_subscribe = False
        for plugin in ("xep_0030", "xep_0054", "xep_0092", "xep_0191", "xep_0199", "xep_0280", "xep_0352", *plugins):
            self.register_plugin(plugin)
        self.add_event_handler("message", lambda m: self.texts.put_nowait(m))
        self.add_event_handler("message_error", lambda m: self.seen.put_nowait(m))
        self.add_event_handler("presence_available", lambda p: self.seen.put_nowait(p))
        self.add_event_handler("presence_away", lambda p: self.seen.put_nowait(p))
        self.add_event_handler("presence_unavailable", lambda p: self.seen.put_nowait(p))
        self.add_event_handler("presence_subscribe", lambda p: self.asked.put_nowait(p))

    async def sign_in(self, presence=True):
        ready = asyncio.get_running_loop().create_future()
        self.add_event_handler("session_start", lambda _: ready.done() or ready.set_result(None))
        self.add_event_handler("failed_all_auth", lambda _: ready.done() or ready.set_exception(RuntimeError("login refused")))
        self.connect(("127.0.0.1", self.under_test.c2s))
        await asyncio.wait_for(ready, WAIT)
        await asyncio.wait_for(self.get_roster(), WAIT)
        if presence:
            self.send_presence()
        return self

    async def happens(self, *events):
        """The next of these events."""
        self.awaited = asyncio.get_running_loop().create_future()
        for event in events:
            self.add_event_handler(event, lambda data: self.awaited.done() or self.awaited.set_result(data), disposable=True)
        return await asyncio.wait_for(self.awaited, 3 * WAIT)

    async def presence_of(self, jid, kind="available"):
        while True:
            p = await asyncio.wait_for(self.seen.get(), WAIT)
            if p.name == "presence" and p["from"].bare == jid and p["type"] == kind:
                return p

    async def text(self):
        return await asyncio.wait_for(self.texts.get(), WAIT)

    async def sign_out(self):
        await asyncio.wait_for(self.disconnect(wait=2), WAIT)


def play(server, script, *names):
    """Runs the script with these users, fresh ones."""
    number = next(numbers)
    fresh = [f"{n}{number}" for n in names]
    server.add_users([(f"{n}@example.com", "pencil") for n in fresh])

    async def run():
        clients = [Client(server, n) for n in fresh]
        try:
            await asyncio.wait_for(script(*clients), 4 * WAIT)
        finally:
            for client in clients:
                client.abort()
            await asyncio.sleep(0)

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(run())
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def test_two_people_meet(xmppd):
    """Subscription both ways, presence, messages, sign out: the life of a roster contact."""
    async def script(juliet, romeo):
        await juliet.sign_in()
        await romeo.sign_in()
        juliet.send_presence_subscription(pto=romeo.boundjid.bare)
        request = await asyncio.wait_for(romeo.asked.get(), WAIT)
        assert request["from"].bare == juliet.boundjid.bare
        romeo.send_presence(pto=juliet.boundjid.bare, ptype="subscribed")
        await juliet.presence_of(romeo.boundjid.bare)
        romeo.send_presence_subscription(pto=juliet.boundjid.bare)
        await asyncio.wait_for(juliet.asked.get(), WAIT)
        juliet.send_presence(pto=romeo.boundjid.bare, ptype="subscribed")
        await romeo.presence_of(juliet.boundjid.bare)
        await juliet.get_roster()
        assert juliet.client_roster[romeo.boundjid.bare]["subscription"] == "both"
        juliet.send_message(mto=romeo.boundjid.bare, mbody="wherefore art thou", mtype="chat")
        message = await romeo.text()
        assert message["body"] == "wherefore art thou" and message["from"] == juliet.boundjid
        message.reply("here").send()
        assert (await juliet.text())["body"] == "here"
        romeo.send_presence(pshow="away", pstatus="climbing")
        while True:
            p = await asyncio.wait_for(juliet.seen.get(), WAIT)
            if p["status"] == "climbing":
                assert p["show"] == "away"
                break
        await romeo.sign_out()
        await juliet.presence_of(romeo.boundjid.bare, "unavailable")
    play(xmppd, script, "juliet", "romeo")


def test_the_roster_is_kept(xmppd):
    async def script(juliet):
        await juliet.sign_in()
        await juliet.update_roster("nurse@elsewhere.example", name="Nurse", groups=["Servants"])
        assert juliet.client_roster["nurse@elsewhere.example"]["name"] == "Nurse"
        await juliet.sign_out()
        again = Client(xmppd, juliet.boundjid.user, "again")
        await again.sign_in()
        assert again.client_roster["nurse@elsewhere.example"]["name"] == "Nurse"
        assert again.client_roster["nurse@elsewhere.example"]["groups"] == ["Servants"]
        await again.del_roster_item("nurse@elsewhere.example")
        await again.sign_out()
        third = Client(xmppd, juliet.boundjid.user, "third")
        await third.sign_in()
        assert "nurse@elsewhere.example" not in third.client_roster
        await third.sign_out()
    play(xmppd, script, "juliet")


def test_messages_wait_for_who_is_away(xmppd):
    async def script(juliet, romeo):
        await juliet.sign_in()
        for i in range(20):
            juliet.send_message(mto=romeo.requested_jid.bare, mbody=f"line {i}", mtype="chat")
        await juliet["xep_0199"].send_ping("example.com", timeout=WAIT)
        await romeo.sign_in()
        assert [(await romeo.text())["body"] for _ in range(20)] == [f"line {i}" for i in range(20)]
    play(xmppd, script, "juliet", "romeo")


def test_looking_around(xmppd):
    async def script(juliet):
        await juliet.sign_in()
        info = await juliet["xep_0030"].get_info(jid="example.com", timeout=WAIT)
        assert ("server", "im") in {(i[0], i[1]) for i in info["disco_info"]["identities"]}
        assert {"urn:xmpp:ping", "urn:xmpp:blocking", "jabber:iq:version"} <= set(info["disco_info"]["features"])
        version = await juliet["xep_0092"].get_version("example.com", timeout=WAIT)
        assert version["software_version"]["name"] and version["software_version"]["version"]
        assert await juliet["xep_0199"].ping("example.com", timeout=WAIT) >= 0
    play(xmppd, script, "juliet")


def test_capabilities(xmppd):
    """XEP-0115 both ways: the library finds that the server's hash is right, the server that hers is."""
    async def script(juliet):
        juliet.register_plugin("xep_0115")
        juliet["xep_0030"].add_identity(category="client", itype="pc", name="Slix for Juliet")
        await juliet.sign_in()
        await juliet["xep_0115"].update_caps()

        async def until(there, seconds=WAIT):
            for _ in range(int(seconds * 10)):
                if found := await there():
                    return found
                await asyncio.sleep(0.1)
            raise AssertionError("waited in vain")

        async def named():
            listed = await asyncio.to_thread(xmppd.ctl, "--json", "sessions")
            return any(s["jid"] == juliet.boundjid.full and s["client"] == "Slix for Juliet" for s in json.loads(listed.stdout)["sessions"])

        async def server_caps():
            return await juliet["xep_0115"].get_caps(jid="example.com")

        await until(named)
        assert "urn:xmpp:ping" in (await until(server_caps))["features"]
    play(xmppd, script, "juliet")


def test_blocking(xmppd):
    async def script(juliet, romeo):
        await juliet.sign_in()
        await romeo.sign_in()
        await juliet["xep_0191"].block([romeo.boundjid.bare], timeout=WAIT)
        blocked = await juliet["xep_0191"].get_blocked(timeout=WAIT)
        assert {str(j) for j in blocked["blocklist"]["items"]} == {romeo.boundjid.bare}
        romeo.send_message(mto=juliet.boundjid.bare, mbody="hello?", mtype="chat")
        while True:
            answer = await asyncio.wait_for(romeo.seen.get(), WAIT)
            if answer.name == "message":
                break
        assert answer["type"] == "error" and answer["error"]["condition"] == "service-unavailable"
        await juliet["xep_0191"].unblock([romeo.boundjid.bare], timeout=WAIT)
        romeo.send_message(mto=juliet.boundjid.bare, mbody="hello again", mtype="chat")
        assert (await juliet.text())["body"] == "hello again"
    play(xmppd, script, "juliet", "romeo")


def test_carbons(xmppd):
    """What one resource hears and says comes to the other one too (XEP-0280)."""
    async def script(juliet, romeo):
        other = Client(xmppd, romeo.requested_jid.user, "other")
        carbons = asyncio.Queue()
        for event in ("carbon_received", "carbon_sent"):
            other.add_event_handler(event, lambda m, kind=event: carbons.put_nowait((kind, m[kind])))
        try:
            for client in (juliet, romeo, other):
                await client.sign_in()
            await other["xep_0280"].enable(timeout=WAIT)
            juliet.send_message(mto=romeo.boundjid, mbody="to one of you", mtype="chat")
            (await romeo.text()).reply("from one of us").send()
            assert (await juliet.text())["body"] == "from one of us"
            seen = [await asyncio.wait_for(carbons.get(), WAIT) for _ in range(2)]
            assert [(kind, m["body"]) for kind, m in seen] == [("carbon_received", "to one of you"), ("carbon_sent", "from one of us")]
            await other["xep_0280"].disable(timeout=WAIT)
            juliet.send_message(mto=romeo.boundjid, mbody="only to one of you", mtype="chat")
            await romeo.text()
            await other["xep_0199"].send_ping("example.com", timeout=WAIT)
            assert carbons.empty()
        finally:
            other.abort()
    play(xmppd, script, "juliet", "romeo")


def test_a_card_is_kept_and_shown(xmppd):
    async def script(juliet, romeo):
        await juliet.sign_in()
        await romeo.sign_in()
        card = juliet["xep_0054"].make_vcard()
        card["FN"] = "Juliet Capulet"
        await juliet["xep_0054"].publish_vcard(card, timeout=WAIT)
        answer = await romeo["xep_0054"].get_vcard(juliet.boundjid.bare, timeout=WAIT, cached=False)
        assert answer["vcard_temp"]["FN"] == "Juliet Capulet"
    play(xmppd, script, "juliet", "romeo")


def test_an_inactive_client_is_not_told_of_presence(xmppd):
    """XEP-0352: presence waits while nobody looks, and comes when somebody does."""
    async def script(juliet, romeo):
        await juliet.sign_in()
        await romeo.sign_in()
        romeo.send_presence_subscription(pto=juliet.boundjid.bare)
        await asyncio.wait_for(juliet.asked.get(), WAIT)
        juliet.send_presence(pto=romeo.boundjid.bare, ptype="subscribed")
        await romeo.presence_of(juliet.boundjid.bare)
        while romeo.client_roster[juliet.boundjid.bare]["subscription"] != "to":    # the push leaves after the commit; it cannot wait
            await asyncio.sleep(0.01)
        romeo["xep_0352"].send_inactive()
        await romeo["xep_0199"].send_ping("example.com", timeout=WAIT)
        while not romeo.seen.empty():
            romeo.seen.get_nowait()
        juliet.send_presence(pshow="away", pstatus="unseen")
        juliet.send_presence(pshow="away", pstatus="on the balcony")
        await juliet["xep_0199"].send_ping("example.com", timeout=WAIT)
        await asyncio.sleep(0.2)
        assert romeo.seen.empty()
        romeo["xep_0352"].send_active()
        assert (await romeo.presence_of(juliet.boundjid.bare, "away"))["status"] == "on the balcony"
    play(xmppd, script, "juliet", "romeo")


def test_sessions_are_resumed_after_a_kill(xmppd):
    """XEP-0198 5 with kill -9 in between: nobody binds anew, and what was written to who was still away comes once, in order."""
    async def script(*fresh):
        juliet, romeo = (Client(xmppd, client.requested_jid.user, plugins=["xep_0198"]) for client in fresh)
        try:
            for client in (juliet, romeo):
                await client.sign_in()
                if not client["xep_0198"].enabled_out:
                    await client.happens("sm_enabled")
                await client["xep_0199"].send_ping("example.com", timeout=WAIT)
            gone = [asyncio.ensure_future(client.happens("disconnected")) for client in (juliet, romeo)]
            await asyncio.sleep(0)
            xmppd.kill()
            await asyncio.gather(*gone)
            xmppd.start()                   # from this thread: the daemon dies with the one that started it
            for client in (juliet, romeo):
                resumed = asyncio.ensure_future(client.happens("session_resumed", "session_start"))
                await asyncio.sleep(0)
                client.connect(("127.0.0.1", xmppd.c2s))
                await resumed
                if client is juliet:
                    for i in range(10):
                        juliet.send_message(mto=romeo.boundjid, mbody=f"line {i}", mtype="chat")
                    await juliet["xep_0199"].send_ping("example.com", timeout=WAIT)
            assert [(await romeo.text())["body"] for _ in range(10)] == [f"line {i}" for i in range(10)]
            await romeo["xep_0199"].send_ping("example.com", timeout=WAIT)
            assert romeo.texts.empty()
            names = [client.boundjid.full for client in (juliet, romeo)]
            assert all(f"{name} resumed" in xmppd.process.log() for name in names)
            assert not any(f"{name} bound" in xmppd.process.log() for name in names)
        finally:
            juliet.abort()
            romeo.abort()
    play(xmppd, script, "juliet", "romeo")


def test_many_at_once(xmppd):
    """Thirty clients sign in together and write to each other in a ring, twenty lines each, in order."""
    async def script(*clients):
        await asyncio.gather(*(c.sign_in() for c in clients))
        for i in range(20):
            for n, client in enumerate(clients):
                client.send_message(mto=clients[(n + 1) % len(clients)].boundjid, mbody=str(i), mtype="chat")
        for client in clients:
            assert [(await client.text())["body"] for _ in range(20)] == [str(i) for i in range(20)]
    play(xmppd, script, *(f"ring{i}-" for i in range(30)))
