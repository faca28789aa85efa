"""The emulated edges of run-sip-peer against xmppd and sipcomp: every scenario, the product in place of self-*, with both policies for the
peer's own requests, whole and in pieces; over TCP what may come over it. All of them are played side by side, see harness/edges.py."""
import itertools
import os
import time

import pytest

from harness import edges, system

BUILT = system.have("xmppd") and system.have("sipcomp")
pytestmark = [
    pytest.mark.sip,
    pytest.mark.edges,
    pytest.mark.skipif(os.environ.get("CI") != "true" and not (BUILT and system.which("sipp")), reason="needs xmppd, sipcomp and sipp"),
]

PIECE = 7                               # bytes; no line of SIP is as short


class Case:
    """One scenario: what alice does (start, react) and what must have happened."""

    def __init__(self, scenario, *arguments, start=None, react=None, check=None, idle=600, seconds=30, peer="sam", pager=False, refused=False):
        self.scenario, self.arguments = scenario, arguments
        self.start, self.react, self.check, self.seconds, self.peer = start, react, check, seconds, peer
        self.idle = idle                        # setting session-idle
        self.pager = pager                      # the domain is known to take no sessions
        self.refused = refused                  # the peer gets nowhere
        self.id = scenario + "".join("-" + a.partition("=")[2] for a in arguments if a.startswith("code="))


def subscribe(user, peer):
    user.send(f"<presence type='subscribe' to='{peer}'/>")


def unsubscribe_after(*wanted):
    """Ends the subscription when these states were seen in this order."""
    def react(user, peer, _stanza):
        seen = iter(user.states)
        if all(any(w == s[0] or w == s for s in seen) for w in wanted) and not getattr(user, "left", False):
            user.left = True
            user.send(f"<presence type='unsubscribe' to='{peer}'/>", 0.8)      # sipp takes nothing while it pauses
    react.wanted = wanted
    return react


def accept_and_show(*shows):
    """Authorises the watcher and then shows these states."""
    def react(user, peer, stanza):
        if stanza is not None and stanza.get("type") == "subscribe":
            user.send(f"<presence type='subscribed' to='{peer}'/>")
            for i, show in enumerate(shows):
                user.send("<presence type='unavailable'/>" if show == "unavailable" else f"<presence><show>{show}</show></presence>", 0.5 * (i + 1))
    return react


def write(*texts):
    def start(user, peer):
        for i, text in enumerate(texts):
            user.send(f"<message type='chat' to='{peer}' id='m{i}'><body>{text}</body></message>")
    return start


def answer(text):
    def react(user, peer, stanza):
        if stanza is not None and stanza.local == "message" and stanza.find("body") and not getattr(user, "answered", False):
            user.answered = True
            time.sleep(0.1)                             # sipp cannot be answered while it is on its way to the next step
            user.send(f"<message type='chat' to='{stanza.get('from')}' id='a1'><body>{text}</body></message>")
    return react


def error(*conditions):
    return lambda user: user.errors and user.errors[0] in conditions


def states(*wanted):
    def check(user):
        seen = iter(user.states)
        return all(any(w == s[0] or w == s for s in seen) for w in wanted)
    return check


def each_text_once(user):
    return user.texts and len(user.texts) == len(set(user.texts))


def nothing(user):
    return not user.texts and not user.errors


