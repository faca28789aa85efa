"""The kill loop: some rounds in the usual run, 1,000 in `make check-long`; see kill_loop.py."""
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import kill_loop  # noqa: E402

SEED = int.from_bytes(os.urandom(4), "big")


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, pytest.param(4, marks=pytest.mark.workers4)])
def test_what_was_acknowledged_survives_kills(workers):
    assert kill_loop.run(20, workers, SEED + workers, seconds=300) > 0


@pytest.mark.long
@pytest.mark.parametrize("workers", [1, 4])
def test_what_was_acknowledged_survives_many_kills(workers):
    assert kill_loop.run(500, workers, SEED + workers) > 0
