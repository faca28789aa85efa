"""The benchmark itself: with small numbers everything arrives, each figure is there, and nothing stays behind. How good they are is not judged."""
import json
import os
import signal
import subprocess
import sys

import pytest

from harness import system

pytestmark = [pytest.mark.slow,
              pytest.mark.skipif(os.environ.get("CI") != "true" and not (system.have("xmppd") and system.have("xload")), reason="needs xmppd and xload")]
RUN = [sys.executable, str(system.TESTS / "bench" / "run-bench")]


def start(tmp_path, *arguments):
    return subprocess.Popen(RUN + list(arguments), stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(tmp_path)})


def test_small_numbers_give_every_figure(tmp_path):
    bench = start(tmp_path, "--quick", "--subjects", "relay,xmppd", "--only", "chat,fanout,unauth")
    text, _ = bench.communicate(timeout=60 * system.PATIENCE)
    assert bench.returncode == 0, text
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    figures = {line["figure"]: line for line in lines if "figure" in line}
    assert {"message_us", "message_full_us", "message_sm_us", "message_late_us", "presence_us", "carbons_us", "unauth_kib"} <= set(figures)
    assert "relay" in figures["message_us"] and figures["message_us"]["limits"][0]["value"] is not None
    runs = [line for line in lines if "mode" in line]
    assert {run["mode"] for run in runs} == {"chat", "presence", "carbons", "half"}
    assert all(run["exit"] == 0 and run.get("lost", 0) == 0 for run in runs)


def test_federation_in_small_numbers(tmp_path):
    bench = start(tmp_path, "--quick", "--subjects", "xmppd", "--only", "s2s,domains,first")
    text, _ = bench.communicate(timeout=60 * system.PATIENCE)
    assert bench.returncode in (0, 1), text            # a sanitizer takes more memory than the target allows; 2: not everything arrived
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    figures = {line["figure"]: line["xmppd"] for line in lines if "figure" in line}
    assert {"s2s_us", "s2s_out_us", "s2s_in_us", "domain_kib", "domain_ms", "trips", "trips_dialback", "refused_ms"} <= set(figures)
    # Delays of ours make these the same on every machine: the round trips that the protocols demand, and next to no time for a target that refuses.
    assert int(figures["trips"]) == 8 and int(figures["trips_dialback"]) == 7, text
    assert figures["refused_ms"] < 1000 * system.PATIENCE
    runs = [line for line in lines if "mode" in line]
    assert [run["mode"] for run in runs] == ["s2s"] * 3 + ["domains"] + ["first"] * 3
    assert all(run["exit"] == 0 and run.get("lost", 0) == 0 for run in runs)


def test_the_gateway_in_small_numbers(tmp_path):
    """The soak: nothing is lost and nothing comes twice while both daemons reload and the foreign domain breaks down."""
    bench = start(tmp_path, "--quick", "--subjects", "sipcomp", "--only", "sip-im,sip-presence,sip-dialogs,soak")
    text, _ = bench.communicate(timeout=120 * system.PATIENCE)
    assert bench.returncode == 0, text
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    figures = {line["figure"]: line["sipcomp"] for line in lines if "figure" in line}
    assert {"sip_out_tls_us", "sip_in_tcp_us", "sip_out_paced_us_all", "sip_notify_in_us", "sip_notify_out_us", "dialog_kib", "shown_s"} <= set(figures)
    assert figures["soak_lost"] == 0 and figures["soak_doubled"] == 0 and figures["soak_msgs"] > 0, text
    runs = [line for line in lines if "mode" in line]
    assert [run["mode"] for run in runs] == ["sip"] * 6 + ["sip-presence"] * 2 + ["sip-dialogs", "sip"]
    assert all(run["exit"] == 0 and run.get("lost", 0) == 0 for run in runs)
    assert runs[-1]["breaks"] > 0


def test_an_interrupted_benchmark_leaves_no_process(tmp_path):
    bench = start(tmp_path, "--quick", "--subjects", "xmppd", "--only", "scale")
    children = lambda: subprocess.run(["pgrep", "-P", str(bench.pid)], capture_output=True, text=True).stdout.split()
    assert system.wait_until(lambda: len(children()) >= 2, 20)         # the server and a load
    begun = children()
    bench.send_signal(signal.SIGTERM)
    bench.communicate(timeout=20 * system.PATIENCE)
    assert bench.returncode == 128 + signal.SIGTERM
    assert system.wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in begun), 5)


def test_an_unknown_measure_is_named():
    done = subprocess.run(RUN + ["--only", "chat,speed"], capture_output=True, text=True, timeout=20 * system.PATIENCE)
    assert done.returncode != 0
    assert "no measure speed" in done.stderr
