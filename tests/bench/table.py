"""What each figure is called, what it has to reach, and the table of both."""
import json


class Limit:
    """At most (or at least) so much: a number, or a part of another figure. A wish is reported and fails nothing."""

    def __init__(self, text, number=None, times=None, of=None, least=False, wish=False):
        self.text, self.number, self.times, self.of, self.least, self.wish = text, number, times, of, least, wish

    def value(self, figures):
        """None where the other figure was not taken."""
        if self.of is None:
            return self.number
        other = figures.get(self.of)
        return None if other is None else self.times * other

    def verdict(self, got, figures):
        value = self.value(figures)
        if value is None or got is None:
            return None
        return got >= value if self.least else got <= value


def at_most(number, wish=False):
    return Limit(f"<= {number:g}", number=number, wish=wish)


def at_least(number):
    return Limit(f">= {number:g}", number=number, least=True)


def times(factor, key, subject="xmppd", wish=False):
    """So many times a figure of its own, or of the relay."""
    return Limit(f"<= {factor:g} x {'relay' if subject == 'relay' else key}", times=factor, of=(subject, key), wish=wish)


def part(divisor, key, subject):
    return Limit(f"<= 1/{divisor} {subject}", times=1 / divisor, of=(subject, key))


def beside_kamailio(key):
    return Limit("<= 2 x kamailio", times=2, of=("kamailio", key))


def beside_peers(key):
    return [times(2, "message_us", "relay"), times(1.5, "message_us", "relay", wish=True),
            part(4, key, "ejabberd"), part(7, key, "prosody"), part(3, key, "jabberd2")]


# key, title, digits behind the point, limits of ours
ROWS = [
    ("message_us", "CPU us per message, bare JID", 1, beside_peers("message_us")),
    ("message_full_us", "CPU us per message, full JID", 1, beside_peers("message_full_us")),
    ("message_sm_us", "... stream management, acknowledged when asked", 1, [times(1.15, "message_us")]),
    ("message_asked_us", "... and the sender asks every 10", 1, []),
    ("message_late_us", "... and acknowledged every 500 only", 1, [times(1.6, "message_us")]),
    ("instructions", "instructions per message", 0, []),
    ("instructions_sm", "... with stream management", 0, []),
    ("instructions_late", "... acknowledged late", 0, []),
    ("offline_us", "CPU us per stored offline message", 1, [part(3, "offline_us", "jabberd2"), part(6, "offline_us", "ejabberd")]),
    ("offline_per_s", "acknowledged offline messages/s, 200 senders", 0, [at_least(15000)]),
    ("answer_p50_ms", "ms to an acknowledgement at 2,000/s, p50", 2, []),
    ("answer_p99_ms", "ms to an acknowledgement at 2,000/s, p99", 2, [at_most(10)]),
    ("presence_us", "CPU us per presence to 500 contacts", 1, [times(1, "message_us")]),
    ("carbons_us", "CPU us per message to 4 resources by carbons", 1, [times(1, "message_us")]),
    ("few_idle_us", "CPU us per message beside 100 idle", 1, []),
    ("many_idle_us", "CPU us per message beside 10,000 idle", 1, [times(1.15, "few_idle_us")]),
    ("workers1_us", "CPU us per message, 1 worker", 1, []),
    ("workers2_us", "CPU us per message, 2 workers", 1, [times(1.15, "workers1_us")]),
    ("split_percent", "% the busier of 2 workers has above its half", 1, [at_most(10)]),
    ("signin_ms", "CPU ms per sign-in (relay: bare handshake)", 3, [at_most(0.6)]),
    ("signin_resumed_ms", "... with TLS resumption", 3, []),
    ("back_s", "s until 10,000 are back after a kill", 1, [at_most(30)]),
    ("back_cpu_ms", "... server CPU ms for each, with 50 contacts", 2, []),
    ("idle_kib", "KiB per idle TLS session", 1, [at_most(24), at_most(20, wish=True)]),
    ("idle_mapped_kib", "... with what it has of the mapped store", 1, []),
    ("hibernated_bytes", "bytes per hibernated session", 0, [at_most(300)]),
    ("unauth_kib", "KiB per connection before sign-in", 1, [at_most(32)]),
    ("s2s_us", "CPU us per message between servers", 1, [part(4, "s2s_us", "ejabberd"), part(4, "s2s_us", "prosody")]),
    ("s2s_out_us", "... that leaves", 1, []),
    ("s2s_in_us", "... that comes", 1, []),
    ("instructions_s2s_out", "instructions per message that leaves", 0, []),
    ("instructions_s2s_in", "instructions per message that comes", 0, []),
    ("domain_kib", "KiB per foreign domain, a stream each way", 1, [at_most(48)]),
    ("domain_ms", "... server CPU ms until both are open", 2, []),
    ("trips", "round trips to a new domain, EXTERNAL", 2, [at_most(8.5)]),
    ("trips_dialback", "... dialback", 2, [at_most(7.5)]),
    ("refused_ms", "ms to a new domain, first target refuses", 0, [at_most(1000)]),
    ("sip_out_tls_us", "CPU us per message to SIP, TLS (kamailio: relayed)", 1, [beside_kamailio("sip_out_tls_us")]),
    ("sip_out_tls_us_all", "... that of xmppd counted too", 1, []),
    ("sip_in_tls_us", "CPU us per message from SIP, TLS", 1, [beside_kamailio("sip_in_tls_us")]),
    ("sip_in_tls_us_all", "... that of xmppd counted too", 1, []),
    ("sip_out_tcp_us", "CPU us per message to SIP, TCP", 1, [beside_kamailio("sip_out_tcp_us")]),
    ("sip_out_tcp_us_all", "... that of xmppd counted too", 1, []),
    ("sip_in_tcp_us", "CPU us per message from SIP, TCP", 1, [beside_kamailio("sip_in_tcp_us")]),
    ("sip_in_tcp_us_all", "... that of xmppd counted too", 1, []),
    ("sip_out_paced_us", "CPU us per message to SIP, TLS, at 1,000/s", 1, [beside_kamailio("sip_out_paced_us")]),
    ("sip_out_paced_us_all", "... that of xmppd counted too", 1, []),
    ("sip_in_paced_us", "CPU us per message from SIP, TLS, at 1,000/s", 1, [beside_kamailio("sip_in_paced_us")]),
    ("sip_in_paced_us_all", "... that of xmppd counted too", 1, []),
    ("sip_notify_in_us", "CPU us per presence from SIP, TLS", 1, [beside_kamailio("sip_in_tls_us")]),
    ("sip_notify_in_us_all", "... that of xmppd counted too", 1, []),
    ("sip_notify_out_us", "CPU us per presence to SIP, TLS", 1, [beside_kamailio("sip_out_tls_us")]),
    ("sip_notify_out_us_all", "... that of xmppd counted too", 1, []),
    ("instructions_sip_out", "instructions of sipcomp per message to SIP", 0, []),
    ("instructions_sip_in", "instructions of sipcomp per message from SIP", 0, []),
    ("dialogs", "contacts watched by SIP at the same time", 0, []),
    ("dialog_kib", "KiB per watched contact", 2, [at_most(4)]),
    ("shown_s", "s after a kill until all states are shown again", 1, [at_most(30)]),
    ("refresh_per_s", "SUBSCRIBE/s after a kill, subscribe-rate 2,000", 0, [at_least(1800), at_most(2200)]),
    ("soak_msgs", "messages of the soak", 0, []),
    ("soak_lost", "... lost", 0, [at_most(0)]),
    ("soak_doubled", "... come twice", 0, [at_most(0)]),
    ("soak_sipcomp_kib", "... KiB/min that sipcomp grows after the first third", 1, [at_most(30)]),
    ("soak_xmppd_kib", "... KiB/min that xmppd grows", 1, [at_most(30)]),
]
WORDS = {True: "met", False: "MISSED", None: "not judged"}


