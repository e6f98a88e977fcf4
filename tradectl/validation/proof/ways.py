"""What one entry in one market can be: the running code's own sizing, asked once per market, side and liquidity tier.

All the arithmetic of an entry is a line in its quantity, so that what it adds per unit at one price and one tier is
all there is to know. It is read from the same functions that size real entries (risk/terms, risk/caps, risk/exits).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from tradectl.config.in_force import limited_of
from tradectl.config.schema import Config
from tradectl.domain import quantities as of
from tradectl.domain.candle import INTERVALS_MS
from tradectl.domain.inequality import Line
from tradectl.domain.instrument import Instrument
from tradectl.domain.limited import LIVE_LIMITED
from tradectl.domain.liquidity import LiquidityTier
from tradectl.domain.money import ONE, ZERO
from tradectl.domain.position import Side
from tradectl.domain.risk_state import first_state
from tradectl.domain.signal import Signal
from tradectl.domain.snapshot import Account, Snapshot, Ticker
from tradectl.risk import caps
from tradectl.risk.context import AccountContext, Costs, SymbolContext
from tradectl.risk.exits import plan
from tradectl.risk.gates import leverage, liquidity
from tradectl.risk.gates.min_notional import least_notional
from tradectl.risk.liquidity import liquidity_of, tier_scale
from tradectl.risk.sizing import scale_for
from tradectl.risk.terms import terms_of
from tradectl.validation.facts import Facts

ENDLESS = Decimal("1E+15")  # of turnover: more than any cap asks for
_BELOW = Decimal("1E-9")  # a tier ends just below the floor of the next one
MOST_CONFIDENT = ONE


@dataclass(frozen=True, slots=True)
class Way:
    """One way into one market. Lines are per unit of notional at the mark, not per unit of base asset.

    lines:  what the caps speak of; equity's slope is the most that entering costs
    risk:   quantity × stop distance; loss: at the stop, costs included
    scales: (confidence of the signal, what it makes of the risk), the largest first
    fee:    what entering costs at least
    least:  the smallest notional worth an order, or that the venue takes; floor: the same before a step is rounded off
    volume: turnover in 24 h, the most that this tier has
    """

    symbol: str
    tier: LiquidityTier
    price: Decimal
    volume: Decimal
    leverage: Decimal
    scales: tuple[tuple[Decimal, Decimal], ...]
    lines: Mapping[str, Line]
    risk: Decimal
    loss: Decimal
    fee: Decimal
    floor: Decimal
    least: Decimal

    @property
    def scale(self) -> Decimal:
        return self.scales[0][1]

    @property
    def confidence(self) -> Decimal:
        return self.scales[0][0]


@dataclass(frozen=True, slots=True)
class SoFar:
    """The account before an entry: of Decimals, or of a solver's expressions. Money in quote currency.

    first: equity before the first entry; left: what they have left of it. margin, notional, count: of what is held.
    """

    first: Any
    left: Any
    margin: Any
    notional: Any
    count: Any


def entry_lines(way: Way, scale: Decimal, so_far: SoFar, number: Callable[[Decimal], Any]) -> dict[str, Line]:
    """All that the gates of an entry speak of, as lines in its notional. number: a constant as `so_far` has them."""

    def line(at: Any, name: str) -> Line:
        return Line(at, way.lines[name].per_unit)

    none = number(ZERO)
    return {
        of.EQUITY.name: line(so_far.left, of.EQUITY.name),
        of.SCALED_EQUITY.name: Line(number(scale) * so_far.left),
        of.DAY_START_EQUITY.name: Line(so_far.first),
        of.DAY_LOSS.name: Line(so_far.first - so_far.left),
        of.PENDING_LOSS.name: Line(none),
        of.ENTRY_NOTIONAL.name: line(none, of.ENTRY_NOTIONAL.name),
        of.ENTRY_MARGIN.name: line(none, of.ENTRY_MARGIN.name),
        of.ENTRY_RISK.name: Line(none, way.risk),
        of.ENTRY_LOSS.name: Line(none, way.loss),
        of.INITIAL_MARGIN.name: line(so_far.margin, of.INITIAL_MARGIN.name),
        of.POSITIONS_MARGIN.name: line(so_far.margin, of.POSITIONS_MARGIN.name),
        of.NOTIONAL.name: line(so_far.notional, of.NOTIONAL.name),
        of.AVAILABLE.name: Line(so_far.left - so_far.margin),
        of.AVAILABLE_USED.name: line(none, of.AVAILABLE_USED.name),
        of.TRADED.name: Line(number(way.lines[of.TRADED.name].at)),
        of.TIER_NOTIONAL.name: Line(number(way.lines[of.TIER_NOTIONAL.name].at)),
        of.POSITIONS.name: Line(so_far.count + 1),
    }


MANY = 10  # of one kind


def kind_of(way: Way) -> tuple[object, ...]:
    """What two ways have in common that may stand for each other."""
    return (way.leverage, way.tier, way.scale, way.lines[of.TIER_NOTIONAL.name].at)


def few(ways: Iterable[Way], account: AccountContext) -> list[Way]:
    """Of each kind no more than could be held: a hundred markets are no richer than the first of each leverage."""
    kinds: dict[tuple[object, ...], list[str]] = {}
    most = max(MANY, account.config.risk.max_concurrent_positions)
    kept = []
    for way in ways:
        symbols = kinds.setdefault(kind_of(way), [])
        if way.symbol not in symbols and len(symbols) < most:
            symbols.append(way.symbol)
        if way.symbol in symbols:
            kept.append(way)
    return kept


def account_of(facts: Facts, equity: Decimal) -> AccountContext:
    """A flat account in which nothing has happened, with the limits in force."""
    market, config = facts.market, facts.limits
    flat = Account("", equity, ZERO, ZERO, ZERO, equity)
    return AccountContext(
        config=config,
        now_ms=0,
        snapshot=Snapshot(0, flat, (), (), 0),
        risk=first_state(equity, 0),
        costs=Costs(market.taker_fee or ZERO, market.slippage or ZERO),
        session_started_ms=0,
        session_entries=0,
        recovered=True,
        limited=limited_of(config) if facts.mode == LIVE_LIMITED else None,
    )


def ways(facts: Facts, equity: Decimal) -> Iterator[Way]:
    """Of every market traded whose instrument and price are known, the side with the looser limits standing for both.

    Not those that are another way of the same market with less of it at the same leverage: whatever such an entry
    holds, the other one may hold. Nor those whose largest size is no order: an account only has less later on.
    """
    account = account_of(facts, equity)
    if not account.config.perps.enabled:
        return
    for symbol, instrument in facts.market.instruments.items():
        price = facts.market.prices.get(symbol)
        if price is None or not instrument.tiers:
            continue
        kept: list[Way] = []
        for tier, volume in volumes(facts.limits, instrument, symbol):
            sides = [_way(account, instrument, price, volume, tier, side) for side in Side]
            way = _either([one for one in sides if one is not None])
            if way is None or most(account, equity, way) < way.floor:
                continue
            if not any(_better(one, way) for one in kept):
                kept.append(way)
        yield from kept


def _either(sides: list[Way]) -> Way | None:
    """A long and a short of one market differ by what rounding to the tick makes of their stops."""
    if not sides:
        return None
    return replace(sides[0], risk=min(one.risk for one in sides), loss=min(one.loss for one in sides))


def most(account: AccountContext, equity: Decimal, way: Way) -> Decimal:
    """The largest notional of this way on the account before the first entry, by the running code's own arithmetic."""
    values = {
        **way.lines,
        of.ENTRY_RISK.name: Line(ZERO, way.risk),
        of.SCALED_EQUITY.name: Line(equity * way.scale),
    }
    limits = ((cap, caps.limit_of(cap, account)) for cap in (caps.BY_RISK, *caps.CAPS))
    return max(min(caps.rule_of(cap, "", values, limit).most() for cap, limit in limits if limit is not None), ZERO)


