"""Presence over SIP under random events and kills; see sip_world.py. Half a minute in the usual run, ten minutes in `make check-long`."""
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import sip_world  # noqa: E402
from harness import system  # noqa: E402

pytestmark = [pytest.mark.sip,
              pytest.mark.skipif(os.environ.get("CI") != "true" and not (system.have("sipcomp") and system.have("xmppd")), reason="sipcomp or xmppd is not built")]
SEED = int(os.environ.get("TEST_SEED") or int.from_bytes(os.urandom(3), "big"))


@pytest.mark.slow
@pytest.mark.parametrize("shared", [False, True], ids=["own", "shared"])
def test_both_sides_agree(shared):
    print(f"seed {SEED}")
    assert sip_world.run(15, SEED, shared=shared) > 0


@pytest.mark.long
@pytest.mark.parametrize("shared", [False, True], ids=["own", "shared"])
@pytest.mark.parametrize("workers", [1, 4])
def test_both_sides_agree_for_long(workers, shared):
    print(f"seed {SEED}")
    assert sip_world.run(600, SEED, workers=workers, shared=shared) > 0
