"""What a guard session says: at its start, what it can and cannot do; after each cycle, what it looked after."""

from __future__ import annotations

from tradectl import logs
from tradectl.domain.money import amount
from tradectl.domain.position import Protection, coverage
from tradectl.domain.snapshot import Snapshot
from tradectl.domain.tags import Tag
from tradectl.engine.bot import Bot
from tradectl.engine.cycle_report import CycleReport
from tradectl.execution.whose import owner
from tradectl.store import positions

_log = logs.get("engine.guard")


def say_start(bot: Bot) -> None:
    """The lines an operator goes by: nothing here may promise more than is done."""
    with bot.db.read() as conn:
        ours = sorted(positions.alive(conn))
    _log.emit(Tag.SESSION, "GUARD: no strategy and no entries; it watches every position and order of the account")
    if bot.protection.unexplained:
        _log.emit(
            Tag.SESSION,
            "GUARD protects: a missing stop is placed on every position, whoever's, measured from the mark where "
            "nothing of ours explains it (safety.protection.unexplained: protect)",
        )
    else:
        _log.emit(
            Tag.SESSION,
            "GUARD only reports positions without a stop that are not ours; to have stops placed on them set "
            "safety.protection.unexplained: protect",
            level=30,
        )
    if ours:
        _log.emit(
            Tag.SESSION,
            f"GUARD manages what this store opened before: {', '.join(ours)}: stops, targets and break-even; no exit "
            "on a signal, and no trailing by ATR, for no candles are read",
        )
    _log.emit(
        Tag.SESSION,
        "GUARD closes nothing and cancels nothing of others, but in a halt: then every order that can add exposure is "
        "cancelled in each pass, whoever placed it; stops stay, and so do others' take-profits (killswitch activate "
        "cancels those too)",
    )
    _log.emit(
        Tag.SESSION,
        "GUARD CANNOT FENCE: what else trades this account goes on, in a halt too; only disabling its API key at the "
        "venue, or stopping it, ends that",
        level=30,
    )


def summary_fields(report: CycleReport) -> dict[str, object]:
    seen = report.snapshot
    return {
        "cycle": report.number,
        "duration_ms": report.duration_ms,
        "positions": len(_held(seen)),
        "unprotected": len(_bare(seen)),
        "orders": _resting(seen),
        "system_state": report.system_state,
        "throttled_ms": report.throttled_ms,
        "equity": f"{seen.equity:.2f}",
    }


def in_words(bot: Bot, report: CycleReport) -> str:
    seen = report.snapshot
    with bot.db.read() as conn:
        whose = owner(conn, bot.db.identity.store_tag, seen.orders)
    others = sum(order.status.open and not whose.ours(order) for order in seen.orders)
    bare = _bare(seen)
    covered = f"NOT PROTECTED: {', '.join(bare)}" if bare else "all covered" if _held(seen) else "nothing to protect"
    money = amount(seen.equity, bot.venue.currency)
    held, resting = _counted(len(_held(seen)), "position"), _counted(others, "order")
    return f"guard: {held}, {covered}; {resting} of others; equity {money}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _held(seen: Snapshot) -> list[str]:
    return [position.symbol for position in seen.positions if position.qty]


def _bare(seen: Snapshot) -> list[str]:
    return [
        position.symbol
        for position in seen.positions
        if position.qty and coverage(position, seen.orders).protection is not Protection.COVERED
    ]


def _resting(seen: Snapshot) -> int:
    return sum(order.status.open for order in seen.orders)