def _better(one: Way, than: Way) -> bool:
    return one.leverage == than.leverage and one.scale >= than.scale and one.volume >= than.volume


def volumes(config: Config, instrument: Instrument, symbol: str) -> Iterator[tuple[LiquidityTier, Decimal]]:
    """Each tier that the market can be in, with the most that a market of that tier trades."""
    tiers, pinned = config.market.tiers, config.market.pinned
    yield LiquidityTier.A, ENDLESS
    if instrument.base in pinned or symbol in pinned:
        return
    for tier, floor, above in (
        (LiquidityTier.B, tiers.b_min_volume_usd, tiers.a_min_volume_usd),
        (LiquidityTier.C, tiers.c_min_volume_usd, tiers.b_min_volume_usd),
    ):
        if floor < above:
            yield tier, max(above - _BELOW, floor)


def _way(
    account: AccountContext, instrument: Instrument, price: Decimal, volume: Decimal, tier: LiquidityTier, side: Side
) -> Way | None:
    """None where a gate that knows the market only refuses it, or where the stop is on the wrong side."""
    slippage = account.costs.slippage
    bid, ask = instrument.floor_price(price * (ONE - slippage)), instrument.ceil_price(price * (ONE + slippage))
    ticker = Ticker(instrument.symbol, bid, ask, price, price, 0, volume)
    interval_ms = INTERVALS_MS[account.config.perps.interval]
    ctx = SymbolContext(account, instrument.symbol, instrument, interval_ms, (), ticker)
    if not liquidity.check(ctx).passed or not leverage.check(ctx).passed:
        return None
    terms = terms_of(ctx, side)
    signal = Signal(instrument.symbol, "proof", side, MOST_CONFIDENT, price, 0, ())
    exits = plan(ctx, signal, terms)
    distance = (terms.reference - exits.stop) * side.sign
    if distance <= 0 or exits.stop <= 0:
        return None
    floor = max(least_notional(ctx, terms)[0], instrument.min_qty * price)
    return Way(
        symbol=instrument.symbol,
        tier=tier,
        price=price,
        volume=volume,
        leverage=terms.leverage,
        scales=tuple(_scales(account, tier_scale(account.config, liquidity_of(ctx).limits_of))),
        lines=_per_notional(caps.lines(ctx, terms), price),
        risk=distance / price,
        loss=terms.loss_per_unit(exits.stop) / price,
        fee=terms.fee,
        floor=floor,
        least=floor + instrument.qty_step * price,
    )


def _scales(account: AccountContext, of_tier: Decimal) -> list[tuple[Decimal, Decimal]]:
    """What each band of confidence that passes its gate makes of the size, by one signal of each band."""
    bands = account.config.risk.confidence
    passing = {max(bands.floor, at) for at in (ONE, bands.high, bands.low, bands.floor)}
    scales = [(one, scale_for(account, one) * of_tier) for one in passing if one <= ONE]
    return sorted(scales, key=lambda one: (-one[1], -one[0]))


def _per_notional(lines: Mapping[str, Line], price: Decimal) -> dict[str, Line]:
    return {name: Line(line.at, line.per_unit / price) for name, line in lines.items()}


def stop_reach(facts: Facts, found: tuple[Way, ...]) -> Decimal:
    """The largest move that leaves every stop untouched: beyond it the stops end the positions."""
    slippage = facts.market.slippage or ZERO
    ticks = [facts.market.instruments[way.symbol].tick_size / way.price for way in found]
    nearest = min((way.risk for way in found), default=ZERO)
    return max(nearest - 2 * slippage - max(ticks, default=ZERO), ZERO)
