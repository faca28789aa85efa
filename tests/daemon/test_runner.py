"""The runner of the conversations itself, against Debian's prosody: a wrong expectation must fail, and say why."""
import os

import pytest

from harness import system, talk

pytestmark = pytest.mark.skipif(not system.which("prosody") and os.environ.get("CI") != "true", reason="prosody is not installed")

HEAD = "server prosody domain capulet.example\nclient juliet juliet@capulet.example/balcony\n"
PING = 'juliet > <iq type="get" id="p1" to="capulet.example"><ping xmlns="urn:xmpp:ping"/></iq>\n'


@pytest.fixture(scope="module")
def houses():
    kept = talk.Houses()
    yield kept
    assert kept.stop() == []


def play(houses, tmp_path, text):
    path = tmp_path / "case.talk"
    path.write_text(HEAD + text)
    talk.Talk(path).play(houses)


@pytest.mark.parametrize("right", [
    PING + 'juliet < <iq to="{juliet}" id="p1" from="capulet.example" type="result"/>\njuliet silent\n',
    PING + 'juliet < <iq id="{id}" ... />\njuliet silent 50ms\n',
    'juliet > <presence/>\njuliet < <presence from="{juliet}" ...>...</presence>\njuliet close\n',
    PING + 'juliet > <iq type="get" id="p2"><ping xmlns="urn:xmpp:ping"/></iq>\n'
    'juliet <* <iq type="result" id="p2" ...>...</iq>\njuliet < <iq type="result" id="p1" ... />\n',
    'juliet > <message to="juliet@capulet.example" id="{a*5}"><body>\n  hello</body></message>\njuliet > <presence/>\n'
    'juliet <* <message id="aaaaa" ...><body>hello</body>...</message>\n',
    'juliet >> <oops></nope>\njuliet < <stream:error><not-well-formed xmlns="urn:ietf:params:xml:ns:xmpp-streams"/>...</stream:error>\njuliet closed\n',
    'server restart\nclient juliet juliet@capulet.example/balcony\n' + PING + 'juliet < <iq type="result" id="p1" ... />\n',
])
def test_a_right_expectation_holds(houses, tmp_path, right):
    play(houses, tmp_path, right)


@pytest.mark.parametrize("wrong, why", [
    (PING + 'juliet < <iq type="error" id="p1" from="capulet.example" to="{juliet}"/>\n', "type is 'result', not 'error'"),
    (PING + 'juliet < <iq type="result" id="p1" from="capulet.example"/>\n', "to='juliet-"),
    (PING + 'juliet < <iq type="result" id="p1" from="capulet.example" to="{juliet}"><query/></iq>\n', "no child is left"),
    (PING + 'juliet < <message/>\n', "is not <message"),
    (PING + 'juliet < <iq xmlns="jabber:server" type="result" ... />\n', "jabber:server"),
    (PING + 'juliet closed\n', "awaited the end"),
    (PING + 'juliet silent 300ms\n', "awaited nothing"),
    (PING + 'juliet silent\n', "awaited nothing"),
    ('juliet closed\n', "still open"),
    ('juliet > <iq type="get" id="d"><query xmlns="http://jabber.org/protocol/disco#info"/></iq>\n'
     'juliet < <iq ...><query xmlns="http://jabber.org/protocol/disco#info"/></iq>\n', "too many"),
    ('juliet > <iq id="{nobody}"/>\n', "has no value yet"),
    ('romeo > <presence/>\n', "nobody is called romeo"),
    ('juliet < <presence/>\n', "nothing for"),
])
def test_a_wrong_expectation_fails(houses, tmp_path, wrong, why, monkeypatch):
    monkeypatch.setattr(talk, "WAIT", 0.5)
    with pytest.raises(talk.TalkError) as error:
        play(houses, tmp_path, wrong)
    assert why in str(error.value)
    assert "case.talk:" in str(error.value)