def lay_out(lines):
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    last = len(widths) - 1
    for line in lines:
        yield "  ".join(cell.rjust(widths[i]) if 0 < i < last - 1 else cell.ljust(widths[i]) for i, cell in enumerate(line)).rstrip()


def show(figures, names, judged):
    """Prints the table; the titles of the limits that are missed."""
    names = [n for n in names if any(name == n for name, _ in figures)]
    lines, missed = [["", *names, "", "target", ""]], []
    for key, title, digits, limits in ROWS:
        got = {n: figures[n, key] for n in names if (n, key) in figures}
        if not got:
            continue
        ours = got.get("xmppd", got.get("sipcomp"))
        print(json.dumps({"figure": key, **{n: round(v, 4) for n, v in got.items()},
                          "limits": [{"limit": l.text, "value": l.value(figures), "met": l.verdict(ours, figures), "wish": l.wish} for l in limits]}))
        cells = [f"{got[n]:.{digits}f}" if n in got else "-" for n in names]
        for i, limit in enumerate(limits or [None]):
            target = word = ""
            if limit is not None and ours is not None:
                value, met = limit.value(figures), limit.verdict(ours, figures)
                target = limit.text if limit.of is None or value is None else f"{limit.text} = {value:.{digits}f}"
                word = WORDS[met] if judged or met is None else f"({WORDS[met].lower()})"
                if limit.wish:
                    word = {True: "met", False: "not yet"}.get(met, word)
                    target += " (wish)"
                elif met is False:
                    missed.append(f"{title}: {target}")
            lines.append([title, *cells, "", target, word] if i == 0 else ["", *[""] * len(names), "", target, word])
    print()
    for line in lay_out(lines):
        print(line)
    return missed
