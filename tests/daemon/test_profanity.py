"""profanity, a terminal client on libstrophe: people sign in, meet, write, see their other terminal's messages, and outlive a kill."""
import contextlib

import pytest

from harness import servers, system
from harness.profanity import Profanity


@pytest.fixture
def xmppd(workers):
    system.need("xmppd", "profanity")
    server = servers.Xmppd(["example.com"], workers=workers).start()
    server.add_users([(f"{name}@example.com", "pencil") for name in ("juliet", "romeo")])
    yield server
    assert server.stop() is None


def meet(juliet, romeo):
    """Each subscribes to the other."""
    juliet.type(f"/sub request {romeo.jid}")
    romeo.receives('type="subscribe"')
    romeo.type(f"/sub allow {juliet.jid}")
    juliet.receives(f'<item (?=.*jid="{romeo.jid}").*subscription="to"')
    romeo.type(f"/sub request {juliet.jid}")
    juliet.receives('type="subscribe"')
    juliet.type(f"/sub allow {romeo.jid}")
    juliet.receives(f'<item (?=.*jid="{romeo.jid}").*subscription="both"')
    romeo.receives(f'<item (?=.*jid="{juliet.jid}").*subscription="both"')
    romeo.receives(f'<presence .*from="{juliet.jid}/terminal"')


def test_two_terminals_meet(xmppd):
    """Romeo is asked whether he trusts the certificate. His second terminal sees what the first one hears and says (XEP-0280)."""
    with contextlib.ExitStack() as stack:
        juliet = stack.enter_context(Profanity(xmppd, "juliet@example.com", "pencil")).sign_in().signed_in()
        romeo = stack.enter_context(Profanity(xmppd, "romeo@example.com", "pencil", trusts=False)).sign_in()
        romeo.shows("Use '/tls allow' to accept this certificate.")
        romeo.type("/tls allow")
        romeo.signed_in()
        meet(juliet, romeo)

        juliet.type(f"/msg {romeo.jid} wherefore art thou")
        romeo.receives("<body>wherefore art thou</body>")
        other = stack.enter_context(Profanity(xmppd, "romeo@example.com", "pencil", resource="other")).sign_in().signed_in()
        romeo.type(f"/msg {juliet.jid} here below")
        juliet.receives("<body>here below</body>")
        juliet.shows("here below")
        other.receives('<sent .*"urn:xmpp:carbons:2".*<body>here below</body>')
        juliet.type(f"/msg {romeo.jid}/terminal speak again")   # to the bare JID it would come to both, without a copy
        romeo.receives("<body>speak again</body>")
        other.receives('<received .*"urn:xmpp:carbons:2".*<body>speak again</body>')
        other.type("/win 2")
        for line in ("here below", "speak again"):
            other.shows(line)

        assert system.wait_until(lambda: xmppd.ctl("sessions").stdout.count("Profanity") == 3, 10, 0.2), "XEP-0115: who they are"
        juliet.type("/roster")
        juliet.shows(romeo.jid)
        assert romeo.quit() == 0
        juliet.receives(f'<presence (?=.*type="unavailable").*from="{romeo.jid}/terminal"')
        assert juliet.quit() == 0 and other.quit() == 0


def test_terminals_go_on_after_a_kill(xmppd):
    """kill -9 of the server: both streams are resumed (XEP-0198 5), nobody binds anew, and what is written then arrives."""
    with contextlib.ExitStack() as stack:
        juliet, romeo = (stack.enter_context(Profanity(xmppd, f"{name}@example.com", "pencil")).sign_in().signed_in()
                         for name in ("juliet", "romeo"))
        meet(juliet, romeo)
        xmppd.kill()
        juliet.logs("Lost connection|XMPP_CONN_DISCONNECT")
        xmppd.start()
        for terminal in (juliet, romeo):
            terminal.logs("Session resumed successfully", seconds=40)
        juliet.type(f"/msg {romeo.jid} after the fall")
        romeo.receives("<body>after the fall</body>")
        romeo.type("/win 2")
        romeo.shows("after the fall")
        assert " bound" not in xmppd.process.log()
        assert juliet.quit() == 0 and romeo.quit() == 0


def test_a_terminal_registers(workers):
    """XEP-0077: libstrophe asks for the form before login, fills it in, and the account is there."""
    system.need("xmppd", "profanity")
    server = servers.Xmppd(["localhost"], {"register": {"accounts": True}}, workers=workers).start()
    try:
        with Profanity(server, "nurse@localhost", "ancient lady") as nurse:
            nurse.type(f"/register nurse localhost port {server.c2s} tls trust")
            nurse.type("ancient lady")
            nurse.type("ancient lady")
            assert system.wait_until(lambda: "nurse@localhost" in server.ctl("user", "list").stdout, 20, 0.2), nurse.log()[-3000:]
        with Profanity(server, "nurse@localhost", "ancient lady") as nurse:
            nurse.sign_in().signed_in()
            assert nurse.quit() == 0
    finally:
        assert server.stop() is None
