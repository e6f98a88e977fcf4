"""Which market an exchange is begun with: generated paths or a replay, and the stamp that identifies it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tradectl.domain.candle import DAY_MS, HOUR_MS, INTERVALS_MS, MINUTE_MS
from tradectl.domain.instrument import Instrument
from tradectl.domain.money import text
from tradectl.errors import ConfigError
from tradectl.sim.feed import WARMUP_CANDLES, Feed, GeneratedFeed, wider_interval
from tradectl.sim.prices import Anchor, path_model
from tradectl.sim.stamp import Stamp

if TYPE_CHECKING:
    from tradectl.config.schema import Config

STEPPED_START_MS = 1_704_067_200_000  # 2024-01-01T00:00Z: a fixed start, so that the same seed is the same run


class Market(Protocol):
    """A market to begin an exchange with, or to continue one."""

    @property
    def stamp(self) -> Stamp: ...
    @property
    def instruments(self) -> Mapping[str, Instrument]: ...
    @property
    def notices(self) -> tuple[str, ...]: ...

    def feed(self, stamp: Stamp, anchors: Mapping[str, Anchor]) -> Feed:
        """The feed of an exchange with this stamp, going on from these anchors (empty: from the start)."""


@dataclass(frozen=True, slots=True)
class GeneratedMarket:
    """Seeded paths. All that is needed to draw them again stands in the stamp."""

    stamp: Stamp
    instruments: Mapping[str, Instrument]
    notices: tuple[str, ...] = ()

    def feed(self, stamp: Stamp, anchors: Mapping[str, Anchor]) -> Feed:
        return generated_feed(stamp, self.instruments, anchors)


@dataclass(frozen=True, slots=True)
class ReplayMarket:
    """Recorded candles; nothing to remember but which files they were."""

    stamp: Stamp
    instruments: Mapping[str, Instrument]
    replay: Feed
    notices: tuple[str, ...]

    def feed(self, stamp: Stamp, anchors: Mapping[str, Anchor]) -> Feed:
        return self.replay


def generated_feed(stamp: Stamp, instruments: Mapping[str, Instrument], anchors: Mapping[str, Anchor]) -> GeneratedFeed:
    """The feed that a generated exchange's stamp describes: any process can make it again."""
    base_ms = INTERVALS_MS[stamp.fact("base_interval")]
    ratio = INTERVALS_MS[stamp.fact("perps.interval")] // base_ms
    warmup = WARMUP_CANDLES * ratio
    declared = dict(part.split("=") for part in stamp.fact("start_prices").split(",") if part)
    models = [
        path_model(
            int(stamp.fact("sim.seed")),
            instruments[symbol],
            base_ms,
            Decimal(declared[symbol]) if symbol in declared else None,
        )
        for symbol in stamp.fact("symbols").split(",")
    ]
    return GeneratedFeed(
        models,
        origin_ms=int(stamp.fact("start_ms")) - warmup * base_ms,
        warmup=warmup,
        funding_rate=Decimal(stamp.fact("sim.funding_rate")),
        anchors=anchors,
    )


def generated_market(
    config: Config, instruments: Mapping[str, Instrument], symbols: Sequence[str], interval: str | None, now_ms: int
) -> GeneratedMarket:
    """A market of generated prices for these symbols; on a wall clock it begins at `now_ms`."""
    traded = interval or config.perps.interval
    wall = config.sim.clock == "wall"
    base = _wall_base(traded) if wall else traded
    traded_ms = wider_interval(traded, INTERVALS_MS[base])
    declared = {name: config.sim.instruments[name].start_price for name in symbols if name in config.sim.instruments}
    stamp = Stamp(
        config.account,
        (
            ("sim.source", "generated"),
            ("sim.clock", config.sim.clock),
            ("symbols", ",".join(sorted(symbols))),
            ("perps.interval", traded),
            ("base_interval", base),
            ("start_prices", ",".join(f"{name}={text(price)}" for name, price in sorted(declared.items()))),
            *_rules(config),
            ("start_ms", str(now_ms - now_ms % traded_ms if wall else STEPPED_START_MS)),
        ),
    )
    return GeneratedMarket(stamp, _pick(instruments, sorted(symbols)))


def replay_market(
    config: Config,
    instruments: Mapping[str, Instrument],
    files: Sequence[Path],
    symbol: str | None,
    interval: str | None,
) -> ReplayMarket:
    """A market of recorded candles. Raises ConfigError with every fault of the files."""
    from tradectl.sim.replay import load_replay
    from tradectl.sim.replay_feed import ReplayFeed

    if config.sim.clock == "wall":
        raise ConfigError(
            "a replay cannot run on a wall clock",
            why="recorded candles move as fast as they are stepped",
            hint="leave sim.clock at stepped, or leave --replay out",
        )
    series = load_replay(files, symbol=symbol, interval=interval if symbol is not None else None)
    feed = ReplayFeed(series, funding_rate=config.sim.funding_rate)
    traded = interval or series[0].interval
    wider_interval(traded, feed.interval_ms)
    stamp = Stamp(
        config.account,
        (
            ("sim.source", "replay"),
            ("sim.clock", config.sim.clock),
            ("symbols", ",".join(feed.symbols)),
            ("files", ",".join(name for one in series for name in one.files)),
            ("content", feed.digest),
            ("base_interval", series[0].interval),
            *_rules(config),
            ("start_ms", str(feed.first_ms)),
        ),
    )
    return ReplayMarket(stamp, _pick(instruments, feed.symbols), feed, feed.notices)


def _pick(instruments: Mapping[str, Instrument], symbols: Sequence[str]) -> dict[str, Instrument]:
    missing = [symbol for symbol in symbols if symbol not in instruments]
    if missing:
        raise ConfigError(
            f"the simulated exchange knows no contract {', '.join(missing)}",
            why=f"the table that ships has {', '.join(sorted(instruments))}",
            hint=f"declare it: [sim.instruments.{missing[0]}] with tick_size, qty_step, min_qty and the rest",
        )
    picked = {symbol: instruments[symbol] for symbol in symbols}
    quotes = sorted({instrument.quote for instrument in picked.values()})
    if len(quotes) > 1:
        raise ConfigError(
            f"one account cannot be kept in {' and '.join(quotes)}", hint="trade markets of one quote currency"
        )
    return picked


def _rules(config: Config) -> tuple[tuple[str, str], ...]:
    """The exchange's own rules: its books were kept by these from the first operation on."""
    sim = config.sim
    return (
        ("sim.seed", str(sim.seed)),
        ("sim.start_balance", text(sim.start_balance)),
        ("sim.maker_fee", text(sim.maker_fee)),
        ("sim.taker_fee", text(sim.taker_fee)),
        ("sim.slippage_bps", text(sim.slippage_bps)),
        ("sim.funding_rate", text(sim.funding_rate)),
    )


def _wall_base(traded: str) -> str:
    """The candle that a wall-clock market moves by: fine enough to feel live, coarse enough to catch up quickly."""
    traded_ms = INTERVALS_MS[traded]
    for base, up_to in (("1m", 15 * MINUTE_MS), ("5m", 2 * HOUR_MS), ("15m", 8 * HOUR_MS)):
        if traded_ms <= up_to and traded_ms % INTERVALS_MS[base] == 0:
            return base
    return "1h" if traded_ms <= DAY_MS else traded
