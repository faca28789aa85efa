"""Connections between two servers that are cut: some in the usual run, 1,000 in `make check-long`; see cut_loop.py."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import cut_loop  # noqa: E402

SEED = 20


@pytest.mark.slow
@pytest.mark.parametrize("workers,tls", [(1, "none"), pytest.param(4, "optional", marks=pytest.mark.workers4)])
def test_nothing_is_lost_by_a_cut(workers, tls):
    assert cut_loop.run(15, workers, SEED + workers, tls=tls) > 0


@pytest.mark.long
@pytest.mark.parametrize("workers,tls", [(1, "optional"), (4, "none")])
def test_nothing_is_lost_by_a_thousand_cuts(workers, tls):
    assert cut_loop.run(500, workers, SEED + workers, tls=tls) > 0
