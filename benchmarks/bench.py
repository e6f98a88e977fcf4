"""The README's speed table, measured here: every figure a ratio or a limit within this one run.

    python benchmarks/bench.py [--write]      (--write puts the table into README.md)

These are whole processes on whatever machine this is: quote the ratios, not the milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RUNS = 15
START, END = "<!-- bench -->", "<!-- /bench -->"
FENCE = "import sys; from tradectl.store.fence import fast_path; sys.exit(0 if fast_path(sys.argv[1:]) else 9)"


def median_ms(command: list[str], cwd: Path, *, runs: int = RUNS, env: dict[str, str] | None = None) -> float:
    """The median wall time of a whole process; its output goes nowhere."""
    times = []
    for _ in range(runs + 1):
        began = time.perf_counter()
        done = subprocess.run(command, cwd=cwd, capture_output=True, env={**os.environ, **(env or {})}, check=False)
        times.append((time.perf_counter() - began) * 1000)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr.decode()[-500:]}")
    return statistics.median(times[1:])


def percentile(times: list[float], share: float) -> float:
    return sorted(times)[min(int(len(times) * share), len(times) - 1)]


def candles_csv(path: Path, bars: int) -> Path:
    """A day and more of seeded five-minute candles, as a file to replay."""
    import random

    draw = random.Random(11)
    price = 150.0
    rows = ["ts,open,high,low,close,volume"]
    for index in range(bars):
        close = round(price * (1 + draw.gauss(0, 0.003)), 2)
        high, low = round(max(price, close) * 1.001, 2), round(min(price, close) * 0.999, 2)
        rows.append(f"{1_700_006_400_000 + index * 300_000},{price},{high},{low},{close},10")
        price = close
    path.write_text("\n".join(rows) + "\n")
    return path


def compared(scratch: Path) -> list[str]:
    """Two files of which the second is the tighter one, so that comparing them exits 0."""
    names = []
    for name, risk in (("running.toml", "0.005"), ("new.toml", "0.004")):
        (scratch / name).write_text(f"[perps]\nriskPct = {risk}\n")
        names.append(name)
    return names


def processes(scratch: Path) -> Iterator[tuple[str, str, str]]:
    """(what, measured, bound) of everything timed as a whole process."""
    python = sys.executable
    tradectl = [python, "-m", "tradectl"]
    store = str(scratch / "bench.db")
    env = {"XDG_STATE_HOME": str(scratch / "home"), "PYTHONPATH": str(ROOT)}
    subprocess.run(
        [*tradectl, "run", "--state", store, "--cycles", "60", "--speed", "max"],
        cwd=scratch, env={**os.environ, **env}, capture_output=True, check=True,
    )  # fmt: skip
    bare = median_ms([python, "-c", "pass"], scratch)
    table: list[tuple[str, list[str], float]] = [
        ("kill switch: fence committed", [python, "-c", FENCE, "killswitch", "activate", "--state", store], 3),
        ("`--help`", [*tradectl, "--help"], 8),
        ("`state show` (piped)", [*tradectl, "state", "show", "--state", store], 12),
        ("`config show`", [*tradectl, "config", "show"], 25),
        ("`validate-config`", [*tradectl, "validate-config"], 25),
        ("`config diff`", [*tradectl, "config", "diff", *compared(scratch)], 25),
    ]
    yield "`python -c pass`", f"{bare:.1f} ms", "1 ×"
    for what, command, bound in table:
        yield what, f"{median_ms(command, scratch, env=env) / bare:.1f} ×", f"≤ {bound} ×"
    completion = {**env, "_TRADECTL_COMPLETE": "complete_bash", "COMP_WORDS": "tradectl st", "COMP_CWORD": "1"}
    yield "completion", f"{median_ms(tradectl, scratch, env=completion) / bare:.1f} ×", "≤ 8 ×"
    replay = candles_csv(scratch / "SIM_SOLUSDT_5m.csv", 289)
    day = [*tradectl, "run", "--replay", str(replay), "--speed", "max", "--fresh", "--state", str(scratch / "day.db")]
    seconds = median_ms(day, scratch, runs=5, env=env) / 1000
    yield "a day of 5-minute candles, replayed durably", f"{seconds:.2f} s", "≤ 2 s"


HOST = ("execute", "account_events", "find_order", "state")  # of the simulated exchange's file
VENUE = ("snapshot", "ticker", "candles", "account_events", "instruments", "server_time_ms", "place", "cancel")


class Outside:
    """Sums the time spent beyond a wall (the exchange, the store), each moment once however calls are nested."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._depth = 0

    @contextmanager
    def here(self) -> Iterator[None]:
        began = time.perf_counter()
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth:
                self.seconds += time.perf_counter() - began

    @contextmanager
    def counting(self, owner: Any, name: str) -> Iterator[None]:
        """A method or property of a class counts while this lasts."""
        inner = owner.__dict__[name]
        run: Callable[..., Any] = inner.fget if isinstance(inner, property) else inner

        def measured(*args: Any, **kwargs: Any) -> Any:
            with self.here():
                return run(*args, **kwargs)

        async def awaited(*args: Any, **kwargs: Any) -> Any:
            with self.here():
                return await run(*args, **kwargs)

        if isinstance(inner, property):
            setattr(owner, name, property(measured))
        else:
            setattr(owner, name, awaited if inspect.iscoroutinefunction(run) else measured)
        try:
            yield
        finally:
            setattr(owner, name, inner)


