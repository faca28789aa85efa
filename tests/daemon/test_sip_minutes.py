"""What SIP peers are given a minute for: the refresh of a session (RFC 4028) and of a typing notice (RFC 3994)."""
import os

import pytest

from harness import system, talk

pytestmark = [pytest.mark.sip, pytest.mark.long,
              pytest.mark.skipif(os.environ.get("CI") != "true" and not (system.have("sipcomp") and system.have("xmppd")), reason="sipcomp or xmppd is not built")]

SCRIPT = """
server xmppd domain capulet.example alone
server sipcomp domain simple.test
client juliet juliet@capulet.example/balcony
juliet roster
juliet online
peer edge sip simple.test tls
edge > INVITE sip:juliet@capulet.example from erin as chat
    Supported: timer
    Session-Expires: 90
    sdp
edge < 200 INVITE
    Session-Expires: 90;refresher=uac
edge > ACK
edge > INVITE sip:juliet@capulet.example from carol as refreshed
    Supported: timer
    Session-Expires: 90
    sdp
edge < 200 INVITE
edge > ACK
# this one wants us to refresh
edge > INVITE sip:juliet@capulet.example from dan as ours
    Supported: timer
    Session-Expires: 90;refresher=uas
    sdp
edge < 200 INVITE
    Session-Expires: 90;refresher=uas
edge > ACK
edge > MESSAGE in chat
    Content-Type: application/im-iscomposing+xml
    | <isComposing xmlns="urn:ietf:params:xml:ns:im-iscomposing"><state>active</state><refresh>20</refresh></isComposing>
edge < 200 MESSAGE
juliet < <message type="chat" from="erin@simple.test/sip" ...><composing xmlns="http://jabber.org/protocol/chatstates"/>...</message>
edge silent 25000ms
edge > UPDATE in refreshed
    Session-Expires: 90
edge < 200 UPDATE
edge < INVITE {_} in ours
    Supported: timer
    Session-Expires: 90;refresher=uac
    | v=0
    | o=- {_} {_} IN IP4 {_}
    | {_}
    | m=message {_} sip sip:juliet@capulet.example
    | {_}
edge > INVITE in ours
    sdp
edge < 491 INVITE
edge > ACK
edge > 200 OK in ours
    Session-Expires: 90;refresher=uac
    sdp sip:juliet@capulet.example
edge < ACK {_} in ours
juliet > <message to="dan@simple.test" type="chat"><body>in the same session</body></message>
edge < MESSAGE {_} in ours
    text in the same session
edge > 200 OK in ours
edge silent 5000ms
edge < BYE {_} in chat
edge > 200 OK in chat
juliet < <message type="chat" from="erin@simple.test/sip" ...><paused xmlns="http://jabber.org/protocol/chatstates"/>...</message>
edge silent 10000ms
edge > MESSAGE in refreshed
    text still here
edge < 200 MESSAGE
"""


def test_who_does_not_refresh_is_gone(tmp_path):
    path = tmp_path / "minute.talk"
    path.write_text(SCRIPT)
    talk.Talk(path).play(talk.Houses())
