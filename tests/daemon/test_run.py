"""make run: everything stands on loopback after one command, and a second start goes on with it."""
import os
import random
import shutil
import signal
import socket
import subprocess
import sys

import pytest

from harness import system

RUN = system.TESTS / "run"


@pytest.fixture
def place(tmp_path_factory):
    """A build directory of its own that borrows the programs."""
    for name in ("xmppd", "xmppctl", "sipcomp"):
        if not system.have(name):
            pytest.fail(f"{name} is not built") if os.environ.get("CI") == "true" else pytest.skip(f"{name} is not built")
    directory = system.short_directory("xr-")
    for room in ("xmppd", "sipcomp"):
        (directory / room).symlink_to(system.BUILD / room)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def offset():
    ports = (5222, 5223, 5347, 5061, 5062, 5060, 15061)
    while True:
        number = random.randrange(8000, 16000)
        if not any(system.listening(port + number) for port in ports):
            return number


def run(place, offset, *arguments, **rest):
    environment = {**os.environ, "BUILD_DIR": str(place), "SRC_DIR": str(system.SOURCE)}
    return subprocess.Popen([sys.executable, RUN, "--port-offset", str(offset), *arguments], env=environment, cwd=place,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **rest)


def finish(process, seconds=60):
    out, err = process.communicate(timeout=seconds * system.PATIENCE)
    return process.returncode, out, err


def test_a_second_start_goes_on_with_the_first(place, offset):
    code, first, err = finish(run(place, offset, "--check"))
    assert code == 0, err
    assert f"localhost:{5222 + offset}" in first and "echo@lync.test" in first and "alice@localhost" in first
    code, second, err = finish(run(place, offset, "--check"))
    assert code == 0, err
    assert first == second


def test_a_taken_port_is_named_with_its_holder_and_the_way_round(place, offset):
    with socket.create_server(("127.0.0.1", 5347 + offset)):
        code, out, err = finish(run(place, offset, "--check"))
    assert code == 2
    assert f"port {5347 + offset} is taken by " in err and f"(process {os.getpid()})" in err
    assert f"make run PORT_OFFSET={offset + 10000}" in err


def test_the_echo_answers_and_ctrl_c_stops_everything(place, offset):
    started = run(place, offset, start_new_session=True)
    lines = []
    for line in started.stdout:
        lines.append(line)
        if "Ctrl-C" in line:
            break
    else:
        pytest.fail(started.stderr.read())
    password = dict(line.split() for line in (place / "run" / "passwords").read_text().splitlines())["alice@localhost"]
    done = subprocess.run([system.program("xmppctl"), "-c", place / "run" / "xmppd.conf", "probe", "alice@localhost", "--password", password,
                           "--to", "echo@lync.test"], capture_output=True, text=True, timeout=30 * system.PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr
    # As a terminal does: the whole foreground group gets it.
    os.killpg(started.pid, signal.SIGINT)
    code, out, err = finish(started)
    assert code == 0, err
    assert "stopped" in out
    assert system.wait_until(lambda: not any(system.listening(p + offset) for p in (5222, 5062, 15061)), 5)
