"""Stop and target of an entry, and where its liquidation lies."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from tradectl.domain.instrument import Instrument
from tradectl.domain.lifecycle import Target
from tradectl.domain.money import ONE
from tradectl.domain.position import Side
from tradectl.domain.signal import Signal
from tradectl.risk.context import SymbolContext
from tradectl.risk.terms import Terms


@dataclass(frozen=True, slots=True)
class ExitPlan:
    """`target` is the nearest one. `targets`: those placed as orders of their own; empty, the one is attached."""

    stop: Decimal
    target: Decimal | None
    targets: tuple[Target, ...] = ()


def plan(ctx: SymbolContext, signal: Signal, terms: Terms) -> ExitPlan:
    """From the signal, else the config's distances from the reference price; rounded towards the entry.

    The stop of a long rounds up, of a short down (the smaller loss); the target the other way (reached sooner).
    """
    perps = ctx.account.config.perps
    sign = terms.side.sign
    stop = signal.stop if signal.stop is not None else terms.reference * (ONE - sign * perps.stop_loss_pct)
    stop = ctx.instrument.ceil_price(stop) if terms.side is Side.LONG else ctx.instrument.floor_price(stop)
    configured = ctx.account.config.exits.targets
    if signal.targets or not configured:
        target = signal.targets[0] if signal.targets else terms.reference * (ONE + sign * perps.take_profit_pct)
        return ExitPlan(stop, _sooner(ctx.instrument, terms.side, target))
    distance = abs(terms.reference - stop)
    targets = tuple(
        Target(
            f"tp{place}",
            _sooner(ctx.instrument, terms.side, terms.reference + sign * one.distance_r * distance),
            one.fraction,
        )
        for place, one in enumerate(configured, 1)
    )
    return ExitPlan(stop, targets[0].price, targets)


def _sooner(instrument: Instrument, side: Side, price: Decimal) -> Decimal:
    return instrument.floor_price(price) if side is Side.LONG else instrument.ceil_price(price)


def liquidation_price(instrument: Instrument, terms: Terms, qty: Decimal) -> Decimal:
    """The mark at which an isolated position of `qty`, entered at its worst price, is liquidated.

    It solves margin + unrealised = maintenance + closing fee, with margin = entry notional / leverage and maintenance
    = notional × rate − amount of the tier (the venues' own isolated formula, the fee added to be stricter). At or
    below zero: a long that cannot be liquidated. For cross margin, where the whole account backs the position, it is
    the stricter bound.
    """
    entry = terms.high if terms.side is Side.LONG else terms.low
    tier = instrument.tier_for(qty * terms.high)
    sign = terms.side.sign
    backing = entry * (ONE - sign / terms.leverage) - sign * tier.maintenance_amount / qty
    return backing / (ONE - sign * (tier.maintenance_rate + terms.fee))
