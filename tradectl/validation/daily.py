"""What a day may lose: the stops together, a streak, and the limits of the day in order."""

from __future__ import annotations

from collections.abc import Iterator

from tradectl.domain.limited import LIVE_LIMITED
from tradectl.domain.money import percent, text
from tradectl.validation.book import STOP, book_of, cost_words, loss_at_stop
from tradectl.validation.facts import Facts
from tradectl.validation.rule import Finding, error, note, warning

DAILY, LIMITED_DAY = "trading.max_daily_risk", "live_limited.max_daily_loss_pct"
STREAK = "perps.consecutive_loss_limit"
DRAWDOWN = "risk_management.crisis_mode.drawdown_threshold"
STOP_DAY, STOP_ON = "ess.max_daily_drawdown_pct", "ess.enabled"
PROFILE = "policy.profile"


def tc06(facts: Facts) -> Iterator[Finding]:
    book, limit = book_of(facts), facts.limits.trading.max_daily_risk
    worst = loss_at_stop(facts, book.all.notional)
    if worst > limit:
        stop = facts.limits.perps.stop_loss_pct
        yield warning(
            f"all stops hit at once lose {percent(worst)}, more than the {percent(limit)} that a day may lose",
            f"{book.shown()}; × (stop {percent(stop)} + {cost_words(facts)}) = {percent(worst)} > {percent(limit)}",
            *dict.fromkeys((DAILY, STOP, *book.all.knobs, *book.one.knobs)),
            change=f"fewer positions or less per trade: {percent(limit)} carries a book of "
            f"{percent(book.all.notional * limit / worst)} of equity",
        )


def tc07(facts: Facts) -> Iterator[Finding]:
    limits = facts.limits
    count, day = limits.perps.consecutive_loss_limit, limits.trading.max_daily_risk
    drawdown = limits.risk_management.crisis_mode.drawdown_threshold
    one = loss_at_stop(facts, book_of(facts).one.notional)
    if day >= drawdown:
        yield warning(
            "the daily limit can never trip: the drawdown ends entries first",
            f"a day that loses {percent(day)} is a drawdown of at least {percent(drawdown)}",
            DAILY,
            DRAWDOWN,
            change=f"trading.max_daily_risk below {text(drawdown)}",
        )
    if count is None:
        return
    streak = count * one
    sums = (
        f"{count} losses × {percent(one)} at the stop ({cost_words(facts)}) = {percent(streak)}; a day may lose "
        f"{percent(day)}, the drawdown ends entries at {percent(drawdown)}"
    )
    knobs = (STREAK, "perps.risk_pct", STOP, DAILY, DRAWDOWN)
    if (count - 1) * one >= drawdown:
        yield warning(
            "the streak limit can never trip: the drawdown ends entries before so many losses in a row",
            sums,
            *knobs,
            change=f"perps.consecutiveLossLimit at most {max(int(drawdown / one), 1)}",
        )
    elif (count - 1) * one > day:
        yield note("the daily limit trips before the streak does, unless the losses lie on several days", sums, *knobs)
    else:
        yield note("the streak trips before the daily limit does", sums, *knobs)


def tc16(facts: Facts) -> Iterator[Finding]:
    config = facts.config
    limited, day = config.live_limited.max_daily_loss_pct, config.trading.max_daily_risk
    profile, stop = facts.profiles[config.policy.profile].max_daily_loss, config.ess.max_daily_drawdown_pct
    strictest = min(profile, day)
    in_limited = facts.mode == LIVE_LIMITED
    if limited > strictest:
        yield (warning if in_limited or LIMITED_DAY in facts.written else note)(
            "live_limited allows a day more than the limits that hold anyway",
            f"{percent(limited)} ≤ {percent(strictest)} (the stricter of profile {percent(profile)} and "
            f"trading.max_daily_risk {percent(day)}) does not hold",
            LIMITED_DAY,
            PROFILE,
            DAILY,
            change=f"live_limited.max_daily_loss_pct at most {text(strictest)}",
        )
    if profile > day:
        yield note(
            f"profile {config.policy.profile} allows a day {percent(profile)}; trading.max_daily_risk is stricter",
            f"{percent(day)} < {percent(profile)}: the stricter holds",
            DAILY,
            PROFILE,
        )
    if not config.ess.enabled:
        yield warning(
            "the emergency stop is off: nothing stands behind the daily limit",
            "ess.enabled is false",
            STOP_ON,
            change="ess.enabled: true",
        )
        return
    holding = min(strictest, limited) if in_limited else strictest
    if holding > stop:
        yield error(
            "the emergency stop trips before the daily limit: each bad day ends in a halt that a person must clear",
            f"{percent(holding)} < {percent(stop)} does not hold",
            DAILY,
            PROFILE,
            STOP_DAY,
            change=f"ess.max_daily_drawdown_pct above {text(holding)}, or trading.max_daily_risk below {text(stop)}",
        )
    elif holding == stop:
        yield note(
            "daily limit and emergency stop fire together",
            f"both at {percent(stop)}: the gate refuses beyond it, and the stop trips on the same loss",
            DAILY,
            STOP_DAY,
        )
