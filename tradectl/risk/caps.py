"""The caps of a size, in order. Each says how much it allows, and says so when it binds (promise 8).

A cap is an inequality over what the account holds once the quantity q is entered, and each side of it is a line in q:
    held + q × per_unit ≤ limit × (of − q × cost)    ⇒    q ≤ (limit × of − held) / (per_unit + limit × cost)
so that the limit holds on the account after the trade, in the same definitions that a Snapshot has. CAPS is the one
definition: sizing solves it here, and `validate-config --prove` gives the same table to its solver.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Context, Decimal

from tradectl.domain import quantities as of
from tradectl.domain.inequality import WHOLE, Inequality, Line, Lines, Operator, Term
from tradectl.domain.money import ONE, PRECISION_DIGITS, ZERO, divide, percent
from tradectl.domain.signal import Verdict
from tradectl.domain.tags import Tag
from tradectl.risk.context import AccountContext, SymbolContext
from tradectl.risk.liquidity import liquidity_of
from tradectl.risk.terms import Terms

_DOWN = Context(prec=PRECISION_DIGITS, rounding=ROUND_FLOOR)


LIMITED = "live_limited.max_position_pct"


@dataclass(frozen=True, slots=True)
class Cap:
    """A limit of the size, as data. `label`: what it limits, for the operator."""

    name: str
    label: str
    inequality: Inequality


def _cap(name: str, label: str, term: Term, bound: str) -> Cap:
    return Cap(name, label, Inequality(term, Operator.AT_MOST, bound))


# In the order they are applied; those without a value are left out.
CAPS: tuple[Cap, ...] = (
    _cap("cash_deploy", "cash deployed by one trade", of.ENTRY_NOTIONAL / of.EQUITY, "perps.cash_deploy_cap"),
    _cap(
        "single_margin",
        "margin of one position",
        of.ENTRY_MARGIN / of.EQUITY,
        "risk.max_single_position_margin_pct_equity",
    ),
    _cap(
        "aggregate_margin",
        "margin of all positions",
        of.POSITIONS_MARGIN / of.EQUITY,
        "risk.max_aggregate_margin_pct_equity",
    ),
    _cap("margin_budget", "margin utilisation", of.INITIAL_MARGIN / of.EQUITY, "risk.auction_max_margin_util"),
    _cap("available_margin", "available balance used", of.AVAILABLE_USED / of.AVAILABLE, WHOLE),
    _cap("exposure", "exposure", of.NOTIONAL / of.EQUITY, "risk.max_exposure_pct"),
    _cap("volume_share", "notional", of.ENTRY_NOTIONAL / of.TRADED, "risk.max_volume_share"),
    _cap("max_position_usd", "margin of one position", of.ENTRY_MARGIN, "risk.max_position_usd"),
    _cap("live_limited", "notional of one position", of.ENTRY_NOTIONAL / of.EQUITY, LIMITED),
    _cap("tier", "notional", of.ENTRY_NOTIONAL / of.TIER_NOTIONAL, WHOLE),
)
# What the risk asks for, before any cap: the same form.
BY_RISK = _cap("sizing", "risk at the stop", of.ENTRY_RISK / of.SCALED_EQUITY, "perps.risk_pct")


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
    values = lines(ctx, terms)
    for cap in CAPS:
        limit = limit_of(cap, ctx.account)
        if limit is not None:
            yield rule_of(cap, _said(cap, ctx, terms), values, limit)


def limit_of(cap: Cap, account: AccountContext) -> Decimal | None:
    """The value of its knob; of mode live_limited's own, what that mode demands. None: it is not set."""
    if cap.inequality.bound == LIMITED:
        return account.limited.max_position if account.limited is not None else None
    return cap.inequality.limit(account.config)


def rule_of(cap: Cap, label: str, values: Lines, limit: Decimal) -> CapRule:
    grows, share_of = cap.inequality.term.share()
    held = grows.line(values)
    of_what = share_of.line(values) if share_of is not None else Line(ONE)
    shown = limit if share_of == of.EQUITY else None
    return CapRule(cap.name, label, held.at, held.per_unit, limit * of_what.at, -limit * of_what.per_unit, shown)


def lines(ctx: SymbolContext, terms: Terms) -> dict[str, Line]:
    """What the caps speak of (domain/quantities.py), with what each unit entered adds to it at its worst."""
    account = ctx.account
    snapshot, margin = account.snapshot, terms.margin_per_unit
    positions = sum((position.initial_margin for position in snapshot.positions), ZERO)
    return {
        of.EQUITY.name: Line(account.equity - account.pending_cost, -terms.cost_per_unit),
        of.ENTRY_NOTIONAL.name: Line(ZERO, terms.high),
        of.ENTRY_MARGIN.name: Line(ZERO, margin),
        of.POSITIONS_MARGIN.name: Line(positions + account.pending_margin, margin),
        of.INITIAL_MARGIN.name: Line(snapshot.account.initial_margin + account.pending_margin, margin),
        of.NOTIONAL.name: Line(_notional_at_risk(account), terms.high),
        of.AVAILABLE.name: Line(snapshot.account.available),
        of.AVAILABLE_USED.name: Line(account.pending_margin + account.pending_cost, margin + terms.high * terms.fee),
        of.TRADED.name: Line(liquidity_of(ctx).volume),
        of.TIER_NOTIONAL.name: Line(_largest_at(ctx, terms.leverage)),
    }


def _said(cap: Cap, ctx: SymbolContext, terms: Terms) -> str:
    """The label, with what this entry makes of it."""
    if cap.name == "volume_share":
        traded = liquidity_of(ctx)
        assumed = "" if traded.known else f" (not known, taken as {traded.volume:.0f})"
        return f"{cap.label}, as {percent(ctx.account.config.risk.max_volume_share)} of what is traded in 24 h{assumed}"
    return f"{cap.label} at {terms.leverage}x" if cap.name == "tier" else cap.label


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
