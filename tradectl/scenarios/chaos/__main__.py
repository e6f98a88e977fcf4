"""`python -m tradectl.scenarios.chaos`: many seeds, on every core. A seed that fails is printed with its replay."""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tradectl.scenarios.chaos.draw import draw
from tradectl.scenarios.chaos.many import claims_in_words, lived_s, verdicts, world_in_words
from tradectl.scenarios.chaos.run import Verdict

SHOWN = 20  # failing seeds that are printed in full


def main(argv: Sequence[str] | None = None) -> int:
    """0: no law was broken. 1: a seed broke one, and is named. 2: bad usage (argparse)."""
    asked = _asked(argv)
    seeds = range(asked.first, asked.first + asked.seeds) if asked.seed is None else range(asked.seed, asked.seed + 1)
    if asked.seed is not None:
        print("\n".join(world_in_words(draw(asked.seed))))
    began = time.monotonic()
    failed: list[Verdict] = []
    traces = hashlib.sha256()
    fills = entries = 0
    for count, verdict in enumerate(verdicts(seeds, asked.jobs, keep=asked.keep), 1):
        traces.update(f"{verdict.seed}:{verdict.trace}\n".encode())
        fills += verdict.fills
        entries += verdict.entries
        if not verdict.ok:
            failed.append(verdict)
            if len(failed) <= SHOWN:
                print(verdict.report(), flush=True)
        if asked.seed is not None:
            print("\n".join(claims_in_words(verdict)))
        if sys.stderr.isatty():
            print(f"\r{count} of {len(seeds)} seeds, {len(failed)} failed", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r" + " " * 60 + "\r", end="", file=sys.stderr)
    took = max(time.monotonic() - began, 0.001)
    speed = lived_s(len(seeds)) / took / asked.jobs
    print(
        f"{len(seeds)} seed{'s' if len(seeds) > 1 else ''} from {seeds[0]}: {len(failed)} failed; "
        f"{entries} orders of ours, {fills} fills; {took:.0f} s on {asked.jobs} core{'s' if asked.jobs > 1 else ''}, "
        f"{speed:,.0f} × real time on each; trace {traces.hexdigest()[:16]}"
    )
    return 1 if failed else 0


def _asked(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seeds", type=_positive, default=200, help="how many (200)")
    parser.add_argument("--first", type=int, default=0, help="the first one (0)")
    parser.add_argument("--seed", type=int, help="this one alone, with all that happens in it")
    parser.add_argument("--jobs", type=_positive, default=os.cpu_count() or 1, help="processes (one per core)")
    parser.add_argument("--keep", type=Path, help="with --seed: an empty folder that keeps the store")
    asked = parser.parse_args(argv)
    if asked.keep is not None and asked.seed is None:
        parser.error("--keep goes with --seed")
    return asked


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return value


if __name__ == "__main__":
    sys.exit(main())
