"""How an administrator accepts a federation with a Microsoft system, from the first request to the last block, as users on both sides see it."""
import pytest

from harness import person, pki, servers, sip_domain, system

pytestmark = pytest.mark.sip

AWAY, BUSY = ("open", "away"), ("open", "busy")


@pytest.fixture(params=["lync", "ocs"])
def sides(request):
    """Juliet here; Carol and Bob there."""
    system.need("xmppd", "sipcomp")
    domain = f"{request.param}.test"
    store = pki.shared()
    certificate = store.issue([servers.EDGES[request.param][0]])
    xmppd = servers.Xmppd(["example.com"], federation=servers.sip_federation([domain], {domain: 5061}))
    gateway = servers.Sipcomp(xmppd, ["example.com"], [domain])
    there = juliet = None
    try:
        xmppd.start()
        xmppd.add_users([("juliet@example.com", "pencil")])
        there = sip_domain.Domain(domain, gateway.peers[domain], gateway.tls_port, certificate)
        gateway.start()
        juliet = person.Person(xmppd, "juliet@example.com", "pencil")
        yield juliet, there.person("carol"), there.person("bob")
    finally:
        if juliet:
            juliet.stream.cut()
        complaints = [c for c in (server.stop() for server in (gateway, xmppd) if server.process.child) if c]
        if there:
            there.stop()
    assert not complaints, "\n".join(complaints)


def text(node, name):
    found = node.find(name)
    return found.text() if found is not None else ""


def sees_busy(juliet, other):
    """The Busy of a Microsoft user is away with a status that says so."""
    node = juliet.sees(other, "away")
    assert text(node, "status") == "Busy", f"{node}"


def sees_away(juliet, other):
    node = juliet.sees(other, "away")
    assert text(node, "status") == "", f"{node}"


def shows_herself(juliet, carol, bob):
    """Each state of hers as both of them see it."""
    for show, seen in (("<show>away</show>", AWAY), ("<show>dnd</show>", BUSY), ("<show>xa</show>", AWAY),
                       ("<show>away</show><status>In a meeting</status>", BUSY), ("", ("open",))):
        juliet.send(f"<presence>{show}</presence>")
        carol.sees(juliet, *seen)
        bob.sees(juliet, *seen)


def sees_her_contacts(juliet, *others):
    """Each state of theirs as she sees it."""
    for other in others:
        other.shows("busy")
        sees_busy(juliet, other)
        other.shows("away")
        sees_away(juliet, other)
        other.shows("offline")
        juliet.sees(other, "unavailable")
        other.shows("available")
        juliet.sees(other, "")


def talks(juliet, carol):
    """Messages that our side begins; the windows are closed; messages that theirs begins."""
    juliet.say(carol, "Carol, are you there?")
    carol.session(juliet, "begins")
    carol.hears(juliet, "Carol, are you there?")
    carol.says(juliet, "I am")
    juliet.hears(carol, "I am")
    juliet.say(carol, "See you at three")
    carol.hears(juliet, "See you at three")
    juliet.send(f"<message type='chat' to='{carol.jid}'><gone xmlns='http://jabber.org/protocol/chatstates'/></message>")
    carol.session(juliet, "ends")
    carol.says(juliet, "At four, please")
    juliet.hears(carol, "At four, please")
    juliet.say(carol, "At four")
    carol.hears(juliet, "At four")
    carol.hangs_up(juliet)
    juliet.expect("that the window is closed", lambda n: n.local == "message" and n.find("gone") is not None)


def test_a_federation_is_accepted(sides):
    juliet, carol, bob = sides

    # A Microsoft user adds ours: the request pops up, she accepts, both see each other's state.
    carol.watches(juliet)
    carol.sees(juliet, "pending")
    juliet.asked_by(carol)
    juliet.allow(carol)
    carol.sees(juliet, "open")
    juliet.ask(carol)
    carol.watched_by(juliet)
    juliet.sees(carol, "subscribed")
    juliet.sees(carol, "")

    # She adds a second one and sees his state.
    juliet.ask(bob)
    bob.watched_by(juliet)
    juliet.sees(bob, "subscribed")
    juliet.sees(bob, "")
    bob.watches(juliet)
    juliet.asked_by(bob)
    juliet.allow(bob)
    bob.sees(juliet, "open")

    # Both sides change state, and the other sees it.
    shows_herself(juliet, carol, bob)
    sees_her_contacts(juliet, carol, bob)
    talks(juliet, carol)

    # She blocks one: that one sees her offline, the other does not; she still sees the blocked one and can write to her.
    juliet.block(carol)
    carol.sees(juliet, "closed")
    juliet.show("dnd")
    bob.sees(juliet, *BUSY)
    bob.domain.nothing(f"presence bob {juliet.jid} closed")
    carol.shows("busy")
    sees_busy(juliet, carol)
    juliet.say(carol, "You cannot see me")
    carol.hears(juliet, "You cannot see me")
    juliet.show("away")
    bob.sees(juliet, *AWAY)
    carol.domain.nothing(f"presence carol {juliet.jid} open")
    juliet.block(carol, False)
    carol.sees(juliet, *AWAY)

    # The Microsoft user blocks her: she sees him go, and the other stay.
    bob.blocks(juliet)
    juliet.sees(bob, "unavailable")
    carol.shows("away")
    sees_away(juliet, carol)
    juliet.nothing("that the other has gone", lambda n: n.local == "presence" and n.get("type") == "unavailable" and person.bare(n.get("from")) == carol.jid)
    assert juliet.refused(juliet.say(bob, "Bob?"))[0] == "recipient-unavailable"
    bob.blocks(juliet, False)
    juliet.sees(bob, "")
