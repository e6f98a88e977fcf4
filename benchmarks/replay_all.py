"""Every candle file of a folder, replayed to its end; then the ledger is held against the exchange's own books.

    python benchmarks/replay_all.py [FOLDER]      (default: $TRADECTL_DATA/candles, else ../shared/data/candles)

Without fsync, two workers, each file in a store of its own through the real executable. One line per file; exit 1 when
a single ledger differs in a single digit.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.books import Compared, compare  # noqa: E402 - the repository's own checker, found only now

WORKERS = 2


def folder() -> Path:
    named = os.environ.get("TRADECTL_DATA")
    return (Path(named) if named else ROOT.parent / "shared" / "data") / "candles"


def trade_files(where: Path) -> list[Path]:
    return sorted(
        path
        for path in where.iterdir()
        if path.suffix in (".parquet", ".csv") and "_mark_" not in path.name and "_funding" not in path.name
    )


def replay(path: Path, scratch: Path) -> tuple[float, int, Compared]:
    """Runs one file; returns seconds, cycles and what the comparison found."""
    store = scratch / path.stem / "replay.db"
    store.parent.mkdir()
    began = time.perf_counter()
    done = subprocess.run(
        [
            sys.executable, "-m", "tradectl", "run", "--replay", str(path), "--speed", "max", "--no-fsync", "--json",
            "--config", str(ROOT / "benchmarks" / "replay.toml"), "--state", str(store),
        ],
        capture_output=True, text=True, cwd=store.parent, env={**os.environ, "XDG_STATE_HOME": str(scratch)},
        check=False,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    if done.returncode != 0:
        raise RuntimeError(f"{path.name}: exit {done.returncode}: {done.stderr.strip()[-500:]}{done.stdout[-500:]}")
    cycles = json.loads(done.stdout)["report"]["cycles"]
    return seconds, cycles, compare(store)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=folder())
    parser.add_argument("--only", default="", help="only files whose name contains this")
    args = parser.parse_args()
    if not args.folder.is_dir():
        print(f"there is no folder {args.folder}: name one with candle files", file=sys.stderr)
        return 2
    files = [path for path in trade_files(args.folder.resolve()) if args.only in path.name]
    failed = cycles_in_all = fills_in_all = 0
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(WORKERS) as pool:
        jobs = [(path, pool.submit(replay, path, Path(scratch))) for path in files]
        for path, job in jobs:
            try:
                seconds, cycles, found = job.result()
            except Exception as error:
                failed += 1
                print(f"FAILED  {path.name}: {error}", flush=True)
                continue
            cycles_in_all += cycles
            fills_in_all += found.fills
            verdict = "differs" if found.differences else "equal"
            failed += bool(found.differences)
            print(
                f"{verdict:7} {path.name}: {cycles} cycles, {found.trades} trades, {found.fills} fills, "
                f"{found.fundings} fundings, {found.liquidations} liquidations, {seconds:.1f} s",
                flush=True,
            )
            for difference in found.differences[:10]:
                print(f"        {difference}", flush=True)
    print(
        f"{len(files)} files, {cycles_in_all} cycles, {fills_in_all} fills: {len(files) - failed} equal, {failed} not"
    )
    return 1 if failed or not files else 0


if __name__ == "__main__":
    raise SystemExit(main())
