"""Stops: inside liquidation, kept at the venue, and as many as the venue takes."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from tradectl.domain.money import ONE, ZERO, percent, text
from tradectl.validation.book import LEVERAGE, STOP, book_of, maintenance_of
from tradectl.validation.facts import Facts, ratio
from tradectl.validation.rule import Finding, error, note, unchecked

MODE, TARGETS, VENUE = "perps.margin_mode", "exits.targets", "venue.name"
MOST = "risk.max_leverage"
DEAD_MAN = "venue.cancel_all_after_seconds"


def tc08(facts: Facts) -> Iterator[Finding]:
    book, stop = book_of(facts), facts.limits.perps.stop_loss_pct
    rate, fee = maintenance_of(facts, book.one.notional), facts.market.taker_fee
    cost = (rate or ZERO) + max(fee or ZERO, ZERO)
    parts = {
        f"maintenance {percent(rate or ZERO)}": rate is not None,
        f"fees {percent(max(fee or ZERO, ZERO))}": fee is not None,
    }
    known = ", ".join(part for part, told in parts.items() if told)
    if rate is None or fee is None:
        names = [name for name, value in (("maintenance", rate), ("fees", fee)) if value is None]
        one = len(names) == 1
        missing = f"{' and '.join(names)} of the venue, which {'is' if one and rate is None else 'are'} not known here"
        known = f"{known} and {missing}" if known else missing
    if facts.config.perps.margin_mode == "cross":
        notional = book.all.notional
        reach = ratio(ONE - notional * cost, notional * (ONE + cost))
        sums, knobs = f"(1 − {text(notional)} × ({known})) / {text(notional)} = {percent(reach)}", book.all.knobs
        change = "a nearer stop, or lower caps"
    else:
        reach = ratio(ONE, book.leverage) - cost
        sums, knobs = f"1 / {text(book.leverage)} less {known} = {percent(reach)}", (LEVERAGE, MOST)
        change = f"perps.stopLossPct below {text(max(reach, ZERO).quantize(Decimal('0.0001')))}, or less leverage"
    if stop >= reach:
        yield error(
            "the stop lies beyond liquidation: it protects nothing",
            f"{percent(stop)} < {percent(reach)} does not hold; {sums}",
            STOP,
            MODE,
            *knobs,
            change=change,
        )
    elif rate is None or fee is None:
        yield unchecked(f"how far liquidation lies exactly: {known}; without them {sums}", STOP, *knobs)


def tc21(facts: Facts) -> Iterator[Finding]:
    seconds = facts.config.venue.cancel_all_after_seconds
    if seconds is None:
        return
    if facts.venue.keeps_stops:
        yield note("the venue is known to keep stops when it cancels all", f"{seconds} s", DEAD_MAN, VENUE)
        return
    yield error(
        "the dead-man switch cancels the stops just when the bot is dead",
        f"the venue cancels every order {seconds} s after the last sign of life, and {facts.venue.name} is not known "
        f"to keep stops; up to {facts.count} positions would be naked",
        DEAD_MAN,
        VENUE,
        change="remove venue.cancelAllAfterSeconds; `health` and a pager tell that a bot is dead",
    )


def tc25(facts: Facts) -> Iterator[Finding]:
    limit = facts.venue.conditional_orders
    targets = max(len(facts.config.exits.targets), 1)
    each = facts.market.conditional_orders
    for symbol, most in each.items():
        if 1 + targets + 1 > most:
            yield error(
                f"{symbol}: the stop and targets of one position do not fit in what the venue takes",
                f"1 stop + {targets} targets + 1 replacement = {targets + 2} > {most}",
                TARGETS,
                VENUE,
                change=f"at most {max(most - 2, 0)} targets",
            )
    if limit is None:
        if not each:
            yield unchecked("the venue's limit of conditional orders is not known here", VENUE)
        return
    needed = facts.count * (1 + targets) + 1
    if limit and needed > limit:
        fits = max((limit - 1) // (1 + targets), 0)
        yield error(
            "the stops of a full book do not fit in what the venue takes",
            f"{facts.count} positions × (1 stop + {targets} targets) + 1 replacement = {needed} > {limit}",
            "risk.max_concurrent_positions",
            TARGETS,
            "market.candidate_symbols",
            VENUE,
            change=f"at most {fits} positions with these targets" if fits else "fewer targets",
        )
