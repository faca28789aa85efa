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
