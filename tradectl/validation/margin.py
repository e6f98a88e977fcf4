"""Margin: the gate before the trade against the halt after it, and what the caps let through at all."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from tradectl.domain.money import ONE, ZERO, percent, text
from tradectl.validation.book import AUCTION, Book, book_of, maintenance_of
from tradectl.validation.facts import Facts, ratio
from tradectl.validation.rule import Finding, error, note, unchecked, warning

HALT = "safety.max_margin_utilization_pct"
DEGRADED = "safety.degraded_margin_utilization_pct"
RATIO = "perps.max_margin_ratio"
ROOM_WARNING, ROOM_ERROR = Decimal("0.02"), Decimal("0.005")  # of equity
RATIO_WITH_ROOM = Decimal("0.90")  # beyond it, less than a tenth of equity is left when the gate closes


def tc01(facts: Facts) -> Iterator[Finding]:
    gate, halt = facts.config.risk.auction_max_margin_util, facts.config.safety.max_margin_utilization_pct
    if gate >= halt:
        yield error(
            f"entries may use {percent(gate)} of equity as margin, and {percent(halt)} halts: every full book trips "
            "the kill switch",
            f"{percent(gate)} < {percent(halt)} does not hold: {percent(gate - halt)} beyond the halt",
            AUCTION,
            HALT,
            change=f"risk.auction_max_margin_util below {text(halt)}, with room for a move (TC03): for example "
            f"{text(max(halt - 2 * ROOM_WARNING, ZERO))}",
        )
    if halt >= ONE:
        yield error(
            "the margin halt is at all of equity or more: it comes when nothing is left",
            f"{percent(halt)} < 100% does not hold",
            HALT,
            change="safety.max_margin_utilization_pct below 1: 0.92 by default",
        )


def tc02(facts: Facts) -> Iterator[Finding]:
    degraded, gate = facts.config.safety.degraded_margin_utilization_pct, facts.config.risk.auction_max_margin_util
    if degraded > gate:
        yield warning(
            "the ceiling of entries is reached before the first warning of margin",
            f"{percent(degraded)} ≤ {percent(gate)} does not hold",
            DEGRADED,
            AUCTION,
            change=f"safety.degraded_margin_utilization_pct at most {text(gate)}",
        )


def rooms(margin: Decimal, notional: Decimal, halt: Decimal) -> dict[str, Decimal]:
    """{how margin is reckoned: the loss, of equity, that carries a book to the halt}. Endless where it never does.

    With constant margin, m / (1 − x) = h. Where the venue reckons it from the mark, it grows with a short's loss and
    shrinks with a long's: m (1 ± x/n) / (1 − x) = h. x is the loss, n the notional, both of equity.
    """
    if not margin or not notional:
        return {}
    per_loss = ratio(margin, notional)
    slopes = {
        "constant margin": halt,
        "short, margin at mark": halt + per_loss,
        "long, margin at mark": halt - per_loss,
    }
    return {name: ratio(halt - margin, slope) for name, slope in slopes.items() if slope > 0}


def tc03(facts: Facts) -> Iterator[Finding]:
    halt, book = facts.config.safety.max_margin_utilization_pct, book_of(facts)
    found = rooms(book.margin, book.all.notional, halt)
    if not found:
        return
    funding, costs = facts.market.funding, facts.market.taker_fee
    extra = book.all.notional * (abs(funding or ZERO) + max(costs or ZERO, ZERO))
    gross = min(found.values())
    room = gross - extra
    if room >= ROOM_WARNING:
        return
    each = ", ".join(f"{name} {percent(value)}" for name, value in found.items())
    known = "" if funding is not None and costs is not None else " (the venue's are not known here)"
    arithmetic = (
        f"{book.shown()}; halt at {percent(halt)}; loss of equity until then: {each}; less one funding payment and "
        f"the fee of leaving, {percent(extra)}{known}: {percent(room)}, a move of "
        f"{percent(ratio(max(room, ZERO), book.all.notional))} against the book"
    )
    make = error if room < ROOM_ERROR else warning
    yield make(
        f"a book at the caps is {percent(max(room, ZERO))} of equity from the margin halt",
        arithmetic,
        HALT,
        *dict.fromkeys((AUCTION, *book.all.knobs, *book.one.knobs)),
        change=f"lower {book.all.knobs[0]}, or the budget risk.auction_max_margin_util, until {percent(ROOM_WARNING)} "
        "are left",
    )


def tc12(facts: Facts) -> Iterator[Finding]:
    book, halt = book_of(facts), facts.config.safety.max_margin_utilization_pct
    if book.margin >= halt:
        return
    knobs = tuple(dict.fromkeys((HALT, *book.all.knobs, *book.one.knobs)))
    reach = _reach(facts, book)
    if reach >= halt:
        yield note(
            f"margin utilisation reaches {percent(book.margin)} by entries; {book.all.name} ends it",
            book.shown(),
            *knobs,
        )
        return
    arithmetic = (
        f"{book.shown()}; after a fall that loses all of that margin: {percent(reach)}, and {percent(halt)} halts"
    )
    if HALT in facts.written:
        yield warning(
            "the margin halt that is set can never trip: it guards nothing",
            arithmetic,
            *knobs,
            change=f"safety.max_margin_utilization_pct below {text(reach.quantize(Decimal('0.0001')))}, or leave it "
            "at its default as a second line",
        )
    else:
        yield note(
            f"the margin halt at its default of {percent(halt)} is out of reach: entries end at {percent(book.margin)} "
            f"({book.all.name}), and the halt is a second line only",
            arithmetic,
            *knobs,
        )


def _reach(facts: Facts, book: Book) -> Decimal:
    """The largest utilisation before the book is gone: constant margin over what is left when its margin is lost.

    Cross: the whole account backs it, and there is no end to the fall before that of equity.
    """
    if facts.config.perps.margin_mode == "cross":
        return ONE
    return ratio(book.margin, ONE - book.margin) if book.margin < ONE else ONE


def tc26(facts: Facts) -> Iterator[Finding]:
    limit, book = facts.config.perps.max_margin_ratio, book_of(facts)
    if limit >= RATIO_WITH_ROOM:
        yield (error if limit >= ONE else warning)(
            "the gate of the margin ratio closes when liquidation is at hand",
            f"liquidation at 100%, the gate at {percent(limit)}: {percent(ONE - limit)} of equity between them, "
            f"less than {percent(ONE - RATIO_WITH_ROOM)}",
            RATIO,
            change="perps.maxMarginRatio at most 0.90; 0.80 by default",
        )
    rate = maintenance_of(facts, book.one.notional)
    if rate is None:
        yield unchecked("the venue's maintenance margins are not known here", RATIO)
        return
    ratio = book.all.notional * rate
    if ratio > limit:
        yield warning(
            "a book at the caps is beyond the margin ratio that ends entries",
            f"{book.shown()}; maintenance {percent(ratio)} of equity, the gate at {percent(limit)}",
            RATIO,
            *book.all.knobs,
            change="lower the caps, or perps.leverage",
        )
