"""`ess status`, `trip`, `reset`, `disable`: the emergency stop by hand. Each change is one transaction, on record.

The rules are those of the bot that ran last: it writes what it goes by into the store.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tradectl.config.section_safety import Ess
from tradectl.domain.emergency_stop import Emergency, EssEvent, EssState, advance
from tradectl.domain.money import dec
from tradectl.domain.system_state import Latch, LatchName, SystemState, system_state
from tradectl.domain.tags import Tag
from tradectl.errors import Refused, UsageError
from tradectl.operations.opening import wall_ms
from tradectl.safety.emergency_stop import Reading, Trip, evaluate, left_ms, losses
from tradectl.store import cycles, halt, latches, outbox, risk, safety, settings, views
from tradectl.store.connection import Connection
from tradectl.store.database import Database

MANUAL = "operator"
_PREFIX = "ess."


@dataclass(frozen=True, slots=True)
class EssPage:
    """trips: what would trip it by the last cycle's numbers; readings: those numbers, none before the first cycle.

    left_ms: of the cooldown. seen_ms: of the last cycle, the venue's clock.
    """

    now: Emergency
    rules: Ess
    trips: tuple[Trip, ...]
    readings: tuple[Reading, ...]
    left_ms: int
    state: SystemState
    seen_ms: int | None

    @property
    def enabled(self) -> bool:
        return self.rules.enabled and self.now.state is not EssState.DISABLED


@dataclass(frozen=True, slots=True)
class EssChange:
    before: Emergency
    after: EssPage
    changed: bool
    overridden: tuple[str, ...] = ()


def status(db: Database) -> EssPage:
    with db.read() as conn:
        return _page(conn, db)


def trip(db: Database, *, by: str, reason: str) -> EssChange:
    """Trips it by hand: halted from this commit on. The running bot sweeps; tripping twice is once."""
    _needs(reason, "a trip needs its reason")
    at_ms = wall_ms()
    with db.transaction() as conn:
        before = safety.ess(conn)
        if before.state is EssState.TRIPPED:
            return EssChange(before, _page(conn, db), False)
        # Also while it is disabled or cools down: an operator's word is no evaluator's.
        now = replace(
            before, state=EssState.TRIPPED, evaluator=MANUAL, evidence=reason, since_ms=at_ms, by=by, cooled_ms=0
        )
        safety.save_ess(conn, now)
        safety.say_ess(conn, before.state, now, at_ms, reason=reason)
        latches.clear(conn, LatchName.ESS_COOLING, "", by=by, reason="tripped again", at_ms=at_ms)
        latches.set_latch(conn, Latch(LatchName.ESS_TRIPPED, "", by, at_ms, f"{MANUAL}: {reason}"))
        _alert(conn, Tag.SAFETY_ESS_TRIPPED, f"emergency stop tripped by {by}: {reason}", at_ms, urgent=True)
        return EssChange(before, _page(conn, db), True)


def reset(db: Database, *, by: str, reason: str, override: bool) -> EssChange:
    """Re-arms it. Raises Refused before it has cooled down, and while an evaluator would trip it again."""
    _needs(reason, "a reset needs its reason")
    at_ms = wall_ms()
    with db.transaction() as conn:
        before, page = safety.ess(conn), _page(conn, db)
        if before.state is EssState.ARMED:
            return EssChange(before, page, False)
        against = _against(page)
        after = advance(before.state, EssEvent.RESET)
        if after is None:
            raise Refused(
                f"the emergency stop is {before.state.value} and cannot be re-armed yet",
                why="the sweep is not done: a bot has to see that nothing is left that could add exposure",
                hint="start the bot: it sweeps, and the cooldown counts while it runs; no entry is possible meanwhile",
            )
        if against and not override:
            raise Refused(
                "the emergency stop stays as it is: its reset is refused",
                why="; ".join(against),
                hint="wait, or repeat with --override, which is recorded",
            )
        now = replace(Emergency(), state=after, since_ms=at_ms, by=by)
        safety.save_ess(conn, now)
        said = reason + (f" (overridden: {'; '.join(against)})" if against else "")
        safety.say_ess(conn, before.state, now, at_ms, reason=said)
        latches.clear(conn, LatchName.ESS_COOLING, "", by=by, reason=said, at_ms=at_ms)
        _alert(conn, Tag.SAFETY_ESS_REARMED, f"emergency stop re-armed by {by}: {said}", at_ms, urgent=True)
        return EssChange(before, _page(conn, db), True, tuple(against))


def disable(db: Database, *, by: str, reason: str) -> EssChange:
    """Takes it out of service, from ARMED only: what has tripped is reset first. Its latch stays visible as such."""
    _needs(reason, "disabling it needs its reason")
    at_ms = wall_ms()
    with db.transaction() as conn:
        before = safety.ess(conn)
        if before.state is EssState.DISABLED:
            return EssChange(before, _page(conn, db), False)
        after = advance(before.state, EssEvent.DISABLE)
        if after is None:
            raise Refused(
                f"the emergency stop is {before.state.value}: it is not disabled from there",
                why="that would lift a restriction whose cause was never looked at",
                hint="tradectl ess reset --approver NAME --reason TEXT first",
            )
        now = replace(before, state=after, since_ms=at_ms, by=by, evaluator=MANUAL, evidence=reason)
        safety.save_ess(conn, now)
        safety.say_ess(conn, before.state, now, at_ms, reason=reason)
        _alert(conn, Tag.SAFETY_ESS_REARMED, f"emergency stop DISABLED by {by}: {reason}", at_ms, urgent=True)
        return EssChange(before, _page(conn, db), True)


def _page(conn: Connection, db: Database) -> EssPage:
    now, rules = safety.ess(conn), _rules(conn)
    counters, seen = risk.load(conn), views.load_account(conn)
    trips: tuple[Trip, ...] = ()
    readings: tuple[Reading, ...] = ()
    if counters is not None and seen is not None:
        trips, readings = evaluate(rules, counters, seen, now), losses(rules, counters, seen)
    active = latches.active(conn)
    state = SystemState.HALTED if halt.read(str(db.path)) is not None else system_state(active)
    progress = cycles.progress(conn)
    return EssPage(now, rules, trips, readings, left_ms(now, rules), state, progress.venue_ms or None)


def _rules(conn: Connection) -> Ess:
    """Those of the bot that ran last; the defaults where none has written any."""
    found = {name: value for name, value in settings.load(conn).items() if name.startswith(_PREFIX)}
    return Ess(
        enabled=found.get("ess.enabled", "True") == "True",
        max_daily_drawdown_pct=dec(found.get("ess.max_daily_drawdown_pct", "0.05")),
        max_open_loss_pct=dec(found.get("ess.max_open_loss_pct", "0.10")),
        max_execution_errors=int(found.get("ess.max_execution_errors", "5")),
        cooldown_minutes=int(found.get("ess.cooldown_minutes", "15")),
        allow_manual_reset=found.get("ess.allow_manual_reset", "True") == "True",
    )


def _against(page: EssPage) -> list[str]:
    why = []
    if page.now.state is EssState.COOLING_DOWN and page.left_ms:
        why.append(f"{page.left_ms / 60_000:.1f} min of its cooldown are left (it counts while a bot runs)")
    if not page.rules.allow_manual_reset:
        why.append("ess.allow_manual_reset is false in the bot's configuration")
    # Errors in a row end with a reset; losses do not.
    why += [
        f"{one.evaluator} would trip it again: {one.evidence}" for one in page.trips if "errors" not in one.evaluator
    ]
    return why


def _needs(reason: str, what: str) -> None:
    if not reason.strip():
        raise UsageError(what, hint="--reason TEXT")


def _alert(conn: Connection, tag: Tag, sentence: str, at_ms: int, *, urgent: bool = False) -> None:
    outbox.put(conn, at_ms=at_ms, type=tag.value.lower(), symbol="", urgent=urgent, text=sentence, context={})