MICROSOFT = ("available", ("away", "Busy"), "away", "unavailable")
WATCHED = ("--hold", "2500", "--expect")
CASES = [
    Case("ocs-uas-presence", start=subscribe, react=unsubscribe_after(*MICROSOFT), check=states(*MICROSOFT)),
    Case("lync-uas-presence", start=subscribe, react=unsubscribe_after(*MICROSOFT), check=states(*MICROSOFT)),
    Case("aol-uas-presence", start=subscribe, react=unsubscribe_after("available", "away", "available", "unavailable"),
         check=states("available", "away", "available", "unavailable")),
    Case("simple-uas-presence", start=subscribe, react=unsubscribe_after("available", "dnd", "away", "unavailable"),
         check=states("available", "dnd", "away", "unavailable")),
    Case("simple-uas-presence-pending", start=subscribe, react=unsubscribe_after("away"), check=states("away")),
    Case("simple-uas-presence-rejected", start=subscribe,
         check=lambda user: any(s.get("type") == "unsubscribed" for s in user.stanzas)),
    Case("simple-uas-presence-restart", start=subscribe, check=states("available")),
    Case("simple-uas-presence-423", start=subscribe, react=unsubscribe_after("available"), check=states("available")),
    Case("simple-uas-presence-hostile", start=subscribe, react=unsubscribe_after("away", "dnd"), check=states("away", "dnd")),
    Case("ocs-uas-presence-refresh", "--hold", "25000", start=subscribe, react=unsubscribe_after("available", "away"), seconds=45),
    Case("ocs-uas-presence-lost", "--calls", "2", "--hold", "25000", start=subscribe, check=states("available"), seconds=45),
    Case("lync-uas-presence-refuse", "--key", "code=403", start=subscribe, check=error("forbidden")),
    Case("lync-uas-presence-refuse", "--key", "code=404", start=subscribe, check=error("item-not-found")),
    Case("ocs-uac-presence", *WATCHED, "pending,open,away,busy,closed,closed,terminated", react=accept_and_show("away", "dnd", "unavailable")),
    Case("lync-uac-presence", *WATCHED, "pending,open,away,busy,closed,closed,terminated", react=accept_and_show("away", "dnd", "unavailable")),
    Case("aol-uac-presence", *WATCHED, "pending,open,away,closed,terminated", react=accept_and_show("dnd", "unavailable")),
    Case("aol-uac-presence-mail", *WATCHED, "pending,open,away,closed,terminated", peer="user(gmail.com)",
         react=accept_and_show("dnd", "unavailable")),
    Case("simple-uac-presence", *WATCHED, "pending,open,away,busy,closed,closed,terminated", react=accept_and_show("away", "dnd", "unavailable")),
    Case("simple-uac-presence-fetch", "--expect", "terminated", check=nothing),
    Case("ocs-uas-im", start=write("hello"), check=each_text_once),
    Case("lync-uas-im", start=write("hello"), check=each_text_once),
    Case("aol-uas-im", start=write("hello"), check=each_text_once),
    Case("simple-uas-im", start=write("hello"), check=each_text_once),
    Case("ocs-uas-im-wait", start=write("one", "two"), idle=1),
    Case("ocs-uas-im-slow", "--gap", "800", "--hold", "2000", start=write("one", "two", "three")),
    Case("lync-uas-echo", "--hold", "2500", start=write("hello"), check=each_text_once, idle=1),
    # their answers carry Warning 309, which counts before the status
    Case("lync-uas-im-refuse", "--key", "code=486", start=write("hello"), check=error("policy-violation")),
    Case("lync-uas-im-refuse", "--key", "code=480", start=write("hello"), check=error("policy-violation")),
    Case("lync-uas-im-refuse", "--key", "code=603", start=write("hello"), check=error("policy-violation")),
    Case("ocs-uas-im-refuse-conversation", start=write("hello")),
    Case("lync-uas-message-refuse", "--key", "code=606", "--hold", "1500", start=write("hello"), check=error("policy-violation")),
    Case("ocs-uac-im", "--hold", "1500", react=answer("and to you"), check=each_text_once),
    Case("lync-uac-im", "--hold", "1500", react=answer("and to you"), check=each_text_once),
    Case("aol-uac-im", "--hold", "1500", react=answer("and to you"), check=each_text_once),
    Case("simple-uac-im", "--hold", "1500", react=answer("and to you"), check=each_text_once),
    Case("ocs-uac-reinvite"),
    Case("lync-uac-refer"),
    Case("ocs-uac-conference", check=nothing),
    Case("ocs-uac-conference-endpoints", check=nothing),
    Case("lync-uac-conference-invite", check=nothing),
    Case("ocs-uac-audio", check=nothing),
    Case("simple-uac-msrp", check=nothing),
    Case("simple-uac-cancel", check=nothing),
    Case("ocs-uac-options", check=nothing),
    Case("lync-uac-benotify", check=nothing),
    Case("simple-uac-pager", check=each_text_once),
    Case("simple-uas-pager", pager=True, start=write("hello"), check=lambda user: not user.errors),
    Case("simple-uas-pager-refuse", "--key", "code=480", pager=True, start=write("hello"), check=error("recipient-unavailable")),
]


# What an edge with the wrong certificate, or none, wants; XMPP hears nothing of it.
STRANGERS = [Case("lync-uac-im", "--hold", "500", "--limit", "4", *show, refused=True, check=nothing)
             for show in (("--cert", "rogue"), ("--cert", "expired"), ("--cert", "other"), ("--no-client-certificate",))]
for stranger, name in zip(STRANGERS, ("rogue", "expired", "other", "none")):
    stranger.id = f"lync-uac-im-of-{name}"


def runs():
    for case in CASES:
        wires = ("tls", "tcp") if case.scenario.startswith(("simple-", "ocs-")) else ("tls",)
        for wire, policy, chop in itertools.product(wires, ("own", "reuse"), (0, PIECE)):
            yield edges.Run(case, wire, policy, chop)
    for case in STRANGERS:
        yield edges.Run(case)


@pytest.fixture(scope="module")
def stage(request):
    """Plays all runs that were chosen, before the first of them is judged."""
    made = edges.Stage([item.callspec.params["run"] for item in request.session.items if item.module is request.module])
    try:
        yield made.start()
    finally:
        complaints = made.stop()
    assert not complaints, "\n".join(complaints)


@pytest.mark.parametrize("run", runs(), ids=lambda run: run.id)
def test_scenario(run, stage):
    if stage.stories[run]:
        pytest.fail(stage.stories[run], pytrace=False)
