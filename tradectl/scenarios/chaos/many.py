"""Many seeds on every core, in the order of the seeds. Whoever stops reading, or is interrupted, leaves nothing behind:
no process, and no folder."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path

from tradectl.domain.candle import MINUTE_MS
from tradectl.errors import ToolError
from tradectl.scenarios.chaos.draw import ACTIVE_MINUTES, SETTLE_MINUTES, Drawn, draw
from tradectl.scenarios.chaos.own import Own
from tradectl.scenarios.chaos.run import Verdict, run_seed
from tradectl.scenarios.scratch import scratch_folder

MINUTES = ACTIVE_MINUTES + SETTLE_MINUTES  # that a world lasts
_CHUNK = 4


def verdicts(
    seeds: range, jobs: int, *, own: Own | None = None, keep: Path | None = None
) -> Generator[Verdict, None, None]:
    """In the order of the seeds, however many work on them. keep: an empty folder, where there is one seed only.

    Raises ToolError where a worker is killed by somebody else (a machine that is out of memory).
    """
    if len(seeds) == 1 or jobs == 1:
        for seed in seeds:
            yield run_seed(seed, drawn=draw(seed, own), keep=keep)
        return
    root = scratch_folder(f"chaos-{os.getpid()}-")
    others = set(active_children())
    pool = ProcessPoolExecutor(
        min(jobs, len(seeds)), mp_context=get_context("spawn"), initializer=_ready, initargs=(root,)
    )
    try:
        # Small runs are spread over all cores; large ones save the way to and from.
        chunk = max(1, min(_CHUNK, len(seeds) // (2 * jobs)))
        # Not `map`: it cancels what it was not asked for, and a pool whose workers are gone stumbles over that.
        with _interrupts_held():
            coming = deque(pool.submit(_some, own, root, seeds[at : at + chunk]) for at in range(0, len(seeds), chunk))
        while coming:
            yield from coming.popleft().result()
    except BrokenProcessPool as error:
        raise ToolError(
            "a process that lived through seeds was killed",
            why="by the system, which may be out of memory",
            hint="--jobs 1",
        ) from error
    finally:
        with _interrupts_held():
            for child in active_children():
                if child not in others:
                    child.terminate()
            pool.shutdown(wait=True, cancel_futures=True)
            shutil.rmtree(root, ignore_errors=True)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C comes a moment later. A process that is started meanwhile never hears of it: its parent answers for it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _some(own: Own | None, root: Path, seeds: range) -> list[Verdict]:
    return [_one(own, root, seed) for seed in seeds]


def _one(own: Own | None, root: Path, seed: int) -> Verdict:
    folder = root / str(seed)
    folder.mkdir()
    try:
        return run_seed(seed, drawn=draw(seed, own), keep=folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _ready(root: Path) -> None:
    """A worker does not outlive its parent, whatever that died of."""
    threading.Thread(target=_orphaned, args=(root,), daemon=True).start()


def _orphaned(root: Path) -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        shutil.rmtree(root, ignore_errors=True)
        os._exit(1)


def world_in_words(drawn: Drawn) -> list[str]:
    """What a world is made of, before it is lived through."""
    rules = ", ".join(f"{name} {value}" for name, value in drawn.venue.items())
    lines = [
        f"seed {drawn.seed}: {', '.join(drawn.instruments)}; {drawn.chance:.0%} of all calls go wrong, {drawn.lies:.0%}"
        f" of the reads among them by a wrong answer; the venue's rules: {rules}"
    ]
    for one in drawn.happenings:
        at_s = (one.at_ms - drawn.calm_ms) / 1000 + ACTIVE_MINUTES * 60
        args = ", ".join(f"{name} {value}" for name, value in one.args.items())
        lines.append(f"  {at_s:7.1f} s  {one.who}: {one.kind} ({args})")
    return lines


def claims_in_words(verdict: Verdict) -> list[str]:
    """What each command came to."""
    return [
        f"  {one.command} {one.symbol}: {'died' if one.code is None else f'exit {int(one.code)}'} {one.detail}".rstrip()
        for one in verdict.claims
    ]


def lived_s(count: int) -> float:
    """Seconds of market in so many worlds."""
    return count * MINUTES * MINUTE_MS / 1000
