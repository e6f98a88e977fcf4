"""A bot as an operator runs it: the real executable on a market of its own, watched through its output.

`write_market` makes candles so volatile that entries, stops and targets follow one another; `BotDesk` is a folder with
the market, a config with wide limits, and the store; `BotDesk.start()` is a bot whose lines can be waited for.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
START_MS = 1_700_006_400_000  # 2023-11-15 00:00 UTC
BAR_MS = 300_000
PATIENCE_SECONDS = 120  # for a process that hangs; nothing is expected to come near it

# Limits so wide that the market, not a gate, decides; short periods, so that decisions are many. The pace stays as
# it ships: its virtual waits are part of what must come out the same after a crash.
CONFIG = """\
account: crash-desk
perps:
  fastPeriod: 2
  slowPeriod: 4
  stopLossPct: 0.006
  takeProfitPct: 0.009
  riskPct: 0.002
  earlyExitOnCross: {early_exit}
trading:
  max_daily_risk: 100%
risk_management:
  crisis_mode:
    drawdown_threshold: 100%
    volatility_multiplier: 1000
    atr_period: 2
    lookback_bars: 10
accept:
  TC05: the market decides here, not a gate
  TC17: the market decides here, not a gate
risk:
  signal_cooldown_hours: 0
{more}"""


def write_market(path: Path, bars: int, seed: int, *, missing: Sequence[int] = ()) -> None:
    """`bars` five-minute candles with fat-tailed steps around a price that is pulled back; rows `missing` left out."""
    source = random.Random(seed)
    last = 20_000  # in ticks of 0.01
    rows = ["ts,open,high,low,close,volume"]
    for index in range(bars):
        opened = last
        step = source.gauss(0, 70) * (3 if source.random() < 0.05 else 1)
        last = max(5_000, round(opened + step + (20_000 - opened) * 0.01))
        high = max(opened, last) + round(abs(source.gauss(0, 35)))
        low = min(opened, last) - round(abs(source.gauss(0, 35)))
        if index not in missing:
            prices = ",".join(f"{ticks // 100}.{ticks % 100:02d}" for ticks in (opened, high, low, last))
            rows.append(f"{START_MS + index * BAR_MS},{prices},1000")
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class BotDesk:
    """One folder with everything a bot needs; every path in it is relative, so that a copy of it is the same desk."""

    folder: Path
    durable: bool = False  # a killed process loses nothing without fsync; only a power cut would

    @classmethod
    def make(
        cls,
        folder: Path,
        *,
        bars: int = 0,
        seed: int = 1,
        early_exit: bool = False,
        more: str = "",
        durable: bool = False,
    ) -> BotDesk:
        """`more` is YAML after the last line of the config. bars=0: no market file, prices are generated."""
        folder.mkdir(parents=True, exist_ok=True)
        desk = cls(folder, durable)
        written = CONFIG.format(early_exit=str(early_exit).lower(), more=more)
        (folder / "config.yaml").write_text(written, encoding="utf-8")
        if bars:
            write_market(desk.market, bars, seed)
        return desk

    @property
    def market(self) -> Path:
        return self.folder / "DESK_SOLUSDT_5m.csv"

    @property
    def store(self) -> Path:
        return self.folder / "bot.db"

    def argv(self, *args: str) -> list[str]:
        """The arguments of `run` after the program's name."""
        replay = ["--replay", self.market.name] if self.market.exists() else []  # as fast as it can, unless told
        fsync = [] if self.durable else ["--no-fsync"]
        return ["--config", "config.yaml", "--state", self.store.name, "run", "--mode", "paper", *replay, *fsync, *args]

    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(REPO), "XDG_STATE_HOME": str(self.folder / "xdg"), "NO_COLOR": "1"}

    def start(self, *args: str) -> RunningBot:
        return RunningBot(self, self.argv(*args))

    def run(self, *args: str) -> subprocess.CompletedProcess[str]:
        """A whole run; its output is given back whatever it came to."""
        return self.call(*self.argv(*args))

    def call(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Any command of the program, in this folder."""
        return subprocess.run(
            [sys.executable, "-m", "tradectl", *argv],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    def run_well(self, *args: str) -> str:
        """A whole run that must end with 0; its standard output."""
        done = self.run(*args)
        assert done.returncode == 0, f"exit {done.returncode}\n{done.stderr}\n{done.stdout[-2000:]}"
        return done.stdout


class RunningBot:
    """A bot process whose lines are read as they come."""

    def __init__(self, desk: BotDesk, argv: Sequence[str]) -> None:
        self._complaints = (desk.folder / "stderr.txt").open("w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tradectl", *argv],
            cwd=desk.folder,
            env=desk.environment(),
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
        )
        self.lines: list[str] = []

    def __enter__(self) -> RunningBot:
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()

    def read(self) -> Iterator[str]:
        """Its lines until it ends."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            yield line

    def wait_for(self, text: str, times: int = 1) -> str:
        """Reads on until `text` was seen `times` times; the last such line. Fails when the bot ends before."""
        for line in self.read():
            times -= text in line
            if not times:
                return line
        raise AssertionError(f"the bot ended ({self.end()}) without saying {text!r}:\n{self.said()}")

    def tell(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> int:
        """Reads what is left and returns the exit code; the negative signal number of a bot that was killed."""
        for _ in self.read():
            continue
        return self.process.wait(PATIENCE_SECONDS)

    def kill(self) -> bool:
        """kill -9. True when it was still running, False when it had ended by itself."""
        if self.process.poll() is None:
            self.process.kill()
        assert self.process.stdout is not None
        if not self.process.stdout.closed:
            self.end()
            self.process.stdout.close()
            self._complaints.close()
        return self.process.wait(PATIENCE_SECONDS) == -signal.SIGKILL

    def said(self) -> str:
        """The end of what it printed, and its complaints."""
        complaints = Path(self._complaints.name).read_text(encoding="utf-8")
        return "".join(self.lines[-20:]) + complaints
