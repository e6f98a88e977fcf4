"""Generated prices: one path per symbol, the same for the same seed on every machine.

The model, per base candle: GARCH(1,1) variance (volatility clusters), shocks from a scale mixture of normals (fat
tails; Student's t is such a mixture with a continuous mixing law), rare jumps that feed the variance too, and a weak
pull towards the start price so that a path of years stays on the page.

Bar i depends only on (seed, symbol, i, the previous close, the previous variance): its randomness is a BLAKE2b digest
of "seed:symbol:i", not a generator with hidden state. So an Anchor of three numbers is all that resuming needs.
Only +, −, ×, ÷ and sqrt are applied to floats; IEEE 754 rounds these the same way everywhere, which log, exp and cos
do not promise. Floats end here: what leaves is Decimal on the instrument's tick.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b
from math import sqrt
from struct import Struct

from tradectl.domain.candle import DAY_MS, MINUTE_MS, Candle
from tradectl.domain.instrument import Instrument
from tradectl.domain.money import text

_YEAR_MS = 365 * DAY_MS
_ALPHA = 0.08  # how strongly one bar's move raises the next variance
_BETA = 0.90  # how slowly it dies away: half of it after some 34 bars
_VARIANCE_CAP = 25.0  # × the long-run variance
_JUMP_EVERY_MS = 2.5 * DAY_MS
_PULL_MS = 60 * DAY_MS
_TURNOVER_PER_MINUTE = 1_500_000.0  # quote currency, for the volume column only
_DRAW = Struct(">12H6I")
_SHORT = 65_536.0
_WORD = 4_294_967_296.0
_MILLI = Decimal("0.001")

# Where a path begins (quote currency) and its yearly volatility, for the majors; round figures, not quotes.
_CHARACTER: dict[str, tuple[str, float]] = {
    "BTCUSDT": ("60000", 0.50),
    "ETHUSDT": ("3000", 0.65),
    "SOLUSDT": ("150", 0.85),
    "BNBUSDT": ("600", 0.60),
    "XRPUSDT": ("0.6", 0.80),
    "DOGEUSDT": ("0.15", 0.95),
    "ADAUSDT": ("0.5", 0.85),
    "AVAXUSDT": ("30", 0.90),
    "LINKUSDT": ("15", 0.85),
    "LTCUSDT": ("80", 0.75),
    "SUIUSDT": ("2", 1.10),
    "ENAUSDT": ("0.5", 1.20),
    "ZECUSDT": ("40", 1.00),
    "1000PEPEUSDT": ("0.01", 1.10),
}
_OTHER_VOLATILITY = 0.90
_OTHER_TICKS = 20_000  # an unknown symbol starts at this many ticks


@dataclass(frozen=True, slots=True)
class PathModel:
    """What shapes one symbol's path. `variance` is the long-run variance of one bar's simple return."""

    seed: int
    symbol: str
    tick: Decimal
    start: Decimal
    interval_ms: int
    variance: float
    jump_chance: float
    jump_scale: float  # one standard deviation of a day's return
    pull: float
    turnover: float  # quote currency per bar


@dataclass(frozen=True, slots=True)
class Anchor:
    """Everything that bar `index` and all later ones depend on besides the model."""

    index: int
    close: Decimal  # of bar index − 1
    variance: float


def path_model(seed: int, instrument: Instrument, interval_ms: int, declared: Decimal | None = None) -> PathModel:
    """The model of an instrument's path with candles of `interval_ms`; `declared` is the operator's start price."""
    known = _CHARACTER.get(instrument.symbol)
    start = declared or (Decimal(known[0]) if known else instrument.tick_size * _OTHER_TICKS)
    volatility = known[1] if known else _OTHER_VOLATILITY
    start = max(round(start / instrument.tick_size), 1) * instrument.tick_size
    return PathModel(
        seed=seed,
        symbol=instrument.symbol,
        tick=instrument.tick_size,
        start=start,
        interval_ms=interval_ms,
        variance=volatility * volatility * interval_ms / _YEAR_MS,
        jump_chance=min(interval_ms / _JUMP_EVERY_MS, 0.2),
        jump_scale=volatility * sqrt(DAY_MS / _YEAR_MS),
        pull=interval_ms / _PULL_MS,
        turnover=_TURNOVER_PER_MINUTE * interval_ms / MINUTE_MS,
    )


def first_anchor(model: PathModel) -> Anchor:
    return Anchor(0, model.start, model.variance)


def next_bar(model: PathModel, anchor: Anchor, open_ms: int) -> tuple[Candle, Anchor]:
    """Bar `anchor.index`, opening at `open_ms` at the previous close, and the anchor of the one after it."""
    key = f"{model.seed}:{model.symbol}:{anchor.index}".encode()
    draw = _DRAW.unpack(blake2b(key, digest_size=48).digest())
    mix, jump, jump_size, up, down, busy = draw[12:]
    # Twelve uniforms summed: mean 6, variance 1, close to normal without log or cos.
    shock = (sum(draw[:12]) + 6.0) / _SHORT - 6.0
    mix_at = mix / _WORD
    shock *= 0.7 if mix_at < 0.80 else 1.4 if mix_at < 0.97 else 3.0
    sigma = sqrt(anchor.variance)
    opened = float(anchor.close)
    move = sigma * shock - model.pull * min(opened / float(model.start) - 1.0, 4.0)
    if jump / _WORD < model.jump_chance:
        size = jump_size / _WORD
        move += model.jump_scale * ((0.2 + 1.2 * size) if size < 0.5 else -(0.2 + 1.2 * (size - 0.5)))
    move = min(max(move, -0.5), 1.0)
    closed = opened * (1.0 + move)
    high = max(opened, closed) * (1.0 + sigma * (0.05 + 0.8 * up / _WORD))
    low = min(opened, closed) * (1.0 - min(sigma * (0.05 + 0.8 * down / _WORD), 0.5))

    tick = float(model.tick)
    open_ticks = round(opened / tick)
    close_ticks = max(round(closed / tick), 1)
    high_ticks = max(round(high / tick), open_ticks, close_ticks)
    low_ticks = max(min(round(low / tick), open_ticks, close_ticks), 1)
    close = close_ticks * model.tick
    traded = model.turnover * (0.5 + busy / _WORD) * (1.0 + abs(shock)) / (2.0 * opened)
    candle = Candle(
        open_ms, anchor.close, high_ticks * model.tick, low_ticks * model.tick, close, int(traded * 1000.0) * _MILLI
    )
    variance = (1.0 - _ALPHA - _BETA) * model.variance + _ALPHA * move * move + _BETA * anchor.variance
    return candle, Anchor(anchor.index + 1, close, min(variance, _VARIANCE_CAP * model.variance))


def anchors_text(anchors: Mapping[str, Anchor]) -> str:
    """The anchors as the exchange's file keeps them. `repr` of a float reads back as the same float."""
    body = {name: [anchor.index, text(anchor.close), repr(anchor.variance)] for name, anchor in anchors.items()}
    return json.dumps(body, sort_keys=True, separators=(",", ":"))


def anchors_from(checkpoint: str) -> dict[str, Anchor]:
    """The anchors of a checkpoint; empty for an empty one. Raises ValueError on text that is not a checkpoint."""
    if not checkpoint:
        return {}
    try:
        body = json.loads(checkpoint)
        return {
            name: Anchor(int(index), Decimal(close), float(variance)) for name, (index, close, variance) in body.items()
        }
    except (AttributeError, TypeError, ArithmeticError) as error:
        raise ValueError(f"not a checkpoint: {checkpoint[:80]!r}") from error
