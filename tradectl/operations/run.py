"""Running the bot: what was asked for, checked against the configuration, then the bot's whole life."""

from __future__ import annotations

import re
import shlex
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from tradectl import logs
from tradectl.config.available import refuse_unavailable
from tradectl.config.load import Resolved, load
from tradectl.config.secrets import redact
from tradectl.domain.candle import INTERVALS_MS
from tradectl.domain.limited import LIVE_LIMITED
from tradectl.engine.assemble import MODES, RunOptions
from tradectl.engine.daemon import run
from tradectl.engine.session_report import SessionReport
from tradectl.errors import ConfigError, UsageError

GENERATED_SPEED = 300.0  # one five-minute candle a second: quick enough to watch, slow enough to read
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class RunRequest:
    """As typed. `console` is where log lines go beside the log file."""

    mode: str
    guard: bool
    cycles: int | None
    for_text: str | None
    speed_text: str | None
    replay: tuple[Path, ...]
    symbol: str | None
    interval: str | None
    durable: bool
    fresh: bool
    confirm: str | None
    config: tuple[Path, ...]
    store: Path | None
    verbose: int
    console: TextIO
    colour: bool


@dataclass(frozen=True, slots=True)
class RunPlan:
    resolved: Resolved
    options: RunOptions
    console: TextIO
    colour: bool
    level: str
    notice: str = ""  # what the rules found, in one line


def plan(request: RunRequest) -> RunPlan:
    """Raises UsageError, ConfigError (every fault at once) or NotAvailable; touches nothing."""
    if request.mode not in MODES:
        raise UsageError(f"there is no mode {request.mode!r}", hint=f"one of: {', '.join(MODES)}")
    if request.interval is not None and request.interval not in INTERVALS_MS:
        raise UsageError(f"there is no interval {request.interval!r}", hint=f"one of: {', '.join(INTERVALS_MS)}")
    if request.guard and request.fresh:
        raise UsageError(
            "--guard watches an account that is traded, and --fresh would set that account aside",
            hint="leave one of the two out",
        )
    resolved = load(request.config)
    faults = refuse_unavailable(resolved, request.mode)
    if faults:
        raise ConfigError(
            "this build cannot honour what the configuration asks for",
            faults=tuple(str(fault) for fault in faults),
            hint="take these out, or wait for the step that reads them",
        )
    notice = _hold_against_rules(resolved, request)
    if request.mode == LIVE_LIMITED:
        _must_confirm(resolved.config.account, request)
    _is_the_account(resolved.config.account, request.confirm)
    if resolved.config.sim.source == "replay" and not request.replay:
        raise UsageError("sim.source is replay and no file is named", hint="add --replay FILE (repeatable)")
    for file in request.replay:
        _refuse_what_is_no_candle_file(file)
    options = RunOptions(
        mode=request.mode,
        guard=request.guard,
        cycles=request.cycles,
        for_seconds=seconds(request.for_text) if request.for_text is not None else None,
        speed=_speed(request.speed_text, replay=bool(request.replay)),
        replay=request.replay,
        symbol=request.symbol,
        interval=request.interval,
        store_path=request.store,
        durable=request.durable,
        fresh=request.fresh,
        config_digest=resolved.digest,
    )
    return RunPlan(
        resolved,
        options,
        request.console,
        request.colour,
        "DEBUG" if request.verbose else resolved.config.log.level,
        notice,
    )


