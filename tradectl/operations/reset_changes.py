"""What a reset would change, thing by thing, and whether the cause of each still holds. Judged on one read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

from tradectl.domain.intent import Intent
from tradectl.domain.money import amount, percent, text
from tradectl.domain.position import Protection, coverage
from tradectl.domain.risk_state import RiskState
from tradectl.domain.snapshot import Snapshot
from tradectl.domain.system_state import LATCH_RULES, Latch, LatchName
from tradectl.errors import UsageError
from tradectl.operations.times import when
from tradectl.store import cycles, halt, intents, latches, limits, risk, session, views
from tradectl.store.connection import Connection
from tradectl.store.database import Database
from tradectl.store.limits import LimitRow
from tradectl.store.session import Session

COUNTERS = ("daily", "peak", "streak", "session")
LATCH_PREFIX = "latch:"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing a reset would do. `holds`: the cause that still holds, '' when none does; `final`: no override helps.

    Equal `before` and `after` mean that there is nothing to clear.
    """

    target: str
    before: str
    after: str
    holds: str = ""
    final: bool = False
    hint: str = ""

    @property
    def nothing(self) -> bool:
        return self.before == self.after


@dataclass(frozen=True, slots=True)
class World:
    """What a reset is judged on, from one read."""

    currency: str
    counters: RiskState | None
    limits: list[LimitRow]
    session: Session | None
    latches: tuple[Latch, ...]
    doubts: tuple[Intent, ...]
    seen: Snapshot | None
    venue_ms: int
    halt_reason: str | None
    halt_path: str

    def limit(self, name: str) -> Decimal | None:
        return next((row.limit for row in self.limits if row.name == name), None)


def look(conn: Connection, db: Database) -> World:
    """Inside the caller's read or transaction."""
    return World(
        currency=db.identity.currency,
        counters=risk.load(conn),
        limits=limits.load(conn),
        session=session.current(conn),
        latches=latches.active(conn),
        doubts=intents.in_doubt(conn),
        seen=views.load_account(conn),
        venue_ms=cycles.progress(conn).venue_ms,
        halt_reason=halt.read(str(db.path)),
        halt_path=halt.halt_path(str(db.path)),
    )


def latch_name(scope: str) -> tuple[LatchName, str | None]:
    """(name, symbol or None for every scope of it) of 'latch:NAME' or 'latch:NAME:SYMBOL'."""
    name, _, symbol = scope.removeprefix(LATCH_PREFIX).partition(":")
    try:
        found = LatchName(name)
    except ValueError:
        names = ", ".join(latch.value for latch in LatchName)
        raise UsageError(f"there is no latch '{name}'", hint=f"one of: {names}") from None
    return found, (symbol.upper() if LATCH_RULES[found].by_symbol else symbol) or None


def changes(world: World, scope: str) -> Iterator[Change]:
    """Every change that a scope means, those with nothing to clear included."""
    judges: dict[str, Callable[[World], Change]] = {
        "daily": _daily, "peak": _peak, "streak": _streak, "session": _session,
    }  # fmt: skip
    for name in COUNTERS:
        if scope in (name, "all"):
            yield judges[name](world)
    if scope == "all":
        yield from (_latch(world, latch) for latch in world.latches)
    elif scope.startswith(LATCH_PREFIX):
        name_, symbol = latch_name(scope)
        found = [latch for latch in world.latches if latch.name is name_ and symbol in (None, latch.scope)]
        yield from (_latch(world, latch) for latch in found)
        if not found:
            yield Change(scope, "not set", "not set")


def _daily(world: World) -> Change:
    state = world.counters
    if state is None:
        return Change("daily", "no equity was seen yet", "no equity was seen yet")
    loss, limit = state.daily_loss(state.last_equity), world.limit("daily_loss")
    after = _reset_daily(state)
    holds = _equity_problem(state)
    if not holds and loss and limit is None:
        holds = f"the day has lost {percent(loss)}, and its limit is not known: the bot completed no cycle"
    elif not holds and limit is not None and loss > limit:
        holds = f"the day has lost {percent(loss)} (limit={percent(limit)})"
    return Change(
        "daily",
        _daily_words(state, world.currency),
        _daily_words(after, world.currency),
        holds,
        final=state.last_equity <= 0,
        hint="wait for the next UTC day" if holds else "",
    )