def cycle_overhead(scratch: Path, cycles: int = 1_500) -> Iterator[tuple[str, str, str]]:
    """Mean wall time of a cycle less what the exchange and the store's transactions take."""
    from tradectl.config.schema import Config
    from tradectl.engine.assemble import RunOptions, assemble
    from tradectl.engine.cycle import run_cycle
    from tradectl.engine.recover import recover, restore
    from tradectl.sim.filehost import FileHost
    from tradectl.sim.venue import SimVenue
    from tradectl.store.database import Database

    os.environ["XDG_STATE_HOME"] = str(scratch / "home")
    with ExitStack() as stack:
        options = RunOptions(store_path=scratch / "cycle.db", durable=False)
        parts = assemble(Config(), options, wall_ms=lambda: time.time_ns() // 1_000_000, stack=stack)
        bot, commits, outside, total = parts.bot, [0], Outside(), 0.0
        inner_begin = Database.transaction

        @contextmanager
        def counted(self: Database) -> Iterator[Any]:
            commits[0] += 1
            inner = inner_begin(self)
            with outside.here():
                conn = inner.__enter__()
            try:
                yield conn
            except BaseException as error:
                inner.__exit__(type(error), error, error.__traceback__)
                raise
            with outside.here():
                inner.__exit__(None, None, None)

        Database.transaction = counted  # type: ignore[method-assign]
        for owner, names in ((FileHost, HOST), (SimVenue, VENUE)):
            for name in names:
                stack.enter_context(outside.counting(owner, name))
        stack.callback(setattr, Database, "transaction", inner_begin)

        async def all_of_them() -> None:
            nonlocal total
            restore(bot)
            await recover(bot)
            outside.seconds = 0.0
            commits[0] = 0
            for number in range(1, cycles + 1):
                parts.ground.step()
                began = time.perf_counter()
                await run_cycle(bot, number)
                total += time.perf_counter() - began

        asyncio.run(all_of_them())
    own_ms = (total - outside.seconds) / cycles * 1000
    yield "cycle overhead per symbol, commits and venue apart", f"{own_ms:.2f} ms", "≤ 1 ms"
    yield "store commits per cycle, on average", f"{commits[0] / cycles:.2f}", "few"


def commits(scratch: Path, count: int = 400) -> Iterator[tuple[str, str, str]]:
    """One journal row a commit in our store, against one row a commit in bare sqlite3 with the same pragmas."""
    from tradectl.store import journal
    from tradectl.store.database import Database
    from tradectl.store.identity import Identity

    bare = sqlite3.connect(scratch / "bare.db", isolation_level=None)
    bare.execute("PRAGMA synchronous = EXTRA")
    bare.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, body TEXT) STRICT")
    theirs, ours = [], []
    with Database.create(scratch / "commit.db", Identity("bench", "sim", "paper", "aaaaaa", "USDT"), 0) as db:
        for number in range(count):
            began = time.perf_counter()
            bare.execute("BEGIN IMMEDIATE")
            bare.execute("INSERT INTO t (body) VALUES ('x')")
            bare.execute("COMMIT")
            theirs.append((time.perf_counter() - began) * 1000)
            began = time.perf_counter()
            with db.transaction() as conn:
                journal.append(conn, at_ms=number, kind="state", actor="bench", subject="row", body={})
            ours.append((time.perf_counter() - began) * 1000)
    bare.close()
    for share, name in ((0.5, "p50"), (0.99, "p99")):
        a, b = percentile(ours, share), percentile(theirs, share)
        yield f"durable store commit, {name}", f"{a:.2f} ms ({a / b:.1f} × bare sqlite3)", ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    args = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    from safety import contention, reconcile, simulation

    lines = ["| what | measured | bound |", "|---|---|---|"]
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        for part in (processes, cycle_overhead, commits, contention, reconcile, simulation):
            for what, measured, bound in part(scratch):
                lines.append(f"| {what} | {measured} | {bound} |")
                print(lines[-1], flush=True)
    if args.write:
        readme = ROOT / "README.md"
        before, _, rest = readme.read_text().partition(START)
        _, _, after = rest.partition(END)
        readme.write_text(f"{before}{START}\n" + "\n".join(lines) + f"\n{END}{after}")


if __name__ == "__main__":
    main()
