"""How an administrator accepts a federation with another XMPP server, from the first request to the last block, as users see it."""
import pytest

from matrix import Scene

from harness import peers, person  # matrix has set the path
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["prosody", "ejabberd"])
def sides(request, tmp_path_factory):
    """Juliet here; Romeo and Mercutio there."""
    made = Scene(request.param, tmp_path_factory.mktemp("acceptance"), wanted=["required"])
    domain = made.domains["required"]
    try:
        made.start([f"romeo@{domain}", f"mercutio@{domain}"])
    except BaseException:
        made.stop()
        raise
    ours = made.sign_in("required")[0]
    romeo = made.people["required"][1]
    mercutio = person.Person(made.peer, f"mercutio@{domain}", peers.PASSWORD)
    yield ours, romeo, mercutio
    mercutio.stream.cut()
    assert made.stop() is None


def is_message(other):
    return lambda n: n.local == "message" and n.get("type") != "error" and person.bare(n.get("from", "")) == other.jid


def test_a_federation_is_accepted(sides):
    juliet, romeo, mercutio = sides

    # A foreign user adds ours: the request pops up, she accepts, both see each other's state.
    romeo.ask(juliet)
    juliet.asked_by(romeo)
    juliet.allow(romeo)
    romeo.sees(juliet, "subscribed")
    romeo.sees(juliet, "")
    juliet.ask(romeo)
    romeo.asked_by(juliet)
    romeo.allow(juliet)
    juliet.sees(romeo, "subscribed")
    juliet.sees(romeo, "")

    # She adds a second foreign user and sees his state.
    juliet.ask(mercutio)
    mercutio.asked_by(juliet)
    mercutio.allow(juliet)
    juliet.sees(mercutio, "subscribed")
    juliet.sees(mercutio, "")
    mercutio.ask(juliet)
    juliet.asked_by(mercutio)
    juliet.allow(mercutio)
    mercutio.sees(juliet, "")

    # Both sides change state, and the other sees it.
    for state in ("away", "dnd", "xa"):
        juliet.show(state)
        romeo.sees(juliet, state)
        mercutio.sees(juliet, state)
        romeo.show(state)
        juliet.sees(romeo, state)
        mercutio.show(state)
        juliet.sees(mercutio, state)

    # Messages that our side begins; the windows are closed; messages that theirs begins.
    juliet.say(romeo, "Romeo?", romeo.full)
    romeo.hears(juliet, "Romeo?")
    romeo.say(juliet, "It is I", juliet.full)
    juliet.hears(romeo, "It is I")
    juliet.send(f"<message type='chat' to='{romeo.full}'><gone xmlns='http://jabber.org/protocol/chatstates'/></message>")
    romeo.expect("that the window is closed", lambda n: n.local == "message" and n.find("gone") is not None)
    romeo.send(f"<message type='chat' to='{juliet.full}'><gone xmlns='http://jabber.org/protocol/chatstates'/></message>")
    juliet.expect("that the window is closed", lambda n: n.local == "message" and n.find("gone") is not None)
    romeo.say(juliet, "Again")
    juliet.hears(romeo, "Again")
    juliet.say(romeo, "And again")
    romeo.hears(juliet, "And again")

    # She blocks one: he sees her offline, the other does not; he cannot write to her, nor she to him.
    juliet.block(romeo)
    romeo.sees(juliet, "unavailable")
    juliet.show("chat")
    mercutio.sees(juliet, "chat")
    mercutio.nothing("that she is offline", lambda n: n.local == "presence" and n.get("type") == "unavailable" and
                     n.get("from") == juliet.full)
    assert juliet.refused(juliet.say(romeo, "no"))[0] == "not-acceptable"
    assert romeo.refused(romeo.say(juliet, "Hello?"))[0] == "service-unavailable"
    juliet.say(mercutio, "You I hear")
    mercutio.hears(juliet, "You I hear")
    mercutio.say(juliet, "And I you")
    juliet.hears(mercutio, "And I you")
    romeo.nothing("her state", lambda n: n.local == "presence" and n.find("show") is not None and n.find("show").text() == "chat")
    romeo.nothing("a message", is_message(juliet))
    juliet.nothing("a message of one whom she blocks", is_message(romeo))

    # As it was before.
    juliet.block(romeo, False)
    romeo.sees(juliet, "chat")
    romeo.say(juliet, "Here I am")
    juliet.hears(romeo, "Here I am")

    # The foreign user blocks her: she sees him go.
    romeo.block(juliet)
    juliet.sees(romeo, "unavailable")
    juliet.nothing("that the other has gone", lambda n: n.local == "presence" and n.get("type") == "unavailable" and
                   n.get("from") == mercutio.full)
    assert juliet.refused(juliet.say(romeo, "Romeo?"))[0] == "service-unavailable"
    romeo.block(juliet, False)
    juliet.sees(romeo, "xa")
