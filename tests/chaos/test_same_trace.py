"""The same seed leaves the same trace in another process, whatever the order of its sets is there (promise 15)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
SEEDS = (5, 8, 14, 39)  # one symbol to three; deaths, lies, disks and outages; up to fifty fills
PROGRAM = """
import json, logging, sys
from tradectl.scenarios.chaos.run import run_seed
logging.disable(logging.CRITICAL)
found = {}
for seed in json.loads(sys.argv[1]):
    lived = run_seed(seed)
    found[seed] = [lived.trace, lived.ok, lived.fills, lived.trades, lived.entries, len(lived.claims)]
print(json.dumps(found))
"""


def traces(seeds: tuple[int, ...], hash_seed: str) -> dict[str, list[object]]:
    """{seed: its trace, and what it came to} as a process of its own finds them."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(seeds)],
        env={**os.environ, "PYTHONPATH": str(REPO), "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    found: dict[str, list[object]] = json.loads(done.stdout)
    return found


def test_a_seed_leaves_the_same_trace_in_every_process_and_no_other_does() -> None:
    first = traces(SEEDS, "0")
    assert first == traces(SEEDS, "1") == traces(SEEDS, "4242")
    assert len({str(found[0]) for found in first.values()}) == len(SEEDS), "different seeds differ"
    assert all(found[2] for found in first.values()), "and something happens in each"


@pytest.mark.slow
def test_forty_seeds_leave_the_same_trace_in_two_processes() -> None:
    seeds = tuple(range(100, 140))
    first = traces(seeds, "7")
    assert first == traces(seeds, "random")
    assert len({str(found[0]) for found in first.values()}) == len(seeds)
