"""How the answer of a venue is shown: who was asked, what it told, and what it did not, with the reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from tradectl.cli.render import Screen
from tradectl.domain.instrument import Instrument
from tradectl.domain.money import amount, percent, text
from tradectl.domain.terms import Missing, Terms, Untold
from tradectl.operations.validate_config import Online

_EACH = 5  # markets shown one by one
_SAME_MS = 50  # two clocks that differ by less, read over a network


def plain(online: Online | None) -> dict[str, Any] | None:
    if online is None:
        return None
    return {"asked": online.terms is not None, "why": online.why, "skewed": online.skewed, "terms": online.terms}


def draw(screen: Screen, online: Online) -> None:
    terms = online.terms
    if terms is None:
        screen.text(f"--online: {online.why}", "warn" if online.exit_code else "dim")
        return
    requests = f"{terms.requests} request{'s' * (terms.requests != 1)}"
    screen.text(f"asked {terms.venue} {terms.environment} at {terms.host}, {requests}", "dim")
    screen.facts([(f"  {name}", words) for name, words in _told(terms) if words])
    if online.skewed and terms.skew_ms is not None:
        screen.text(
            f"WARNING this machine's clock {_clock(terms.skew_ms)} the venue's: more than venue.max_clock_skew_ms, "
            "and no entry would be made",
            "warn",
        )
    for names, one in _together(terms.untold):
        screen.text(f"NOT TOLD {names}: {one.why}", "dim" if one.missing in (Missing.NO_KEY, Missing.NONE) else "warn")
        screen.facts([("  do", one.hint)] if one.hint else [])


def _told(terms: Terms) -> Iterator[tuple[str, str]]:
    if len(terms.instruments) > _EACH:
        yield "markets", f"{len(terms.instruments)} of {len(terms.instruments) + len(terms.unlisted)} are traded there"
    else:
        for index, (symbol, one) in enumerate(terms.instruments.items()):
            yield "" if index else "markets", f"{symbol}: {_market(one, terms.prices.get(symbol))}"
    rates = (
        ("taker fee", terms.taker_fees),
        ("spread", terms.spreads),
        ("funding", terms.funding),
    )
    yield "costs", ", ".join(f"{name} {_range(found)}" for name, found in rates if found)
    yield "equity", amount(terms.equity, terms.currency) if terms.equity is not None else ""
    yield "clock", f"ours {_clock(terms.skew_ms)} the venue's" if terms.skew_ms is not None else ""


def _market(one: Instrument, price: Decimal | None) -> str:
    parts = [f"at {text(price)}"] if price is not None else []
    parts.append(f"orders from {text(one.min_qty)} {one.base} and {text(one.min_notional)} {one.quote}")
    if one.tiers:
        first = one.tiers[0]
        parts.append(
            f"{text(first.max_leverage)}x and {percent(first.maintenance_rate)} maintenance up to "
            f"{amount(first.notional_cap, one.quote, 0)}"
        )
    return ", ".join(parts)


def _range(found: Mapping[str, Decimal]) -> str:
    low, high = min(found.values()), max(found.values())
    return percent(low, 4) if low == high else f"{percent(low, 4)} to {percent(high, 4)}"


def _clock(skew_ms: int) -> str:
    if abs(skew_ms) < _SAME_MS:
        return "agrees with"
    return f"is {abs(skew_ms) / 1000:.1f} s {'ahead of' if skew_ms > 0 else 'behind'}"


def _together(untold: tuple[Untold, ...]) -> Iterator[tuple[str, Untold]]:
    """What is missing for the same reason, on one line."""
    seen: dict[tuple[str, str], list[Untold]] = {}
    for one in untold:
        seen.setdefault((one.missing, one.why), []).append(one)
    for group in seen.values():
        yield "; ".join(one.what for one in group), group[0]
