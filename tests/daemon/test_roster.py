"""A roster that nobody has needed for a while is let go, and read again when it is."""
import time

import pytest

from harness import servers, stream


def sign_in(server, name):
    client = stream.Stream("127.0.0.1", server.c2s)
    client.secure("capulet.example")
    client.login(name, "capulet.example", "pencil")
    client.bind("capulet.example", "here")
    return client


def wait_for(client, text):
    while True:
        node = client.wait("presence", "iq", "message")
        if text in str(node):
            return


@pytest.mark.slow
def test_contacts_hear_of_a_user_who_did_nothing_for_long():
    server = servers.Xmppd(["capulet.example"])
    server.start()
    try:
        server.add_users([(f"{name}@capulet.example", "pencil") for name in ("juliet", "romeo")])
        juliet, romeo = sign_in(server, "juliet"), sign_in(server, "romeo")
        romeo.send("<presence/>")
        juliet.send("<presence/><presence to='romeo@capulet.example' type='subscribe'/>")
        wait_for(romeo, "subscribe")
        romeo.send("<presence to='juliet@capulet.example' type='subscribed'/>")
        wait_for(juliet, "romeo@capulet.example/here")
        time.sleep(35)                          # longer than an unused roster stays
        romeo.send("<presence><show>away</show></presence>")
        wait_for(juliet, "away")
        juliet.close()
        romeo.close()
        assert server.stop() is None
    finally:
        server.process.kill()


@pytest.mark.parametrize("ver", [False, True], ids=["plain", "versioned"])
def test_a_huge_roster_comes_in_one_piece(ver):
    """More than c2s.max-queue allows to wait: a client that reads is not taken for one that does not."""
    server = servers.Xmppd(["capulet.example"], {"limits": {"max-queue": 65536, "max-stanzas-per-second": 100000}})
    server.start()
    try:
        server.add_users([("juliet@capulet.example", "pencil")])
        juliet = sign_in(server, "juliet")
        groups = "".join(f"<group>{c * 300}</group>" for c in "abc")
        for first in range(0, 1000, 100):
            for n in range(first, first + 100):
                juliet.send(f"<iq type='set' id='s{n}'><query xmlns='jabber:iq:roster'><item jid='contact{n}@elsewhere.example' name='{'n' * 500}'>{groups}</item></query></iq>")
            for n in range(first, first + 100):
                assert juliet.wait("iq").get("id") == f"s{n}"
        for number in range(3):                 # and again, from the disk the last time
            juliet.send(f"<iq type='get' id='g{number}'><query xmlns='jabber:iq:roster'{' ver=' + chr(39) * 2 if ver else ''}/></iq>")
            result = juliet.wait("iq", seconds=20)
            items = result.elements()[0].elements()
            assert result.get("id") == f"g{number}" and len(items) == 1000
            assert {item.get("jid") for item in items} == {f"contact{n}@elsewhere.example" for n in range(1000)}
            assert all(len(item.elements()) == 3 and len(item.get("name")) == 500 for item in items)
            if number == 1:
                juliet.close()
                server.restart()
                juliet = sign_in(server, "juliet")
        juliet.close()
        assert server.stop() is None
    finally:
        server.process.kill()
