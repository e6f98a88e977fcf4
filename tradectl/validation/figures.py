"""What a configuration comes to, in a few figures: the limits in force, and the largest book that they let through."""

from __future__ import annotations

from dataclasses import dataclass

from tradectl.domain.money import percent, text
from tradectl.validation.book import book_of, leverage_of, loss_at_stop
from tradectl.validation.facts import Facts


@dataclass(frozen=True, slots=True)
class Figure:
    """id: stable, for scripts. text: with its unit, and with the cap that makes it so where one does."""

    id: str
    name: str
    text: str


def figures(facts: Facts) -> tuple[Figure, ...]:
    """Of the strictest of configuration, profile and mode: what the bot goes by, not only what is written."""
    limits, book = facts.limits, book_of(facts)
    worst, day = loss_at_stop(facts, book.all.notional), percent(limits.trading.max_daily_risk)
    return (
        Figure("risk_per_trade", "risk per trade in force", percent(limits.perps.risk_pct)),
        Figure("daily_loss", "a day may lose", day),
        Figure("leverage", "leverage used", f"{text(leverage_of(facts))}x"),
        Figure("confidence_floor", "confidence of a signal, at least", text(limits.risk.confidence.floor)),
        Figure("positions", "positions at one time", str(facts.count)),
        Figure("largest_position", "largest position", f"{percent(book.one.notional)} of equity ({book.one.name})"),
        Figure("largest_book", "largest book", f"{percent(book.all.notional)} of equity ({book.all.name})"),
        Figure("margin", "margin at the caps", f"{percent(book.margin)} of equity"),
        Figure("all_stops", "all stops hit at once", f"{percent(worst)} of equity; a day may lose {day}"),
    )
