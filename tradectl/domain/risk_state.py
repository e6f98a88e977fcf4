"""The risk counters: day, peak and streak. The store keeps the only copy; these functions move it (promise 7 and 8).

Definitions (spec of quantities): the day is UTC; daily loss is the worse of realised (net of fees and funding) and
total (equity change less transfers) over day-start equity; drawdown is (peak − equity) / peak; a transfer T at
equity E scales peak and day-start by (E + T) / E.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from tradectl.domain.candle import day_of, day_start_ms
from tradectl.domain.money import ZERO, divide


@dataclass(frozen=True, slots=True)
class RiskState:
    """Money in quote currency, times on the venue's clock."""

    day: str
    day_start_equity: Decimal
    day_start_estimated: bool  # the bot was not running at midnight
    realised_today: Decimal  # net of fees and funding; scaled by transfers as the day's start is
    peak_equity: Decimal
    last_equity: Decimal
    last_equity_ms: int
    streak: int = 0  # consecutive trades with negative net P&L
    streak_at_ms: int | None = None  # when the last of them closed
    daily_warned: bool = False  # the 70% warning of this day was given

    def daily_loss(self, equity: Decimal) -> Decimal:
        """As a fraction of day-start equity, never negative."""
        worst = min(self.realised_today, equity - self.day_start_equity)
        return divide(-worst, self.day_start_equity) if worst < 0 and self.day_start_equity > 0 else ZERO

    def drawdown(self, equity: Decimal) -> Decimal:
        """As a fraction of the peak, never negative."""
        return divide(self.peak_equity - equity, self.peak_equity) if equity < self.peak_equity else ZERO


def first_state(equity: Decimal, at_ms: int) -> RiskState:
    """The counters of an account seen for the first time; the day's start is estimated unless it is midnight."""
    return RiskState(
        day=day_of(at_ms),
        day_start_equity=equity,
        day_start_estimated=at_ms != day_start_ms(at_ms),
        realised_today=ZERO,
        peak_equity=equity,
        last_equity=equity,
        last_equity_ms=at_ms,
    )


def observe_equity(
    state: RiskState, equity: Decimal, at_ms: int, realised_since_midnight: Decimal, fresh_within_ms: int
) -> RiskState:
    """The counters after equity was read at `at_ms`.

    Over midnight the day starts anew. Read within `fresh_within_ms` after midnight, equity is the day's start; later
    than that the bot was down over it, and the start is max(last equity before midnight, this one less what was
    realised since), marked estimated: the stricter of the two readings.
    """
    day = day_of(at_ms)
    if day > state.day:  # never back: a clock that went back and returns would begin today's losses anew
        late = at_ms - day_start_ms(at_ms) > fresh_within_ms
        start = max(state.last_equity, equity - realised_since_midnight) if late else equity
        state = replace(
            state,
            day=day,
            day_start_equity=start,
            day_start_estimated=late,
            realised_today=realised_since_midnight,
            daily_warned=False,
        )
    return replace(state, peak_equity=max(state.peak_equity, equity), last_equity=equity, last_equity_ms=at_ms)


def book_cash(state: RiskState, amount: Decimal, at_ms: int) -> RiskState:
    """Adds realised P&L, a fee (negative) or funding to the day it fell on; other days' cash does not move today's."""
    return replace(state, realised_today=state.realised_today + amount) if day_of(at_ms) == state.day else state


def book_trade(state: RiskState, net: Decimal, closed_ms: int) -> RiskState:
    """A loss lengthens the streak; break-even or better resets it."""
    if net < 0:
        return replace(state, streak=state.streak + 1, streak_at_ms=closed_ms)
    return replace(state, streak=0, streak_at_ms=None)


def transfer(state: RiskState, amount: Decimal, equity_before: Decimal) -> RiskState:
    """A deposit (> 0) or withdrawal (< 0) is neither profit nor loss: every share of equity stays what it was.

    Raises ValueError unless equity_before > 0.
    """
    if equity_before <= 0:
        raise ValueError("a transfer can be booked only against positive equity")
    after = equity_before + amount
    return replace(
        state,
        peak_equity=divide(state.peak_equity * after, equity_before),
        day_start_equity=divide(state.day_start_equity * after, equity_before),
        # Scaled with the day's start, or a withdrawal would turn a loss within the limit into one beyond it.
        realised_today=divide(state.realised_today * after, equity_before),
        last_equity=state.last_equity + amount,
    )