def _peak(world: World) -> Change:
    state = world.counters
    if state is None:
        return Change("peak", "no equity was seen yet", "no equity was seen yet")
    fall, limit = state.drawdown(state.last_equity), world.limit("drawdown")
    holds = _equity_problem(state)
    if not holds and fall and limit is None:
        holds = f"equity is {percent(fall)} below its peak, and the limit is not known: the bot completed no cycle"
    elif not holds and limit is not None and fall >= limit:
        holds = f"equity is {percent(fall)} below its peak (limit={percent(limit)})"
    return Change(
        "peak",
        f"peak {amount(state.peak_equity, world.currency)}, drawdown {percent(fall)}",
        f"peak {amount(state.last_equity, world.currency)}, drawdown {percent(Decimal(0))}",
        holds,
        final=state.last_equity <= 0,
        hint="wait for recovery" if holds else "",
    )


def _equity_problem(state: RiskState) -> str:
    return "" if state.last_equity > 0 else f"equity is {text(state.last_equity)}; nothing can be measured against it"


def _streak(world: World) -> Change:
    streak = world.counters.streak if world.counters is not None else 0
    return Change("streak", f"{streak} consecutive losses", "0 consecutive losses")


def _session(world: World) -> Change:
    current = world.session
    if current is None:
        return Change("session", "no session is open", "no session is open")
    return Change(
        "session",
        f"session {current.number}: {current.entries} entries, running since {when(current.started_ms)}",
        f"session {current.number}: 0 entries, running since {when(session_start(world, current))}",
    )


def session_start(world: World, current: Session) -> int:
    """On the venue's clock: the last cycle's time, which is the newest the store knows of it."""
    return max(world.venue_ms, current.started_ms)


def _latch(world: World, latch: Latch) -> Change:
    target = f"{LATCH_PREFIX}{latch.name.value}" + (f":{latch.scope}" if latch.scope else "")
    before = f"set {when(latch.set_at_ms)} by {latch.set_by}: {latch.reason}"
    if latch.name is LatchName.KILL_SWITCH and world.halt_reason is not None:
        holds = f"the halt file {world.halt_path} still halts: {world.halt_reason}"
        hint = "tradectl killswitch clear --approver NAME --reason TEXT removes both"
        return Change(target, before, "cleared", holds, final=True, hint=hint)
    if latch.name in _ESS:
        hint = "tradectl ess reset --approver NAME --reason TEXT"
        return Change(target, before, "cleared", "the emergency stop is re-armed, not cleared", final=True, hint=hint)
    return Change(target, before, "cleared", _still_holds(world, latch))


_ESS = (LatchName.ESS_TRIPPED, LatchName.ESS_COOLING)


def _still_holds(world: World, latch: Latch) -> str:
    if latch.name is LatchName.PAUSE:
        return ""  # an operator's wish is its only cause
    reasons = []
    doubts = [
        intent.client_id for intent in world.doubts if not latch.rule.by_symbol or latch.scope in ("", intent.symbol)
    ]
    if doubts:
        reasons.append(f"orders in doubt: {', '.join(doubts)}")
    if latch.name in (LatchName.KILL_SWITCH, LatchName.HALT) and world.seen is not None:
        naked = [
            position.symbol
            for position in world.seen.positions
            if coverage(position, world.seen.orders).protection is not Protection.COVERED
        ]
        if naked:
            reasons.append(f"not fully covered by stops when last seen: {', '.join(naked)}")
    if latch.name is LatchName.HALT and (beyond := _beyond(world, latch.scope)):
        reasons.append(beyond)
    return "; ".join(reasons)


def _beyond(world: World, invariant: str) -> str:
    """The halting bound of an invariant, where the last cycle still measured it broken; '' otherwise."""
    row = next((row for row in world.limits if row.name == f"{invariant}_halt"), None)
    if row is None or row.limit is None:
        return ""
    shown = percent if row.unit == "fraction" else text
    if row.value is None:
        return f"{invariant} could not be measured when last looked at (halts at {shown(row.limit)})"
    reached = row.value >= row.limit if row.unit == "fraction" else row.value > row.limit
    return f"{invariant} was {shown(row.value)} when last measured (halts at {shown(row.limit)})" if reached else ""


def _reset_daily(state: RiskState) -> RiskState:
    return replace(state, day_start_equity=state.last_equity, realised_today=Decimal(0), daily_warned=False)


RESETS: dict[str, Callable[[RiskState], RiskState]] = {
    "daily": _reset_daily,
    "peak": lambda state: replace(state, peak_equity=state.last_equity),
    "streak": lambda state: replace(state, streak=0, streak_at_ms=None),
}


def _daily_words(state: RiskState, currency: str) -> str:
    return (
        f"day {state.day} from {amount(state.day_start_equity, currency)}, "
        f"realised {amount(state.realised_today, currency)}, loss {percent(state.daily_loss(state.last_equity))}"
    )
