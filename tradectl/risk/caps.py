"""The caps of a size, in order. Each says how much it allows, and says so when it binds (promise 8).

A cap is an inequality that is linear in the quantity q, with equity after entering, E − q × cost, on the right side:
    held + q × per_unit ≤ limit × (E − q × cost)    ⇒    q ≤ (limit × E − held) / (per_unit + limit × cost)
so that the limit holds on the account after the trade, in the same definitions that a Snapshot has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Context, Decimal

from tradectl.domain.money import PRECISION_DIGITS, ZERO, divide, percent
from tradectl.domain.signal import Verdict
from tradectl.domain.tags import Tag
from tradectl.risk.context import AccountContext, SymbolContext
from tradectl.risk.liquidity import liquidity_of
from tradectl.risk.terms import Terms

_DOWN = Context(prec=PRECISION_DIGITS, rounding=ROUND_FLOOR)


@dataclass(frozen=True, slots=True)
class CapRule:
    """held + q × per_unit ≤ bound − q × cost. With `of_equity`, bound = of_equity × equity and the verdict is shown as
    a fraction of the equity left after entering; else in quote currency."""

    name: str
    label: str
    held: Decimal
    per_unit: Decimal
    bound: Decimal
    cost: Decimal = ZERO
    of_equity: Decimal | None = None

    def most(self) -> Decimal:
        """The largest quantity allowed, rounded down at the 60th digit; zero or less: nothing is."""
        return _DOWN.divide(self.bound - self.held, self.per_unit + self.cost)

    def verdict(self, qty: Decimal, equity: Decimal, cost_per_unit: Decimal) -> Verdict:
        """What the account shows against this limit once `qty` is held."""
        after = self.held + qty * self.per_unit
        if self.of_equity is None:
            value, limit, unit = after, self.bound, "quote"
            shown = f"{value:.2f} of {limit:.2f}"
        else:
            value, limit, unit = divide(after, equity - qty * cost_per_unit), self.of_equity, "fraction"
            shown = f"{percent(value)} (limit={percent(limit)})"
        return Verdict(self.name, True, f"{self.label} after entry: {shown}", value, limit, limit - value, unit)

    def refusal(self, wanted: Decimal, symbol: str, equity: Decimal) -> Verdict:
        """There is no headroom at all. `wanted` is the notional that sizing asked for."""
        if self.of_equity is None:
            value, limit, unit = self.held, self.bound, "quote"
            shown = f"{value:.2f} of {limit:.2f}"
        else:
            value, limit, unit = divide(self.held, equity), self.of_equity, "fraction"
            shown = f"{percent(value)} (limit={percent(limit)})"
        return Verdict(
            self.name,
            False,
            f"{self.label} has no headroom left: {shown}; size capped from {wanted:.2f} to 0.00, skipping entry",
            value,
            limit,
            limit - value,
            unit,
            Tag.SAFETY_SIZE_CAPPED,
            (("symbol", symbol), ("cap", self.name)),
        )


def rules(ctx: SymbolContext, terms: Terms) -> Iterator[CapRule]:
    """The caps of this entry, in the order they are applied; those not set are left out."""
    account = ctx.account
    config, snapshot = account.config, account.snapshot
    equity = account.equity - account.pending_cost
    risk, margin, cost = config.risk, terms.margin_per_unit, terms.cost_per_unit

    def share(name: str, label: str, held: Decimal, per_unit: Decimal, limit: Decimal) -> CapRule:
        return CapRule(name, label, held, per_unit, limit * equity, limit * cost, limit)

    yield share("cash_deploy", "cash deployed by one trade", ZERO, terms.high, config.perps.cash_deploy_cap)
    yield share("single_margin", "margin of one position", ZERO, margin, risk.max_single_position_margin_pct_equity)
    positions = sum((position.initial_margin for position in snapshot.positions), ZERO)
    yield share(
        "aggregate_margin",
        "margin of all positions",
        positions + account.pending_margin,
        margin,
        risk.max_aggregate_margin_pct_equity,
    )
    yield share(
        "margin_budget",
        "margin utilisation",
        snapshot.account.initial_margin + account.pending_margin,
        margin,
        risk.auction_max_margin_util,
    )
    yield CapRule(
        "available_margin",
        "available balance used",
        account.pending_margin + account.pending_cost,
        margin + terms.high * terms.fee,
        snapshot.account.available,
    )
    yield share("exposure", "exposure", _notional_at_risk(account), terms.high, risk.max_exposure_pct)
    traded = liquidity_of(ctx)
    assumed = "" if traded.known else f" (not known, taken as {traded.volume:.0f})"
    yield CapRule(
        "volume_share",
        f"notional, as {percent(risk.max_volume_share)} of what is traded in 24 h{assumed}",
        ZERO,
        terms.high,
        traded.volume * risk.max_volume_share,
    )
    if risk.max_position_usd is not None:
        yield CapRule("max_position_usd", "margin of one position", ZERO, margin, risk.max_position_usd)
    if account.limited is not None:
        yield share("live_limited", "notional of one position", ZERO, terms.high, account.limited.max_position)
    yield CapRule("tier", f"notional at {terms.leverage}x", ZERO, terms.high, _largest_at(ctx, terms.leverage))


def _notional_at_risk(account: AccountContext) -> Decimal:
    """Notional held, resting in orders that could add to it, and sent or unknown."""
    resting = sum(
        (
            order.remaining_qty * order.price
            for order in account.snapshot.orders
            if order.can_add_exposure and order.status.open and order.price is not None
        ),
        ZERO,
    )
    return account.snapshot.notional + resting + account.pending_notional


def _largest_at(ctx: SymbolContext, leverage: Decimal) -> Decimal:
    """The largest notional that the instrument's tiers allow at this leverage."""
    largest = ZERO
    for tier in ctx.instrument.tiers:
        if tier.max_leverage < leverage:
            break
        largest = tier.notional_cap
    return largest
