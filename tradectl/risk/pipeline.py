"""The gates in order, as tables: from an account and a candle to an admitted signal, then to a size (promise 8).

Each table stops at its first refusal, so a refusal is always the last verdict. Refusals block entries only; managing
what is open never passes through here. The engine's order of calls:

    before_data(account, symbol)   once per symbol, before market data is fetched
    with_data(ctx)                 history, freshness, new candle
    strategy.evaluate(...)         the signal; none is a decision too
    admit(ctx, signal, verdicts)   Signal → Admitted
    size(admitted, ctx)            Admitted → Sized
"""

from __future__ import annotations

from collections.abc import Callable

from tradectl.config.schema import Config
from tradectl.domain.signal import Admitted, Signal, Sized, SymbolRefusal, Verdict
from tradectl.risk import sizing
from tradectl.risk.context import AccountContext, SymbolContext
from tradectl.risk.gates import (
    circuit_breaker,
    confidence,
    cooldown,
    daily_loss,
    drawdown,
    enabled,
    fresh,
    history,
    latches,
    new_candle,
    occupied,
    session_runtime,
    session_trades,
    spread,
    volatility,
)

AccountGate = Callable[[AccountContext, str], Verdict]
DataGate = Callable[[SymbolContext], Verdict]
SignalGate = Callable[[SymbolContext, Signal], Verdict]

BEFORE_DATA: tuple[AccountGate, ...] = (
    enabled.check,
    latches.check,
    circuit_breaker.check,
    daily_loss.check,
    drawdown.check,
    session_trades.check,
    session_runtime.check,
)
WITH_DATA: tuple[DataGate, ...] = (history.check, fresh.check, new_candle.check)
ON_SIGNAL: tuple[SignalGate, ...] = (
    confidence.check,
    cooldown.check,
    volatility.check,
    spread.check,
    occupied.check,
)

# What `admit` wants to have been answered; a gate's id is the name of its file.
_BEFORE_SIGNAL = tuple(gate.__module__.rpartition(".")[2] for gate in (*BEFORE_DATA, *WITH_DATA))
VENUE_CANDLES = 100  # what is asked for at least, as the background system did


def candles_needed(config: Config, strategy_needs: int) -> int:
    """How many candles to ask the venue for, so that every gate and the strategy have theirs: one may be open."""
    return max(VENUE_CANDLES, history.MIN_CANDLES, strategy_needs, volatility.needs(config)) + 1


def before_data(account: AccountContext, symbol: str) -> tuple[Verdict, ...]:
    """Gates 1 to 5. The last verdict is the refusal, if there is one."""
    verdicts: list[Verdict] = []
    for gate in BEFORE_DATA:
        verdict = gate(account, symbol)
        verdicts.append(verdict)
        if not verdict.passed:
            break
    return tuple(verdicts)


def with_data(ctx: SymbolContext) -> tuple[Verdict, ...]:
    """Gates 6 to 8. The last verdict is the refusal, if there is one."""
    verdicts: list[Verdict] = []
    for gate in WITH_DATA:
        verdict = gate(ctx)
        verdicts.append(verdict)
        if not verdict.passed:
            break
    return tuple(verdicts)


def admit(ctx: SymbolContext, signal: Signal, verdicts_so_far: tuple[Verdict, ...]) -> Admitted | SymbolRefusal:
    """Gates 10 and 11 on a real signal. `verdicts_so_far` are those of `before_data` and `with_data`, in order.

    A refusal among them is answered with that refusal. Raises ValueError when one is missing: no gate is skipped.
    The account's own gates answer once more, with `ctx.account` as it is now: what was sent for another symbol since
    they were asked counts (promise 8).
    """
    for index, verdict in enumerate(verdicts_so_far):
        if not verdict.passed:
            return SymbolRefusal(ctx.symbol, verdicts_so_far[: index + 1], signal)
    if tuple(verdict.gate for verdict in verdicts_so_far) != _BEFORE_SIGNAL:
        raise ValueError("a signal is admitted only after every gate before it has answered, in order")
    now = before_data(ctx.account, ctx.symbol)
    if refused(now):
        return SymbolRefusal(ctx.symbol, now, signal)
    verdicts = [*now, *verdicts_so_far[len(now) :]]
    for gate in ON_SIGNAL:
        verdict = gate(ctx, signal)
        verdicts.append(verdict)
        if not verdict.passed:
            return SymbolRefusal(ctx.symbol, tuple(verdicts), signal)
    return Admitted(signal, tuple(verdicts))


def size(admitted: Admitted, ctx: SymbolContext) -> Sized | SymbolRefusal:
    """Gates 12 to 15 and the pre-trade limits: a tradable quantity with its exit plan, or the gate that refused."""
    return sizing.size(admitted, ctx)


def refused(verdicts: tuple[Verdict, ...]) -> bool:
    """True when the last verdict of a table is a refusal."""
    return bool(verdicts) and not verdicts[-1].passed