def _hold_against_rules(resolved: Resolved, request: RunRequest) -> str:
    """Errors end here, with every one of them; the rest is one line, with the command that shows it.

    A guard session makes no entry, and an account must not stay unprotected over a threshold: there errors are said.
    """
    from tradectl.operations.validate_config import judged

    verdict = judged(resolved, request.mode)
    files = "".join(f" --config {shlex.quote(str(file))}" for file in request.config)
    command = f"tradectl{files} validate-config --mode {request.mode}"
    if verdict.errors and not request.guard:
        wrong = [one for one in verdict.findings if one.severity == "error" and not one.accepted]
        raise ConfigError(
            f"the configuration breaks its own rules: {len(wrong)} error{'s' * (len(wrong) != 1)}",
            faults=tuple(
                f"{one.rule}: {one.says} ({one.arithmetic}) at "
                f"{', '.join(f'{knob.key} {knob.place}' for knob in one.knobs)} → {one.change}"
                for one in wrong
            ),
            hint=f"{command} shows each; accept: {{{wrong[0].rule}: reason}} in the configuration accepts one",
        )
    counts = ((verdict.errors, "error"), (verdict.warnings, "warning"), (verdict.accepted, "accepted fault"))
    found = ", ".join(f"{count} {name}{'s' * (count != 1)}" for count, name in counts if count)
    return f"configuration: {found}; {command}" if found else ""


def _must_confirm(account: str, request: RunRequest) -> None:
    """A mode for real money names the account it is meant for; nothing there begins anew."""
    if request.fresh:
        raise UsageError(f"--fresh is for paper; mode {request.mode} goes on with what the account has")
    if request.confirm is None:
        raise UsageError(f"mode {request.mode} wants the account named", hint=f"--confirm {account}")


def _is_the_account(account: str, confirm: str | None) -> None:
    """Whoever names an account means that one, in paper too, where nobody has to."""
    if confirm is not None and confirm != account:
        raise UsageError(
            f"--confirm names {confirm!r}, the configuration's account is {account!r}: nothing was started",
            hint="name the configuration that you mean with --config, or the account that it has",
        )


def _refuse_what_is_no_candle_file(file: Path) -> None:
    """Said before anything is created: a wrong name is the likeliest fault of all."""
    hint = "name a .csv or .parquet file of candles"
    if file.is_dir():
        raise UsageError("that is a folder, not a candle file", where=str(file), hint=hint)
    if not file.exists():
        raise UsageError("there is no such candle file", where=str(file), hint=hint)
    if file.suffix.lower() not in (".csv", ".parquet"):
        raise UsageError(
            f"candles are read from CSV and Parquet, not {file.suffix or 'this'}", where=str(file), hint=hint
        )


def apply(planned: RunPlan) -> SessionReport:
    """Runs until the end that was asked for. Raises what the engine raises."""
    config = planned.resolved.config
    log_path = Path(config.log.path)
    clock = _LogClock()
    close = logs.set_up(
        path=log_path,
        level=planned.level,
        fmt=config.log.format,
        console=planned.console,
        colour=planned.colour,
        now_ms=clock,
        redact=redact,
    )
    if planned.notice:
        print(planned.notice, file=planned.console, flush=True)
    try:
        return run(config, planned.options, log_path=str(log_path), wall_ms=wall_ms, on_clock=clock.follow)
    finally:
        close()


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


class _LogClock:
    """Stamps log lines with wall time until the bot has a venue clock, and with that from then on."""

    def __init__(self) -> None:
        self._now_ms = wall_ms

    def follow(self, now_ms: object) -> None:
        assert callable(now_ms)
        self._now_ms = now_ms

    def __call__(self) -> int:
        return self._now_ms()


def seconds(written: str) -> float:
    """'90s', '10m', '2h', '1d' or plain seconds. Raises UsageError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", written.strip())
    if match is None or not float(match[1]):
        raise UsageError(f"{written!r} is not a length of time", hint="write it like 90s, 10m, 2h or 1d")
    return float(match[1]) * _UNITS[match[2] or "s"]


def _speed(written: str | None, *, replay: bool) -> float | None:
    if written is None:
        return None if replay else GENERATED_SPEED
    if written == "max":
        return None
    match = re.fullmatch(r"\d+(?:\.\d+)?", written)
    if match is None or not float(written):
        raise UsageError(f"{written!r} is not a speed", hint="a number above zero such as 60 or 1200, or max")
    return float(written)
