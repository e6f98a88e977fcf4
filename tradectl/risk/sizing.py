"""From an admitted signal to a tradable quantity: risk / stop distance, scaled by confidence and tier, then the caps.

A quantity only ever shrinks on its way through here, and it is rounded down; too small is a refusal (promise 8).
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from tradectl.domain import quantities as of
from tradectl.domain.inequality import Line
from tradectl.domain.money import ONE, ZERO, percent
from tradectl.domain.signal import Admitted, Cap, Sized, SymbolRefusal, Verdict
from tradectl.risk import caps
from tradectl.risk.context import AccountContext, SymbolContext
from tradectl.risk.exits import ExitPlan, plan
from tradectl.risk.gates import (
    daily_loss_room,
    equity,
    exit_plan,
    leverage,
    liquidity,
    margin_ratio,
    min_notional,
    position_count,
    precision,
)
from tradectl.risk.liquidity import Liquidity, liquidity_of, tier_scale
from tradectl.risk.terms import Terms, terms_of

BEFORE_SIZING: tuple[Callable[[SymbolContext], Verdict], ...] = (
    equity.check,
    margin_ratio.check,
    position_count.check,
    liquidity.check,
    leverage.check,
)


def size(admitted: Admitted, ctx: SymbolContext) -> Sized | SymbolRefusal:
    """A Sized whose every verdict passed, or the refusal that ended it. Stops at the first refusal."""
    signal = admitted.signal
    verdicts = list(admitted.verdicts)

    def refuses(verdict: Verdict) -> bool:
        verdicts.append(verdict)
        return not verdict.passed

    for gate in BEFORE_SIZING:
        if refuses(gate(ctx)):
            return SymbolRefusal(ctx.symbol, tuple(verdicts), signal)

    terms = terms_of(ctx, signal.side)
    exits = plan(ctx, signal, terms)
    market = liquidity_of(ctx)
    wanted, by_risk = _by_risk(ctx, terms, exits, market, signal.confidence)
    if refuses(by_risk):
        return SymbolRefusal(ctx.symbol, tuple(verdicts), signal)

    capped, bound, cap_verdicts = _apply_caps(ctx, terms, wanted)
    verdicts.extend(cap_verdicts)
    if not cap_verdicts[-1].passed or refuses(min_notional.check(ctx, terms, capped)):
        return SymbolRefusal(ctx.symbol, tuple(verdicts), signal)

    qty = ctx.instrument.floor_qty(capped)
    if (
        refuses(precision.check(ctx, terms, qty))
        or refuses(exit_plan.check(ctx, terms, exits, qty))
        or refuses(daily_loss_room.check(ctx, terms, exits, qty))
    ):
        return SymbolRefusal(ctx.symbol, tuple(verdicts), signal)
    return Sized(
        admitted=admitted,
        instrument=ctx.instrument,
        side=signal.side,
        qty=qty,
        slices=ctx.instrument.market_slices(qty),
        reference_price=terms.reference,
        notional=qty * terms.reference,
        leverage=terms.leverage,
        initial_margin=qty * terms.reference / terms.leverage,
        stop_price=exits.stop,
        target_price=None if exits.targets else exits.target,
        risk_amount=qty * abs(terms.reference - exits.stop),
        caps=_said_of_tier(ctx, terms, market, wanted) + bound,
        verdicts=tuple(verdicts),
        targets=exits.targets,
    )


def scale_for(account: AccountContext, confidence: Decimal) -> Decimal:
    """How confidence scales the size: up from `high` on, down below `low`."""
    bands = account.config.risk.confidence
    if confidence >= bands.high:
        return bands.high_scale
    return bands.low_scale if confidence < bands.low else ONE


def _by_risk(
    ctx: SymbolContext, terms: Terms, exits: ExitPlan, market: Liquidity, confidence: Decimal
) -> tuple[Decimal, Verdict]:
    """The quantity whose loss at the stop is the risk capital, before any cap, with the verdict of this step."""
    account, currency = ctx.account, ctx.instrument.quote
    distance = (terms.reference - exits.stop) * terms.side.sign
    if distance <= 0 or exits.stop <= 0:
        return ZERO, Verdict(
            "sizing",
            False,
            f"no size: the stop {exits.stop} does not lie behind the entry {terms.reference}",
            distance,
            ZERO,
            distance,
            "price",
            context=(("symbol", ctx.symbol),),
        )
    scale, of_tier = scale_for(account, confidence), tier_scale(account.config, market.limits_of)
    values = {of.ENTRY_RISK.name: Line(ZERO, distance), of.SCALED_EQUITY.name: Line(account.equity * scale * of_tier)}
    rule = caps.rule_of(caps.BY_RISK, caps.BY_RISK.label, values, caps.BY_RISK.inequality.limit_set(account.config))
    capital, qty = rule.bound, rule.most()
    return qty, Verdict(
        "sizing",
        True,
        f"risk {capital:.2f} {currency} ({percent(account.config.perps.risk_pct)} of equity, confidence ×{scale}, "
        f"tier {market.limits_of} ×{of_tier}) over a stop distance of {distance} "
        f"wants {qty * terms.reference:.2f} {currency}",
        qty * distance,
        capital,
        capital - qty * distance,
        "quote",
    )


def _said_of_tier(ctx: SymbolContext, terms: Terms, market: Liquidity, wanted: Decimal) -> tuple[Cap, ...]:
    """What is to be said where the tier took of the size, or a limit of the leverage. `wanted` is scaled already."""
    account, currency = ctx.account, ctx.instrument.quote
    said: list[Cap] = []
    scale, after = tier_scale(account.config, market.limits_of), wanted * terms.reference
    if scale < ONE:
        before = after / scale
        sentence = f"size ×{scale} of {market.sentence} {currency}: size capped from {before:.2f} to {after:.2f}"
        said.append(Cap("size_by_tier", f"{sentence} {currency}", before, after))
    asked = account.config.perps.leverage
    if terms.leverage < asked:
        limit, whose = leverage.leverage_limit(ctx)
        sentence = f"leverage capped from {asked}x to {terms.leverage}x (limit={limit}x: {whose})"
        said.append(Cap("leverage", sentence, after, after))
    return tuple(said)


def _apply_caps(
    ctx: SymbolContext, terms: Terms, wanted: Decimal
) -> tuple[Decimal, tuple[Cap, ...], tuple[Verdict, ...]]:
    """The quantity left after every cap, the caps that bound, and a verdict per cap; the last one may refuse."""
    account, currency = ctx.account, ctx.instrument.quote
    equity_left = account.equity - account.pending_cost
    qty = wanted
    bound: list[Cap] = []
    passed: list[caps.CapRule] = []
    refusal: Verdict | None = None
    for rule in caps.rules(ctx, terms):
        most = rule.most()
        if most <= 0:
            refusal = rule.refusal(qty * terms.reference, ctx.symbol, account.equity)
            break
        passed.append(rule)
        if most < qty:
            before, after = qty * terms.reference, most * terms.reference
            limit = percent(rule.of_equity) if rule.of_equity is not None else f"{rule.bound:.2f} {currency}"
            sentence = f"{rule.label} (limit={limit}): size capped from {before:.2f} to {after:.2f} {currency}"
            bound.append(Cap(rule.name, sentence, before, after))
            qty = most
    verdicts = [rule.verdict(qty, equity_left, terms.cost_per_unit) for rule in passed]
    if refusal is not None:
        verdicts.append(refusal)
    return qty, tuple(bound), tuple(verdicts)
