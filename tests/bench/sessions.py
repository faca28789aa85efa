"""Measures of sessions that come, stay and return: sign-in, idle, hibernated, back after a restart, not signed in at all."""
import os
import time

EARLY = 6000                                    # limits.max-early-bytes is 6144
CROWD = ("--addresses", 4, "--inflight", 50)


def signin(bench, name):
    """Server CPU of a sign-in with TLS 1.3, without and with TLS resumption; for the relay that is the bare handshake."""
    users = bench.small(800, 40)
    for key, more in (("signin_ms", ()), ("signin_resumed_ms", ("--tickets",))):
        if more and name not in ("relay", "xmppd"):
            continue
        with bench.subject(name, users) as subject:
            result = bench.loads.run(subject, "connect", "--users", users, "--inflight", 20, "--hold", 0.5, "--settle", 1, *more)
            bench.note(name, key, result["server_cpu_us_per_login"] / 1000 if "server_cpu_us_per_login" in result else None)
            if more and result["tls_resumed"] < users:
                print(f"# {name} resumed {result['tls_resumed']} of {users} TLS sessions", flush=True)


def crowd(bench, subject, users):
    """Users with a roster of 50, subscribed both ways, all in the store and none in memory."""
    if subject.name == "xmppd":
        server = subject.server
        server.widen(2)                                 # this takes its time
        server.restart()
        bench.loads.run(subject, "friends", "--users", users, "--contacts", 50, *CROWD, "--timeout", 120, limit=600, pinned=False)
        server.narrow()
        server.restart()


def idle(bench, name):
    """Memory of an idle TLS session. Ours has a roster of 50, caps and stream management; the peers' rosters are empty."""
    users = bench.small(10000 if name == "xmppd" else 1000, 204)
    with bench.subject(name, users) as subject:
        crowd(bench, subject, users)
        more = ("--caps", "--sm") if name == "xmppd" else ("--sm",) if subject.has_sm else ()
        result = bench.loads.run(subject, "connect", "--users", users, "--hold", 1, "--settle", 1 if bench.quick else 15, *CROWD, *more)
        # Pages of LMDB's map belong to the page cache, as do those of files that the peers read; they are shown, not judged.
        bench.note(name, "idle_kib", result.get("anon_kib_per_conn"))
        bench.note(name, "idle_mapped_kib", result.get("pss_kib_per_conn"))
        if name == "xmppd":
            time.sleep(1)
            come_back(bench, subject, users)


def cpu_seconds(pid):
    """Of a process since it was started."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rpartition(")")[2].split()        # its name may hold anything
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def come_back(bench, subject, users):
    """The server is killed while all are online. Nobody is bound to a core: here the whole machine is theirs."""
    subject.server.widen(2)
    subject.server.restart()
    back = ("--users", users, "--sm", "--caps", "--addresses", 4, "--inflight", 200, "--timeout", 120)
    with bench.loads.beside(subject, "back", *back, pinned=False) as load:
        load.wait_online(120)
        subject.server.restart()
        bench.note(subject.name, "back_s", load.result(150).get("back_s"))
        bench.note(subject.name, "back_cpu_ms", 1000 * cpu_seconds(subject.server.process.child.pid) / users)


def hibernated(bench, name):
    """Memory of a session whose client has lost its connection: each of an account of its own, long after it went."""
    users = bench.small(20000, 1000)
    with bench.subject(name, users) as subject:
        result = bench.loads.run(subject, "drop", "--users", users, "--settle", 5 if bench.quick else 45, "--addresses", 8, "--inflight", 50, limit=600)
        bench.note(name, "hibernated_bytes", result.get("anon_bytes_per_session"))


def unauth(bench, name):
    """Memory held by a connection before anybody has signed in: TLS is up, and an element just below the limit stays unfinished."""
    users = bench.small(2000, 100)
    with bench.subject(name, 1) as subject:
        result = bench.loads.run(subject, "half", "--users", users, "--size", EARLY, "--settle", 0.5 if bench.quick else 2, "--inflight", 50, "--addresses", 4)
        bench.note(name, "unauth_kib", result.get("anon_kib_per_conn"))
